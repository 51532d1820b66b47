"""The verb `watch`: where the loss of a run under way will end, by finished runs at the same share of their tokens."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxscale._analyses.deciding.across_schedules import ByRates, Course
from jaxscale._analyses.deciding.aligned import Along, ByProgress
from jaxscale._analyses.deciding.rates import RATE, Rates, ahead_of, check_schedules, unread
from jaxscale._analyses.deciding.watched import Watched
from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, format_number, inert, listed, parse_number, plural, quoted
from jaxscale._base.validation import check_level
from jaxscale._data.checkpoints import along
from jaxscale._data.ended_runs import SET_ASIDE
from jaxscale._data.runs import Runs, as_runs

FEWEST = 4  # finished runs
_AHEAD, _BEFORE, _LOOKS = 31, 25, 17  # places from here to the end, up to here, and where it may be settled
_FIRST = 0.02  # progress before which nothing is foretold
_UNLIKE = 0.01  # the chance, for a run like the others, of what is called unlike them
_DONE = 0.999
_TOLD = 5  # places of a planned schedule that are said one by one


def watch(
    curves: Any,
    run: str,
    until: float | str | None = None,
    *,
    goal: float | str | None = None,
    stop_below: float = 0.05,
    level: float = 0.9,
    without: Iterable[str] = (),
    lr: str | None = None,
    ahead: Mapping[float, float] | str | None = None,
    **options: Any,
) -> Watched:
    """Where the loss of a run under way will end, with its interval, and whether to stop it.

    Runs are aligned by progress, the share of their tokens that they have seen, which is what schedules of learning
    rates go by. Over the finished runs the log of the final loss is regressed on the log of the loss at the progress of
    the run under way, ln L(1) = a + b ln L(p) + error: least squares and Student's t with n - 2 degrees of freedom, so
    that intervals hold for runs that are like each other, whatever the form of their curves. The loss at p is read off
    a line through the checkpoints between .6 p and p, over log progress, which takes out their noise. The same is done
    for every progress from p to the end.

    So nothing follows from runs of another schedule. With `lr` such runs are refused by name. Without it, the run is
    held against the others at half of its progress: where its loss since then lies outside of what they foretold with a
    chance of 99 %, that is told.

    With `ahead`, how the rate goes on, runs of all schedules count. They are aligned by the area under their rates, and
    what annealing brought is taken out of their losses and put in for the run as planned, by the law of Tissue et al.
    2024 (arXiv 2408.11029) by shares of a run, with constants from the finished runs; their errors widen the interval.

    `studies/under_way.py` measured, for planted curves of one and of several schedules, how often 90 % intervals hold.

    Args:
        curves: checkpoints of the finished runs and of the one under way: a table with a column that names the run,
            tokens and losses, `Runs` read with checkpoints="all", or what `read_runs` takes.
        run: the name of the run under way.
        until: its tokens in all (the last row of each other run is its end). By default what most of the others have,
            if they agree.
        goal: a final loss to reach, such as that of the best run so far: in nats also where the table has another unit
            (`runs.record.measure.to_law(20.0)` is that of a perplexity of 20), an error where it has accuracies.
        stop_below: the chance of reaching it below which to stop.
        level: of the intervals.
        without: names of other runs that do not count: also under way, diverged, of another schedule.
        lr: the column of the learning rate at each checkpoint; of `Runs` the variable lr.
        ahead: how its rate goes on: shares of its peak by shares of its way, with lines between them ({.8: 1, 1: 0}
            decays over the last fifth), or the name of a finished run, the schedule of which it has. It needs `lr`.
        **options: how the table is read, see `Runs.from_frame`. Of a tracker's table what did not finish is set aside,
            the run under way too: where="state != ''" keeps it.

    Raises:
        InputError: rows name no run, there is no such run, fewer than four others are finished, the run is over,
            finished runs had another schedule and `ahead` is not given, or no rate fell as that of the run will.
    """
    level = check_level(level)
    if not 0 < stop_below < 0.5:
        raise InputError(f"stop_below is a chance between 0 and .5, such as .05; got {stop_below!r}")
    if lr is not None:
        options |= {RATE: lr, "domains": {RATE: "count"} | options.get("domains", {})}
    runs = as_runs(curves, **({} if isinstance(curves, Runs) else {"checkpoints": "all"} | options))
    if runs.clusters is None:
        raise InputError('rows name no run; name the column that does (run="...", --run-column)')
    if not (runs.response > 0).all():
        raise InputError("losses must be positive")
    grown = along(runs.variables, runs.count)
    symbol = next((name for name, values in runs.variables.items() if values is grown), "row")
    every = _curves(runs, grown)
    skipped = {str(name) for name in without}
    for name in (run, *sorted(skipped)):
        if name not in every:
            raise InputError(f"no run {quoted(name)}; there are {listed(list(every), most=8)}" + _set_aside(runs))
    own = every.pop(run)
    others = {name: curve for name, curve in every.items() if name not in skipped}
    if len(others) < FEWEST:
        raise InputError(
            f"{plural(len(others), 'finished run')} beside {inert(run)}; {FEWEST} are needed to know how they scatter"
        )
    end = _end(until, others, run)
    mine = Along(own.tokens / end, own.logs)
    progress = float(mine.progress[-1])
    if progress > _DONE:
        seen = f"{format_number(own.tokens[-1], 4)} of {format_number(end, 4)}"
        raise InputError(f"run {quoted(run)} has seen {seen}: it is over, and its last loss is its final one")
    if progress < _FIRST:
        raise InputError(f"run {quoted(run)} is {as_percent(progress)} done; from {100 * _FIRST:g} % on it can be told")
    whole = {name: Along(c.tokens / c.tokens[-1], c.logs) for name, c in others.items()}
    late = [name for name, c in whole.items() if c.progress[0] > progress]
    if late:
        raise InputError(
            f"of run{'s' * (len(late) > 1)} {listed(late)} nothing is known at {as_percent(progress, 3)} of their way; "
            "leave them out (without=, --without)"
        )
    target = None if goal is None else math.log(_positive(goal, "goal"))
    rates = _rates(runs, {run: own, **others}, end, run)
    beside = _beside(mine, whole, rates, ahead, run)
    places = np.geomspace(progress, 1.0, _AHEAD)
    path = [beside.foretell(progress, p) for p in places]
    last = path[-1]
    half = np.array([one.half(level) for one in path])
    middle = np.array([one.value for one in path])
    chance = None if target is None else last.chance(target)
    response = runs.record.measure
    return Watched(
        run=run,
        along=symbol,
        seen=float(own.tokens[-1]),
        until=end,
        now=math.exp(mine.level(progress)),
        foretold=math.exp(last.value),
        interval=(math.exp(last.value - half[-1]), math.exp(last.value + half[-1])),
        level=level,
        goal=None if target is None else math.exp(target),
        chance=chance,
        stop_below=stop_below,
        decided_at=None if target is None else _decided(beside, progress, target, stop_below),
        settles_at=None
        if target is None or chance is None or not stop_below <= chance <= 1 - stop_below
        else _settles(beside, progress, abs(last.value - target), level),
        finished={name: (c.progress, np.exp(c.logs)) for name, c in whole.items()},
        own=(mine.progress, np.exp(mine.logs)),
        path=np.column_stack([places, np.exp(middle), np.exp(middle - half), np.exp(middle + half)]),
        notes=tuple(_notes(beside, progress, None if rates else unread(runs.record.unused))),
        response=response,
        ahead=None if ahead is None else _in_words(ahead),
    )


def _in_words(ahead: Mapping[float, float] | str) -> str:
    if isinstance(ahead, str):
        return f"as that of {inert(ahead)}"
    places = sorted((float(p), float(share)) for p, share in ahead.items())
    if len(places) > _TOLD:
        return f"as given at {len(places)} places"
    return ", ".join(f"{format_number(share, 3)} of its peak at {as_percent(p, 3)}" for p, share in places)


@dataclass(frozen=True, eq=False)
class _Checkpoints:
    """Of one run: tokens, growing, log losses, and the rows of the table."""

    tokens: np.ndarray
    logs: np.ndarray
    rows: np.ndarray


def _beside(
    own: Along,
    others: Mapping[str, Along],
    rates: dict[str, Rates],
    ahead: Mapping[float, float] | str | None,
    run: str,
) -> ByProgress | ByRates:
    if ahead is None:
        if rates:
            check_schedules(rates.pop(run), rates, run)
        return ByProgress(own, others)
    if not rates:
        raise InputError("ahead= (--ahead) says how a learning rate goes on: name its column too (lr=, --lr)")
    still = [name for name, one in rates.items() if not one[1].max() > 0]
    if still:
        raise InputError(
            f"the learning rate of run{'s' * (len(still) > 1)} {listed(still)} is zero throughout; leave them out "
            "(without=, --without)"
        )
    planned = Course.of(ahead_of(rates.pop(run), rates, ahead))
    found = ByRates(own, others, planned, {name: Course.of(one) for name, one in rates.items()})
    found.check(run)
    return found


def _begin(beside: ByProgress | ByRates) -> float:
    """Progress from which on something is known of all runs."""
    return max(_FIRST, beside.own.progress[0], *(c.progress[0] for c in beside.finished.values()))


def _decided(beside: ByProgress | ByRates, progress: float, target: float, stop_below: float) -> float | None:
    """The progress since which the chance has been below `stop_below`, or None."""
    first, since = _begin(beside), None
    for p in map(float, np.geomspace(progress, first, _BEFORE) if first < progress else [progress]):
        if beside.foretell(p, 1.0).chance(target) >= stop_below:
            break
        since = p
    return since


def _settles(beside: ByProgress | ByRates, progress: float, gap: float, level: float) -> float | None:
    """The progress from which half of the interval of an average run is narrower than a gap, or None."""
    for p in map(float, np.linspace(progress, 1.0, _LOOKS)[1:-1]):
        if beside.foretell(p, 1.0, typical=True).half(level) < gap:
            return p
    return None


def _set_aside(runs: Runs) -> str:
    """What to do where the run may be among those that a tracker's state sets aside."""
    said = [note.text for note in runs.record.notes if note.code == SET_ASIDE]
    return f". {said[0]}; name others that did not finish in without= (--without)" if said else ""


