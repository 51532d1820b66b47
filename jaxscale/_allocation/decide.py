"""A law, a cost and limits put together as a decision, and checked to belong together."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxscale._allocation.decision import LEAST_SHARE, Decision, Goal, Row
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale.costs import CostModel
from jaxscale.laws import Law
from jaxscale.laws._compiled import examine
from jaxscale.laws._constants import Repetition
from jaxscale.limits import UNIQUE_TOKENS, Limit, bound, read_limits, seen_at_most

_FURTHEST = {1: 1e39, -1: 1e-39}  # a variable's range where no limit says otherwise
_COUNTED = ("N", "D", UNIQUE_TOKENS, "epochs")  # from 1 on


class Values(NamedTuple):
    """What is given beside the law's parameters and the target: natural values by name, and which of the names nobody
    asked for (the ends of the variables' ranges)."""

    natural: dict[str, Any]
    implicit: frozenset[str]


def decide(
    law: Law,
    cost: CostModel,
    limits: tuple[Limit, ...],
    unique: Any = None,
    goal: Goal = "loss",
    fixed: Mapping[str, Any] | None = None,
    assumed: Mapping[str, float] | None = None,
) -> tuple[Decision, Values]:
    """The decision, and the values of all that is given with it. `assumed` takes the place of published constants of
    repetition, where the law has none of its own. `unique` is a number of tokens, or one for each share of a mixture.

    Raises:
        InputError: law, cost and limits do not belong together.
    """
    fixed = shares_apart(law, fixed or {})
    examine(law)
    _check(law, fixed)
    each = unique if isinstance(unique, tuple) else None
    repeated = None if each else _repetition(law, unique, fixed)
    values = dict(repeated.constants) | dict(assumed or {}) if repeated else {}
    requested = _of_mixtures(law, limits)
    if each is not None:
        requested = _unique_of_each(law, each, requested)
    elif unique is not None:
        requested = (*requested, _unique_limit(unique, repeated is not None))
    known = [v.name for v in law.variables]
    single = [name for v in law.variables for name in (v.parts or (v.name,))]
    free = [name for name in single if name not in fixed and not (repeated and name == UNIQUE_TOKENS)]
    free += ["epochs"] if repeated else []
    if not set(free) - {"epochs"}:
        raise InputError("everything is held fixed, so there is nothing to plan; leave a variable free")
    everything = [*free, *fixed]
    if [v for v in cost.variables if v not in everything]:
        raise InputError(
            f"cost {cost.name} is one of {', '.join(cost.variables)}, but law {law.name} has {', '.join(known)}; "
            "choose a law and a cost of the same variables"
        )
    cost.check()
    taken = {*law.parameter_names, *fixed, *values, "budget", "reach_loss"}
    values |= fixed

    def join(prefix: str, name: str, value: Any) -> str:
        if name == "epochs_max" and name in values:  # the same for all domains
            return name
        free_name = name if name not in taken else f"{prefix}.{name}"
        taken.add(free_name)
        values[free_name] = value
        return free_name

    cost_names = tuple((name, join("cost", name, value)) for name, value in cost.assumptions.items())
    raw = law.raw_names
    ends = {name: LEAST_SHARE for v in law.variables for name in v.parts}
    kept, implicit = _with_ranges(law, requested, [name for name in free if name not in raw], everything, ends)
    rows = []
    for limit in kept:
        limit.check(everything)
        names = tuple((name, join(limit.name, name, value)) for name, value in limit.values.items())
        main = dict(names).get(limit.main or "")
        rows.append(Row(limit.name, limit.function, limit.arguments, names, main, limit.unit))
    round_ = repeated is None and cost.convex and all(limit.convex for limit in kept) and not raw.intersection(free)
    decision = Decision(
        law=law,
        goal=goal,
        cost=cost.log_cost,
        cost_variables=cost.variables,
        cost_names=cost_names,
        limits=tuple(rows),
        fixed=tuple(fixed),
        repeated=repeated,
        convex=law.convex and round_,
        one_valley=law.one_valley and round_,
        names=(*law.parameter_names, "budget" if goal == "loss" else "reach_loss", *values),
        plain=goal == "loss" and not (requested or fixed or repeated) and is_plain(law, cost),
    )
    return decision, Values(values, implicit)


def is_plain(law: Law, cost: CostModel) -> bool:
    """Whether law and cost are of N and D, which one equation in one unknown decides while there are no limits."""
    two = sorted(v.name for v in law.variables) == ["D", "N"] and all(v.logged for v in law.variables)
    return two and law.response.better == "lower" and cost.variables == ("N", "D") and not law.ranges


def shares_apart(law: Law, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What is held, with a mixture as its shares one by one.

    Raises:
        InputError: a mixture is not held as a whole, or its shares do not add up to one.
    """
    held = dict(fixed)
    for variable in law.variables:
        if not variable.parts:
            continue
        name, parts = variable.name, variable.parts
        if name in held:
            shares = held.pop(name)
            if isinstance(shares, str) or not isinstance(shares, Iterable) or len(tuple(shares)) != len(parts):
                raise InputError(f"fixed: {name} takes {len(parts)} shares, got {quoted(shares)}")
            held |= dict(zip(parts, shares, strict=True))
        given = [held[part] for part in parts if part in held]
        if given and len(given) < len(parts):
            raise InputError(
                f"fixed holds some shares of {name} and not all; hold {name} as a whole, or give some of them bounds: "
                f"limits={{'{parts[0]}_min': .2, '{parts[0]}_max': .4}} (--limit {parts[0]}_min=.2 "
                f"--limit {parts[0]}_max=.4)"
            )
        if given and all(isinstance(x, int | float) for x in given):
            if not (all(x >= 0 for x in given) and abs(sum(given) - 1) < 1e-6):
                raise InputError(f"fixed: the shares of {name} must be from 0 on and add up to 1, got {quoted(given)}")
            held |= {part: max(held[part], LEAST_SHARE) for part in parts}
    return held


def _check(law: Law, fixed: Mapping[str, Any]) -> None:
    """Raise InputError for a law that says nothing of what is better, or that a plan cannot choose the variables of."""
    known = [name for v in law.variables for name in (v.name, *v.parts)]
    if law.response.better == "neither":
        raise InputError(
            f"law {law.name} predicts {law.response.name} ({law.response.meaning}), of which neither more nor less is "
            "better, so there is nothing to plan; use predict"
        )
    strange = [name for name in fixed if name not in known]
    if strange:
        raise InputError(f"law {law.name} has no variable {quoted(strange[0])} to hold; it has {', '.join(known)}")
    for variable in law.variables:
        if not (variable.logged or variable.domain == "unit" or variable.parts or variable.name in fixed):
            raise InputError(
                f"{variable.name} of law {law.name} is neither positive nor a share, so a plan cannot choose it; hold "
                f"it with fixed={{'{variable.name}': ...}}"
            )


def _repetition(law: Law, unique: Any, fixed: Mapping[str, Any]) -> Repetition | None:
    """The law's form in epochs where data is repeated, or None where it is not."""
    if UNIQUE_TOKENS in [v.name for v in law.variables]:
        if law.repeated is None or UNIQUE_TOKENS in fixed:
            return None
        if unique is None:
            raise InputError(
                f"law {law.name} needs to know how many unique tokens there are: limits={{'U': 1e12}} "
                "(--unique-tokens 1T)"
            )
        return law.repeated
    if unique is not None and law.repeated is None:
        raise InputError(
            "what repeated tokens are worth is known for laws chinchilla, muennighoff and lovelace_repeated, not for "
            f"{law.name}; limit D_max instead"
        )
    return law.repeated if unique is not None else None


def _unique_limit(unique: Any, repeated: bool) -> Limit:
    """Unique tokens as a limit: on U itself, or on D over epochs."""
    top, bottom = ("D", "epochs") if repeated else (UNIQUE_TOKENS, None)
    limit = bound(UNIQUE_TOKENS, 1, top, unique, bottom)
    return Limit(limit.function, "U", limit.values, "U", "tokens", True, limit.arguments)


def _of_mixtures(law: Law, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The limits, with bounds of shares that stand alone as they are, not as logs, and those of a whole mixture for
    each share."""
    found: list[Limit] = []
    parts = {v.name: v.parts for v in law.variables if v.parts}
    for limit in limits:
        name, _, end = limit.name.rpartition("_")
        if name in parts and end in ("min", "max"):
            sign = 1 if end == "max" else -1
            found += (bound(f"{part}_{end}", sign, part, limit.values[limit.name]) for part in parts[name])
        else:
            found.append(_raw_bound(limit, law))
    names = [limit.name for limit in found]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise InputError(f"two limits are called {quoted(doubled[0])}; give one of them another name")
    return tuple(found)


def _raw_bound(limit: Limit, law: Law) -> Limit:
    name, _, end = limit.name.rpartition("_")
    if name not in law.raw_names or end not in ("min", "max") or limit.arguments[0] != f"log_{name}":
        return limit
    return bound(limit.name, 1 if end == "max" else -1, name, limit.values[limit.name], logged=False)


def _unique_of_each(law: Law, unique: tuple, limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The limits, with unique tokens for each share of the law's mixture: D h_i is at most U_i times the epochs that
    `epochs_max` allows, one if nothing is said."""
    mixtures = [v for v in law.variables if v.parts]
    if len(mixtures) != 1 or "D" not in [v.name for v in law.variables]:
        raise InputError(f"unique tokens for each of several domains are for laws of D and a mixture, not {law.name}")
    parts = mixtures[0].parts
    if len(unique) != len(parts):
        raise InputError(f"U takes {len(parts)} numbers, one for each share of {mixtures[0].name}, got {len(unique)}")
    epochs = [limit.values["epochs_max"] for limit in limits if limit.name == "epochs_max"]
    rest = tuple(limit for limit in limits if limit.name != "epochs_max")
    pairs = enumerate(zip(parts, unique, strict=True), start=1)
    return (*rest, *(seen_at_most(k, part, tokens, *epochs) for k, (part, tokens) in pairs if tokens is not None))


def _with_ranges(
    law: Law, requested: tuple[Limit, ...], logged: list[str], known: list[str], least: Mapping[str, float]
) -> tuple[tuple[Limit, ...], frozenset[str]]:
    """The limits with the ends of the range of every variable that is a log where none is asked for, and the names of
    those ends; among them those of the law.

    Every plan has these rows: whichever limits are asked for, it is one compiled program.
    """
    asked = {limit.name: limit for limit in requested}
    standard = [(f"{v}_{end}", sign, v, None) for v in logged for end, sign in (("max", 1), ("min", -1))]
    if "N" in logged and "D" in logged:
        standard += [("D_per_N_min", -1, "D", "N"), ("D_per_N_max", 1, "D", "N")]
    ends = {name: 1.0 if sign < 0 and v in _COUNTED else _FURTHEST[sign] for name, sign, v, _ in standard}
    ends |= {"D_per_N_min": _FURTHEST[-1]} | {f"{name}_min": value for name, value in least.items()}
    own = {limit.name: limit for limit in read_limits(law.ranges)[0]}
    bounds = [
        asked.pop(name, None) or own.pop(name, None) or bound(name, sign, top, ends[name], bottom)
        for name, sign, top, bottom in standard
    ]
    more = [limit for name, limit in own.items() if name not in asked and _reads(limit, logged, known)]
    implicit = frozenset([*(name for name, *_ in standard), *(x.name for x in more)]) - {x.name for x in requested}
    return (*bounds, *more, *asked.values()), implicit


def _reads(limit: Limit, logged: list[str], known: list[str]) -> bool:
    """Whether a limit of the law is about something that is decided."""
    about = {a.removeprefix("log_") for a in limit.arguments} - set(limit.values)
    return about <= set(known) and bool(about & set(logged))
