"""Which law to extrapolate with, from the errors of a trial, and the sentences that say why."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from jaxscale._analyses.comparison.comparison import Contender, Holdout, Recommendation, Trial, percent
from jaxscale._base.text import plural
from jaxscale._data.runs import Runs

_FEWEST_BLOCKS = 5  # of held-out runs, for a standard error
_PLANS_WORSE = 1.05  # times the factor of another law by which the best size is missed: worth a sentence


def _one_formula(one: Contender, other: Contender, shares: Mapping[str, np.ndarray]) -> bool:
    """Whether two laws, with as many parameters, predict the same to what a search leaves open."""
    if one.parameters != other.parameters:
        return False
    return np.allclose(shares[one.label], shares[other.label], rtol=1e-4, atol=0.0)


def recommend(
    ordered: Sequence[Contender],
    trials: Sequence[Trial],
    holdouts: Sequence[Holdout],
    runs: Runs,
    *,
    level: float,
    relative: bool,
) -> Recommendation:
    """The law of fewest parameters among those not told from the best, unless a baseline does as well.

    Args:
        ordered: laws and baselines, the least error first.
        trials, holdouts, runs: what their errors are of.
        level: what the prediction intervals promise.
        relative: whether errors are relative.
    """
    laws = [c for c in ordered if c.law is not None and math.isfinite(c.error)]
    if not laws:
        return Recommendation(None, ("Every law failed on at least one hold-out; the reasons are below.",))
    best = laws[0]
    shares = {c.label: _shares(c.label, trials, holdouts, runs, relative) for c in ordered}

    def behind(one: Contender, other: Contender) -> tuple[float, float]:
        """How much larger the first one's error is, and the standard error of that; nan where there are too few."""
        difference = shares[one.label] - shares[other.label]
        n = len(difference)
        return float(difference.sum()), float(
            difference.std(ddof=1) * math.sqrt(n)
        ) if n >= _FEWEST_BLOCKS else math.nan

    size = (lambda x: percent(x, 2)) if relative else (lambda x: f"{x:.4g}")
    reasons = []
    close = [c for c in laws if c is best or behind(c, best)[0] <= behind(c, best)[1]]
    choice = min(close, key=lambda c: (c.parameters, c.error))
    same = [c for c in laws if c is not choice and _one_formula(c, choice, shares)]
    close = [c for c in close if c not in same]
    where = f"over {plural(len(holdouts), 'hold-out')}" if len(holdouts) > 1 else "on the runs held out"
    reasons.append(f"{best.label} has the least mean error {where}, {size(best.error)}.")
    if len(shares[best.label]) < _FEWEST_BLOCKS:
        reasons.append("Too few independent runs are held out to say whether the others are truly behind.")
    if choice is not best:
        gap, noise = behind(choice, best)
        reasons.append(
            f"{choice.label} ({size(choice.error)}) cannot be told from it (behind by {size(gap)}, standard error "
            f"{size(noise)}) and has {choice.parameters} parameters instead of {best.parameters}."
        )
    if same:
        which = " and ".join(c.label for c in same)
        also = "is the same law" if len(same) == 1 else "are the same law"
        reasons.append(f"{which} {also} as {choice.label} in other letters: no runs can tell them apart.")
    if alike := [c.label for c in close if c not in (best, choice)]:
        simpler = "which is no simpler" if len(alike) == 1 else "which are no simpler"
        others = ", ".join(alike)
        reasons.append(
            f"Nor can {others}." if choice is not best else f"These runs do not tell it from {others}, {simpler}."
        )
    reasons += of_plans(choice, close)
    behind_all = [c for c in laws if c not in (*close, *same)]
    if behind_all:
        gap, noise = behind(behind_all[0], best)
        sure = f" (standard error {size(noise)})" if math.isfinite(noise) else ""
        reasons.append(f"{behind_all[0].label} is behind by {size(gap)}{sure}.")
    better = [c for c in ordered if c.law is None and c.error <= choice.error]
    if better:
        names = " and ".join(f"{c.label} ({size(c.error)})" for c in better)
        reasons.insert(
            0,
            f"{names} does at least as well as the best choice among the laws, {choice.label} "
            f"({size(choice.error)}): none of them adds anything on these hold-outs.",
        )
        return Recommendation(None, tuple(reasons))
    baseline = min((c for c in ordered if c.law is None), key=lambda c: c.error)
    reasons.append(f"Without a law, {baseline.label} errs by {size(baseline.error)}.")
    reasons += _cautions(choice, laws, holdouts, level, size)
    return Recommendation(choice.label, tuple(reasons))


