"""Decisions of least mean loss, mean regret or worst regrets over draws and laws, from those of the point estimate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxscale._allocation.answers import Answers, solve_many
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion
from jaxscale._allocation.hedge import EDGES, SHARP, Doubts, Hedge, padded, weighted_quantile
from jaxscale._allocation.hedged_valleys import or_elsewhere
from jaxscale._allocation.per_draw import TARGETS, follow, slopes_of_best
from jaxscale._allocation.placing import Worth, evaluate
from jaxscale._allocation.scan import can_be_scanned
from jaxscale._base.errors import InputError
from jaxscale._base.progress import tell
from jaxscale._base.text import as_percent, format_number
from jaxscale._planning.doubt import Doubt, Possibility
from jaxscale._planning.posed import Posed
from jaxscale._planning.request import Request

_MOST_LOST = 0.1  # of the weight, of draws without a best decision, beyond which there is no hedge
_LEAST_TAIL = 1e-4  # regrets that are told apart, in logs of compute
_LEAST_PRICE = 1e-12
_AT_ONCE = 1024  # points of a scan, each for all draws


@dataclass(frozen=True, eq=False)
class Hedged:
    """The hedged decisions for b targets.

    Attributes:
        posed, answers, expansions: as those of a plan, of the hedge.
        weight: (draws,), zero for those left out.
        regrets, at_point: (b, draws) in logs of compute, of the hedge and of the plan at the point estimate.
        losses: (b, draws), log losses (or responses) of every draw at the hedge.
        loses: (b,) what the hedge wastes if the point estimate is right, in logs of compute.
        saves: (b,) what it saves in the mean, in logs of compute.
        gap: (b,) by how much the mean of the worst regrets may lie above the least there is.
        lost: largest weight of draws that have no best decision at some target, and are left out of all.
    """

    posed: Posed
    answers: Answers
    expansions: list[Expansion | None]
    weight: np.ndarray
    regrets: np.ndarray
    at_point: np.ndarray
    losses: np.ndarray
    loses: np.ndarray
    saves: np.ndarray
    gap: np.ndarray
    lost: float


def hedge_plan(request: Request, doubt: Doubt, posed: Posed, point: Answers, expanded: bool = True) -> Hedged:
    """The decisions of least `doubt.aim` for the targets of `posed`, of which `point` has those of the point estimate.

    Whoever needs no slopes asks for none to be `expanded`, which is most of the work.

    Raises:
        InputError: the laws do not choose among the same variables, or too many draws have no best decision.
    """
    sources = [p.source for p in doubt.possibilities]
    of_each = [Posed.of(replace(request, source=source)) for source in sources]
    _check(Posed.of(request), of_each)
    of_each = [replace(one, wanted=posed.wanted, rest=posed.rest) for one in of_each]
    plans = [solve_many(one.decision, one.givens(source.theta)) for one, source in zip(of_each, sources, strict=True)]
    by_law: dict[Decision, list[int]] = {}  # constants of one law are so many draws of it, and compiled once
    for k, one in enumerate(of_each):
        by_law.setdefault(one.decision, []).append(k)
    members = [of_each[k] for k, *_ in by_law.values()]
    filled = [_together([doubt.possibilities[k] for k in alike]) for alike in by_law.values()]
    tell(0, 0, "plans, one for each draw")
    firsts = [plans[k] for k, *_ in by_law.values()]
    sloped = expanded and doubt.aim != "loss"
    own = [_own(m, draws, plan, sloped) for m, (draws, _), plan in zip(members, filled, firsts, strict=True)]
    best, price, sound, *slopes = (np.concatenate(parts, axis=1) for parts in zip(*own, strict=True))
    weight = np.concatenate([w for _, w in filled])
    lost = float((~sound * weight).sum(axis=1).max())
    weight = np.where(sound.all(axis=0), weight, 0.0)  # one that is lost for a target is left out of all
    if weight.sum() < 1 - _MOST_LOST:
        raise InputError(
            f"{as_percent(1 - weight.sum(), 3)} of the draws, by weight, have no best decision for some target, too "
            "many to plan over; plan at the point estimate, or with other limits"
        )
    weight = weight / weight.sum()
    priced = ((price > _LEAST_PRICE) | (weight == 0)).all(axis=1)
    if doubt.aim != "loss" and not priced.all():
        raise InputError(
            f"within the limits more than {format_number(posed.targets[~priced][0])} buys nothing by some draws, so a "
            'regret in compute is not defined; minimise="expected" (--minimise expected), the mean loss, is'
        )
    inverse = np.where(weight > 0, 1 / np.where(price > _LEAST_PRICE, price, np.inf), 0.0)
    best = np.where(weight > 0, best, 0.0)
    start = len(posed.decision.law.parameters)
    hedge = Hedge(
        **{
            **{f: getattr(posed.decision, f) for f in posed.decision.__dataclass_fields__},
            "names": posed.decision.names[start:],
            "plain": False,
            "convex": all(m.decision.convex for m in members) and (doubt.aim != "loss" or posed.decision.sign > 0),
            "one_valley": False,
            "members": tuple(replace(m.decision, plain=False) for m in members),  # with and without limits alike
            "counts": tuple(len(draws) for draws, _ in filled),
            "aim": doubt.aim,
        }
    )
    givens = posed.givens(request.source.theta)
    tell(0, 0, "hedging")
    doubts = Doubts(hedge, givens[:, start:], inverse, best, weight, tuple(draws for draws, _ in filled))
    before = doubts.at(point.x)
    starts = [point.x, *(np.where(np.isfinite(plan.x), plan.x, point.x) for plan in plans)]
    prices, edges = point.multipliers, np.ones(len(best))
    if doubt.aim == "tail":
        # Counted in about the regret at which the tail begins, one width serves all. In powers of two, that it stays
        # as it is where what is given moves.
        begins = [weighted_quantile(r, weight, doubt.level) for r in inverse * (before - best)]
        edges = 2.0 ** np.round(np.log2(np.maximum(begins, _LEAST_TAIL)))
        doubts = replace(doubts, inverse=inverse / edges[:, None], share=1 - doubt.level, width=EDGES[0])
        starts = [hedge.start(x) for x in starts]
        prices = np.pad(prices, ((0, 0), (0, 2)))
    answers = doubts.solve(starts, prices)
    answers, widths = doubts.sharpened(answers)
    if not hedge.convex and can_be_scanned(posed.decision):
        worth = _worth(doubts, posed, doubt.level)
        found = answers, widths
        answers, widths = or_elsewhere(doubts, posed.decision, givens, found, prices, worth, len(starts))
    decisions = doubts.decisions(answers)
    after = doubts.at(decisions.x)
    worse, regrets = (np.where(priced[:, None], inverse * (v - best), np.nan) for v in (before, after))
    sign, at_point = posed.decision.sign, evaluate(posed.decision, decisions.x, givens)[:, 0] - point.value
    gap = np.zeros(len(best))
    if doubt.aim == "loss":
        means = [log_mean(sign * v, weight, posed) for v in (before, after)]
        saves = _per_price(sign * (means[0] - means[1]), answers.multipliers[:, 0])
    elif doubt.aim == "regret":
        saves = (worse - regrets) @ weight
    else:
        saves = tail_mean(worse, weight, doubt.level) - tail_mean(regrets, weight, doubt.level)
        gap = _gap(answers.x[:, -1] * edges, widths * edges, regrets, weight, doubt.level)
        gap[widths == SHARP] = np.nan  # nothing but what lies near by is known
    return Hedged(
        replace(posed, decision=doubts.plain),
        decisions,
        _expansions(doubts, answers, widths, _moves(inverse, edges, weight, slopes))
        if expanded
        else [None] * len(best),
        weight,
        regrets,
        worse,
        sign * after,
        _per_price(at_point, point.multipliers[:, 0]),
        saves,
        gap,
        lost,
    )


def _together(possibilities: Sequence[Possibility]) -> tuple[np.ndarray, np.ndarray]:
    """Draws of theta of one law, and their weights, as many as programs are made for."""
    return padded(*(np.concatenate([getattr(p, part) for p in possibilities]) for part in ("thetas", "weights")))


def _worth(doubts: Doubts, posed: Posed, level: float) -> Worth:
    """What is least at points, of the scale of a log loss, from the losses of every draw there."""
    weight, sign, aim = doubts.weight, posed.decision.sign, doubts.hedge.aim

    def some(which: np.ndarray, x: np.ndarray) -> np.ndarray:
        here = doubts.of(which)
        values = here.at(x)
        if aim == "loss":
            return sign * log_mean(sign * values, weight, posed)
        regrets, scale = here.inverse * (values - here.best), here.inverse @ weight
        return (regrets @ weight if aim == "regret" else tail_mean(regrets, weight, level)) / scale

    def worth(which: np.ndarray, x: np.ndarray) -> np.ndarray:
        pieces = range(0, len(x), _AT_ONCE)
        return np.concatenate([some(which[k : k + _AT_ONCE], x[k : k + _AT_ONCE]) for k in pieces])

    return worth


def _per_price(gain: np.ndarray, price: np.ndarray) -> np.ndarray:
    """What a gain in log loss is worth in logs of compute; nan where compute buys nothing."""
    return gain / np.where(price > _LEAST_PRICE, price, np.nan)


def _check(posed: Posed, members: Sequence[Posed]) -> None:
    """Raise InputError unless all laws decide about the same variables, within the same rows."""
    base, start = posed.decision, len(posed.decision.law.parameters)
    for member in members:
        other = member.decision
        same = (
            base.variables == other.variables
            and base.sign == other.sign
            and base.law.response.logged == other.law.response.logged
            and base.names[start:] == other.names[len(other.law.parameters) :]
            and np.array_equal(posed.rest, member.rest)
        )
        if not same:
            mine, theirs = (", ".join(d.names[len(d.law.parameters) :] + d.variables) for d in (base, other))
            raise InputError(
                f"laws {base.law.name} and {other.law.name} do not make the same decision: one is about {mine}, the "
                f"other about {theirs}; give laws of the same variables and response"
            )


def _own(posed: Posed, draws: np.ndarray, plan: Answers, sloped: bool) -> tuple[np.ndarray, ...]:
    """(b, draws) of what is least at every draw's own best decision, the price of the budget there, and whether there
    is one; `sloped` also the slopes (b, draws, k) of the first two in what is given."""
    parts: list[tuple[np.ndarray, ...]] = []
    wanted = posed.wanted
    rest = np.broadcast_to(posed.rest, (len(wanted), posed.rest.shape[-1]))
    for first in range(0, len(posed.wanted), TARGETS):
        some = slice(first, first + TARGETS)
        found = follow(posed.decision, draws, wanted[some], rest[some], plan[some])
        sound = found.sound & np.isfinite(found.value)
        slopes = ()
        if sloped:
            whole = replace(posed.decision, plain=False)  # with and without limits alike
            slopes = slopes_of_best(whole, draws, wanted[some], rest[some], found)
        parts.append((np.where(sound, found.value, 0.0), np.where(sound, found.price, 0.0), sound, *slopes))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _moves(
    inverse: np.ndarray, edges: np.ndarray, weight: np.ndarray, slopes: Sequence[np.ndarray]
) -> np.ndarray | None:
    """How 1 / price (b, draws), over `edges`, and what is least answer to what is given, (b, 2, draws, k); None where
    regrets do not count, which have no `slopes`."""
    if not slopes:
        return None
    of_best, of_price = (np.where(weight[:, None] > 0, v, 0.0) for v in slopes)
    return np.stack([-of_price * (inverse**2 / edges[:, None])[:, :, None], of_best], axis=1)


def _expansions(
    doubts: Doubts, answers: Answers, widths: np.ndarray, moves: np.ndarray | None
) -> list[Expansion | None]:
    """Of every answer, with the tail's edge as wide as it is there."""
    found = {width: replace(doubts, width=width).expand(answers, moves) for width in np.unique(widths)}
    return [found[width][i] for i, width in enumerate(widths)]


