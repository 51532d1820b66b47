"""The laws' own trial: each is fitted to some runs and judged by those held out; who predicts best, and how surely."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._analyses.comparison.best_sizes import budget_groups
from jaxscale._analyses.comparison.comparison import Comparison, Contender, Holdout, Trial
from jaxscale._analyses.comparison.holdouts import beyond_trained, holdout_masks
from jaxscale._analyses.comparison.recommend import recommend
from jaxscale._analyses.comparison.trials import BASELINES, Fitted, Split, attempts_of, baseline_trial, judge_trial
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.text import plural, quoted
from jaxscale._base.validation import Progress, check_level
from jaxscale._data.runs import Runs, read_runs
from jaxscale._data.tables import read_frame
from jaxscale._fitting.options import rows_for
from jaxscale._problem.objectives import Huber, Objective
from jaxscale.laws import Law, label_of
from jaxscale.laws._registry import as_law

Entry = Law | str | tuple[Law | str, Mapping[str, Any]]


def compare(
    data: Runs | Any,
    laws: Sequence[Entry] | Mapping[str, Entry],
    *,
    holdout: str | np.ndarray | Sequence[Any] | None = None,
    rolling: str | None = None,
    cuts: int | None = None,
    leave_out: str | None = None,
    objective: Objective | None = None,
    level: float = 0.9,
    starts: Any = "auto",
    seed: int = 0,
    progress: Progress | bool | None = None,
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
        rolling: symbol of a variable (N, D, C): fitted to the smaller runs, judged by the larger, at cuts that train on
            40 to 80 % of the runs.
        cuts: how many; three if not given, or as many as there are between few budgets.
        leave_out: column whose values are held out one after the other.
        objective: as for `fit`, the same for all laws.
        level: of the prediction intervals: error of the law by the delta method and Powell's sandwich, plus the robust
            scatter of the runs fitted to, with Student's t.
        starts, seed: as for `fit`.
        progress: called as progress(done, total, what); True for a line on standard error.
        columns: further variables by column, as in `read_runs`.
        **reading: of `read_runs` (N, D, C, loss, ...), where `data` is a table.

    Raises:
        InputError: no hold-out is given, one leaves too few runs on either side, or the laws differ in their response.
            A law that fails is a row with its reason.
    """
    entries = _entries(laws)
    first = entries[0][1]
    objective = Huber() if objective is None else objective
    runs, table = _read(data, [law for _, law, _ in entries], {**reading, **dict(columns or {})}, progress)
    masks = holdout_masks(runs, table, holdout, rolling, cuts, leave_out)
    holdouts = tuple(
        Holdout(name, int(runs.count - mask.sum()), tuple(map(int, runs.rows[mask])), beyond_trained(runs, mask))
        for name, mask in masks
    )
    check_level(level)
    budgets = budget_groups(runs)
    relative = first.response.logged
    splits = [Split(name, runs, mask, budgets, first.response) for name, mask in masks]
    total, done = len(entries) * (len(masks) + 1), 0
    trials: list[Trial] = []
    contenders: list[Contender] = []
    likelihood = "Gaussian" if objective.kind == "squared" else "Laplace"
    with listening(progress, "comparing"):
        tell(0, total, "fits")
        for label, law, options in entries:
            options = {"objective": objective, "starts": starts, "seed": seed, **options}
            whole, *attempts = attempts_of(
                law, runs, [np.zeros(runs.count, bool), *(mask for _, mask in masks)], options
            )
            mine = [
                Trial(label, split.holdout, attempt)
                if isinstance(attempt, str)
                else judge_trial(label, split, attempt, level)
                for attempt, split in zip(attempts, splits, strict=True)
            ]
            done += len(masks) + 1
            tell(done, total, "fits")
            trials += mine
            contenders.append(_contender(label, law, whole, mine, likelihood))
    for label in BASELINES:
        mine = [baseline_trial(label, split, [law for _, law, _ in entries]) for split in splits]
        trials += mine
        contenders.append(Contender(label, None, 0, **_means(mine)))
    ordered = tuple(sorted(contenders, key=lambda c: c.error if math.isfinite(c.error) else math.inf))
    rank = {c.label: k for k, c in enumerate(ordered)}
    trials.sort(key=lambda t: rank[t.law])
    measure = runs.record.measure.under(first.response.name, first.response.unit)
    space = "log " if relative and objective.space == "log" else ""
    words = (
        f"ΔAIC and ΔBIC are computed on all runs with {likelihood} noise of the {space}{measure.name}; "
        "they assume independent runs."
    )
    return Comparison(
        response=measure.name,
        unit=measure.unit,
        relative=relative,
        level=level,
        objective=_words(objective),
        likelihood=words,
        holdouts=holdouts,
        contenders=ordered,
        trials=tuple(trials),
        recommendation=recommend(ordered, trials, holdouts, runs, level=level, relative=relative),
        notes=_notes(runs, masks),
    )


