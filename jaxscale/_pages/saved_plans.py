"""Plans and comparisons from the files that jaxscale wrote."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jaxscale import costs, laws
from jaxscale._analyses.comparison.comparison import Comparison, Contender, Holdout, Recommendation, Trial
from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.text import inert, quoted
from jaxscale._fitting.read_file import read_json
from jaxscale._fitting.result import FitResult
from jaxscale._pages.spending import named
from jaxscale._planning.frontier import request_of
from jaxscale._planning.make_plan import make_plan
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import PlanRow, Price

_SAME = 1e-6  # relative: a plan made again is that of the file
T = TypeVar("T")


def plan_from(path: str | Path, result: FitResult) -> Plan:
    """The plan in a file, which must be of this fit. Where the file says enough, it is made again and, if it comes out
    the same, can be asked further questions; its intervals are those of the file.

    Raises:
        InputError: there is no such file, it is no plan, or one of another fit.
    """
    data = _read(path, files.PLAN_FORMAT, "frontier FIT --budget 1e24 -o plan.json")
    plan = _checked(path, lambda: _plan(data, result))
    same = plan.law.name == data["law"] and all(
        math.isclose(result.params[name], value, rel_tol=1e-9) for name, value in plan.params.items()
    )
    if not same:
        raise InputError(
            f"{quoted(path)} holds a plan of law {quoted(data['law'])} with other constants than this fit; "
            "make it from this fit"
        )
    again = _made_again(plan, data, result)
    return plan if again is None else again


def comparison_from(path: str | Path) -> Comparison:
    """The comparison in a file; errors of single runs are not in files.

    Raises:
        InputError: there is no such file, or it is no comparison.
    """
    data = _read(path, files.COMPARE_FORMAT, "compare RUNS --laws a,b --rolling C -o comparison.json")
    return _checked(path, lambda: _comparison(data))


def _read(path: str | Path, kind: str, command: str) -> Mapping[str, Any]:
    data = read_json(Path(path))
    if not isinstance(data, dict) or data.get("format") != kind:
        found = data.get("format") if isinstance(data, dict) else None
        raise InputError(
            f"{quoted(path)} holds {quoted(found) if found else 'no format'}, not {kind}; "
            f"make one by jaxscale {command}"
        )
    return data


def _checked(path: str | Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except InputError as error:
        raise InputError(f"{inert(path)}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{inert(path)} is not a whole file: {inert(reason, 200)}") from None


def _plan(data: Mapping[str, Any], result: FitResult) -> Plan:
    (unit,) = {unit for row in data["rows"] for unit in row["cost"]}
    return Plan(
        law=result.law,
        params=files.numbers(data["params"]),
        cost=str(data["cost"]),
        unit=str(unit),
        level=files.level(data["level"]),
        method=None if data["method"] is None else str(data["method"]),
        rows=tuple(_row(row, unit) for row in data["rows"]),
        label=result.label,
        notes=tuple(map(str, data["notes"])),
        limits=files.numbers(data["limits"]),
        assumptions=files.numbers(data["assumptions"]),
        response=Measure.from_dict(data.get("response"), result.response.name),
    )


def _row(row: Mapping[str, Any], unit: str) -> PlanRow:
    value: dict[str, Any] = {name: files.number(row[name], math.nan) for name in ("N", "D", "loss", "tokens_per_param")}
    return PlanRow(
        budget=files.number(row["budget"], math.nan),
        status=row["status"],
        **value,
        cost=files.number(row["cost"][unit], math.nan),
        variables=files.numbers(row["variables"]),
        conflict=tuple(map(str, row["conflict"])),
        binding=tuple(map(str, row["binding"])),
        shadow_price={
            str(k): Price(files.number(p["value"], math.nan), str(p["unit"])) for k, p in row["shadow_price"].items()
        },
        intervals={
            str(k): (files.number(low, math.nan), files.number(high, math.nan))
            for k, (low, high) in row["intervals"].items()
        },
        regret={str(k): files.number(v, math.nan) for k, v in row["regret"].items()},
        decades_beyond_data=files.number_or_none(row["decades_beyond_data"]),
        reach_loss=files.number_or_none(row["reach_loss"]),
        note=str(row["note"]),
    )


def _made_again(plan: Plan, data: Mapping[str, Any], result: FitResult) -> Plan | None:
    own = {k: v for k, v in plan.assumptions.items() if k not in plan.limits and k != "U"}
    cost: Any = None
    if plan.cost == "table":
        cost = "table"
    elif (text := named(plan.cost, plan.unit, own)) is not None:
        cost = costs.get(text[0], inference_tokens=text[1])
    if cost is None:
        return None
    limits: dict[str, Any] = {}
    for name, value in plan.limits.items():
        top, _, end = name.rpartition("_")
        if end not in ("max", "min") or not top:
            return None
        if "_per_" in top:
            low, high = limits.get(top, (None, None))
            limits[top] = (low, value) if end == "max" else (value, high)
        else:
            limits[name] = value
    limits |= {"U": plan.assumptions["U"]} if "U" in plan.assumptions and "U" not in result.law.parameter_names else {}
    reaching = plan.rows[0].reach_loss is not None
    asked: dict[str, Any] = {"reach_loss" if reaching else "budgets": [row.target for row in plan.rows]}
    try:
        made = make_plan(request_of(result, cost=cost, limits=limits or None, level=plan.level, **asked))
    except InputError:
        return None
    pairs = zip(plan.rows, made.rows, strict=True)
    if not all(a.status == b.status and _alike(a, b) for a, b in pairs):
        return None
    kept = ("intervals", "regret")
    rows = (replace(b, **{name: getattr(a, name) for name in kept}) for a, b in zip(plan.rows, made.rows, strict=True))
    return replace(made, rows=tuple(rows), method=plan.method, notes=plan.notes)


def _alike(a: PlanRow, b: PlanRow) -> bool:
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("N", "D", "loss")]
    return bool(np.allclose(*zip(*pairs, strict=True), rtol=_SAME, atol=0, equal_nan=True))


def _comparison(data: Mapping[str, Any]) -> Comparison:
    def number(value: Any) -> float:
        return files.number(value, math.nan)

    names = ("error", "bias", "covered", "optimum_factor")

    def measured(one: Mapping[str, Any], *more: str) -> dict[str, Any]:
        return {name: number(one[name]) for name in (*names, *more)}

    contenders = tuple(
        Contender(
            label=str(c["label"]),
            law=None if c["baseline"] else laws.get(c["law"], **c["law_options"]),
            parameters=int(c["parameters"]),
            **measured(c, "aic", "bic"),
            verdict=str(c["verdict"]),
            trustworthy=c["trustworthy"],
            params=files.numbers(c["params"]),
            reason=str(c["reason"]),
        )
        for c in data["laws"]
    )
    trials = tuple(
        Trial(
            law=str(t["law"]),
            holdout=str(t["holdout"]),
            reason=str(t["reason"]),
            **measured(t, "worst", "train_error"),
            optimum_budgets=int(t["optimum_budgets"]),
            trustworthy=t["trustworthy"],
            codes=tuple(map(str, t["codes"])),
            params=files.numbers(t["params"]),
        )
        for t in data["rows"]
    )
    choice = data["recommendation"]
    return Comparison(
        response=str(data["response"]["name"]),
        unit=str(data["response"]["unit"]),
        relative=data["response"]["relative"] is True,
        level=files.level(data["level"]),
        objective=str(data["objective"]),
        likelihood=str(data["likelihood"]),
        holdouts=tuple(
            Holdout(str(h["label"]), int(h["trained"]), tuple(map(int, h["rows"])), tuple(h.get("beyond", ())))
            for h in data["holdout"]
        ),
        contenders=contenders,
        trials=trials,
        recommendation=Recommendation(choice["law"], tuple(map(str, choice["reasons"]))),
        notes=tuple(map(str, data["notes"])),
    )
