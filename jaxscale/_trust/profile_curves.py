"""How far a quantity can move before the objective has risen too far: constrained optima of many values in one batch.

Written for any smooth function of the free values, of which a parameter is the simplest. Takes a problem and its
optimum.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxscale._base.progress import tell
from jaxscale._problem.problem import Problem
from jaxscale._problem.stack import FEW_STACKED
from jaxscale._solver.solve import FAR, NEAR
from jaxscale._trust.constrained_optima import Constrained, Engine, Measure, Profiled, Visit, Wanted
from jaxscale._trust.linearization import Linearization

_STIFFNESS = 100.0  # of the pull towards a value, in curvatures of the profile: the value is missed by about 1 %
# Values looked at on each side, in half widths of the interval that a parabola would have: first near, then far.
_NEAR_SCAN = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
_FAR_SCAN = (4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0, 128.0)
_FIRM = 1e4  # the same, where ends are looked for between points of one valley
_REFINEMENTS = 8
_MANY, _SHORT = 64, 1024  # tables side by side, where more than a few are to be had of no more rows
_BRACKET = 0.03  # share of a bracket by which the next one is tried on both sides of the interpolated end
_CLOSE = 1e-7  # of the rise, relative, at which an end counts as found
# How far the rise between two points may be from what the slopes at both say, relative, for them to lie in one valley:
# of a scan, whose points are far apart, and of a bracket whose end is interpolated by its slopes.
_ONE_VALLEY, _ONE_CURVE = 0.1, 0.002


@dataclass(frozen=True, eq=False)
class Curve:
    """The profile of one quantity: what the objective can be at best for each of its values.

    estimate: the value at the fit; start: the objective there.
    values (k,), ascending, and objective (k,): exact points of the profile, the ends of the interval among them.
    free (k, free): where they lie. low, high: where the objective has risen by `rise`; infinite where it never does.
    reached: the outermost values looked at. lowest: the least objective met, below that of the fit if the fit missed
    it.
    """

    estimate: float
    start: float
    values: np.ndarray
    objective: np.ndarray
    free: np.ndarray
    low: float
    high: float
    reached: tuple[float, float]
    lowest: float
    rise: float


def profile_curve(
    problem: Problem,
    best: np.ndarray,
    at: Linearization,
    measure: Measure,
    given: np.ndarray,
    level: float,
) -> list[Curve]:
    """Profiles of several quantities `measure(free, given[j])` around the optimum `best`; call under float64.

    A pull of F + stiffness / 2 (measure - c)^2 ends in an optimum at *some* value near c, which is an exact point of
    the profile whatever the stiffness. The ends are then found by interpolating the root of the rise, in which a
    parabola is a straight line.
    """
    return profile_curves([Profiled(problem, best, at, given)], measure, level)[0]


def profile_curves(tables: Sequence[Profiled], measure: Measure, level: float) -> list[list[Curve]]:
    """`profile_curve` of many tables of one task: what they look for next is found side by side."""
    found: list[list[Curve]] = [[] for _ in tables]
    closed, total = dict.fromkeys(range(len(tables)), 0), sum(2 * len(one.given) for one in tables)

    def note(k: int, ends: int) -> None:
        closed[k] = ends
        tell(sum(closed.values()), total, "ends of profile intervals")

    sizes: dict[tuple[int, ...], list[int]] = {}
    for k, one in enumerate(tables):
        if not len(one.given):
            continue
        shape = len(one.problem.points.response), len(one.problem.losses), *np.shape(one.given)[1:]
        sizes.setdefault(shape, []).append(k)
    for shape, alike in sizes.items():
        # The last starts of a call leave lanes idle, so that calls for many tables are worth a shape of their own.
        room = _MANY if len(alike) > FEW_STACKED and shape[0] <= _SHORT else FEW_STACKED
        for some in (alike[first : first + room] for first in range(0, len(alike), room)):
            engine = Engine([tables[k] for k in some], measure, room)
            walks = {k: _walk(tables[k], *engine.around(i), level, partial(note, k)) for i, k in enumerate(some)}
            asked = {k: next(walk) for k, walk in walks.items()}
            while asked:
                answers = engine.solve([(some.index(k), wanted) for k, wanted in asked.items()])
                for k, answer in zip(list(asked), answers, strict=True):
                    try:
                        asked[k] = walks[k].send(answer)
                    except StopIteration as end:
                        found[k] = end.value
                        del asked[k]
    return found


def _walk(
    table: Profiled,
    slope: np.ndarray,
    estimate: np.ndarray,
    height: float,
    level: float,
    note: Callable[[int], None],
) -> Generator[Visit, Constrained, list[Curve]]:
    """The curves of one table, which asks for constrained optima and is sent them."""
    problem, best, at, given = table
    rise = at.scatter.rise(level)
    direction, spread = _directions(at, slope)
    half = np.sqrt(2 * rise * spread)
    count = len(given)
    stiffness = _STIFFNESS / spread
    for slot, room in vanished_floors(problem, at, best).items():
        # The objective is flat where a floor is nearly none, and rises within a factor of e: scan up to the least
        # response, and pull as if one unit of the log were the half width.
        alone = (slope[:, slot] != 0) & (np.delete(slope, slot, axis=1) == 0).all(axis=1)
        half[alone], direction[alone] = room / _NEAR_SCAN[-1], np.eye(len(best))[slot]
        stiffness[alone] = _STIFFNESS * 2 * rise
    # Ends, below and above of each quantity in turn.
    quantity, sign = np.repeat(np.arange(count), 2), np.tile([-1.0, 1.0], count)
    paths = _Paths.at(best, estimate[quantity], height, sign)

    def pulled(reached: Constrained, wanted: Wanted) -> np.ndarray:
        """What `visit` minimises: the objective and the pull towards the target, (k,)."""
        height = reached.objective + 0.5 * wanted.stiffness * (reached.value - wanted.target) ** 2
        return np.where(np.isfinite(height), height, np.inf)

    open_ends = np.flatnonzero(np.isfinite(half[quantity]) & (half[quantity] > 0))
    inside, beyond = np.zeros(2 * count, int), np.full(2 * count, -1)
    for scan in (_NEAR_SCAN, _FAR_SCAN):
        if not len(open_ends):
            break
        each = len(scan)
        end = np.repeat(open_ends, each)
        j = quantity[end]
        target = estimate[j] + sign[end] * np.tile(scan, len(open_ends)) * half[j]
        outermost = paths.last(open_ends)
        # Near, along the straight line that the curvature predicts; far, from the outermost point so far.
        start = outermost.free[np.arange(len(j)) // each]
        if scan is _NEAR_SCAN:
            start = best + (target - estimate[j])[:, None] * direction[j]
        wanted = Wanted(j, start, target, stiffness[j])
        found = yield wanted, FAR
        # Those that do not lie in one valley with their inner neighbour again from there, the two on either side of the
        # end in any case, and who comes after one that this helped, until it helps none; then once from the outer one.
        # So none sticks beside the valley.
        every = np.arange(len(j))
        beside = _beside_ends(found.objective < height + rise, each)
        due = every[~_rises_as_said(_inner(outermost, found, every), found) | beside]
        for shift in (*[1] * each, -1):
            if shift == -1:
                due = every[(every + 1) % each != 0]
                beside = _beside_ends(found.objective < height + rise, each)
                due = due[~_rises_as_said(found.of(due), found.of(due + 1)) | beside[due]]
            if not len(due):
                continue
            neighbour = _inner(outermost, found, due) if shift == 1 else found.of(due + 1)
            sound = np.isfinite(neighbour.objective)
            again = wanted.of(due)._replace(start=np.where(sound[:, None], neighbour.free, wanted.start[due]))
            fresh = yield again, NEAR
            better = pulled(fresh, again) < pulled(found.of(due), again) * (1 - 1e-9)
            helped = due[better]
            for old, new in zip(found, fresh, strict=True):
                old[helped] = new[better]
            due = helped[(helped + 1) % each != 0] + 1
        paths = paths.joined(found, end, every % each)
        inside[open_ends], beyond[open_ends] = paths.crossings(open_ends, height + rise)
        open_ends = open_ends[beyond[open_ends] < 0]
        note(2 * count - len(open_ends))

    pending, found_ends = np.flatnonzero(beyond >= 0), np.where(beyond < 0, sign * np.inf, 0.0)
    for turn in range(_REFINEMENTS):
        near, far = paths.points(pending, inside[pending]), paths.points(pending, beyond[pending])
        width, smooth = far.value - near.value, _rises_as_said(near, far, _ONE_CURVE)
        share, slope_of_root = _meeting(near, far, height, rise, smooth)
        found_ends[pending] = near.value + share * width
        close = np.abs(paths.objective[pending] - height - rise).min(axis=1, initial=np.inf) < _CLOSE * rise
        going = ~(close | (np.abs(width) < 1e-9 * half[quantity[pending]]))
        if not going.any():
            break
        pending, width, smooth, share, slope_of_root = (
            x[going] for x in (pending, width, smooth, share, slope_of_root)
        )
        near, far = near.of(going), far.of(going)
        # The pull stops short of what it is asked for by the slope of the profile over the stiffness.
        stiff = 2 * np.where(smooth, _FIRM, _STIFFNESS) * slope_of_root**2
        short = 2 * np.sqrt(rise) * slope_of_root / stiff
        # One visit where the profile is smooth, else also on both sides; first again from the point inside, later both
        # ends of the bracket lie in one valley.
        around, times = np.where(smooth, 1, 3), 2 if turn == 0 else 1
        k, place = _numbered(around * times)
        from_inside, aside = np.divmod(place, around[k])
        s = share[k] + np.where(smooth[k], 0.0, (aside - 1) * _BRACKET)
        s = np.minimum(np.maximum(s, 0.02 * share[k]), 0.98 + 0.02 * share[k])
        start = near.free[k] + np.where(from_inside, 0.0, s)[:, None] * (far.free - near.free)[k]
        target = near.value[k] + s * width[k] + short[k]
        reached = yield Wanted(quantity[pending[k]], start, target, stiff[k]), NEAR
        paths = paths.joined(reached, pending[k], place)
        inside[pending], beyond[pending] = paths.crossings(pending, height + rise)

    curves = []
    for j in range(count):
        free, values, objective = paths.of_quantity(j)
        low, high = found_ends[2 * j : 2 * j + 2].tolist()
        reached, lowest = (float(values[0]), float(values[-1])), float(objective.min())
        curves.append(Curve(float(estimate[j]), height, values, objective, free, low, high, reached, lowest, rise))
    return curves


def vanished_floors(problem: Problem, at: Linearization, free: np.ndarray) -> dict[int, float]:
    """Free values that are logs of a floor of the response and lie on their lower bound, each with how far below the
    log of the least response."""
    found, low = {}, problem.at_lower(free)
    if not low.any():
        return found
    least = float(np.min(problem.observed[at.used]))
    least = least if problem.task.space == "log" else float(np.log(least)) if least > 0 else np.nan
    for parameter, slot in zip(problem.law.parameters, problem.layout.slots, strict=True):
        floor = parameter.transform == "log" and dict(parameter.dimension) == {problem.law.response.name: 1}
        if slot >= 0 and floor and low[slot] and np.isfinite(least) and least > free[slot]:
            found[slot] = least - float(free[slot])
    return found


class _Paths(NamedTuple):
    """Points of a profile that were met on the way to each end, in their order, (ends, points, ...) as in
    `Constrained`. Where there is none the value lies infinitely far out, and so does the objective."""

    free: np.ndarray
    value: np.ndarray
    objective: np.ndarray
    rate: np.ndarray
    sign: np.ndarray  # (ends,), which way out is

    @classmethod
    def at(cls, best: np.ndarray, estimate: np.ndarray, height: float, sign: np.ndarray) -> "_Paths":
        """Ends of which the optimum is the one point, where the quantity of each is `estimate`."""
        one = len(sign), 1
        return cls(
            np.broadcast_to(best, (*one, len(best))), estimate[:, None], np.full(one, height), np.zeros(one), sign
        )

    def points(self, ends: np.ndarray, place: np.ndarray) -> Constrained:
        """One point of each of some ends."""
        return Constrained(*(x[ends, place] for x in self[:4]))

    def last(self, ends: np.ndarray) -> Constrained:
        """The last point of each of some ends."""
        there = np.isfinite(self.value[ends])
        return self.points(ends, there.shape[1] - 1 - there[:, ::-1].argmax(axis=1))

    def joined(self, more: Constrained, end: np.ndarray, place: np.ndarray) -> "_Paths":
        """With further points: of which end, and in which place behind those that there are. Those that could not be
        had are left out."""
        sound = np.isfinite(more.value) & np.isfinite(more.objective)
        where, (ends, _, values) = (end[sound], place[sound]), self.free.shape
        room = ends, int(place.max(initial=-1)) + 1
        fresh = (
            np.zeros((*room, values)),
            np.repeat(self.sign[:, None] * np.inf, room[1], axis=1),
            np.full(room, np.inf),
            np.zeros(room),
        )
        for new, found in zip(fresh, more, strict=True):
            new[where] = found[sound]
        return _Paths(*(np.concatenate(x, axis=1) for x in zip(self[:4], fresh, strict=True)), sign=self.sign)

    def crossings(self, ends: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Of some ends places of the outermost point within and of the next one beyond; the latter -1 if nothing lies
        beyond, or nothing within.

        Every point is an upper bound of the profile, one that stuck in a side valley too high a one. So the outermost
        point within counts, whatever lies before it.
        """
        outward = self.sign[ends, None] * self.value[ends]
        order = outward.argsort(axis=1, kind="stable")
        every, most = np.arange(len(ends)), order.shape[1] - 1
        within = self.objective[ends[:, None], order] < level
        last = most - within[:, ::-1].argmax(axis=1)
        beyond = order[every, np.minimum(last + 1, most)]
        none = ~within.any(axis=1) | (last == most) | np.isinf(outward[every, beyond])
        return order[every, last], np.where(none, -1, beyond)

    def of_quantity(self, j: int) -> tuple[np.ndarray, ...]:
        """All points towards both ends of a quantity by their value, the optimum once: free, value, objective."""
        there = np.isfinite(self.value[2 * j : 2 * j + 2])
        there[0, 0] = False
        free, values, objective = (x[2 * j : 2 * j + 2][there] for x in self[:3])
        order = np.argsort(values, kind="stable")
        return free[order], values[order], objective[order]


