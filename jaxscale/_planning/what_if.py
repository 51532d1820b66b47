"""What if: a plan made again with some of its assumptions changed, beside the old one and what derivatives foretold."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, inert, listed, parse_number, quoted
from jaxscale._planning.frontier import frontier, make_plan
from jaxscale._planning.plan import QUANTITIES, Plan, PlanRow, Request, plain
from jaxscale._planning.sensitivity import Sensitivity
from jaxscale.costs import CostModel, check_positive
from jaxscale.limits import UNIQUE_TOKENS, Limit
from jaxscale.limits import read as read_limits

_SIGMAS = re.compile(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)\s*sigmas?", re.IGNORECASE)
_TIMES = re.compile(r"[x*]\s*([0-9.]+(?:e[+-]?[0-9]+)?)", re.IGNORECASE)
_UNSET = object()


@dataclass(frozen=True, repr=False)
class WhatIf(Reporting):
    """A plan before and after a change, row by row.

    first_order: for each row, what the derivatives of the old plan foretell for N, D, tokens_per_param, loss and cost;
    empty where the change is none of a number the old plan rests on (another law or cost model, say).
    """

    before: Plan
    after: Plan
    changes: Mapping[str, str]
    first_order: tuple[Mapping[str, float], ...]

    @property
    def rows(self) -> tuple[tuple[PlanRow, PlanRow], ...]:
        """(old, new) for each budget."""
        return tuple(zip(self.before.rows, self.after.rows, strict=True))

    def to_frame(self) -> pd.DataFrame:
        """One row for each budget and quantity: before, after, difference, and the difference to first order."""
        table = []
        for (old, new), foretold in zip(self.rows, self.first_order, strict=True):
            for name in (*QUANTITIES, "cost"):
                a, b = getattr(old, name), getattr(new, name)
                table.append(
                    {
                        "budget": old.budget,
                        "quantity": name,
                        "before": a,
                        "after": b,
                        "difference": b - a,
                        "first_order": foretold.get(name, math.nan) - a,
                        "status": new.status,
                    }
                )
        return pd.DataFrame(table)

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the format jaxscale.what_if/1."""
        before, after = self.before.to_dict()["rows"], self.after.to_dict()["rows"]
        names = (*QUANTITIES, "cost")
        rows = []
        for (old, new), a, b, foretold in zip(self.rows, before, after, self.first_order, strict=True):
            rows.append(
                {
                    "before": a,
                    "after": b,
                    "difference": {n: plain(getattr(new, n) - getattr(old, n)) for n in names},
                    "first_order": {n: plain(foretold.get(n, math.nan) - getattr(old, n)) for n in names},
                }
            )
        return {"format": "jaxscale.what_if/1", "changes": dict(self.changes), "rows": rows}

    def report(self) -> Report:
        """Old, new and difference for every row, as text."""
        shown = {name: self.after.title(name) for name in (*QUANTITIES, "cost")}
        cells = []
        for (old, new), foretold in zip(self.rows, self.first_order, strict=True):
            for name, title in shown.items():
                a, b, c = getattr(old, name), getattr(new, name), foretold.get(name, math.nan)
                moves = (_shown(0.0 if math.isclose(x, a, rel_tol=1e-12) else x - a) for x in (b, c))
                cells.append((format_number(old.target), title, _shown(a), _shown(b), *moves, new.status))
        header = (self.before.target, "of", "before", "after", "difference", "to first order", "status")
        changes = tuple(f"{inert(name)}: {inert(text)}" for name, text in self.changes.items())
        notes = tuple(f"{format_number(old.target)}: {new.remark}" for old, new in self.rows if new.note)
        blocks = [Lines("Changed", changes), Table("", header, tuple(cells)), *([Lines("", notes)] if notes else [])]
        return Report(f"what if · {self.before.label}", self.after.summary or None, tuple(blocks))

    def __repr__(self) -> str:
        return f"<WhatIf {self.before.label}, changed {listed(list(self.changes))}: {self.after!r}>"


