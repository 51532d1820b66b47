"""The laws' own trial: each is fitted to some runs and judged by those held out; who predicts best, and how surely."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
import pandas as pd
from scipy.special import stdtrit

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, listed, plural, quoted
from jaxscale._base.validation import Progress
from jaxscale._comparison.comparison import Comparison, Contender, Holdout, Trial
from jaxscale._comparison.recommend import recommend
from jaxscale._data.filters import holds
from jaxscale._data.runs import Runs, read_runs
from jaxscale._data.tables import read_frame
from jaxscale._fitting.fit_many import fit_many
from jaxscale._fitting.fits import Failure
from jaxscale._fitting.result import FitResult
from jaxscale._problem.objectives import Huber, Objective
from jaxscale._problem.problem import Problem, make_problem
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale.laws import Law, get, label_of

NEAREST, LOG_LINEAR = "(nearest run)", "(log-linear)"
_BASELINES = (NEAREST, LOG_LINEAR)
_FEWEST_TRAINED = 3
_ROLLING_SHARES = (0.4, 0.8)  # of the runs, that the first and the last of rolling cuts train on
_BUDGET_GAP, _BUDGET_WIDTH = 0.03, 0.2  # in log C: runs of one budget lie closer than the first, all within the second
_FEWEST_SIZES = 5  # of one budget, for a parabola

Entry = Law | str | tuple[Law | str, Mapping[str, Any]]


def compare(
    data: Runs | Any,
    laws: Sequence[Entry] | Mapping[str, Entry],
    *,
    holdout: str | np.ndarray | Sequence[Any] | None = None,
    rolling: str | None = None,
    cuts: int = 3,
    leave_out: str | None = None,
    objective: Objective | None = None,
    level: float = 0.9,
    starts: Any = "auto",
    seed: int = 0,
    progress: Progress | None = None,
    columns: Mapping[str, Any] | None = None,
    **reading: Any,
) -> Comparison:
    """Fit every law to part of the runs and see how it predicts the rest.

    Each law is fitted without each hold-out (and once to all runs, for information criteria and its verdict). Beside
    the laws stand two baselines: the response of the nearest run in the logs of the variables, and a straight line in
    those logs. The law recommended has the fewest parameters among those whose error is within one standard error
    (paired, over blocks of neighbouring runs) of the least, as Hastie et al. 2009 (Elements of Statistical Learning,
    7.10) choose among models, unless a baseline does better than all.

    Args:
        data: `Runs`, or anything `read_runs` takes; hold-outs may then name any column of the table.
        laws: laws or their names, or a mapping of labels to them; a pair (law, options) passes options to `fit`, such
            as `{"fixed": {"E": 1.7}}`. All must have one response.
        holdout: one comparison of a column or symbol with a value, "C > 1e21", a mask (n_runs,) of the runs held out,
            or several of these.
        rolling: symbol of a variable (N, D, C): fitted to the smaller runs, judged by the larger, at `cuts` cuts that
            train on 40 to 80 % of the runs.
        leave_out: column whose values are held out one after the other.
        objective: as for `fit`, the same for all laws.
        level: of the prediction intervals: error of the law by the delta method and Powell's sandwich, plus the robust
            scatter of the runs fitted to, with Student's t.
        starts, seed: as for `fit`.
        progress: called as progress(done, total, what).
        columns: further variables by column, as in `read_runs`.
        **reading: of `read_runs` (N, D, C, loss, ...), where `data` is a table.

    Raises:
        InputError: no hold-out is given, one leaves too few runs on either side, or the laws differ in their response.
            A law that fails is a row with its reason.
    """
    entries = _entries(laws)
    first = entries[0][1]
    objective = Huber() if objective is None else objective
    runs, table = _read(data, [law for _, law, _ in entries], {**reading, **dict(columns or {})})
    masks = _masks(runs, table, holdout, rolling, cuts, leave_out)
    holdouts = tuple(
        Holdout(name, int(runs.count - mask.sum()), tuple(map(int, runs.rows[mask]))) for name, mask in masks
    )
    if not 0 < level < 1:
        raise InputError(f"level must lie between 0 and 1 (0.9 is 90 %), got {level!r}")
    budgets = _budgets(runs)
    relative = first.response.domain == "positive"
    total, done = len(entries) * (len(masks) + 1), 0
    trials: list[Trial] = []
    contenders: list[Contender] = []
    likelihood = "Gaussian" if objective.kind == "squared" else "Laplace"
    for label, law, options in entries:
        options = {"objective": objective, "starts": starts, "seed": seed, **options}
        whole, *attempts = _attempts(law, runs, [np.zeros(runs.count, bool), *(mask for _, mask in masks)], options)
        mine = [
            Trial(label, name, attempt)
            if isinstance(attempt, str)
            else _judged(label, name, attempt, runs, mask, budgets, level, relative)
            for attempt, (name, mask) in zip(attempts, masks, strict=True)
        ]
        done += len(masks) + 1
        if progress is not None:
            progress(done, total, "fits")
        trials += mine
        contenders.append(_contender(label, law, whole, mine, likelihood))
    for label in _BASELINES:
        mine = [_baseline(label, name, entries, runs, mask, budgets, relative) for name, mask in masks]
        trials += mine
        contenders.append(Contender(label, None, 0, **_means(mine)))
    ordered = tuple(sorted(contenders, key=lambda c: c.error if math.isfinite(c.error) else math.inf))
    rank = {c.label: k for k, c in enumerate(ordered)}
    trials.sort(key=lambda t: rank[t.law])
    space = "log " if relative and objective.space == "log" else ""
    words = (
        f"ΔAIC and ΔBIC: of fits to all runs, under a {likelihood} likelihood of the residuals of the {space}"
        f"{first.response.name} with one scale"
        + (", which the robust objective approaches as delta shrinks" if objective.kind == "huber" else "")
        + "; they take the runs for independent."
    )
    return Comparison(
        first.response.name, first.response.unit, relative, level, _words(objective), words, holdouts, ordered,
        tuple(trials), recommend(ordered, trials, holdouts, runs, level, relative), _notes(runs, masks),
    )  # fmt: skip


# What is compared, on what -------------------------------------------------------------------------------------------


def _entries(laws: Any) -> list[tuple[str, Law, dict[str, Any]]]:
    """Label, law and options of `fit` for every contender."""
    if isinstance(laws, (str, Law)):
        laws = [laws]
    named = list(laws.items()) if isinstance(laws, Mapping) else [(None, entry) for entry in laws]
    entries = []
    for name, entry in named:
        law, options = entry if isinstance(entry, tuple) else (entry, {})
        law = get(law) if isinstance(law, str) else law
        if not isinstance(law, Law):
            raise InputError(f"laws takes laws or their names, got {quoted(law)}")
        entries.append((str(name) if name is not None else label_of(law), law, dict(options)))
    if not entries:
        raise InputError("there is no law to compare; give at least one, such as laws=['chinchilla', 'kaplan_nd']")
    labels = [label for label, *_ in entries]
    if doubled := [label for label in labels if labels.count(label) > 1 or label in _BASELINES]:
        raise InputError(f"law {quoted(doubled[0])} is there twice; give a mapping of labels to laws")
    first = entries[0][1].response
    for label, law, _ in entries:
        if (law.response.name, law.response.domain) != (first.name, first.domain):
            raise InputError(
                f"laws are compared by what they predict: {entries[0][0]} predicts {first.name}, "
                f"{label} predicts {law.response.name}"
            )
    return entries


def _read(data: Any, laws: list[Law], reading: dict[str, Any]) -> tuple[Runs, pd.DataFrame]:
    """The runs, and beside each everything that a hold-out may name: columns of the table, then symbols."""
    if isinstance(data, Runs):
        if reading:
            raise InputError(f"these runs were read already; {next(iter(reading))}= belongs to a table")
        runs, table = data, pd.DataFrame(index=range(data.count))
    else:
        frame = read_frame(data)
        domains = {v.name: v.domain for law in laws for v in law.variables} | {"response": laws[0].response.domain}
        reading.setdefault("domains", {k: v for k, v in domains.items() if v in ("real", "unit", "count")})
        runs = read_runs(frame, **reading)
        table = frame.iloc[runs.rows - 1].reset_index(drop=True)
    mine = runs.to_frame().reset_index(drop=True)
    if "C" not in mine and {"N", "D"} <= set(mine):
        mine["C"] = runs.variable("C")
    for symbol, column in runs.record.columns.items():
        if isinstance(column, str) and symbol in mine and column not in mine:
            mine[column] = mine[symbol]
    return runs, table.assign(**{str(name): mine[name] for name in mine if name not in table})


def _masks(
    runs: Runs, table: pd.DataFrame, holdout: Any, rolling: str | None, cuts: int, leave_out: str | None
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
        raise InputError("say which runs to hold out: holdout='C > 1e21', rolling='C', or leave_out='group'")
    used = np.ones(runs.count, bool) if runs.weights is None else runs.weights > 0
    for name, mask in masks:
        trained, held = int((~mask & used).sum()), int((mask & used).sum())
        if trained < _FEWEST_TRAINED or held < 1:
            raise InputError(
                f"hold-out {quoted(name)} leaves {plural(trained, 'run')} to fit to and {held} to predict; "
                f"at least {_FEWEST_TRAINED} and 1 are needed"
            )
    return [(name, mask & used) for name, mask in masks]


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


def _rolling(runs: Runs, symbol: str, cuts: int) -> list[tuple[str, np.ndarray]]:
    """Cuts between distinct values of a variable, nearest to those that train on even shares of the runs."""
    values = runs.variable(symbol)
    if values.ndim != 1:
        raise InputError(f"{symbol} is a vector and has no larger and smaller runs; roll along N, D or C")
    if isinstance(cuts, bool) or not isinstance(cuts, int) or cuts < 1:
        raise InputError(f"cuts must be a whole number from 1 on, got {cuts!r}")
    distinct = np.unique(values)
    gaps = np.diff(np.log(distinct)) if distinct[0] > 0 else np.full(len(distinct) - 1, np.inf)
    ends = np.flatnonzero(gaps > _BUDGET_GAP) if (gaps > _BUDGET_GAP).sum() >= cuts else np.arange(len(gaps))
    shares = np.array([(values <= distinct[end]).mean() for end in ends])
    wanted = np.linspace(*_ROLLING_SHARES, cuts) if cuts > 1 else [np.mean(_ROLLING_SHARES)]
    chosen = sorted({int(ends[np.abs(shares - w).argmin()]) for w in wanted}) if len(ends) else []
    if len(chosen) < cuts:
        raise InputError(
            f"{symbol} takes {plural(len(distinct), 'distinct value')}, which leaves {len(chosen)} of {cuts} cuts"
        )
    thresholds = [_between(distinct[end], distinct[end + 1]) for end in chosen]
    return [(f"{symbol} > {format_number(t, 17, suffixes=symbol != 'C')}", values > t) for t in thresholds]


def _between(low: float, high: float) -> float:
    """The shortest number from `low` on and below `high`."""
    middle = math.sqrt(low) * math.sqrt(high) if low > 0 else (low + high) / 2
    rounded = (float(f"{middle:.{digits}e}") for digits in range(17))
    return next((r for r in rounded if low <= r < high), low)


# One law without one hold-out ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A fit to the runs that were not held out, and its linearization at all runs."""

    result: FitResult
    problem: Problem
    at: Linearization
    response: np.ndarray  # (n_runs,) predicted


