"""Learning rates along runs: which finished runs had another schedule than the one under way, so far or to come."""

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
            f"{_apart_in_words(at, {name: finished[name], run: own})}. Nothing follows from them for it: leave them "
            "out (without=, --without)"
        )
    first, *others = finished
    for name in others:
        at = _apart(finished[first], finished[name], 1.0)
        if at is not None:
            raise InputError(
                "the finished runs had more than one schedule of learning rates: "
                f"{_apart_in_words(at, {n: finished[n] for n in (first, name)})}. Leave those out whose schedule "
                f"{inert(run)} will not follow (without=, --without)"
            )


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
