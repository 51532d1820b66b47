"""Whether residuals speak against the law: terms that are missing, runs that err together."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from jaxscale._base.text import as_percent, inert
from jaxscale._base.verdict import BEYOND, Reason
from jaxscale._data.sweeps import settings_among
from jaxscale._data.wording import flag
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.plan_beyond import log_best_size
from jaxscale._trust.residuals import (
    DEPENDENCE,
    FEWEST_RUNS_FOR_TRENDS,
    NEGLIGIBLE_RESIDUAL,
    cross_term_scores,
    missing_terms,
    scatters_above,
    skewness,
    strong_dependence,
    trends,
    trends_of_scores,
)

CROSS_TERM_T = 3.0
MOVES_DECISION = 3.0  # times: a best N that far from that of the lower edge is no decision
# Where a warning becomes fatal was set on the tuning seeds of studies/verdicts.py. Sound tables reach the first
# number, tables whose decision is wrong begin at the second:
STRONG_DEPENDENCE = 0.65  # .57, .69: rank correlation of neighbours


def residual_checks(e: Evidence) -> Iterator[Reason]:
    used = e.at.used
    residuals, sigma = e.at.residuals[used], e.at.sigma
    if not (np.isfinite(sigma) and sigma > 0) or e.exact:
        return
    if e.at.scatter.share_below != 0.5:
        yield from _score_checks(e)
        return
    yield from _one_sided(e)
    if len(residuals) < FEWEST_RUNS_FOR_TRENDS:
        return
    logs, log_space = e.scalar_logs, e.problem.task.space == "log"
    bends = e.ask(missing_terms) if log_space else {}
    response = e.response.name
    for names, (t, size) in bends.items():
        term = " x ".join(f"log {n}" for n in names)
        yield Reason(
            "residual_trend" if names[0] == names[1] else "cross_term",
            "fatal",
            f"the law misses a term in {term} that moves the {response} by {as_percent(size, 1)} in these runs "
            f"(t = {t:.0f}) and by more beyond them; compare another law, or fit a narrower range",
        )
    yield from _trends(e.ask(trends))
    if logs and (together := e.ask(strong_dependence)) > DEPENDENCE:
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
    score = e.ask(cross_term_scores)
    if score is not None and abs(score) > CROSS_TERM_T and not any(a != b for a, b in bends):
        yield Reason(
            "cross_term",
            "warning",
            f"a term in log N x log D would improve the fit (t = {abs(score):.1f}): intervals of exponents may miss "
            "the truth; compare another law",
        )


def _one_sided(e: Evidence) -> Iterator[Reason]:
    """Runs that settings left above what their size and data allow, while none can lie far below."""
    law = e.problem.law
    if law.response.better != "lower" or not scatters_above(e.at, e.runs.clusters):
        return
    skew, of_noise = skewness(e.at, e.runs.clusters)
    settings = settings_among(e.runs.record.unused)
    cure = "take the lower edge, objective=LowerEdge(0.1) (--objective lower-edge:0.1)"
    if settings:
        best = f"best_of={settings!r} ({flag('best_of')} {','.join(inert(name) for name in settings)})"
        cure = f"keep the best of each design, {best}, or {cure}"
    grows = None if e.edge is None else _edge_over_middle(e, e.edge)
    yield Reason(
        "one_sided_scatter",
        "fatal" if grows is not None and abs(np.log(grows)) > np.log(MOVES_DECISION) else "warning",
        f"runs scatter further above the law than below it (decile skewness {skew:+.2f}, noise stays below "
        f"{of_noise:.2f}), as runs of untuned settings do, of which a fit to the middle is no law of the best; {cure}"
        + ("" if e.edge is None else f": {_of_edge(e, e.edge)}"),
    )


def _edge_over_middle(e: Evidence, edge: Mapping[str, float]) -> float | None:
    """The best N by the lower edge over that by the fit, at `BEYOND` times the largest compute."""
    sizes = [log_best_size(e, theta) for theta in (e.problem.law.theta(edge), e.problem.full(e.free))]
    if sizes[0] is None or sizes[1] is None:
        return None
    return float(np.exp(np.clip(sizes[0] - sizes[1], -700.0, 700.0)))


def _of_edge(e: Evidence, edge: Mapping[str, float]) -> str:
    """What a plan or a reader would take from the lower edge instead."""
    law = e.problem.law
    middle = law.natural(e.problem.full(e.free))
    over = _edge_over_middle(e, edge)
    if over is not None:
        grows = [p["beta"] / (p["alpha"] + p["beta"]) for p in (edge, middle)]
        return (
            f"there the best N grows as C^{grows[0]:.2f} instead of C^{grows[1]:.2f}, and is "
            f"{over:.2g} times as large at {BEYOND:g} times the largest compute of these runs"
        )
    exponents = [p.name for p in law.parameters if p.transform == "identity"] or list(law.parameter_names)
    return "there " + ", ".join(f"{name} is {edge[name]:.3g} instead of {middle[name]:.3g}" for name in exponents[:4])


def _score_checks(e: Evidence) -> Iterator[Reason]:
    """Of a law that lies below most runs: how far they lie above may well change along it, but not how many do."""
    if e.at.used.sum() >= FEWEST_RUNS_FOR_TRENDS:
        yield from _trends(e.ask(trends_of_scores), "shares of runs below the law")


def _trends(found: Sequence[str], what: str = "residuals") -> Iterator[Reason]:
    if found:
        yield Reason(
            "residual_trend",
            "warning",
            f"{what} rise, fall or bend with {' and '.join(found)}: the law misses something there; "
            "compare another law, or fit a narrower range",
        )
