"""A row of numbers for each fit: what a file of many fits holds of it."""

import json
from collections.abc import Sequence
from typing import Any

from jaxscale._base.files import finite
from jaxscale._cluster.sets_in_parquet import parquet_tools
from jaxscale._fitting.blocks import Fitted
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.result import FitResult
from jaxscale.laws import Law

# Beside the columns that sets are of, and four for each parameter: value, ends of its interval, standard error.
_OF_FIT = {
    "set": "int64",
    "ok": "bool",
    "trustworthy": "bool",
    "codes": "texts",
    "error_code": "text",
    "error": "text",
    "runs": "int64",
    "runs_sha256": "text",
}
_OF_OPTIMUM = {
    "objective": "float64",
    "gradient_norm": "float64",
    "sigma": "float64",
    "condition_number": "float64",
    "intervals_method": "text",
    "intervals_draws": "int64",
    "covariance_names": "texts",
    "covariance": "numbers",
    "covariance_method": "text",
    "starts": "int64",
    "starts_screened": "int64",
    "starts_finished": "int64",
    "starts_at_best": "int64",
    "starts_failed": "int64",
    "starts_undiscovered": "float64",
    "record_at": "int64",
}
_ENDS = ("", "_low", "_high", "_se")


def columns_of(law: Law, by: Sequence[str]) -> dict[str, str]:
    """The columns of a file of fits and their kinds. A column of sets that is called like another gets `by_` before
    its name."""
    own = {f"{name}{end}": "float64" for name in law.parameter_names for end in _ENDS}
    others = _OF_FIT | own | _OF_OPTIMUM
    return {f"by_{name}" if name in others else name: "text" for name in by} | others


def schema_of(law: Law, by: Sequence[str], metadata: dict[str, Any]) -> Any:
    """The Arrow schema, with what holds for all rows as JSON under the key `jaxscale`."""
    pa = parquet_tools()
    kinds = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "numbers": pa.list_(pa.float64()),
    }
    fields = [(name, kinds[kind]) for name, kind in columns_of(law, by).items()]
    return pa.schema(fields, metadata={"jaxscale": json.dumps(metadata, sort_keys=True)})


def row_of(pair: Fitted, by: Sequence[str], law: Law) -> dict[str, Any]:
    """The row of one fit, but for its number; what is missing is None. Infinite ends of intervals stay infinite."""
    group, item = pair
    texts = [group.name] if len(by) == 1 and not group.values else [None if v is None else str(v) for v in group.values]
    row: dict[str, Any] = dict(zip(columns_of(law, by), texts, strict=False))
    if isinstance(item, Failure):
        return row | {"ok": False, "codes": [], "error_code": item.code, "error": item.text}
    row |= {
        "ok": True,
        "trustworthy": item.verdict.trustworthy,
        "codes": list(dict.fromkeys(item.verdict.codes)),
        "runs": item.record.count,
        "runs_sha256": item.runs_sha256,
        "objective": item.value,
        "gradient_norm": item.gradient_norm,
        "sigma": item.sigma,
        "condition_number": item.identification.condition_number,
        "intervals_method": item.intervals.method,
        "intervals_draws": item.intervals.draws,
        "starts": item.starts.count,
        **{
            f"starts_{name}": getattr(item.starts, name)
            for name in ("screened", "finished", "at_best", "failed", "undiscovered")
        },
    }
    for name, value in item.params.items():
        low, high = item.intervals.params.get(name, (None, None))
        ends = (value, low, high, item.intervals.standard_errors.get(name))
        row |= {f"{name}{end}": x for end, x in zip(_ENDS, ends, strict=True)}
    if item.covariance is not None:
        row |= {
            "covariance_names": list(item.covariance.names),
            "covariance": item.covariance.matrix.ravel().tolist(),
            "covariance_method": item.covariance.method,
        }
    return row


def record_of(pair: Fitted) -> str:
    """The whole record of one fit as a line of JSON, an entry of `jaxscale.fits/1`."""
    group, item = pair
    fitted = isinstance(item, FitResult)
    error = None if fitted else {"code": item.code, "text": item.text}
    entry = {"group": group.name, "ok": fitted, "fit": item.to_dict() if fitted else None, "error": error}
    return json.dumps(finite(entry), allow_nan=False) + "\n"


class Rows:
    """What a worker makes of the fits of a task: their rows, and their records where those are wanted."""

    def __init__(self, by: Sequence[str], law: Law, records: bool):
        self._by, self._law, self._records = tuple(by), law, records

    def __call__(self, fitted: Sequence[Fitted]) -> list[tuple[dict[str, Any], str | None]]:
        return [(row_of(pair, self._by, self._law), record_of(pair) if self._records else None) for pair in fitted]