def _curves(runs: Runs, grown: np.ndarray) -> dict[str, _Checkpoints]:
    assert runs.clusters is not None
    rows: dict[str, list[int]] = {}
    for i, label in enumerate(runs.clusters):
        if grown[i] > 0:
            rows.setdefault(str(label), []).append(i)
    found = {}
    for name, index in rows.items():
        tokens, first = np.unique(grown[index][::-1], return_index=True)  # of several at one place the last
        at = np.array(index)[::-1][first]
        found[name] = _Checkpoints(tokens, np.log(runs.response[at]), at)
    return found


def _rates(runs: Runs, curves: Mapping[str, _Checkpoints], end: float, run: str) -> dict[str, Rates]:
    """Progress and learning rate of each run; none where the table does not say."""
    rate = runs.variables.get(RATE)
    if rate is None or rate.ndim != 1:
        return {}
    return {name: (c.tokens / (end if name == run else c.tokens[-1]), rate[c.rows]) for name, c in curves.items()}


def _end(until: float | str | None, others: Mapping[str, _Checkpoints], run: str) -> float:
    if until is not None:
        return _positive(until, "until")
    ends = np.array([c.tokens[-1] for c in others.values()])
    if np.ptp(np.log(ends)) > 0.01:
        raise InputError(
            f"the other runs end after {format_number(ends.min(), 3)} to {format_number(ends.max(), 3)}; say what "
            f"{inert(run)} will see in all (until=, --until)"
        )
    return float(np.median(ends))