def log_mean(logs: np.ndarray, weight: np.ndarray, posed: Posed) -> np.ndarray:
    """Log of the weighted mean over draws (the mean itself of a response that need not be positive), (b,)."""
    if not posed.decision.law.response.logged:
        return logs @ weight
    top = np.where(weight > 0, logs, -np.inf).max(axis=1, keepdims=True)
    return np.log(np.exp(np.where(weight > 0, logs - top, -np.inf)) @ weight) + top[:, 0]


def tail_mean(values: np.ndarray, weight: np.ndarray, level: float) -> np.ndarray:
    """Weighted mean of the worst 1 - level of values (b, draws), (b,); the draw at the edge counts in part."""
    order = np.argsort(-values, axis=1)
    sorted_weight = weight[order]
    before = np.cumsum(sorted_weight, axis=1) - sorted_weight
    share = 1 - level
    taken = np.clip(share - before, 0, sorted_weight)
    return (np.take_along_axis(values, order, axis=1) * taken).sum(axis=1) / share


def _gap(t: np.ndarray, width: np.ndarray, regrets: np.ndarray, weight: np.ndarray, level: float) -> np.ndarray:
    """The mean of the worst regrets (b, draws) less a lower bound of the least there is, (b,).

    At the optimum of the rounded tail draw k counts with v_k = weight_k sigmoid((r_k - t) / width) / share, which sum
    to one and are at most weight_k / share: a mean of the worst is at least the mean with v, whose least is here too.
    """
    above = np.clip((regrets - t[:, None]) / width[:, None], -500, 500)
    v = weight / (1 + np.exp(-above))
    return np.maximum(tail_mean(regrets, weight, level) - (v * regrets).sum(axis=1) / v.sum(axis=1), 0.0)
