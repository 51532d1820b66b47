"""Which runs are held out: a comparison of a column, or rolling cuts."""

import math
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._analyses.comparison.best_sizes import BUDGET_GAP
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, listed, plural, quoted
from jaxscale._data.filters import holds
from jaxscale._data.runs import Runs

_FEWEST_TRAINED = 3
_CUTS, _ROLLING_SHARES = 3, (0.4, 0.8)  # rolling cuts, if so many can be; of the runs, what first and last train on
_ROUNDING = 1e-6  # in logs: values that lie closer are one


def holdout_masks(
    runs: Runs, table: pd.DataFrame, holdout: Any, rolling: str | None, cuts: int | None, leave_out: str | None
) -> list[tuple[str, np.ndarray]]:
    """Label and mask (n_runs,) of every hold-out."""
    given = [] if holdout is None else [holdout] if _is_one(holdout) else list(holdout)
    masks = [_mask(runs, table, one, k + 1) for k, one in enumerate(given)]
    if rolling is not None:
        masks += _rolling(runs, rolling, cuts)
    if leave_out is not None:
        if leave_out not in table:
            raise InputError(f"there is no column {quoted(leave_out)} to leave out by; there are {listed(list(table))}")
        values = list(dict.fromkeys(table[leave_out].astype(str)))
        if len(values) < 2:
            raise InputError(f"column {quoted(leave_out)} has one value, so nothing would be left to fit to")
        masks += [(f"{leave_out} == {v}", (table[leave_out].astype(str) == v).to_numpy()) for v in values]
    if not masks:
        raise InputError(
            "say which runs to hold out: holdout='C > 1e21' (--holdout), rolling='C' (--rolling), or leave_out='group' "
            "(--leave-out)"
        )
    used = np.ones(runs.count, bool) if runs.weights is None else runs.weights > 0
    for name, mask in masks:
        trained, held = int((~mask & used).sum()), int((mask & used).sum())
        if trained < _FEWEST_TRAINED or held < 1:
            raise InputError(
                f"hold-out {quoted(name)} leaves {plural(trained, 'run')} to fit to and {held} to predict; "
                f"at least {_FEWEST_TRAINED} and 1 are needed"
            )
    return [(name, mask & used) for name, mask in masks]


def beyond_trained(runs: Runs, mask: np.ndarray) -> tuple[float, ...]:
    """Compute of each run held out over the largest compute of the others; empty where runs have none."""
    try:
        compute = np.asarray(runs.variable("C"), np.float64)
    except InputError:
        return ()
    trained = ~mask if runs.weights is None else ~mask & (runs.weights > 0)
    return tuple((compute[mask] / compute[trained].max()).tolist())


def _is_one(holdout: Any) -> bool:
    return isinstance(holdout, str) or (np.ndim(holdout) == 1 and np.asarray(holdout).dtype == bool)


def _mask(runs: Runs, table: pd.DataFrame, holdout: Any, number: int) -> tuple[str, np.ndarray]:
    if isinstance(holdout, str):
        return " ".join(holdout.split()), np.asarray(holds(table, holdout, runs.rows, "hold-out"))
    mask = np.asarray(holdout)
    if mask.dtype != bool or mask.shape != (runs.count,):
        raise InputError(
            f"a hold-out is a comparison such as 'C > 1e21' or a mask of {runs.count} True or False, got "
            f"{mask.dtype} of shape {mask.shape}"
        )
    return f"mask {number}", mask


def _rolling(runs: Runs, symbol: str, cuts: int | None) -> list[tuple[str, np.ndarray]]:
    """Cuts between distinct values of a variable, nearest to those that train on even shares of the runs."""
    values = runs.variable(symbol)
    if values.ndim != 1:
        raise InputError(f"{symbol} is a vector and has no larger and smaller runs; roll along N, D or C")
    if cuts is not None and (isinstance(cuts, bool) or not isinstance(cuts, int) or cuts < 1):
        raise InputError(f"cuts must be a whole number from 1 on, got {cuts!r}")
    distinct = np.unique(values)
    gaps = np.diff(np.log(distinct)) if distinct[0] > 0 else np.full(len(distinct) - 1, np.inf)
    count = _CUTS if cuts is None else cuts
    apart = BUDGET_GAP if (gaps > BUDGET_GAP).sum() >= count else _ROUNDING
    ends = np.flatnonzero(gaps > apart)
    shares = np.array([(values <= distinct[end]).mean() for end in ends])
    wanted = np.linspace(*_ROLLING_SHARES, count) if count > 1 else [np.mean(_ROLLING_SHARES)]
    chosen = sorted({int(ends[np.abs(shares - w).argmin()]) for w in wanted}) if len(ends) else []
    if len(chosen) < (cuts or 1):
        room = f"; ask for cuts={len(chosen)} (--cuts {len(chosen)})" if chosen else ""
        values = plural(len(ends) + 1, "distinct value")
        raise InputError(f"{symbol} takes {values}, which leaves {len(chosen)} of {count} cuts{room}")
    thresholds = [_between(distinct[end], distinct[end + 1]) for end in chosen]
    return [(f"{symbol} > {format_number(t, 17, suffixes=symbol != 'C')}", values > t) for t in thresholds]


def _between(low: float, high: float) -> float:
    """The shortest number from `low` on and below `high`."""
    middle = math.sqrt(low) * math.sqrt(high) if low > 0 else (low + high) / 2
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((r for r in rounded if low <= r < high), low)
