"""Allocations over many budgets, for anything that carries a law and parameters, with intervals and sensitivities.

What a plan can be made from has:

    law, params                 the law, and its parameters by name in natural units
  and may have, absent or None where it has not,
    theta                       (n_params,) unconstrained parameters in the law's order; else they follow from params
    covariance                  of theta: names, matrix, method; unnamed parameters were fixed, tied ones are all named
    draws                       (n_draws, n_params) of theta, resampled or sampled; taken before covariance
    level                       of the intervals, 0.9 if absent
    label                       for people, the law's name if absent
    record                      of the runs, whose `ranges` maps a variable's name to (least, greatest)
    verdict                     a record that says whether it is `trustworthy`
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array

from jaxscale import costs
from jaxscale._allocate import check_plannable, conditions, optimum, response
from jaxscale._errors import InputError
from jaxscale._report import Lines, Report, Table, to_html, to_text
from jaxscale._text import format_number, parse_number, quoted
from jaxscale.costs import CostModel
from jaxscale.laws import Law

_BUCKETS = (8, 4096)  # problems solved at once: a table by hand, and all else in batches that bound memory
_LARGEST_IMBALANCE, _LARGEST_VIOLATION = 1e-9, 1e-10  # an answer is certified below both
# What a plan tells about each budget, as combinations of (log N, log D, log loss).
_COMBINATIONS = {"N": (1, 0, 0), "D": (0, 1, 0), "tokens_per_param": (-1, 1, 0), "loss": (0, 0, 1)}
QUANTITIES = tuple(_COMBINATIONS)


@dataclass(frozen=True)
class PlanRow:
    """The best allocation of one budget; numbers are nan where `status` is "failed", and `note` says why.

    `intervals` maps N, D, tokens_per_param and loss to (low, high), and is empty where there are none.
    `sensitivities` maps the same names to derivatives, see `Plan.sensitivity`. `certificate`: kkt is the log ratio of
    the marginal gains of N and D, violation the log of cost over budget; both are 0 at the optimum.
    `decades_beyond_data`: how far N or D exceeds the largest run, in powers of ten; None if not known.
    """

    budget: float
    status: Literal["ok", "failed"]
    N: float
    D: float
    loss: float
    tokens_per_param: float
    cost: float
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sensitivities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    certificate: Mapping[str, float] = field(default_factory=dict)
    decades_beyond_data: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """Best model sizes and token counts over budgets. `method` says how intervals came about; None: there are none."""

    law: Law
    params: Mapping[str, float]
    cost: str
    unit: str
    level: float
    method: str | None
    rows: tuple[PlanRow, ...]
    label: str = ""
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per budget: budget, N, D, loss, tokens_per_param, `_lo` and `_hi` of these four, status, decades."""
        columns = {"budget": [row.budget for row in self.rows]}
        columns |= {name: [getattr(row, name) for row in self.rows] for name in ("N", "D", "loss", "tokens_per_param")}
        for name in ("N", "D", "loss", "tokens_per_param"):
            ends = [row.intervals.get(name, (math.nan, math.nan)) for row in self.rows]
            columns |= {f"{name}_lo": [low for low, _ in ends], f"{name}_hi": [high for _, high in ends]}
        decades = [math.nan if row.decades_beyond_data is None else row.decades_beyond_data for row in self.rows]
        return pd.DataFrame({**columns, "status": [row.status for row in self.rows], "decades_beyond_data": decades})

    def sensitivity(self, name: str | None = None) -> pd.DataFrame:
        """How the plan answers to a parameter, or to each and to the budget: derivatives, no refit.

        One row per budget and parameter. The columns N, D, tokens_per_param and loss hold the derivative of the log of
        each (of the response itself where that is not positive) in the log of the parameter (per "log") or in the
        parameter (per "raw"), whichever the law is fitted in.

        Raises:
            InputError: the law has no such parameter.
        """
        per = {p.name: "log" if p.transform == "log" else "raw" for p in self.law.parameters} | {"budget": "log"}
        if name is not None and name not in per:
            raise InputError(f"there is no parameter {quoted(name)} in {self.law.name}; choose one of {', '.join(per)}")
        return pd.DataFrame(
            [
                {"budget": row.budget, "parameter": p, "per": per[p]}
                | {quantity: row.sensitivities[quantity][p] for quantity in QUANTITIES}
                for row in self.rows
                for p in (per if name is None else (name,))
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data in the format jaxscale.plan/1; what is absent is None or empty."""
        return {
            "format": "jaxscale.plan/1",
            "law": self.law.name,
            "params": dict(self.params),
            "cost": self.cost,
            "limits": {},
            "level": self.level,
            "method": self.method,
            "rows": [
                {
                    "budget": row.budget,
                    "status": row.status,
                    "conflict": [],
                    **{name: _plain(getattr(row, name)) for name in ("N", "D", "loss", "tokens_per_param")},
                    "cost": {self.unit: _plain(row.cost)},
                    "binding": [],
                    "certificate": {name: _plain(value) for name, value in row.certificate.items()},
                    "shadow_price": {},
                    "intervals": {name: [_plain(end) for end in ends] for name, ends in row.intervals.items()},
                    "regret": {},
                    "decades_beyond_data": _plain(row.decades_beyond_data),
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }

    def report(self) -> Report:
        """The plan as a table of text."""
        failed = sum(row.status != "ok" for row in self.rows)
        verdict = f"{failed} of {len(self.rows)} budgets have no certified optimum" if failed else None
        banded = any(row.intervals for row in self.rows)
        shown = {"N": "N", "D": "D", "tokens_per_param": "D/N", "loss": self.law.response.name}
        header = [f"budget ({self.unit})"]
        for title in shown.values():
            header += [title, f"{100 * self.level:g} %"] if banded else [title]
        cells = (
            (format_number(row.budget), *(c for name in shown for c in _cells(row, name, banded))) for row in self.rows
        )
        notes = [*self.notes, *(f"{format_number(row.budget)}: {row.note}" for row in self.rows if row.note)]
        if banded:
            notes.append(f"Intervals: {self.method}.")
        beyond = [(row.decades_beyond_data, row.budget) for row in self.rows if row.decades_beyond_data]
        if beyond:
            most, budget = max(beyond)
            notes.append(
                f"{len(beyond)} of {len(self.rows)} budgets need N or D beyond the largest run, "
                f"{format_number(budget)} by {most:.1f} decades."
            )
        blocks = (Table("", tuple(header), tuple(cells)), *([Lines("", tuple(notes))] if notes else []))
        return Report(f"plan · {self.label} · cost {self.cost}", verdict, blocks)

    def __str__(self) -> str:
        return to_text(self.report())

    def _repr_html_(self) -> str:
        return to_html(self.report())


def frontier(
    source: Any,
    budgets: float | str | Iterable[float | str],
    *,
    cost: CostModel | str = costs.six_nd,
    limits: None = None,
    level: float | None = None,
) -> Plan:
    """The N and D of least loss for each budget, with intervals where the source has a covariance or draws.

    Args:
        source: a fit, draws, or a law with published constants; see the top of this module.
        budgets: one or many, in the unit of `cost`; text such as "5.76e23" is read.
        cost: cost model, or the name of one.
        limits: only None.
        level: of the intervals; the source's own if not given. Intervals come from draws as percentiles, each draw
            planned for itself, else from the covariance by the delta method on the logs; failing both there are none.

    Raises:
        InputError: the source cannot be planned with, or a budget, the level or the cost is not one.
    """
    law, params = getattr(source, "law", None), getattr(source, "params", None)
    if not isinstance(law, Law) or not isinstance(params, Mapping):
        raise InputError(
            f"a plan is made from a fit, draws or a law with published constants, got {quoted(type(source).__name__)}; "
            'give the result of fit, or something like laws.chinchilla.published["besiroglu"]'
        )
    label = getattr(source, "label", None) or law.name
    check_plannable(law, params, limits)
    if isinstance(cost, str):
        cost = costs.get(cost)
    if not isinstance(cost, CostModel):
        raise InputError(f"cost must be a CostModel or one of {', '.join(costs.names())}, got {quoted(cost)}")
    chosen = getattr(source, "level", None) if level is None else level
    level = 0.9 if chosen is None else float(chosen)
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1, got {level!r}; write 0.9 for 90 %")

    amounts = _read_budgets(budgets)
    log_budgets = np.log(amounts)
    given = getattr(source, "theta", None)
    theta = law.theta(params) if given is None else np.asarray(given, dtype=np.float64)
    values, jacobian = _map(_solve_with_slopes, law, cost, theta[None], log_budgets)
    values, jacobian = values[0], jacobian[0]
    combine = np.array(list(_COMBINATIONS.values()), dtype=np.float64)
    points, slopes = _combined(combine, values), np.einsum("qk,bkp->bqp", combine, jacobian)

    draws, covariance = getattr(source, "draws", None), getattr(source, "covariance", None)
    notes: list[str] = []
    if draws is not None:
        ends, method, notes = _from_draws(law, cost, np.asarray(draws, dtype=np.float64), log_budgets, combine, level)
    elif covariance is not None:
        ends, method, notes = _from_covariance(law, covariance, points, slopes[:, :, :-1], level)
    else:
        ends, method, notes = None, None, [f"No intervals: {label} carries neither a covariance nor draws."]
    if not getattr(getattr(source, "verdict", None), "trustworthy", True):
        notes = ["The fit behind this plan is not trustworthy; see its verdict.", *notes]

    ranges = getattr(getattr(source, "record", None), "ranges", None) or {}
    natural = _natural(law, points)
    bounds = None if ends is None else _natural(law, ends)
    rows = []
    for i, budget in enumerate(amounts):
        imbalance, violation = (float(abs(v)) for v in values[i, 3:])
        note = _why_failed(values[i])
        N, D, tokens_per_param, loss = (float(v) if not note else math.nan for v in natural[i])
        rows.append(
            PlanRow(
                budget=float(budget),
                status="failed" if note else "ok",
                N=N,
                D=D,
                loss=loss,
                tokens_per_param=tokens_per_param,
                cost=math.nan if note else float(budget * math.exp(values[i, 4])),
                intervals={} if note or bounds is None else _present(bounds[:, i]),
                sensitivities={
                    quantity: dict(zip((*law.parameter_names, "budget"), map(float, slopes[i, q]), strict=True))
                    for q, quantity in enumerate(QUANTITIES)
                },
                certificate={"kkt": imbalance, "violation": violation},
                decades_beyond_data=None if note else _decades_beyond(ranges, {"N": N, "D": D}),
                note=note,
            )
        )
    plain = {name: float(params[name]) for name in law.parameter_names}
    return Plan(law, plain, cost.name, cost.unit, level, method, tuple(rows), label, tuple(notes))


def _read_budgets(budgets: Any) -> np.ndarray:
    """Budgets of any accepted form as (n_budgets,) positive finite numbers."""
    many = isinstance(budgets, Iterable) and not isinstance(budgets, str) and getattr(budgets, "ndim", 1) > 0
    items: list[Any] = list(budgets) if many else [budgets]
    if not items:
        raise InputError("there is no budget; give at least one, such as budgets=[1e21, 1e24]")
    amounts = []
    for position, item in enumerate(items, start=1):
        where = f"budget {position} of {len(items)}" if len(items) > 1 else "the budget"
        try:
            amount = parse_number(item) if isinstance(item, str) else float(item)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{where} is not a number: {quoted(item)}; write it like 5.76e23") from None
        if isinstance(item, bool | np.bool_) or not 0 < amount < math.inf:
            raise InputError(f"{where} must be positive and finite, got {quoted(item)}; write it like 5.76e23")
        amounts.append(amount)
    return np.array(amounts, dtype=np.float64)


def _solve_one(law: Law, cost: CostModel, theta: Array, log_budget: Array) -> Array:
    """(log N, log D, log loss, and the two optimality conditions) of one problem."""
    values = dict(zip(law.parameter_names, theta, strict=True))
    x, y = optimum(law, cost, True, values, log_budget)
    left = conditions(law, cost, True, values, log_budget, x, y)
    return jnp.stack([x, y, response(law, True, values, x, y), *left])


@partial(jax.jit, static_argnums=(0, 1))
def _solve(law: Law, cost: CostModel, thetas: Array, log_budgets: Array) -> tuple[Array]:
    """(n, 5) for `thetas` (n, n_params) and `log_budgets` (n,)."""
    return (jax.vmap(partial(_solve_one, law, cost))(thetas, log_budgets),)


@partial(jax.jit, static_argnums=(0, 1))
def _solve_with_slopes(law: Law, cost: CostModel, thetas: Array, log_budgets: Array) -> tuple[Array, Array]:
    """As `_solve`, and (n, 3, n_params + 1): derivatives of log N, log D, log loss in theta and in the log budget."""

    def one(theta: Array, log_budget: Array) -> tuple[Array, Array]:
        def outputs(inputs: Array) -> tuple[Array, Array]:
            values = _solve_one(law, cost, inputs[:-1], inputs[-1])
            return values[:3], values

        slopes, values = jax.jacfwd(outputs, has_aux=True)(jnp.append(theta, log_budget))
        return values, slopes

    return jax.vmap(one)(thetas, log_budgets)


def _map(
    function: Callable[..., tuple[Array, ...]], law: Law, cost: CostModel, thetas: np.ndarray, log_budgets: np.ndarray
) -> list[np.ndarray]:
    """`function` of every theta with every budget, each output (n_thetas, n_budgets, ...), in float64.

    Batches have one of a few sizes, filled up with copies of the last problem, so that new numbers compile nothing.
    """
    n_budgets = len(log_budgets)
    n = len(thetas) * n_budgets
    size = next((bucket for bucket in _BUCKETS if bucket >= n), _BUCKETS[-1])
    parts = []
    with jax.enable_x64(True):
        for start in range(0, n, size):
            index = np.minimum(np.arange(start, start + size), n - 1)
            outputs = function(law, cost, thetas[index // n_budgets], log_budgets[index % n_budgets])
            parts.append([np.asarray(output)[: n - start] for output in outputs])
    return [np.concatenate(p).reshape(len(thetas), n_budgets, *p[0].shape[1:]) for p in zip(*parts, strict=True)]


def _why_failed(values: np.ndarray) -> str:
    """Empty for a certified optimum."""
    if not np.all(np.isfinite(values)):
        return "no best N and D: along this budget the loss keeps falling towards one end"
    if abs(values[3]) > _LARGEST_IMBALANCE or abs(values[4]) > _LARGEST_VIOLATION:
        return "the optimum could not be certified; the law may have a corner there"
    return ""


def _from_covariance(
    law: Law, covariance: Any, points: np.ndarray, slopes: np.ndarray, level: float
) -> tuple[np.ndarray | None, str | None, list[str]]:
    """Delta method: (2, n_budgets, 4) ends in logs, nan where there are none; how; what to know."""
    names, matrix = list(covariance.names), np.asarray(covariance.matrix, dtype=np.float64)
    strange = [name for name in names if name not in law.parameter_names]
    if strange or matrix.shape != (len(names), len(names)):
        raise InputError(
            f"the covariance names {', '.join(names)} and has shape {matrix.shape}; it must be square, one row "
            f"for each name, and the names among {', '.join(law.parameter_names)}"
        )
    if not np.all(np.isfinite(matrix)):
        return None, None, ["No intervals: the covariance has entries that are not finite."]
    part = slopes[:, :, [law.parameter_names.index(name) for name in names]]
    variance = np.einsum("bqi,ij,bqj->bq", part, matrix, part)
    rounding = 1e-12 * np.einsum("bqi,ij,bqj->bq", np.abs(part), np.abs(matrix), np.abs(part))
    deviation = np.sqrt(np.where(variance >= -rounding, np.maximum(variance, 0), np.nan))
    reach = NormalDist().inv_cdf((1 + level) / 2) * deviation
    return np.stack([points - reach, points + reach]), f"delta method, covariance by {covariance.method}", []


def _from_draws(
    law: Law, cost: CostModel, draws: np.ndarray, log_budgets: np.ndarray, combine: np.ndarray, level: float
) -> tuple[np.ndarray | None, str | None, list[str]]:
    """Percentiles over draws planned one by one: (2, n_budgets, 4) ends in logs; how; what to know."""
    if draws.ndim != 2 or draws.shape[1] != len(law.parameters) or not len(draws):
        raise InputError(f"draws must have the shape (count, {len(law.parameters)}), got {draws.shape}")
    (values,) = _map(_solve, law, cost, draws, log_budgets)
    points = _combined(combine, values)
    failed = ~np.all(np.isfinite(points), axis=-1)  # (n_draws, n_budgets)
    points[failed] = np.nan
    ends = np.full((2, *points.shape[1:]), np.nan)
    usable = failed.mean(axis=0) <= 1 - level
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends[:, usable] = np.nanquantile(points[:, usable], tails, axis=0)
    notes = []
    if failed.any():
        notes.append(
            f"Up to {failed.sum(axis=0).max()} of {len(draws)} draws have no best N and D; they are left out, and "
            f"where they are more than {100 * (1 - level):g} % there is no interval."
        )
    return ends, f"percentiles of {len(draws)} draws", notes


def _combined(combine: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(..., 4) in the order of QUANTITIES, from (..., >= 3) that begin with log N, log D, log loss."""
    return values[..., :3] @ combine.T


def _natural(law: Law, logs: np.ndarray) -> np.ndarray:
    """(..., 4) out of logs; the response stays as it is where it is not positive."""
    with np.errstate(over="ignore"):
        natural = np.exp(logs)
    if law.response.domain != "positive":
        natural[..., -1] = logs[..., -1]
    return natural


def _present(ends: np.ndarray) -> dict[str, tuple[float, float]]:
    """Intervals by name of (2, 4) ends, without those that could not be had."""
    return {
        name: (float(low), float(high))
        for name, low, high in zip(QUANTITIES, *ends, strict=True)
        if math.isfinite(low) and math.isfinite(high)
    }


def _decades_beyond(ranges: Mapping[str, tuple[float, float]], optimum: Mapping[str, float]) -> float | None:
    decades = [math.log10(value / ranges[name][1]) for name, value in optimum.items() if name in ranges]
    return max(0.0, *decades) if decades else None


def _plain(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _cells(row: PlanRow, name: str, banded: bool) -> tuple[str, ...]:
    value = getattr(row, name)
    point = format_number(value) if math.isfinite(value) else "-"
    if not banded:
        return (point,)
    digits = 4 if name == "loss" else 3
    ends = row.intervals.get(name)
    return (point, "-" if ends is None else "–".join(format_number(end, digits) for end in ends))
