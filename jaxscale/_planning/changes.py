"""A plan's request with one assumption changed."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from numbers import Real
from typing import Any

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._planning.frontier import request_of
from jaxscale._planning.plan import Plan
from jaxscale._planning.request import Request
from jaxscale.costs import check_positive
from jaxscale.limits import UNIQUE_TOKENS, Limit, read_limits

_DECIMAL = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_SIGMAS = re.compile(rf"([+-]?{_DECIMAL})\s*sigmas?", re.IGNORECASE)
_TIMES = re.compile(rf"[x*]\s*({_DECIMAL})", re.IGNORECASE)


def rebuilt(request: Request, **changes: Any) -> Request:
    """The request that `frontier` would make of other targets, source or cost, checked as it checks them."""
    own: dict[str, Any] = {"budgets" if request.goal == "loss" else "reach_loss": request.targets}
    targets = {k: v for k, v in changes.items() if k in ("budgets", "reach_loss")} or own
    unique = {} if request.unique is None else {UNIQUE_TOKENS: request.unique}
    made = request_of(
        changes.get("source", request.source),
        cost=changes.get("cost", request.cost),
        limits=[*request.limits, unique],
        fixed=request.fixed,
        level=request.level,
        assumed=request.assumed,
        **targets,
    )
    return replace(made, doubt=request.doubt)


def with_limits(request: Request, limits: Any) -> Request:
    """The request with limits that come in, go, or take the place of those of the same name."""
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
    """Limits for people: \"D_max 1e+12\"."""
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
    if name in law.parameter_names and request.doubt is not None:
        raise InputError(f"set {name}: this plan is over {request.doubt.over}, which do not move with one parameter")
    if name in law.parameter_names:
        k = law.index(name)
        match = _SIGMAS.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            theta = float(source.theta[k]) + float(match[1]) * source.standard_error(name)
        else:
            signed = law.parameters[k].transform == "identity"  # -0.3 is then a value
            theta = law.parameters[k].to_theta(_new(name, value, float(source.params[name]), signed=signed))
        if not math.isfinite(theta) or not math.isfinite(law.parameters[k].to_natural(theta)):
            raise InputError(f"set {name}: {quoted(value)} is beyond the largest number there is")
        return replace(request, source=source.moved(name, theta))
    if name == ("budget" if request.goal == "loss" else "reach_loss"):
        read = partial(costs.budget, cost=request.cost) if name == "budget" else parse_number
        signed = name == "reach_loss" and not law.response.logged
        targets = [_new(name, value, target, read, signed=signed) for target in request.targets]
        return rebuilt(request, **{"budgets" if name == "budget" else name: targets})
    old = plan.assumptions.get(name)
    if old is None:
        raise InputError(f"the plan rests on nothing called {quoted(name)}; it rests on {', '.join(plan.per)}")
    new = check_positive("set", name, _new(name, value, old))
    if name == UNIQUE_TOKENS and request.unique is not None:
        return replace(request, unique=new)
    if isinstance(request.unique, tuple) and re.fullmatch(rf"{UNIQUE_TOKENS}[1-9][0-9]*", name):
        each = list(request.unique)
        each[int(name[1:]) - 1] = new
        return replace(request, unique=tuple(each))
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


def _new(
    name: str, value: Any, old: float, read: Callable[[str], float] = parse_number, *, signed: bool = False
) -> float:
    """The value that is meant: a number, "x1.1", "+5" (so much more), and "-5" (so much less) of what is positive;
    what is `signed` has -5 for a value."""
    forms = (
        f"set {name}: give a number, text such as '70B', a factor such as 'x1.1', or '+1sigma' of a fitted parameter"
    )
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise InputError(f"{forms}; got {quoted(value)}")
        return float(value)
    if times := _TIMES.fullmatch(value.strip()):
        return old * float(times[1])
    if _SIGMAS.fullmatch(value.strip()):
        raise InputError(f"{name} is no fitted parameter, so it has no sigma; give a value, or a factor such as x1.1")
    sign = {"+": 1.0, "-": -1.0}.get(value.strip()[:1])
    adds = sign is not None and not (signed and sign < 0)
    rest = value.strip()[1:]
    try:
        return old + sign * read(rest) if adds and sign else read(value)
    except InputError as error:
        raise InputError(f"{forms}; {str(error).replace(quoted(rest), quoted(value))}") from None
