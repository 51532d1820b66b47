"""One decision for many draws and laws at once: least mean regret, mean loss, or mean of the worst regrets.

A `Hedge` is a `Decision` whose objective is a mean over draws of the parameters of one law or more; limits, cost and
budget are those of the laws' own decisions. Draws are data: up to 16, 128, 1024, ... of
them are one program.

The regret of draw k is what a decision x wastes of the budget if k is the truth, in logs and to first order at k's own
best decision: r_k(x) = (l_k(x) - l_k(x_k)) / price_k, where l is the log of the loss, x_k the best decision of k, and
price_k what one more unit of log budget lowers l_k by there. It is convex where l_k is, which is what certifies that
nothing is better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale._allocation.active_rows import Certificate
from jaxscale._allocation.answers import Answers, answers_of
from jaxscale._allocation.batches import batched, each
from jaxscale._allocation.constrained import FLAT, OK, certified
from jaxscale._allocation.decision import Decision
from jaxscale._allocation.derivatives import Expansion, derivatives, expansion_at, expansions
from jaxscale._allocation.two_programs import along_lanes, ended_by_start, polished, together
from jaxscale._base.progress import tell

Aim = Literal["regret", "loss", "tail"]
_HIGHEST = 50.0  # of the regret from which on it is tail, either way
# Widths of the rounded edge of the tail, as shares of the regret at which it begins, one after the other; and one so
# narrow that slopes are those of one side or the other.
EDGES = (0.5, 0.25, 0.12, 0.06, 0.03, 0.015, 0.008, 0.004)
SHARP = 1e-9
_COUNTS = (16, 128, 1024)  # draws that programs are made for, and multiples of the last


@dataclass(frozen=True)
class Hedge(Decision):
    """`given` has the named values first, then for every draw 1 / price, l at its best, and its weight; then the share
    of the tail and the width of its edge; then the draws of each member's parameters, (counts[i] * p_i,).

    members: the laws' own decisions, which agree in all but the law. aim: the mean of "regret" or of the "loss", or
    with one more variable t the mean of the worst regrets, "tail": the least t + E max(r - t, 0) / share (Rockafellar
    and Uryasev 2000, doi 10.21314/JOR.2000.038), whose edge is rounded off, max(z, 0) = w log(1 + exp(z / w)).
    """

    members: tuple[Decision, ...] = ()
    counts: tuple[int, ...] = ()
    aim: Aim = "regret"

    @property
    def variables(self) -> tuple[str, ...]:
        return (*super().variables, "regret") if self.aim == "tail" else super().variables

    @property
    def row_names(self) -> tuple[str, ...]:
        return (*super().row_names, "regret_max", "regret_min") if self.aim == "tail" else super().row_names

    def rows(self, x: tuple, given: Array) -> tuple:
        kept = super().rows(x, given)
        return (*kept, x[-1] - _HIGHEST, -_HIGHEST - x[-1]) if self.aim == "tail" else kept

    def start(self, x: np.ndarray) -> np.ndarray:
        """Where to begin for decisions (b, n): with a tail that begins at one."""
        return np.column_stack([x, np.ones(len(x))]) if self.aim == "tail" else x

    def _parts(self, given: Array) -> tuple[Array, Array, Array, Array, Array]:
        """1 / price, best, weight of every draw, then share and width of the tail's edge."""
        total, k = sum(self.counts), len(self.names)
        inverse, best, weight = given[k : k + 3 * total].reshape(3, total)
        return inverse, best, weight, given[k + 3 * total], given[k + 3 * total + 1]

    def each_draw(self, x: tuple, given: Array) -> Array:
        """`Decision.lowered` of every draw at x, (draws,)."""
        k, found = len(self.names), []
        at = k + 3 * sum(self.counts) + 2
        for member, count in zip(self.members, self.counts, strict=True):
            size = len(member.law.parameters)
            thetas, at = given[at : at + count * size].reshape(count, size), at + count * size
            point = x[: len(member.variables)]
            found.append(
                jax.vmap(lambda theta, m=member, p=point: m.lowered(p, jnp.concatenate([theta, given[:k]])))(thetas)
            )
        return jnp.concatenate(found)

    def response(self, x: tuple, given: Array) -> Array:
        """Log of the mean response (or the mean of one that need not be positive)."""
        values, weight = self.sign * self.each_draw(x, given), self._parts(given)[2]
        if not self.law.response.logged:
            return weight @ values
        top = jax.lax.stop_gradient(values.max())
        return top + jnp.log(weight @ jnp.exp(values - top))

    def lowered(self, x: tuple, given: Array) -> Array:
        """What is least at the best decision, of the scale of a log loss."""
        if self.aim == "loss":
            return self.sign * self.response(x, given)
        inverse, best, weight, share, width = self._parts(given)
        scale = weight @ inverse
        if self.aim == "regret":
            return (weight * inverse) @ self.each_draw(x, given) / scale
        above = inverse * (self.each_draw(x, given) - best) - x[-1]
        return (x[-1] + weight @ (width * jax.nn.softplus(above / width)) / share) / scale

    def objective(self, x: tuple, given: Array) -> Array:
        return self.lowered(x, given) + self.unbalance(x)