# What is compared, on what -------------------------------------------------------------------------------------------
def _entries(laws: Any) -> list[tuple[str, Law, dict[str, Any]]]:
    """Label, law and options of `fit` for every contender."""
    if isinstance(laws, (str, Law)):
        laws = [laws]
    if not isinstance(laws, Mapping | Sequence):
        raise InputError(
            f"laws must be laws or their names, got {quoted(type(laws).__name__)}; the runs come first: "
            "js.compare(runs, ['chinchilla', 'kaplan_nd'])"
        )
    named = list(laws.items()) if isinstance(laws, Mapping) else [(None, entry) for entry in laws]
    entries = []
    for name, entry in named:
        law, options = entry if isinstance(entry, tuple) else (entry, {})
        law = as_law(law)
        entries.append((str(name) if name is not None else label_of(law), law, dict(options)))
    if not entries:
        raise InputError(
            "there is no law to compare; give at least one, such as laws=['chinchilla', 'kaplan_nd'] "
            "(--laws chinchilla,kaplan_nd)"
        )
    labels = [label for label, *_ in entries]
    if doubled := [label for label in labels if labels.count(label) > 1 or label in BASELINES]:
        raise InputError(f"law {quoted(doubled[0])} is there twice; give a mapping of labels to laws")
    first = entries[0][1].response
    for label, law, _ in entries:
        if (law.response.name, law.response.domain) != (first.name, first.domain):
            raise InputError(
                f"laws are compared by what they predict: {entries[0][0]} predicts {first.name}, "
                f"{label} predicts {law.response.name}"
            )
    return entries


def _read(
    data: Any, laws: list[Law], reading: dict[str, Any], progress: Progress | bool | None = None
) -> tuple[Runs, pd.DataFrame]:
    """The runs, and beside each everything that a hold-out may name: columns of the table, then symbols."""
    if isinstance(data, Runs):
        if reading:
            raise InputError(f"these runs were read already; {next(iter(reading))}= belongs to a table")
        runs = rows_for(laws, data)
        table = pd.DataFrame(index=range(runs.count))
    else:
        frame = read_frame(data, progress, reading)
        domains = {v.name: v.domain for law in laws for v in law.variables} | {"response": laws[0].response.domain}
        reading.setdefault("domains", {k: v for k, v in domains.items() if v in ("real", "unit", "count")})
        runs = rows_for(laws, read_runs(frame, **reading))
        table = frame.iloc[runs.rows - 1].reset_index(drop=True)
    mine = runs.to_frame().reset_index(drop=True)
    if "C" not in mine and {"N", "D"} <= set(mine):
        mine["C"] = runs.variable("C")
    for symbol, column in runs.record.columns.items():
        if isinstance(column, str) and symbol in mine and column not in mine:
            mine[column] = mine[symbol]
    return runs, table.assign(**{str(name): mine[name] for name in mine if name not in table})


# All hold-outs together ----------------------------------------------------------------------------------------------
def _means(trials: Sequence[Trial]) -> dict[str, Any]:
    """Means over the hold-outs, nan where one is missing; of the factor, over those that have one."""
    factors = [math.log(t.optimum_factor) for t in trials if t.optimum_budgets]
    return {k: float(np.mean([getattr(t, k) for t in trials])) for k in ("error", "bias", "covered")} | {
        "optimum_factor": float(np.exp(np.mean(factors))) if factors else math.nan
    }


def _contender(label: str, law: Law, whole: Fitted | str, trials: Sequence[Trial], likelihood: str) -> Contender:
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
        result=whole.result,
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
