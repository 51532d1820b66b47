"""A plan's request with one assumption changed."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._planning.frontier import frontier
from jaxscale._planning.plan import Plan, Request
from jaxscale.costs import check_positive
from jaxscale.limits import UNIQUE_TOKENS, Limit
from jaxscale.limits import read_limits as read_limits

_SIGMAS = re.compile(r"([+-]?[0-9.]+(?:e[+-]?[0-9]+)?)\s*sigmas?", re.IGNORECASE)
_TIMES = re.compile(r"[x*]\s*([0-9.]+(?:e[+-]?[0-9]+)?)", re.IGNORECASE)


def rebuilt(request: Request, **changes: Any) -> Request:
    """The request that `frontier` would make of other targets, source or cost, checked as it checks them."""
    if "source" in changes or "cost" in changes:
        request = replace(request, **changes)
    own: dict[str, Any] = {"budgets" if request.goal == "loss" else "reach_loss": request.targets}
    targets = {k: v for k, v in changes.items() if k in ("budgets", "reach_loss")} or own
    unique = {} if request.unique is None else {UNIQUE_TOKENS: request.unique}
    checked = frontier(
        without_uncertainty(request.source),
        cost=request.cost,
        limits=[*request.limits, unique],
        fixed=request.fixed,
        level=request.level,
        **targets,
    ).request
    assert checked is not None
    return replace(checked, source=request.source, assumed=request.assumed)


def without_uncertainty(source: Any) -> Any:
    """The source's law and point estimate alone."""
    if not hasattr(source, "law") or not hasattr(source, "params"):
        return source
    kept = {name: getattr(source, name) for name in ("law", "params", "theta", "label") if hasattr(source, name)}
    return SimpleNamespace(**kept)


def with_limits(request: Request, limits: Any) -> Request:
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


def limits_text(limits: Any) -> str:
    if limits is None:
        return "none"
    items = [limits] if isinstance(limits, Mapping | Limit) else list(limits)
    texts = []
    for item in items:
        entries = item.values if isinstance(item, Limit) else item
        texts += [f"{k} {format_number(v) if isinstance(v, int | float) else v}" for k, v in entries.items()]
    return ", ".join(texts)


def with_value(plan: Plan, request: Request, name: str, value: Any) -> Request:
    """The request with one number of the plan changed."""
    law, source = request.source.law, request.source
    if name in law.parameter_names:
        theta = getattr(source, "theta", None)
        theta = np.array(law.theta(source.params) if theta is None else theta, dtype=np.float64)
        k = law.parameter_names.index(name)
        match = _SIGMAS.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            theta[k] += float(match[1]) * standard_error(source, name)
        else:
            theta[k] = law.parameters[k].to_theta(_new(name, value, float(source.params[name])))
        shift = theta - (law.theta(source.params) if getattr(source, "theta", None) is None else source.theta)
        moved = without_uncertainty(source)
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


def standard_error(source: Any, name: str) -> float:
    covariance, draws = getattr(source, "covariance", None), getattr(source, "draws", None)
    if covariance is not None and name in covariance.names:
        k = list(covariance.names).index(name)
        return math.sqrt(np.asarray(covariance.matrix)[k][k])
    if draws is not None:
        return float(np.asarray(draws)[:, source.law.parameter_names.index(name)].std(ddof=1))
    raise InputError(f"the standard error of {name} is not known here; give a value, or a factor such as x1.1")