def _numbered(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of a group and that in the group of each of so many members, both from 0: of 2 and 1 members (0, 0, 1)
    and (0, 1, 0)."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)


def _inner(outermost: Constrained, found: Constrained, which: np.ndarray) -> Constrained:
    """The inner neighbours of some points of a scan, of as many on each side; of the first on a side the `outermost`
    before the scan."""
    each = len(found.value) // len(outermost.value)
    pairs = zip(outermost.of(which // each), found.of(which - 1), strict=True)
    return Constrained(*(np.where((which % each == 0).reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in pairs))


def _beside_ends(within: np.ndarray, each: int) -> np.ndarray:
    """Which points of a scan, `each` on a side, are the outermost `within` the rise, or the next one."""
    sides = within.reshape(-1, each)
    inside = np.where(sides.any(axis=1), each - 1 - sides[:, ::-1].argmax(axis=1), -1)
    return (np.abs(np.arange(each) - inside[:, None] - 0.5) < 1).ravel()


def _rises_as_said(inner: Constrained, outer: Constrained, within: float = _ONE_VALLEY) -> np.ndarray:
    """Whether the objective rises from one constrained optimum to the other as their slopes say, as it does along one
    valley."""
    with np.errstate(invalid="ignore"):  # where there is none
        said = (inner.rate + outer.rate) / 2 * (outer.value - inner.value)
        return np.abs(outer.objective - inner.objective - said) <= within * said


def _meeting(
    near: Constrained, far: Constrained, height: float, rise: float, smooth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where between points within and points beyond, (k,), as a share of the way, the objective has risen by `rise`
    above `height`, and the slope of the root of its rise there. In the root a parabola is a straight line; between
    points of a `smooth` profile a cubic goes by its slopes at both."""
    low, high = (np.sqrt(np.maximum(one.objective - height, 0.0)) for one in (near, far))
    length, width = np.maximum(high - low, 1e-300), far.value - near.value
    with np.errstate(all="ignore"):  # shares of the way for one unit of t
        t, slope = (np.sqrt(rise) - low) / length, length / width
        inner, outer = (2 * root / one.rate * slope for root, one in ((low, near), (high, far)))
        inner = np.where(low == 0, 2 - outer, inner)
        share = t * t * (3 - 2 * t) + t * (1 - t) * ((1 - t) * inner - t * outer)
        steep = 6 * t * (1 - t) + (1 - t) * (1 - 3 * t) * inner + t * (3 * t - 2) * outer
        bent = smooth & (share > 0) & (share < 1) & (steep > 0.2) & (steep < 5)
        return np.where(bent, share, t), np.where(bent, slope / steep, slope)


def _directions(at: Linearization, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How the free values go with each quantity along its profile (q, free), and 1 / its curvature (q,)."""
    m1, _ = at.scatter.moments
    used, room = at.used, ~at.held
    jacobian = at.jacobian[used][:, room] * np.sqrt(at.weights[used])[:, None]
    ratio = m1 / float(at.weights[used].mean())
    jacobian = np.concatenate([jacobian, np.diag(np.sqrt(at.precision / ratio))[room][:, room]])
    norms = np.linalg.norm(jacobian, axis=0)
    norms = np.where(norms > 0, norms, 1.0)
    _, singular, rows = np.linalg.svd(jacobian / norms, full_matrices=False)
    inverse = (rows.T / np.maximum(singular, 1e-8 * singular[0]) ** 2) @ rows / ratio
    inverse = inverse / np.outer(norms, norms)
    moved = np.zeros_like(slope)
    moved[:, room] = slope[:, room] @ inverse
    spread = np.sum(moved * slope, axis=1)
    safe = np.where(spread > 0, spread, np.nan)
    return moved / safe[:, None], safe