def _attempts(law: Law, runs: Runs, held: Sequence[np.ndarray], options: Mapping[str, Any]) -> list["_Fitted | str"]:
    """For each mask of runs held out (n_runs,) the fit to the others, or why there is none; all side by side.

    Runs held out weigh nothing, so that all share one compiled program.
    """
    weights = np.ones(runs.count) if runs.weights is None else runs.weights
    tables = {str(k): replace(runs, weights=np.where(mask, 0.0, weights)) for k, mask in enumerate(held)}
    try:
        fits = fit_many(law, tables, intervals="quick", **options)
    except InputError as error:
        return [str(error)] * len(held)
    return [one.text if isinstance(one, Failure) else _fitted(law, runs, one, options) for _, one in fits]


def _fitted(law: Law, runs: Runs, result: FitResult, options: Mapping[str, Any]) -> "_Fitted | str":
    """A fit with what it predicts for all runs, or why it cannot be used."""
    pins = {k: options[k] for k in ("fixed", "tied", "bounds", "priors") if k in options}
    problem = make_problem(law, runs, result.objective, **pins, noise=result.noise)
    with jax.enable_x64(True):
        at = linearize(problem, problem.reduce(result.theta))
    value = at.residuals + problem.points.response[: runs.count]
    with np.errstate(over="ignore"):
        value = np.exp(value) if problem.task.space == "log" else value
    if wrong := int((~np.isfinite(value)).sum()):
        return f"the fitted law is not finite at {wrong} of {runs.count} runs"
    return _Fitted(result, problem, at, value)