def _positive(value: float | str, name: str) -> float:
    number = parse_number(value) if isinstance(value, str) else float(value)
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"{name} must be a positive number, got {quoted(value)}")
    return number


def _since_halfway(beside: ByProgress, progress: float) -> tuple[float, float]:
    """How far the log loss of a run lies above what finished runs foretold at half of its progress, and the chance of
    that for a run like them; 0 and 1 where nothing is known there."""
    half = progress / 2
    if half < _begin(beside):
        return 0.0, 1.0
    told = beside.foretell(half, progress, smooth=True)
    off = beside.own.level(progress) - told.value
    return off, 2 * told.chance(told.value - abs(off))


def _notes(beside: ByProgress | ByRates, progress: float, unused_rate: str | None) -> list[str]:
    notes = [beside.note] if isinstance(beside, ByRates) else []
    off, chance = _since_halfway(beside, progress) if isinstance(beside, ByProgress) else (0.0, 1.0)
    if chance < _UNLIKE:
        notes.append(
            f"ITS LOSS WENT OTHERWISE THAN THEIRS: at {as_percent(progress / 2, 3)} of its way they foretold "
            f"{as_percent(abs(math.expm1(-off)))} {'less' if off > 0 else 'more'} than it has now, as of 100 runs like "
            "them not one would be off. If it has another schedule or recipe, nothing here holds."
        )
    if unused_rate is not None:
        notes.append(
            f"Column {quoted(unused_rate)} was not used: named as the learning rate (lr=, --lr), it tells runs of "
            "another schedule."
        )
    if side := beside.side(progress):
        notes.append(
            f"Its loss now lies {side} that of every finished run at this progress: the line through them is followed "
            "beyond them, and the interval knows of their scatter alone."
        )
    if len(beside.finished) < 8:
        notes.append(
            f"With {plural(len(beside.finished), 'finished run')} the interval is wide: their scatter is little known."
        )
    return notes