def what_if(
    plan: Plan,
    *,
    source: Any = _UNSET,
    budgets: Any = _UNSET,
    reach_loss: Any = _UNSET,
    cost: CostModel | str | None = None,
    limits: Any = _UNSET,
    set: Mapping[str, Any] | None = None,
) -> WhatIf:
    """The plan with some assumptions changed, every row optimised again.

    Args:
        plan: made by `frontier`.
        source: another fit, draws or instance.
        budgets, reach_loss: other targets, as many as the plan has rows.
        cost: another cost model.
        limits: limits that come in, or take the place of those of the same name; None for a name takes one away,
            and limits=None takes all away.
        set: new values by name, of a parameter of the law, a limit, a price, a demand. A number is the value itself,
            "+1sigma" moves a parameter by standard errors, those behind the plan's intervals (of its log, for those
            fitted in logs), "x1.1" multiplies.

    Raises:
        InputError: the plan rests on nothing of that name, or a change cannot be read.
    """
    request = plan.request
    if request is None:
        raise InputError("this plan was not made by frontier, so it cannot be made again")
    changes: dict[str, str] = {}
    if source is not _UNSET:
        request = _rebuilt(request, source=source)
        changes["source"] = str(getattr(source, "label", None) or getattr(source.law, "name", "another"))
    if cost is not None:
        model = costs.get(cost) if isinstance(cost, str) else cost
        request = _rebuilt(request, cost=model)
        changes["cost"] = model.name
    if limits is not _UNSET:
        request = _with_limits(request, limits)
        changes["limits"] = _limits_text(limits)
    for name, given in (("budgets", budgets), ("reach_loss", reach_loss)):
        if given is not _UNSET:
            request = _rebuilt(request, **{name: given})
            if len(request.targets) != len(plan.rows):
                raise InputError(f"the plan has {len(plan.rows)} rows; give as many {name}, or make a new plan")
            changes[name] = ", ".join(format_number(t) for t in request.targets)
    if set:
        for name, value in set.items():
            request = _with_value(plan, request, str(name), value)
        changes |= {str(name): str(value) for name, value in set.items()}
    if not changes:
        raise InputError('nothing was changed; give cost, limits, budgets, source or set={"beta": "+1sigma"}')
    after = make_plan(request)
    structural = cost is not None or (source is not _UNSET and source.law is not plan.law)
    return WhatIf(plan, after, changes, _first_order(plan, after, structural))


def tornado(plan: Plan, quantity: str = "N", change: float = 0.1) -> Sensitivity:
    """How far one quantity swings when each assumption moves alone, those that matter most first.

    Parameters of the law move by one standard error, as behind the plan's intervals, where its source has a covariance
    and no bound holds them; all else by the share `change` of its value, down and up. Columns of `to_frame()`: budget,
    assumption, step, low and high (optimised again), first_order_low and first_order_high (by the plan's derivatives),
    swing (|high - low| relative to the value planned).

    Raises:
        InputError: there is no such quantity.
    """
    if quantity not in (*QUANTITIES, "cost"):
        raise InputError(f"there is no quantity {quoted(quantity)}; choose one of {', '.join((*QUANTITIES, 'cost'))}")
    if not 0 < change < 1:
        raise InputError(f"change is a share between 0 and 1, got {change!r}")
    request = plan.request
    if request is None:
        raise InputError("this plan was not made by frontier, so it cannot be made again")
    names = getattr(getattr(request.source, "covariance", None), "names", ())
    known = [name for name in names if _standard_error(request.source, name) > 0]  # the others are held by a bound
    tables: list[list[dict[str, Any]]] = [[] for _ in plan.rows]
    for name in plan.per:
        if name in ("budget", "reach_loss"):
            ends = [replace(request, targets=tuple(t * k for t in request.targets)) for k in (1 - change, 1 + change)]
            step = f"{100 * change:g} %"
        else:
            sigma = name in plan.params and name in known
            step = "1 sigma" if sigma else f"{100 * change:g} %"
            values = ("-1sigma", "+1sigma") if sigma else (f"x{1 - change!r}", f"x{1 + change!r}")
            ends = [_with_value(plan, request, name, value) for value in values]
        plans = [make_plan(replace(r, source=_without_uncertainty(r.source))) for r in ends]
        foretold = [_first_order(plan, p, False) for p in plans]
        for i, row in enumerate(plan.rows):
            low, high = (getattr(p.rows[i], quantity) for p in plans)
            base = getattr(row, quantity)
            tables[i].append(
                {
                    "budget": row.budget,
                    "assumption": name,
                    "step": step,
                    "low": low,
                    "high": high,
                    "first_order_low": foretold[0][i].get(quantity, math.nan),
                    "first_order_high": foretold[1][i].get(quantity, math.nan),
                    "swing": abs(high - low) / abs(base),
                }
            )
    title = plan.title(quantity)
    together = " In truth parameters of a fit move together, as the intervals of the plan know." if known else ""

    def cells(answer: Mapping[str, Any]) -> tuple[str, ...]:
        ends = (_shown(answer[end]) for end in ("low", "high", "first_order_low", "first_order_high"))
        swing = 0.0 if answer["swing"] <= 1e-9 else answer["swing"]
        return answer["assumption"], answer["step"], *ends, f"{100 * swing:.3g} %" if math.isfinite(swing) else "-"

    sort = {"by": "swing", "ascending": False, "kind": "stable", "na_position": "first"}
    return plan.answers(
        f"what moves {title} most",
        [pd.DataFrame(table).sort_values(**sort) for table in tables],
        ("assumption", "step", f"{title}, a step less", "a step more", "foretold, less", "foretold, more", "swing"),
        cells,
        "Each assumption moves alone and the plan is made again; foretold: by the derivatives of the plan." + together,
    )


