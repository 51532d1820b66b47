"""What a plan may be wrong about: draws of the parameters of one law, or several laws with weights."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxscale._allocation.hedge import Aim
from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, parse_number, quoted
from jaxscale._planning.rival_laws import contender_of, rivals_tried, with_draws
from jaxscale._planning.source import Source, source_of

_LEAST_SHARE = 1e-4  # of a law in a comparison: what has less could change nothing and would cost a program


@dataclass(frozen=True, eq=False)
class Possibility:
    """One law: its draws of theta (count, n_params), their weights (count,), and how they came about."""

    source: Source
    thetas: np.ndarray
    weights: np.ndarray
    way: str

    @property
    def weight(self) -> float:
        """Of the law."""
        return round(float(self.weights.sum()), 12)


@dataclass(frozen=True, eq=False)
class Doubt:
    """The laws that may be true, with weights that sum to one, and what is to be least over them.

    aim: mean "regret" in compute, mean "loss", or the mean of the worst regrets ("tail"), those beyond `level`.
    """

    possibilities: tuple[Possibility, ...]
    aim: Aim = "regret"
    level: float = 0.9

    @property
    def minimised(self) -> str:
        """What is least, in words."""
        tail = f"mean of the worst {100 * (1 - self.level):g} % of regrets in compute"
        return {"regret": "mean regret in compute", "loss": "mean loss", "tail": tail}[self.aim]

    @property
    def over(self) -> str:
        """What it is least over, in words."""
        several = len(self.possibilities) > 1
        each = (
            f"{p.source.label} ({as_percent(p.weight, 3)}, {p.way})" if several else p.way for p in self.possibilities
        )
        return ", ".join(each)


def doubt_of(source: Source, under: Any, weights: Any, minimise: str) -> Doubt:
    """The doubt that the arguments of `frontier` name.

    Raises:
        InputError: `under` is none of what it takes, weights are missing or none, or the tail is asked of too little.
    """
    aim, level = _aim(minimise)
    if isinstance(under, str) and under == "laws":
        if weights is not None:
            raise InputError(
                'under="laws" (--under laws) weighs laws by how they predict runs held out; give no weights'
            )
        sources, shares = _laws(rivals_tried(source), None)
        sources = [source if one.law is source.law else one for one in sources]  # which may know how sure it is
    elif isinstance(under, str):
        if under != "draws":
            raise InputError(f"under is 'draws', 'laws', or fits of several laws with weights=; got {quoted(under)}")
        if weights is not None:
            raise InputError("weights are of several laws; the draws of one weigh the same")
        sources, shares = [source], np.ones(1)
        if source.draws is None and source.covariance is None:
            raise InputError(
                f"{quoted(source.label)} carries neither draws nor a covariance; {_make_draws(source, under, minimise)}"
            )
    else:
        sources, shares = _laws(under, weights)
    if aim == "tail" and (_is_comparison(under) or under == "laws"):
        count = None if source.draws is None else len(source.draws)
        sources = [with_draws(one, count) if share > 0 else one for one, share in zip(sources, shares, strict=True)]
    possibilities = tuple(
        _possibility(one, share, _make_draws(one, under, minimise) if aim == "tail" else "")
        for one, share in zip(sources, shares, strict=True)
        if share > 0
    )
    return Doubt(possibilities, aim, level)


def _aim(minimise: str) -> tuple[Aim, float]:
    kind, colon, share = str(minimise).partition(":")
    plain: Mapping[str, Literal["regret", "loss"]] = {"expected": "loss", "loss": "loss", "regret": "regret"}
    if kind in plain and not colon:
        return plain[kind], 0.9
    if kind != "cvar":
        raise InputError(
            f"minimise is 'expected' (mean loss), 'regret' (mean regret in compute) or 'cvar:0.9' (mean of the worst "
            f"tenth of regrets); got {quoted(minimise)}"
        )
    level = parse_number(share) if colon else 0.9
    if not 0 < level < 1:
        raise InputError(f"minimise: the level of cvar lies between 0 and 1, got {quoted(minimise)}")
    return "tail", level


def _is_comparison(under: Any) -> bool:
    return hasattr(under, "contenders") and hasattr(under, "stacking_weights")


def _laws(under: Any, weights: Any) -> tuple[list[Source], np.ndarray]:
    """Sources and their weights, which sum to one."""
    if _is_comparison(under):  # with its fits to all runs
        shares = under.stacking_weights()
        known = [c for c in under.contenders if c.law is not None and c.params]
        laws = [c for c in known if shares.get(c.label, 0) > _LEAST_SHARE]
        return [contender_of(c) for c in laws], _shares([shares[c.label] for c in laws], len(laws))
    if isinstance(under, Mapping):
        if weights is not None:
            raise InputError("give weights once: in the mapping, or as weights=")
        pairs = list(under.items())
        raise InputError(f"under takes a list of fits and weights=, got a mapping of {len(pairs)}")
    given = list(under) if isinstance(under, Iterable) else []
    if len(given) < 1:
        raise InputError("under is 'draws', 'laws', a comparison, or a list of fits of several laws with weights=")
    sources = [source_of(one) for one in given]
    if weights is None:
        raise InputError(
            "give weights= of the laws: a number for each, or the Comparison that compare made of them; by how well "
            "they predict runs held out, never by how well they fit"
        )
    if hasattr(weights, "stacking_weights"):
        known = weights.stacking_weights()
        missing = [one.law.full_name for one in sources if one.law.full_name not in known]
        if missing:
            raise InputError(f"the comparison has no law {quoted(missing[0])}; it has {', '.join(known)}")
        weights = [known[one.law.full_name] for one in sources]
    return sources, _shares(weights, len(sources))


def _shares(weights: Any, count: int) -> np.ndarray:
    try:
        shares = np.array([float(w) for w in weights])
    except (TypeError, ValueError):
        raise InputError(f"weights are numbers, one for each law; got {quoted(weights)}") from None
    if shares.shape != (count,) or not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise InputError(f"weights are {count} numbers from 0 on, one for each law; got {quoted(weights)}")
    return shares / shares.sum()


def _make_draws(source: Source, under: Any, minimise: str) -> str:
    """What to type for draws of a source."""
    runs = "" if getattr(source.record, "runs", None) is not None else ", runs=..."  # where none were kept with it
    drawn = f"js.bootstrap(fit{runs})"
    if isinstance(under, str):
        call = f'js.frontier({drawn}, ..., under="draws", minimise="{minimise}")'
        typed = f"jaxscale frontier draws.json ... --under draws --minimise {minimise}"
    else:
        call = f'js.frontier(..., under=[{drawn}, ...], minimise="{minimise}")'
        typed = f"jaxscale frontier FIT ... --under draws.json=WEIGHT --minimise {minimise}"
    return (
        f"make draws with bootstrap and give them in its place: {call} (`jaxscale bootstrap FIT -o draws.json`, then "
        f"`{typed}`)"
    )


def _possibility(source: Source, share: float, no_points: str = "") -> Possibility:
    """Its draws; else, from a covariance, 2 p points that have its mean and covariance, so that what is quadratic in
    theta, as a regret is to leading order, has its exact mean (Julier and Uhlmann 2004, doi 10.1109/JPROC.2003.823141);
    else its point. no_points: what to do where such points would not serve."""
    if source.draws is not None:
        thetas, way = source.draws, f"{len(source.draws)} draws"
    elif source.covariance is not None and np.isfinite(np.asarray(source.covariance.matrix)).all():
        if no_points:
            raise InputError(
                f"the worst regrets of {quoted(source.label)} need draws, and it has a covariance; {no_points}"
            )
        thetas, way = _sigma_points(source), "its covariance"
    else:
        thetas, way = source.theta[None], "its point estimate"
    return Possibility(source, thetas, np.full(len(thetas), share / len(thetas)), way)


def _sigma_points(source: Source) -> np.ndarray:
    """theta +- sqrt(p) times each column of a square root of the covariance, (2 p, n_params)."""
    index = [source.law.index(name) for name in source.covariance.names]
    values, vectors = np.linalg.eigh(np.asarray(source.covariance.matrix, np.float64))
    steps = np.zeros((len(index), len(source.theta)))
    steps[:, index] = (vectors * np.sqrt(len(index) * np.maximum(values, 0))).T
    return (
        np.concatenate([source.theta + steps, source.theta - steps])
        if math.isfinite(steps.sum())
        else source.theta[None]
    )
