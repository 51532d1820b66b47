"""Learning rates along runs: which finished runs had another schedule than the one under way; how its own goes on."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, inert, listed, quoted

RATE = "lr"  # the variable that holds it
_APART = 0.1  # of the peak: rates that differ by more are of two schedules
_PLACES = 101
_AT_PEAK = 0.99
_NAMED = re.compile(r"(.*[\W_])?(lr|learning[\W_]?rate)([\W_]?(0|now|current|step))?", re.IGNORECASE)

Rates = tuple[np.ndarray, np.ndarray]  # progress, growing, and the rate at each


def check_schedules(own: Rates, finished: Mapping[str, Rates], run: str) -> None:
    """That the finished runs had one schedule, and the run under way has had it so far.

    Rates are shares of their peak, over progress, compared from where both have reached it: warm-ups may differ.

    Raises:
        InputError: some of them differ by more than a tenth of the peak; it names them, and says what to leave out.
    """
    before = float(own[0][-1])
    differ = {name: at for name, one in finished.items() if (at := _apart(own, one, before)) is not None}
    if differ:
        name, at = min(differ.items(), key=lambda item: item[1])
        who = f"run{'s' * (len(differ) > 1)} {listed(list(differ))}"
        raise InputError(
            f"{who} had another schedule of learning rates than {inert(run)}: "
            f"{_apart_in_words(at, {name: finished[name], run: own})}. Nothing follows from them at the same share of "
            "their way: say how its rate goes on (ahead=, --ahead), or leave them out (without=, --without)"
        )
    first, *others = finished
    for name in others:
        at = _apart(finished[first], finished[name], 1.0)
        if at is not None:
            raise InputError(
                "the finished runs had more than one schedule of learning rates: "
                f"{_apart_in_words(at, {n: finished[n] for n in (first, name)})}. Say how that of {inert(run)} goes on "
                "(ahead=, --ahead), or leave those out whose schedule it will not follow (without=, --without)"
            )


def ahead_of(own: Rates, finished: Mapping[str, Rates], ahead: Mapping[float, float] | str) -> Rates:
    """The rates of a run under way, so far and as planned: by shares of its way and of its peak, or as of another run.

    Raises:
        InputError: there is no such run, or the plan is no shares, or does not reach the end.
    """
    before, peak = float(own[0][-1]), float(own[1].max())
    if not peak > 0:
        raise InputError("the learning rate of the run has been zero so far: its peak is not known")
    if isinstance(ahead, str):
        if ahead not in finished:
            raise InputError(f"ahead: no finished run {quoted(ahead)}; there are {listed(list(finished), most=8)}")
        places, shares = finished[ahead][0], finished[ahead][1] / max(float(finished[ahead][1].max()), 1e-300)
    else:
        places, shares = _planned(ahead)
    later = places > before
    return np.concatenate([own[0], places[later]]), np.concatenate([own[1], peak * shares[later]])


def _planned(ahead: Mapping[float, float]) -> Rates:
    try:
        pairs = np.array(sorted((float(p), float(share)) for p, share in dict(ahead).items()), float)
    except (TypeError, ValueError):
        pairs = np.empty((0, 2))
    sound = len(pairs) and (pairs >= 0).all() and pairs[-1, 0] == 1 and (pairs[:, 1] <= 1).all()
    if not sound:
        raise InputError(
            "ahead gives shares of the peak rate by shares of the way, the last at 1, such as {0.8: 1, 1: 0} "
            f"(--ahead .8=1,1=0), or the name of a finished run; got {quoted(ahead)}"
        )
    return pairs[:, 0], pairs[:, 1]


def unread(columns: Sequence[str]) -> str | None:
    """Of columns that were not read the one that holds a learning rate, if there is one."""
    return next((name for name in columns if _NAMED.fullmatch(name)), None)


def _apart_in_words(at: float, rates: Mapping[str, Rates]) -> str:
    shares = (f"{quoted(name)} {_of_peak(one, np.array([at]))[0]:.2g}" for name, one in rates.items())
    return f"after {as_percent(at, 3)} of the way {', '.join(shares)} of the peak"


def _of_peak(one: Rates, at: np.ndarray) -> np.ndarray:
    return np.interp(at, one[0], one[1]) / one[1].max()


def _apart(one: Rates, other: Rates, until: float) -> float | None:
    """The progress up to `until` from which two schedules differ, or None."""
    start = max(float(p[np.argmax(rate >= _AT_PEAK * rate.max())]) for p, rate in (one, other))
    if start >= until:
        return None
    places = np.linspace(start, until, _PLACES)
    off = np.abs(_of_peak(one, places) - _of_peak(other, places)) > _APART
    return float(places[np.argmax(off)]) if off.any() else None