def _rebuilt(request: Request, **changes: Any) -> Request:
    """The request that `frontier` would make of other targets, source or cost, checked as it checks them."""
    if "source" in changes or "cost" in changes:
        request = replace(request, **changes)
    own: dict[str, Any] = {"budgets" if request.goal == "loss" else "reach_loss": request.targets}
    targets = {k: v for k, v in changes.items() if k in ("budgets", "reach_loss")} or own
    unique = {} if request.unique is None else {UNIQUE_TOKENS: request.unique}
    checked = frontier(
        _without_uncertainty(request.source),
        cost=request.cost,
        limits=[*request.limits, unique],
        fixed=request.fixed,
        level=request.level,
        **targets,
    ).request
    assert checked is not None
    return replace(checked, source=request.source, assumed=request.assumed)


def _without_uncertainty(source: Any) -> Any:
    """The source's law and point estimate alone."""
    if not hasattr(source, "law") or not hasattr(source, "params"):
        return source
    kept = {name: getattr(source, name) for name in ("law", "params", "theta", "label") if hasattr(source, name)}
    return SimpleNamespace(**kept)


def _with_limits(request: Request, limits: Any) -> Request:
    if limits is None:
        return replace(request, limits=(), unique=None)
    came, unique = read_limits(limits)
    gone = {k for item in ([limits] if isinstance(limits, Mapping) else []) for k, v in item.items() if v is None}
    names = {limit.name for limit in came}
    kept = tuple(x for x in request.limits if x.name not in names and x.name not in gone)
    return replace(
        request,
        limits=(*kept, *came),
        unique=None if UNIQUE_TOKENS in gone else request.unique if unique is None else unique,
    )


def _limits_text(limits: Any) -> str:
    if limits is None:
        return "none"
    items = [limits] if isinstance(limits, Mapping | Limit) else list(limits)
    texts = []
    for item in items:
        entries = item.values if isinstance(item, Limit) else item
        texts += [f"{k} {format_number(v) if isinstance(v, int | float) else v}" for k, v in entries.items()]
    return ", ".join(texts)


