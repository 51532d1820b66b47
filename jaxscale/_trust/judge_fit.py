"""Whether the law misses what the runs show: against a freer description of them, and in foretelling the largest."""

from collections.abc import Iterator

import numpy as np

from jaxscale._base.text import as_percent, format_number
from jaxscale._base.verdict import Reason
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.foretelling import foretold
from jaxscale._trust.lack_of_fit import misfits, steps

# Set on the tuning seeds of studies/verdicts.py and on designs drawn at random.
UNLIKELY = 1e-3  # the chance under the law of what is pointed out; its least sizes, in logs
MISFIT_SIZE, OFF_SIZE = 1e-3, 3e-3
SURE, SURE_F, SURE_RATIO = 1e-4, 8.0, 1.1  # a misfit is fatal beyond these, or where the backtest confirms it
SURE_MISFIT = 5e-3
SURE_OFF, SURE_OFF_SIZE = 1e-5, 6e-3


def fit_checks(e: Evidence) -> Iterator[Reason]:
    """A scatter that is really misfit, and a law that fails beyond the runs it was fitted to within the table."""
    central = e.at.scatter.share_below == 0.5
    if e.problem.task.space != "log" or e.problem.law.along_runs or not e.at.sigma > 0 or e.exact or not central:
        return
    found, late, what = e.ask(misfits), e.ask(foretold), e.response.name
    fails = late is not None and late.p < UNLIKELY and abs(late.off) > OFF_SIZE
    if found is not None and found.p < UNLIKELY and found.size > MISFIT_SIZE:
        sure = (found.p < SURE and found.f > SURE_F) or (late is not None and fails and abs(late.off) > SURE_OFF_SIZE)
        yield Reason(
            "lack_of_fit",
            "fatal" if sure and found.size > SURE_MISFIT and found.ratio > SURE_RATIO else "warning",
            f"the law misses {as_percent(found.size, 1)} of the {what} that {_shows(found.against)} "
            f"(F = {found.f:.0f}), which its intervals take for scatter; compare another law, or fit a narrower range",
        )
    elif (step := e.ask(steps)) is not None and step.misfit.p < UNLIKELY and step.misfit.size > MISFIT_SIZE:
        yield Reason(
            "lack_of_fit",
            "warning",
            f"the {step.runs} runs of {format_number(6 * np.exp(step.least))} FLOPs and more lie "
            f"{as_percent(abs(np.expm1(step.off)), 1)} {'above' if step.off > 0 else 'below'} the law of the others "
            f"(F = {step.misfit.f:.0f}); see whether they were trained, ended or evaluated otherwise",
        )
    if late is not None and fails:
        yield Reason(
            "backtest_failed",
            "fatal" if late.p < SURE_OFF and abs(late.off) > SURE_OFF_SIZE else "warning",
            f"fitted to the others, the law misses the {late.runs} runs of most compute: they lie "
            f"{as_percent(abs(np.expm1(late.off)), 1)} {'above' if late.off > 0 else 'below'} what it foretells, "
            f"{late.t:.0f} standard errors; compare another law, or fit a narrower range around the largest runs",
        )


def _shows(against: str) -> str:
    return f"{against} show" if against.startswith("runs") else f"{against} shows"
