"""The power law through the optima of several budgets: the exponent that an approach publishes, with its interval."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxscale._base.report import Table
from jaxscale._base.text import as_percent
from jaxscale._base.validation import check_draws, check_level

Interval = tuple[float, float]

_MOST_LOST = 0.1  # share of draws that may have no line before there is no interval


@dataclass(frozen=True, eq=False)
class Trend:
    """optimum = coefficient C^exponent: the line in logs of least squares through the optima of `count` budgets.

    of: "N" (parameters) or "D" (tokens). budgets: smallest and largest of those optima, in FLOPs. scatter: standard
    deviation of the log of the optima around the line; nan for two of them. draws: (n, 2), log coefficient and
    exponent of resampled lines, nan where a resample has none. All nan where fewer than two budgets have an optimum.
    """

    of: str
    exponent: float
    log_coefficient: float
    count: int
    budgets: Interval
    scatter: float
    level: float
    draws: np.ndarray

    @property
    def interval(self) -> Interval | None:
        """Percentile interval of the exponent, None where too many draws have no line."""
        return percentile_interval(self.draws[:, 1], self.level)

    @property
    def coefficient(self) -> float:
        """The optimum at one FLOP."""
        return math.exp(self.log_coefficient)

    def at(self, budget: float) -> tuple[float, Interval | None]:
        """The optimum at a budget in FLOPs, and its interval."""
        log_budget = math.log(budget)
        ends = percentile_interval(self.draws @ np.array([1.0, log_budget]), self.level)
        value = math.exp(self.log_coefficient + self.exponent * log_budget)
        return value, None if ends is None else (math.exp(ends[0]), math.exp(ends[1]))

    def with_draws(self, draws: np.ndarray) -> "Trend":
        """The same line with resampled ones, (n, 2)."""
        return replace(self, draws=draws)

    def decades_beyond(self, budget: float) -> float:
        """How many powers of ten a budget lies above the largest one with an optimum; 0 where it does not."""
        return max(0.0, math.log10(budget / self.budgets[1]))


def through(
    of: str,
    log_budgets: np.ndarray,
    log_optima: np.ndarray,
    resampled: np.ndarray | None,
    *,
    level: float,
    seed: int,
) -> Trend:
    """The line through optima, (n,) in logs, nan where a budget has none.

    `resampled`, (draws, n), holds the optima of resampled runs, or is None. Where the optima scatter around their line
    by more than the resamples explain, the excess is drawn too: they then differ for reasons that the noise of the runs
    does not hold, and an interval without it would be too narrow.
    """
    used = np.isfinite(log_optima)
    none = np.full((0 if resampled is None else len(resampled), 2), np.nan)
    count = int(used.sum())
    if count < 2:
        return Trend(of, math.nan, math.nan, count, (math.nan, math.nan), math.nan, level, none)
    x, y = log_budgets[used], log_optima[used]
    (intercept, slope) = _lines(x, y[None])[0]
    left = y - intercept - slope * x
    scatter = math.sqrt(float(left @ left) / (count - 2)) if count > 2 else math.nan
    draws = none
    if resampled is not None:
        moved = resampled[:, used]
        spread = _variance(moved)
        excess = 0.0 if count < 3 else max(0.0, scatter**2 - spread)
        noise = math.sqrt(excess) * np.random.default_rng(seed).standard_normal(moved.shape)
        draws = _lines(x, moved + noise)
    ends = (float(np.exp(x.min())), float(np.exp(x.max())))
    return Trend(of, float(slope), float(intercept), count, ends, scatter, level, draws)


def _lines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Intercept and slope (draws, 2) of least squares through the finite values of each row; nan below two of them."""
    here = np.isfinite(y)
    count = here.sum(axis=1)
    x = np.where(here, x, 0.0)
    y = np.where(here, y, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre, middle = x.sum(axis=1) / count, y.sum(axis=1) / count
        apart = np.where(here, x - centre[:, None], 0.0)
        slope = (apart * y).sum(axis=1) / (apart**2).sum(axis=1)
        lines = np.stack([middle - slope * centre, slope], axis=1)
    lines[count < 2] = np.nan
    return lines


def _variance(moved: np.ndarray) -> float:
    """Mean over budgets of the variance of the resampled optima, robust: from the quartiles."""
    enough = np.isfinite(moved).mean(axis=0) > 0.5
    if not enough.any():
        return 0.0
    low, high = np.nanquantile(moved[:, enough], (0.25, 0.75), axis=0)
    return float(np.mean(((high - low) / 1.349) ** 2))


def percentile_interval(values: np.ndarray, level: float) -> Interval | None:
    """The middle `level` of the finite values, None where more than a tenth are missing."""
    finite = values[np.isfinite(values)]
    if not len(values) or len(finite) < (1 - _MOST_LOST) * len(values):
        return None
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def words(interval: Interval | None, write: Callable[[float], str]) -> str:
    """An interval as a report shows it."""
    return "–" if interval is None else " to ".join(map(write, interval))


def trend_table(trends: Sequence[Trend], data: str) -> Table:
    """Exponents and coefficients as a report shows them; `data` are what D counts."""
    rows = tuple(
        (
            f"{t.of} ({'parameters' if t.of == 'N' else data})",
            f"{t.exponent:.4f}",
            words(t.interval, "{:.4f}".format),
            f"{t.coefficient:.4g}" if math.isfinite(t.coefficient) else "–",
            as_percent(t.scatter) if math.isfinite(t.scatter) else "–",
        )
        for t in trends
        if math.isfinite(t.exponent)
    )
    percent = f"{100 * trends[0].level:g} % interval"
    return Table("Optimum = k C^a, C in FLOPs", ("optimum", "a", percent, "k", "scatter"), rows)


def check_resampling(level: float, draws: int) -> None:
    """Raises InputError for a level or a number of draws that cannot be used."""
    check_level(level)
    check_draws(draws, optional=True)