def _with_value(plan: Plan, request: Request, name: str, value: Any) -> Request:
    """The request with one number of the plan changed."""
    law, source = request.source.law, request.source
    if name in law.parameter_names:
        theta = getattr(source, "theta", None)
        theta = np.array(law.theta(source.params) if theta is None else theta, dtype=np.float64)
        k = law.parameter_names.index(name)
        match = _SIGMAS.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            theta[k] += float(match[1]) * _standard_error(source, name)
        else:
            theta[k] = law.parameters[k].to_theta(_new(name, value, float(source.params[name])))
        shift = theta - (law.theta(source.params) if getattr(source, "theta", None) is None else source.theta)
        moved = _without_uncertainty(source)
        moved.theta, moved.params = theta, {**source.params, name: law.parameters[k].to_natural(theta[k])}
        for extra in ("level", "record", "verdict", "covariance"):
            if getattr(source, extra, None) is not None:
                setattr(moved, extra, getattr(source, extra))
        if getattr(source, "draws", None) is not None:
            moved.draws = np.asarray(source.draws) + shift  # the cloud moves with its centre
        return replace(request, source=moved)
    old = plan.assumptions.get(name)
    if old is None:
        raise InputError(f"the plan rests on nothing called {quoted(name)}; it rests on {', '.join(plan.per)}")
    new = check_positive("set", name, _new(name, value, old))
    if name == UNIQUE_TOKENS and request.unique is not None:
        return replace(request, unique=new)
    if name in request.fixed:
        return replace(request, fixed={**request.fixed, name: new})
    bare = name.removeprefix("cost.")
    if bare in request.cost.assumptions and not any(limit.name == name for limit in request.limits):
        return replace(request, cost=request.cost.with_assumptions(**{bare: new}))
    owner, _, inner = name.rpartition(".")
    for limit in request.limits:
        key = inner if owner == limit.name else name if name in limit.values and not owner else None
        if key in limit.values:
            changed = replace(limit, values={**limit.values, key: new})
            return replace(request, limits=tuple(changed if x is limit else x for x in request.limits))
    return replace(request, assumed={**request.assumed, name: new})


def _new(name: str, value: Any, old: float) -> float:
    if not isinstance(value, str):
        return float(value)
    times = _TIMES.fullmatch(value.strip())
    if times:
        return old * float(times[1])
    if _SIGMAS.fullmatch(value.strip()):
        raise InputError(f"{name} is no fitted parameter, so it has no sigma; give a value, or a factor such as x1.1")
    return parse_number(value)


def _standard_error(source: Any, name: str) -> float:
    covariance, draws = getattr(source, "covariance", None), getattr(source, "draws", None)
    if covariance is not None and name in covariance.names:
        k = list(covariance.names).index(name)
        return math.sqrt(np.asarray(covariance.matrix)[k][k])
    if draws is not None:
        return float(np.asarray(draws)[:, source.law.parameter_names.index(name)].std(ddof=1))
    raise InputError(f"the standard error of {name} is not known here; give a value, or a factor such as x1.1")


def _first_order(plan: Plan, after: Plan, structural: bool) -> tuple[dict[str, float], ...]:
    """What the old plan's derivatives foretell for each row of the new one; empty if they cannot."""
    if structural or plan.law is not after.law:
        return ({},) * len(plan.rows)
    old = {**plan.params, **plan.assumptions}
    new = {**after.params, **after.assumptions}
    # A limit that comes in changes nothing to first order while it does not bind; one that goes away likewise.
    moves = {}
    for name in plan.per:
        if name in old and name in new and old[name] != new[name]:
            moves[name] = new[name] - old[name] if plan.per[name] == "raw" else math.log(new[name] / old[name])
    positive = plan.law.response.domain == "positive"
    foretold = []
    for row, changed in zip(plan.rows, after.rows, strict=True):
        steps = dict(moves)
        if row.reach_loss is not None and changed.reach_loss is not None:
            steps["reach_loss"] = math.log(changed.reach_loss / row.reach_loss)
        elif changed.reach_loss is None:
            steps["budget"] = math.log(changed.budget / row.budget)
        values = {}
        for quantity, slopes in row.sensitivities.items():
            change = sum(slopes.get(name, 0.0) * step for name, step in steps.items())
            value = getattr(row, quantity)
            values[quantity] = value * math.exp(change) if quantity != "loss" or positive else value + change
        values.setdefault("cost", row.cost * math.exp(steps.get("budget", 0.0)))
        foretold.append(values)
    return tuple(foretold)


def _shown(value: float) -> str:
    return format_number(value) if math.isfinite(value) else "-"
