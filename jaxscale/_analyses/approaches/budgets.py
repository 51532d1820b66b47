"""Runs sorted by budget and brought to one compute each."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import plural, quoted
from jaxscale._data.runs import Runs
from jaxscale.costs import table_relation

FEWEST_SIZES = 3  # of a budget: three make a parabola
ENOUGH_SIZES = 5  # five can contradict one
_LEAST_SHARE = 2 / 3  # of the runs lie on budgets, where these have fewer sizes
_SAME_SIZE = 0.005  # sizes this close in logs are one size
_NO_POWER = 0.05  # in logs: compute that is off k N^a D^b by more
_LEVELLED = 1e-3  # budgets whose runs differ in log compute by more are brought to one compute first


# --- Budgets ---
class BudgetRuns(NamedTuple):
    """The runs of one budget by size, in logs: (n_sizes,) each. Compute is the table's own where it has a column."""

    log_budget: float
    trade: float  # by which power of the size tokens fall along the budget: 1 where compute is a multiple of N D
    log_per_size: float  # trade log N + log D of a run at exactly this budget
    log_n: np.ndarray
    log_d: np.ndarray
    log_c: np.ndarray
    log_loss: np.ndarray
    rows: tuple[int, ...]

    def levelled(self) -> np.ndarray:
        """Log losses expected at exactly this budget: those of runs with a little more compute are raised.

        The slope in compute comes from least squares beside a parabola in size.
        """
        away = self.log_c - self.log_budget
        if np.ptp(away) < _LEVELLED or len(away) < 6:
            return self.log_loss
        x = self.log_n - self.log_n.mean()
        columns = np.stack([np.ones_like(x), x, x**2, away], axis=1)
        slope = np.linalg.lstsq(columns, self.log_loss, rcond=None)[0][3]
        return self.log_loss - np.clip(slope, -1.0, 0.0) * away


def by_budget(runs: Runs, budgets: Sequence[float] | None, tolerance: float) -> list[BudgetRuns]:
    """The runs of each budget that has enough sizes, ascending; of budgets that were not named, those of five sizes,
    or of three where no budget has five."""
    if runs.response_name != "loss" and (runs.response <= 0).any():
        raise InputError(f"isoFLOP profiles need a positive response; {quoted(runs.response_name)} is not")
    log_n, log_d, log_c = (np.log(runs.variable(v)) for v in ("N", "D", "C"))
    log_loss, reach = np.log(runs.response), math.log1p(tolerance)
    if budgets is None:
        centres = _detected(log_c, log_n, reach, ENOUGH_SIZES)
        if not centres:
            centres = _detected(log_c, log_n, reach, FEWEST_SIZES)
            near = np.abs(log_c[:, None] - np.array(centres)) <= reach  # (n_runs, n_budgets)
            if near.any(axis=1).mean() < _LEAST_SHARE:  # three runs may well meet by chance
                centres = []
    else:
        if not all(0 < b < math.inf for b in budgets):
            raise InputError("budgets must be positive and finite numbers of FLOPs")
        centres = sorted(math.log(b) for b in budgets)
    found = table_relation(runs)
    trade, power = (1.0, 1.0) if found is None else (found.a / found.b, found.b)
    tables = []
    for centre in centres:
        mine = np.flatnonzero(np.abs(log_c - centre) <= reach)
        if budgets is not None and len(_steps(log_n[mine])) < FEWEST_SIZES:
            raise InputError(
                f"budget {math.exp(centre):g} has {plural(len(_steps(log_n[mine])), 'size')} within "
                f"{100 * tolerance:g} %; it takes {FEWEST_SIZES}. Leave it out, or give a larger tolerance= "
                "(--tolerance)"
            )
        order = mine[np.argsort(log_n[mine], kind="stable")]
        groups = _steps(log_n[order])
        per_size = float(np.mean(trade * log_n[mine] + log_d[mine] - (log_c[mine] - centre) / power))
        n, d, c, loss = (np.array([x[order][g].mean() for g in groups]) for x in (log_n, log_d, log_c, log_loss))
        rows_of = tuple(sorted(int(r) for r in runs.rows[mine]))
        tables.append(BudgetRuns(centre, trade, per_size, n, d, c, loss, rows_of))
    return tables


def _steps(log_n: np.ndarray) -> list[np.ndarray]:
    """Positions in the ascending order of size, those of one size together."""
    ascending = np.sort(log_n)
    return (
        np.split(np.arange(len(ascending)), np.flatnonzero(np.diff(ascending) > _SAME_SIZE) + 1) if len(log_n) else []
    )


def _detected(log_c: np.ndarray, log_n: np.ndarray, reach: float, fewest: int) -> list[float]:
    """Log budgets of so many sizes: again and again the compute around which most runs lie, until too few are left
    around any."""
    order = np.argsort(log_c, kind="stable")
    c, n = log_c[order], log_n[order]
    centres: list[float] = []
    while len(c):
        first, last = np.searchsorted(c, c - reach), np.searchsorted(c, c + reach, side="right")
        most = int(np.argmax(last - first))
        if last[most] - first[most] < fewest:
            break
        centre = float(np.median(c[first[most] : last[most]]))
        mine = np.abs(c - centre) <= reach
        if len(_steps(n[mine])) >= fewest and all(abs(centre - other) > 2 * reach for other in centres):
            centres.append(centre)
        else:  # one size, or the slope between two budgets
            mine[first[most] : last[most]] = True
        c, n = c[~mine], n[~mine]
    return sorted(centres)


def compute_notes(runs: Runs) -> list[str]:
    """What to say where a budget's shape is followed along a power of N and D that the compute of the table is not."""
    found = table_relation(runs)
    if found is None or found.off <= _NO_POWER:
        return []
    return [
        "The compute of these runs is no power of N and D, along which a budget's lowest point is looked for: it is "
        f'off by up to {100 * math.expm1(found.off):.0f} %, and so may the exponents be. Compare with method="akima" '
        "(--method akima), which presumes no shape."
    ]