def _judged(
    label: str, holdout: str, it: _Fitted, runs: Runs, mask: np.ndarray, budgets: list[np.ndarray], level: float,
    relative: bool,
) -> Trial:  # fmt: skip
    low, high = _prediction_interval(it, mask, runs.count, level)
    inside = (low <= runs.response[mask]) & (runs.response[mask] <= high)
    trial = _measured(label, holdout, it.response, runs, mask, budgets, relative)
    return replace(
        trial,
        covered=float(inside.mean()) if np.isfinite(low).all() else math.nan,
        trustworthy=it.result.verdict.trustworthy,
        codes=tuple(dict.fromkeys(it.result.verdict.codes)),
        params=dict(it.result.params),
        low=low,
        high=high,
    )


def _measured(
    label: str, holdout: str, predicted: np.ndarray, runs: Runs, mask: np.ndarray, budgets: list[np.ndarray],
    relative: bool,
) -> Trial:  # fmt: skip
    """Errors of predictions (n_runs,) on the runs held out and on the others."""
    used = np.ones(runs.count, bool) if runs.weights is None else runs.weights > 0
    off = predicted / runs.response - 1 if relative else predicted - runs.response
    factor, count = _optimum_factor(runs, predicted, [b[mask[b]] for b in budgets], relative)
    nothing = np.full(int(mask.sum()), math.nan)
    return Trial(
        label,
        holdout,
        error=float(np.abs(off[mask]).mean()),
        bias=float(off[mask].mean()),
        worst=float(np.abs(off[mask]).max()),
        train_error=float(np.abs(off[~mask & used]).mean()),
        optimum_factor=factor,
        optimum_budgets=count,
        observed=np.array(runs.response[mask]),
        predicted=predicted[mask],
        low=nothing,
        high=nothing,
    )


