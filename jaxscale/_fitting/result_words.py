"""What the report of a fit says of its intervals, its findings and what was minimised."""

import numpy as np

from jaxscale._base.text import plain
from jaxscale._base.verdict import Reason, Verdict
from jaxscale._problem.objectives import Objective
from jaxscale.laws import Law

# What the methods of intervals are called in a report.
METHODS = {
    "powell_sandwich": "robust standard errors (sandwich with Powell's kernel)",
    "leverage_sandwich": "robust standard errors (sandwich, residuals corrected for leverage)",
    "pairs_bias_corrected": "bootstrap",
    "pairs_percentile": "bootstrap",
    "pairs_by_step": "bootstrap",
    "cluster_pairs_percentile": "bootstrap",
    "joint_pairs_percentile": "bootstrap of all groups at once",
    "profile": "profiles of the objective, scaled to its noise",
}


def span(low: float, high: float) -> str:
    """An interval in words; an end that the runs do not bound is open."""
    return f"{plain(low) if np.isfinite(low) else 'open'} to {plain(high) if np.isfinite(high) else 'open'}"


def findings(verdict: Verdict) -> tuple[str, ...]:
    """A line for each reason, or for several of one severity about the same rows."""
    groups: list[list[Reason]] = []
    for r in verdict.reasons:
        if groups and r.rows and (groups[-1][0].severity, groups[-1][0].rows) == (r.severity, r.rows):
            groups[-1].append(r)
        else:
            groups.append([r])
    lines = [f"{g[0].severity}, {', '.join(r.code for r in g)}: {'; '.join(r.text for r in g)}" for g in groups]
    counted = ["Rows are counted from 1 below the header."] if any(r.rows for r in verdict.reasons) else []
    return (*lines, *counted)


def objective_words(o: Objective, law: Law, response: str) -> str:
    """What is minimised."""
    extra = "" if o.overestimate == 1 or o.kind == "lower_edge" else f", overestimates x {o.overestimate:g}"
    logged = o.space == "log" and law.response.logged
    return f"{o.words} on {'log ' if logged else ''}{response}{extra}"