def of_plans(choice: Contender, close: Sequence[Contender]) -> Iterator[str]:
    """What a planner would want to know: that another law, not told from the choice, knows the best size better."""
    known = [c for c in close if math.isfinite(c.optimum_factor)]
    best = min(known, key=lambda c: c.optimum_factor, default=choice)
    if choice in known and choice.optimum_factor > _PLANS_WORSE * best.optimum_factor:
        yield (
            f"For a plan look at the best N too: at the budgets held out {choice.label} misses it by a factor of "
            f"{choice.optimum_factor:.2f}, {best.label} by {best.optimum_factor:.2f}."
        )


def _cautions(
    choice: Contender,
    laws: Sequence[Contender],
    holdouts: Sequence[Holdout],
    level: float,
    size: Callable[[float], str],
) -> Iterator[str]:
    """What to know before believing the law chosen."""
    held = sum(len(h.rows) for h in holdouts)
    if math.isfinite(choice.covered):
        slack = 2 * math.sqrt(level * (1 - level) / held)
        if choice.covered < level - slack:
            yield (
                f"Its prediction intervals are too narrow: they hold {percent(choice.covered, 0)} of the held-out "
                f"runs, {percent(level, 0)} was promised."
            )
        elif choice.covered > level + slack:
            yield f"Its prediction intervals are wide: they hold {percent(choice.covered, 0)} of the held-out runs."
    if held >= _FEWEST_BLOCKS and abs(choice.bias) > 0.5 * choice.error:
        side = "low" if choice.bias < 0 else "high"
        yield f"Most of its error is bias: its predictions are too {side} by {size(abs(choice.bias))} on average."
    if choice.trustworthy is False:
        yield f"Its fit to all runs is {choice.verdict}"
    informed = [c for c in laws if math.isfinite(c.aic)]
    if len(informed) > 1 and math.isfinite(choice.aic):
        favourite = min(informed, key=lambda c: c.aic)
        if favourite is not choice and choice.aic - favourite.aic > 2:
            yield (
                f"In sample, {favourite.label} is preferred (AIC lower by {choice.aic - favourite.aic:.1f}); "
                "fitting better is not extrapolating better."
            )


def _shares(label: str, trials: Sequence[Trial], holdouts: Sequence[Holdout], runs: Runs, relative: bool) -> np.ndarray:
    """The mean error as a sum over blocks (n_blocks,) of runs that are ever held out.

    A block is an independent run where the runs name them; else runs that are neighbours in compute (or in the first
    variable), about as many blocks as runs in each, since neighbours err together.
    """
    position = {int(row): k for k, row in enumerate(runs.rows)}
    share, ever = np.zeros(runs.count), np.zeros(runs.count, bool)
    for h in holdouts:
        index = [position[row] for row in h.rows]
        ever[index] = True
        (trial,) = (t for t in trials if (t.law, t.holdout) == (label, h.label))
        if trial.reason:
            continue
        off = np.abs(trial.predicted / trial.observed - 1 if relative else trial.predicted - trial.observed)
        share[index] += off / len(index) / len(holdouts)
    count = int(ever.sum())
    if runs.clusters is not None:
        _, block = np.unique(np.array(runs.clusters)[ever], return_inverse=True)
    else:
        along = runs.variable("C") if {"N", "D"} <= set(runs.variables) else next(iter(runs.variables.values()))
        order = np.argsort(np.argsort(along[ever].reshape(count, -1)[:, 0], kind="stable"))
        block = order * max(round(math.sqrt(count)), min(count, _FEWEST_BLOCKS)) // count
    return np.bincount(block, share[ever])
