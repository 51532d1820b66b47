"""Approaches 1, 2 and 3 of Hoffmann et al. 2022 on one table, side by side, and why they disagree where they do."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from jaxscale._analyses.approaches.counting import counting_difference
from jaxscale._analyses.approaches.differences import differences_of, pairs_apart
from jaxscale._analyses.approaches.envelope import envelope
from jaxscale._analyses.approaches.isoflop import isoflop
from jaxscale._analyses.approaches.law_fit import fit_law, fit_row, with_bias
from jaxscale._analyses.approaches.side_by_side import METHODS, Approach, Approaches, Code
from jaxscale._analyses.approaches.trend import Trend, check_resampling
from jaxscale._base.errors import InputError
from jaxscale._base.progress import listening, tell
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs, as_runs


def approaches(
    runs: Runs | Any,
    *,
    budgets: Sequence[float] | None = None,
    non_embedding: str | float | None = None,
    level: float = 0.9,
    draws: int = 500,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Approaches:
    """Approaches 1, 2 and 3 of Hoffmann et al. 2022 (arXiv 2203.15556, Section 3) on the same runs.

    Args:
        runs: `Runs` with N and D (or C), or anything `read_runs` takes; with a `run` column they are training curves.
        budgets: FLOPs at which best sizes are compared; the largest of the runs and a hundred times that by default.
        non_embedding: also count model and compute without embeddings, as Kaplan et al. 2020 did: the variable of
            `runs` that holds those sizes (`Runs.from_frame(..., M="params_non_embedding")`, then "M"), or omega of
            N_total = N + omega N^(1/3) (Pearce and Song 2024, arXiv 2406.12907; 47491 for Chinchilla's models).
        level, draws, seed: of the intervals of every approach.
        progress: called as progress(done, total, what); True for a line on standard error.

    An approach that these runs do not allow is a row that says why. Where approaches disagree the record says what
    pulls them apart, measured on losses of exactly the fitted law at the same sizes and budgets.

    Raises:
        InputError: the runs lack N, D or a positive loss, or an argument cannot be used.
    """
    runs = as_runs(runs)
    check_resampling(level, draws)
    compute = runs.variable("C")
    if budgets is None:
        budgets = (float(compute.max()), 100 * float(compute.max()))
    if not len(budgets) or not all(0 < b < math.inf for b in budgets):
        raise InputError("budgets must be positive and finite numbers of FLOPs")
    budgets = tuple(float(b) for b in budgets)
    sampling = {"level": level, "draws": draws, "seed": seed}
    rows: list[Approach] = []

    parts = len(METHODS) + 2
    with listening(progress, "comparing"):
        tell(0, parts, "approaches")
        whole = _attempt("envelope", rows, partial(envelope, runs, **sampling), budgets)
        isoflops = {}
        for k, method in enumerate(METHODS, 1):
            tell(k, parts, "approaches")
            if found := _attempt(method, rows, partial(isoflop, runs, method=method, points=None, **sampling), budgets):
                isoflops[method] = found
        tell(parts - 1, parts, "approaches")
        fitted, untrusted = fit_law(runs, sampling)
    if fitted is None or untrusted:
        rows.append(Approach("fit", missing=untrusted))
    else:
        best = fit_row(fitted, runs, budgets)
        rows = [*(with_bias(row, runs, fitted, best, budgets) for row in rows), best]
    trusted = None if untrusted else fitted
    agree = not pairs_apart(rows)
    return Approaches(
        rows=tuple(rows),
        reasons=differences_of(runs, rows, isoflops, whole, trusted, budgets),
        budgets=budgets,
        agree=agree,
        level=level,
        runs=runs.count,
        envelope=whole,
        isoflops=isoflops,
        fit=fitted,
        counting=() if non_embedding is None else counting_difference(runs, non_embedding, whole, trusted, sampling),
    )


# --- Each approach as a row ---
def _attempt(code: Code, rows: list[Approach], make: Any, budgets: tuple[float, ...]) -> Any:
    """The record of an approach, its row appended; None where the runs do not allow it, and the row says why."""
    try:
        record = make()
    except InputError as error:
        rows.append(Approach(code, missing=str(error)))
        return None
    if not math.isfinite(record.N.exponent):
        rows.append(Approach(code, missing=record.verdict))
        return record
    if code == "unbiased" and record.method != code:
        rows.append(Approach(code, missing="its budgets have too few sizes for the law's own shape"))
        return None
    rows.append(_row(code, record.N, record.D, budgets))
    return record


def _row(code: Code, N: Trend, D: Trend, budgets: tuple[float, ...]) -> Approach:
    return Approach(
        code,
        N.exponent,
        N.interval,
        D.exponent,
        D.interval,
        tuple(N.at(b) for b in budgets),
        tuple(D.at(b) for b in budgets),
        tuple(N.decades_beyond(b) for b in budgets),
    )