def _prediction_interval(it: _Fitted, mask: np.ndarray, count: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Ends (n_held_out,) of the intervals that should hold a further run; nan without a covariance."""
    nothing = np.full(int(mask.sum()), math.nan)
    covariance, sigma = it.result.covariance, it.result.sigma
    if covariance is None or not np.isfinite(sigma):
        return nothing, nothing
    order = [covariance.names.index(name) for name in it.problem.free_names]
    slopes = it.at.jacobian[mask]
    variance = np.einsum("ni,ij,nj->n", slopes, covariance.matrix[np.ix_(order, order)], slopes) + sigma**2
    freedom = max(count - int(mask.sum()) - slopes.shape[1], 1)
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
    centre = it.at.residuals[mask] + it.problem.points.response[:count][mask]
    low, high = centre - half, centre + half
    with np.errstate(over="ignore"):
        return (np.exp(low), np.exp(high)) if it.problem.task.space == "log" else (low, high)


def _budgets(runs: Runs) -> list[np.ndarray]:
    """Positions of the runs of every compute budget at which several sizes were trained."""
    if not {"N"} <= set(runs.variables) or not ({"C"} <= set(runs.variables) or {"D"} <= set(runs.variables)):
        return []
    log_C = np.log(runs.variable("C"))
    order = np.argsort(log_C, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(log_C[order]) > _BUDGET_GAP) + 1)
    return [g for g in groups if np.ptp(log_C[g]) <= _BUDGET_WIDTH]


def _optimum_factor(runs: Runs, predicted: np.ndarray, budgets: list[np.ndarray], relative: bool) -> tuple[float, int]:
    """Geometric mean over budgets of the factor between the best sizes by the runs and by the predictions.

    Both are vertices of least-squares parabolas in log N through the same runs, so that the parabola's own bias
    cancels. Budgets whose runs show no minimum between their smallest and largest model are left out; nan if the
    predictions show none where the runs do.
    """
    misses = []
    for group in budgets:
        log_N = np.log(runs.variables["N"][group])
        if len(np.unique(np.round(log_N, 2))) < _FEWEST_SIZES:
            continue
        observed, foretold = (
            _vertex(log_N, np.log(y[group]) if relative else y[group]) for y in (runs.response, predicted)
        )
        if not log_N.min() < observed < log_N.max():
            continue
        misses.append(abs(foretold - observed))
    return (float(np.exp(np.mean(misses))) if misses else math.nan), len(misses)


def _vertex(x: np.ndarray, y: np.ndarray) -> float:
    """Where the least-squares parabola through (x, y) is least; nan if it has no minimum."""
    middle = x.mean()
    bend, slope, _ = np.polyfit(x - middle, y, 2)
    return float(middle - slope / (2 * bend)) if bend > 1e-12 * np.abs(y).max() else math.nan


def _baseline(
    label: str, holdout: str, entries: list[tuple[str, Law, dict[str, Any]]], runs: Runs, mask: np.ndarray,
    budgets: list[np.ndarray], relative: bool,
) -> Trial:  # fmt: skip
    """What anyone can do without a law, from the variables that the laws read."""
    names = list(dict.fromkeys(v for _, law, _ in entries for v in law.variables))
    have = {v.name for v in names}
    columns = []
    for v in names:
        if v.name == "C" and {"N", "D"} <= have:
            continue
        try:
            values = runs.variable(v.name).reshape(runs.count, -1)
        except InputError:
            continue  # the law that wants it says so
        columns.append(np.log(values) if v.domain == "positive" else values)
    if not columns:
        return Trial(label, holdout, "the runs have none of the laws' variables")
    x = np.concatenate(columns, axis=1)
    y = np.log(runs.response) if relative else runs.response
    weights = np.ones(runs.count) if runs.weights is None else runs.weights
    known = ~mask & (weights > 0)
    if label == NEAREST:
        spread = x[known].std(axis=0)
        scaled = x / np.where(spread > 0, spread, 1.0)
        distance = ((scaled[:, None] - scaled[known][None]) ** 2).sum(axis=2)
        value = y[known][distance.argmin(axis=1)]
    else:
        design = np.column_stack([np.ones(runs.count), x])
        root = np.sqrt(weights[known])
        value = design @ np.linalg.lstsq(design[known] * root[:, None], y[known] * root, rcond=None)[0]
    return _measured(label, holdout, np.exp(value) if relative else value, runs, mask, budgets, relative)


# All hold-outs together ----------------------------------------------------------------------------------------------


def _means(trials: Sequence[Trial]) -> dict[str, Any]:
    """Means over the hold-outs, nan where one is missing; of the factor, over those that have one."""
    factors = [math.log(t.optimum_factor) for t in trials if t.optimum_budgets]
    return {k: float(np.mean([getattr(t, k) for t in trials])) for k in ("error", "bias", "covered")} | {
        "optimum_factor": float(np.exp(np.mean(factors))) if factors else math.nan
    }


def _contender(label: str, law: Law, whole: _Fitted | str, trials: Sequence[Trial], likelihood: str) -> Contender:
    means = _means(trials)
    if isinstance(whole, str):
        return Contender(label, law, len(law.parameters), **means, reason=whole)
    free = whole.problem.layout.free
    used = whole.at.used
    weights = whole.at.weights[used] / whole.at.weights[used].mean()
    log_likelihood = _log_likelihood(whole.at.residuals[used], weights, likelihood)
    return Contender(
        label,
        law,
        free,
        **means,
        aic=2 * (free + 1) - 2 * log_likelihood,
        bic=math.log(int(used.sum())) * (free + 1) - 2 * log_likelihood,
        verdict=str(whole.result.verdict),
        trustworthy=whole.result.verdict.trustworthy,
        params=dict(whole.result.params),
    )


def _log_likelihood(residuals: np.ndarray, weights: np.ndarray, likelihood: str) -> float:
    """Largest over the one scale. Weights average 1."""
    n = len(residuals)
    if likelihood == "Laplace":
        scale = float((weights * np.abs(residuals)).mean())
        return -n * (math.log(2 * scale) + 1) if scale > 0 else math.nan
    variance = float((weights * residuals**2).mean())
    return -0.5 * n * (math.log(2 * math.pi * variance) + 1) if variance > 0 else math.nan


def _notes(runs: Runs, masks: Iterable[tuple[str, np.ndarray]]) -> tuple[str, ...]:
    if runs.clusters is None:
        return ()
    labels = np.array(runs.clusters)
    return tuple(
        f"{name}: {plural(len(shared), 'run')} have rows on both sides, so earlier checkpoints help to predict later "
        "ones of the same run"
        for name, mask in masks
        if len(shared := set(labels[mask]) & set(labels[~mask]))
    )


def _words(objective: Objective) -> str:
    return objective.words + (" on logs" if objective.space == "log" else "")
