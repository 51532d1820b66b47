"""Whether residuals speak against the law: runs that pull, terms that are missing, runs that err together."""

from collections.abc import Iterator

import numpy as np

from jaxscale._base.verdict import Reason
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.residuals import (
    FEWEST_RUNS_FOR_TRENDS,
    MOST_NAMED,
    cross_term_score,
    dependence,
    has_trend,
    influential,
    missing_terms,
    ranks_of,
)

FAR_OFF_IN_SIGMA = 10.0
CROSS_TERM_T = 3.0
DEPENDENCE = 0.3
NEGLIGIBLE_RESIDUAL = 1e-3  # residuals of logs below which no dependence between them matters
# Where a warning becomes fatal was set on the tuning seeds of studies/verdicts.py. Sound tables reach the first
# number, tables whose decision is wrong begin at the second:
STRONG_DEPENDENCE = 0.65  # .57, .69: rank correlation of neighbours


def residual_checks(e: Evidence) -> Iterator[Reason]:
    used = e.at.used
    residuals, sigma = e.at.residuals[used], e.at.sigma
    if not (np.isfinite(sigma) and sigma > 0):
        return
    rows = np.asarray(e.runs.rows)[used]
    if e.at.scatter.share_below != 0.5:
        yield from _score_checks(e)
        return
    pulling = influential(e.at, rows)
    if pulling:
        yield Reason(
            "influential_runs",
            "warning",
            f"{_count(len(pulling), 'run pulls', 'runs pull')} far more than the rest ({_rows(pulling)}); "
            f"see what the fit says without {'it' if len(pulling) == 1 else 'them'}",
            pulling,
        )
    far = np.flatnonzero(np.abs(residuals) > FAR_OFF_IN_SIGMA * sigma)
    if len(far):
        worst = tuple(int(rows[k]) for k in far[np.argsort(-np.abs(residuals[far]))])
        same = set(worst) == set(pulling)
        who = (
            f"the same {'run lies' if len(far) == 1 else 'runs lie'}"
            if same
            else _count(len(far), "run lies", "runs lie")
        )
        which = "" if same else f" ({_rows(worst)})"
        yield Reason(
            "outliers",
            "warning",
            f"{who} more than {FAR_OFF_IN_SIGMA:g} typical residuals off the law{which}; "
            "check and keep or leave out, none was dropped",
            pulling if same else worst,
        )
    if len(residuals) < FEWEST_RUNS_FOR_TRENDS:
        return
    logs, ranks = e.scalar_logs, ranks_of(residuals)
    log_space = e.problem.task.space == "log"
    bends = missing_terms(e.at, logs) if log_space else {}
    response = e.response.name
    for names, (t, size) in bends.items():
        term = " x ".join(f"log {n}" for n in names)
        yield Reason(
            "residual_trend" if names[0] == names[1] else "cross_term",
            "fatal",
            f"the law misses a term in {term} that moves the {response} by {100 * size:.1g} % in these runs "
            f"(t = {t:.0f}) and by more beyond them; compare another law, or fit a narrower range",
        )
    yield from _trends(logs, ranks)
    if logs and (together := dependence(e.at, logs, e.runs.clusters)) > DEPENDENCE:
        strong = together > STRONG_DEPENDENCE and not (log_space and sigma < NEGLIGIBLE_RESIDUAL)
        unnamed = e.runs.clusters is None
        yield Reason(
            "residuals_dependent",
            "fatal" if strong else "warning",
            f"runs that lie close together err together (rank correlation {together:+.2f}, none expected): "
            + (
                "name the independent run of each row (run=, --run-column), or "
                if unnamed
                else "intervals are too narrow; "
            )
            + "compare another law",
        )
    score = cross_term_score(e.at, logs)
    if score is not None and abs(score) > CROSS_TERM_T and not any(a != b for a, b in bends):
        yield Reason(
            "cross_term",
            "warning",
            f"a term in log N x log D would improve the fit (t = {abs(score):.1f}): intervals of exponents may miss "
            "the truth; compare another law",
        )


def _score_checks(e: Evidence) -> Iterator[Reason]:
    """Of a law that lies below most runs: how far they lie above may well change along it, but not how many do."""
    psi = e.at.psi[e.at.used]
    if len(psi) >= FEWEST_RUNS_FOR_TRENDS:
        yield from _trends(e.scalar_logs, ranks_of(psi), "shares of runs below the law")


def _trends(logs: dict[str, np.ndarray], ranks: np.ndarray, what: str = "residuals") -> Iterator[Reason]:
    if trends := [name for name, values in (*logs.items(), *_compute(logs)) if has_trend(values, ranks)]:
        yield Reason(
            "residual_trend",
            "warning",
            f"{what} rise, fall or bend with {' and '.join(trends)}: the law misses something there; "
            "compare another law, or fit a narrower range",
        )


def _compute(logs: dict[str, np.ndarray]):
    return [("C", logs["N"] + logs["D"])] if {"N", "D"} <= set(logs) and "C" not in logs else []


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _rows(rows: tuple[int, ...]) -> str:
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:MOST_NAMED]))}{more}"
