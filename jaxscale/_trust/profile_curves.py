"""How far a quantity can move before the objective has risen too far: constrained optima of many values in one batch.

Written for any smooth function of the free values, of which a parameter is the simplest. Takes a problem and its
optimum.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from jax import Array

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


def entry(free: Array, row: Array) -> Array:
    """The measure of a parameter: `row` is one where it stands, zero elsewhere."""
    return free @ row


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
    ends = [(j, sign) for j in range(count) for sign in (-1.0, 1.0)]
    first = Constrained(best[None], np.zeros(1), np.array([height]), np.zeros(1))
    paths = {end: first._replace(value=estimate[[end[0]]]) for end in ends}

    def pulled(reached: Constrained, wanted: Wanted) -> np.ndarray:
        """What `visit` minimises: the objective and the pull towards the target, (k,)."""
        height = reached.objective + 0.5 * wanted.stiffness * (reached.value - wanted.target) ** 2
        return np.where(np.isfinite(height), height, np.inf)

    open_ends = [e for e in ends if np.isfinite(half[e[0]]) and half[e[0]] > 0]
    brackets: dict[tuple[int, float], tuple[int, int] | None] = dict.fromkeys(ends)
    for scan in (_NEAR_SCAN, _FAR_SCAN):
        if not open_ends:
            break
        each = len(scan)
        j, sign = (np.repeat(x, each) for x in zip(*open_ends, strict=True))
        target = estimate[j] + sign * np.tile(scan, len(open_ends)) * half[j]
        outermost = Constrained(*(np.stack(x) for x in zip(*(paths[e].of(-1) for e in open_ends), strict=True)))
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
        for k, end in enumerate(open_ends):
            paths[end] = paths[end].joined(found.of(slice(k * each, (k + 1) * each)))
        brackets |= {e: _crossing(paths[e], e[1], height + rise) for e in open_ends}
        open_ends = [e for e in open_ends if brackets[e] is None]
        note(2 * count - len(open_ends))

    pending = [e for e in ends if brackets[e] is not None]
    found_ends: dict[tuple[int, float], float] = {e: e[1] * np.inf for e in ends if brackets[e] is None}
    for turn in range(_REFINEMENTS):
        visits: dict[tuple[int, float], Wanted] = {}
        for end in pending:
            path, crossing = paths[end], brackets[end]
            assert crossing is not None  # once there is one, there is one
            inside, beyond = crossing
            width = path.value[beyond] - path.value[inside]
            near, far = (Constrained(*(x[k] for x in path)) for k in crossing)
            smooth = bool(_rises_as_said(near, far, _ONE_CURVE))
            share, slope_of_root = _meeting(path, inside, beyond, height, rise, smooth)
            found_ends[end] = float(path.value[inside] + share * width)
            if np.abs(path.objective - height - rise).min() < _CLOSE * rise or abs(width) < 1e-9 * half[end[0]]:
                continue
            # The pull stops short of what it is asked for by the slope of the profile over the stiffness.
            stiff = 2 * (_FIRM if smooth else _STIFFNESS) * slope_of_root**2
            short = 2 * np.sqrt(rise) * slope_of_root / stiff
            around = np.array([0.0] if smooth else [-_BRACKET, 0.0, _BRACKET])
            s = np.minimum(np.maximum(share + around, 0.02 * share), 0.98 + 0.02 * share)
            start = path.free[inside] + s[:, None] * (path.free[beyond] - path.free[inside])
            if turn == 0:  # later both ends of the bracket lie in one valley
                s, start = np.tile(s, 2), np.concatenate([start, np.repeat(path.free[[inside]], len(s), axis=0)])
            target = path.value[inside] + s * width + short
            visits[end] = Wanted(np.full(len(s), end[0]), start, target, np.full(len(s), stiff))
        if not visits:
            break
        reached = yield Wanted(*(np.concatenate(x) for x in zip(*visits.values(), strict=True))), NEAR
        first = 0
        for end, some in visits.items():
            paths[end] = paths[end].joined(reached.of(slice(first, first + len(some.target))))
            brackets[end] = _crossing(paths[end], end[1], height + rise)
            first += len(some.target)
        pending = list(visits)

    curves = []
    for j in range(count):
        left, right = paths[j, -1.0], paths[j, 1.0]
        merged = [np.concatenate([a[1:], b]) for a, b in zip(left, right, strict=True)]
        order = np.argsort(merged[1], kind="stable")
        free, values, objective, _ = (x[order] for x in merged)
        low, high = (found_ends.get((j, sign), sign * np.inf) for sign in (-1.0, 1.0))
        reached, lowest = (float(values[0]), float(values[-1])), float(objective.min())
        curves.append(Curve(float(estimate[j]), height, values, objective, free, low, high, reached, lowest, rise))
    return curves


def vanished_floors(problem: Problem, at: Linearization, free: np.ndarray) -> dict[int, float]:
    """Free values that are logs of a floor of the response and lie on their lower bound, each with how far below the
    log of the least response."""
    found = {}
    least = float(np.min(problem.observed[at.used]))
    least = least if problem.task.space == "log" else float(np.log(least)) if least > 0 else np.nan
    for parameter, slot in zip(problem.law.parameters, problem.layout.slots, strict=True):
        floor = parameter.transform == "log" and dict(parameter.dimension) == {problem.law.response.name: 1}
        if slot >= 0 and floor and problem.at_lower(free)[slot] and np.isfinite(least) and least > free[slot]:
            found[slot] = least - float(free[slot])
    return found


def _crossing(path: Constrained, sign: float, level: float) -> tuple[int, int] | None:
    """Positions of the outermost point within and of the next one beyond; None if nothing lies beyond.

    Every point is an upper bound of the profile, one that stuck in a side valley too high a one. So the outermost point
    within counts, whatever lies before it.
    """
    order = (sign * path.value).argsort(kind="stable")
    (within,) = (path.objective[order] < level).nonzero()
    if not len(within) or within[-1] + 1 == len(order):
        return None
    return int(order[within[-1]]), int(order[within[-1] + 1])


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
    path: Constrained, inside: int, beyond: int, height: float, rise: float, smooth: bool
) -> tuple[float, float]:
    """Where between two points, as a share of the way, the objective has risen by `rise` above `height`, and the slope
    of the root of its rise there. In the root a parabola is a straight line; between points of a `smooth` profile a
    cubic goes by its slopes at both."""
    near, far = (np.sqrt(max(path.objective[k] - height, 0.0)) for k in (inside, beyond))
    wanted, length, width = np.sqrt(rise), max(far - near, 1e-300), path.value[beyond] - path.value[inside]
    straight = t, slope = float((wanted - near) / length), float(length / width)
    if not smooth:
        return straight
    with np.errstate(all="ignore"):  # shares of the way for one unit of t
        inner, outer = (2 * root / path.rate[k] * slope for root, k in ((near, inside), (far, beyond)))
    if near == 0:
        inner = 2 - outer
    share = t * t * (3 - 2 * t) + t * (1 - t) * ((1 - t) * inner - t * outer)
    steep = 6 * t * (1 - t) + (1 - t) * (1 - 3 * t) * inner + t * (3 * t - 2) * outer
    return (float(share), float(slope / steep)) if 0 < share < 1 and 0.2 < steep < 5 else straight


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