def padded(thetas: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws (count, p) and weights, filled up to one of `_COUNTS` with draws that weigh nothing."""
    most = _COUNTS[-1]
    count = next((c for c in _COUNTS if c >= len(thetas)), -(-len(thetas) // most) * most)
    more = count - len(thetas)
    return np.concatenate([thetas, np.repeat(thetas[:1], more, 0)]), np.pad(weights, (0, more))


def _whole(named: Array, inverse: Array, best: Array, shared: tuple) -> Array:
    """What is given to each lane: all of it."""
    same = jnp.concatenate([jnp.ravel(v) for v in shared])
    return jnp.concatenate([named, inverse, best, jnp.broadcast_to(same[:, None], (len(same), named.shape[-1]))])


def _near(hedge: Hedge, shared: tuple, named: Array, inverse: Array, best: Array, x: Array, prices: Array) -> Any:
    """By Newton's method from a decision and prices close by."""
    given = _whole(named, inverse, best, shared)
    return polished(hedge, given, jnp.ones_like(prices), 1.0, x, prices)


def _far(hedge: Hedge, shared: tuple, named: Array, inverse: Array, best: Array, *starts: Array) -> Any:
    """By an interior point from several starts, (n, lanes) each."""
    given = _whole(named, inverse, best, shared)
    return ended_by_start(hedge, given, jnp.stack(starts), jnp.ones((len(hedge.row_names), named.shape[-1])))


def _expand(
    hedge: Hedge, shared: tuple, named: Array, inverse: Array, best: Array, x: Array, prices: Array, *moves: Array
) -> Any:
    return expansion_at(hedge, (), x, prices, _whole(named, inverse, best, shared), *moves)


@each
def _at(hedge: Hedge, shared: tuple, named: Array, inverse: Array, best: Array, x: Array) -> tuple[Array]:
    same = jnp.concatenate([jnp.ravel(v) for v in shared])
    return (hedge.each_draw(tuple(x), jnp.concatenate([named, inverse, best, same])),)


@dataclass(frozen=True, eq=False)
class Doubts:
    """The numbers of a hedge for b targets: named (b, k) of what is given; inverse, best (b, draws); weight (draws,);
    thetas of each member, (counts[i], p_i); share and width of the tail."""

    hedge: Hedge
    named: np.ndarray
    inverse: np.ndarray
    best: np.ndarray
    weight: np.ndarray
    thetas: tuple[np.ndarray, ...]
    share: float = 1.0
    width: float = 1.0

    @property
    def _shared(self) -> tuple:
        return (self.weight, self.share, self.width, *self.thetas)

    def _batched(self, function: Any, hedge: Hedge, *arrays: np.ndarray) -> list[np.ndarray]:
        mine = (self.named.T, self.inverse.T, self.best.T)
        heavy, few = sum(self.hedge.counts) > _COUNTS[0], function in (_near, _far)
        return batched(function, hedge, [*mine, *arrays], self._shared, heavy=heavy, few=few)

    def solve(self, starts: Sequence[np.ndarray], prices: np.ndarray) -> Answers:
        """The best decision for each target; starts (b, n) each, the first with prices of the rows (b, m)."""
        near = self.near(starts[0], prices)
        if self.hedge.convex and (near.status == OK).all():
            return near
        far = self.far(starts)
        sound = [np.isin(found.status, (OK, FLAT)) for found in (near, far)]
        return far.with_others(sound[0] & (~sound[1] | (near.value <= far.value + 1e-12)), near)

    def follow(self, answers: Answers) -> Answers:
        """The best decisions from those of numbers close by."""
        return self.near(answers.x, answers.multipliers)

    def sharpened(self, answers: Answers) -> tuple[Answers, np.ndarray]:
        """The answers with the tail's edge as narrow as each can be followed to, and its width there, (b,)."""
        widths = np.full(len(answers.x), EDGES[0])
        for k, width in enumerate(EDGES[1:] if self.hedge.aim == "tail" else (), 1):
            tell(k, len(EDGES), "edges of the tail")
            sharper = replace(self, width=width).follow(answers)
            better = sharper.status == OK
            answers, widths = answers.with_others(better, sharper), np.where(better, width, widths)
        return answers, widths

    def near(self, x: np.ndarray, prices: np.ndarray) -> Answers:
        """By Newton's method from decisions (b, n) and prices (b, m)."""
        return answers_of(certified(*self._newtons(x.T, prices.T), np))

    def _newtons(self, x: np.ndarray, prices: np.ndarray) -> tuple[Certificate, np.ndarray]:
        *last, value = self._batched(_near, self.hedge, x, prices)
        return Certificate(*last), value

    def far(self, starts: Sequence[np.ndarray]) -> Answers:
        """The best that an interior point leads to from several starts, (b, n) each."""
        (ended, value), count = along_lanes(self._batched(_far, self.hedge, *(s.T for s in starts))), len(starts)
        many = self.of(np.tile(np.arange(len(self.named)), count))
        last = many._newtons(ended.x, ended.multipliers)
        return answers_of(together((ended, value), last, count))

    def of(self, some: np.ndarray) -> "Doubts":
        """Those of some targets."""
        return replace(self, named=self.named[some], inverse=self.inverse[some], best=self.best[some])

    @property
    def givens(self) -> np.ndarray:
        """All that the hedge is given, (b, k)."""
        same = np.concatenate([np.ravel(v) for v in self._shared])
        return np.concatenate([self.named, self.inverse, self.best, np.tile(same, (len(self.named), 1))], axis=1)

    @property
    def plain(self) -> Hedge:
        """The hedge by its mean loss, whatever is least: one program serves all aims where that does not matter."""
        return replace(self.hedge, aim="loss")

    def decisions(self, answers: Answers) -> Answers:
        """The answers without what belongs to a tail."""
        n, m = len(self.plain.variables), len(self.plain.row_names)  # what belongs to a tail stands last
        parts = {"x": answers.x[:, :n], "multipliers": answers.multipliers[:, :m], "blame": answers.blame[:, :m]}
        return replace(answers, **parts)

    def begins(self, x: np.ndarray) -> np.ndarray:
        """The regrets of every draw at x (b, n) that the worst begin at, (b,)."""
        level = 1 - self.share
        return np.array([weighted_quantile(r, self.weight, level) for r in self.inverse * (self.at(x) - self.best)])

    def expand(self, answers: Answers, moves: np.ndarray | None = None) -> list[Expansion | None]:
        """Values at every decision, and how it moves with the named values: with the draws' 1 / price and best as they
        are, or with slopes `moves` (b, 2, draws, k) of those; unknown where some of these are nan."""
        hedge, safe = self.hedge, np.where(np.isfinite(answers.x), answers.x, 1.0)
        known, more = np.ones(len(safe), bool), []
        if moves is not None:
            flat = moves.reshape(len(safe), -1)
            known = np.asarray(np.isfinite(flat).all(axis=1))
            more = [np.where(known[:, None], flat, 0.0).T]
        outputs = self._batched(_expand, hedge, safe.T, answers.multipliers.T, *more)
        parts = derivatives(hedge, safe, answers.multipliers, [np.moveaxis(v, -1, 0) for v in outputs])
        values, slopes, touched, flatness, residual, hessian, touching = parts
        slopes[~known] = np.nan
        n, m = len(self.plain.variables), len(self.plain.row_names)
        if answers.corner is not None:
            slopes[answers.corner], flatness[answers.corner] = np.nan, np.nan
            residual[answers.corner] = answers.kkt[answers.corner]
        if hedge.aim == "tail":  # of the regret at which it begins nothing need be curved
            flatness = np.full_like(flatness, np.nan)
        shown = np.delete(np.arange(values.shape[1]), np.arange(n, safe.shape[1]))  # all but what belongs to a tail
        parts = values[:, shown], slopes[:, shown], touched, flatness, residual, hessian[:, :n, :n], touching[:, :m]
        return expansions(answers, parts)

    def at(self, x: np.ndarray) -> np.ndarray:
        """`Decision.lowered` of every draw at x (b, n): (b, draws)."""
        (found,) = self._batched(_at, self.plain, x.T)
        return found.T


def weighted_quantile(values: np.ndarray, weight: np.ndarray, level: float) -> float:
    """The least value that has a share `level` of the weight at or below it."""
    order = np.argsort(values)
    order = order[weight[order] > 0]
    reached = np.cumsum(weight[order])
    return float(values[order[min(np.searchsorted(reached, level - 1e-12), len(order) - 1)]])
