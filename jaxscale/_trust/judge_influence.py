"""Whether a few runs decide what the fit says, and whether runs lie far off the law: two things, of different runs."""

from collections.abc import Iterator

import numpy as np

from jaxscale._base.text import as_percent
from jaxscale._base.verdict import BEYOND, Reason
from jaxscale._trust.evidence import Evidence, Finding
from jaxscale._trust.left_out import changes_without, uncorrelated_slopes
from jaxscale._trust.plan_beyond import plan_beyond
from jaxscale._trust.residuals import MOST_NAMED

FAR_OFF_IN_SIGMA = 10.0
# Standard errors that the decision moves without one run. At one it has gone .6 of the way to the end of its 90 %
# interval: of sound tables of 20 runs and more, 5 % have such a run, of smaller ones a third. Runs of half that are
# named beside it. Parameters, which are watched where there is no decision, move farther: the most of several.
MOVES_DECISION, MOVES_PARAMETER, NAMED_WITH_IT = 1.0, 2.0, 0.5


def influence_checks(e: Evidence) -> Finding:
    """Runs without any one of which the decision, or where there is none a parameter, would be another."""
    used = e.at.used
    if e.covariance is None or e.at.freedom < 1 or not e.at.sigma > 0 or e.exact or e.at.scatter.share_below != 0.5:
        return
    decision, names, labels = plan_beyond(e), e.at.names, None
    if decision is None:
        errors, slopes, most = np.sqrt(np.diag(e.covariance.matrix)), np.eye(len(names)), MOVES_PARAMETER
    else:
        errors, slopes, most = decision.errors, decision.slopes, MOVES_DECISION
    watched = np.flatnonzero((errors > 0) & np.isfinite(errors))
    if not len(watched):
        return
    units = None
    if e.runs.clusters is not None:
        labels, units = np.unique(np.array(e.runs.clusters)[used], return_inverse=True)
    each = slopes[watched] / errors[watched, None]
    found = yield from changes_without(e.at, units, each, e.ask(uncorrelated_slopes), most)
    if not found:
        return
    moved = np.array([change for _, change in found]) @ slopes[watched].T
    share = moved / errors[watched]
    k = int(np.abs(share).max(axis=0).argmax())
    order = np.argsort(-np.abs(share[:, k]), kind="stable")
    if not abs(share[order[0], k]) > most:
        return
    named = [i for i in order[:MOST_NAMED] if abs(share[i, k]) > NAMED_WITH_IT * most]
    chosen = [found[i][0] for i in named]
    rows = np.asarray(e.runs.rows)[used]
    of_units = tuple(int(row) for unit in chosen for row in (rows[[unit]] if units is None else rows[units == unit]))
    called = [f"row {rows[unit]}" if labels is None else f"run {labels[unit]}" for unit in chosen]
    by, size = float(moved[order[0], k]), abs(float(share[order[0], k]))
    if decision is None:
        what = f"{names[watched[k]]} moves"
    else:
        quantity = "best N" if watched[k] == 0 else f"least {e.response.name}"
        what = f"the {quantity} at {BEYOND:g} times the largest compute moves by "
        factor = float(np.exp(min(by, 700.0)))
        what += as_percent(factor - 1, signed=True) if abs(by) < np.log(2) else f"a factor of {factor:.2g}"
    others = f"; {', '.join(called[1:])} count{'s' * (len(called) == 2)} next" if len(called) > 1 else ""
    yield Reason(
        "influential_runs",
        "warning",
        f"without {called[0]} alone {what}, {size:.1f} standard errors{others}; look into "
        f"{'it' if len(called) == 1 else 'them'}, none was dropped",
        of_units,
    )


def outlier_checks(e: Evidence) -> Iterator[Reason]:
    """Runs far off the law. A robust objective hardly moves for them: whether a run decides is another question."""
    used, sigma = e.at.used, e.at.sigma
    if not (np.isfinite(sigma) and sigma > 0) or e.exact or e.at.scatter.share_below != 0.5:
        return
    size = np.abs(e.at.residuals[used])
    far = np.flatnonzero(size > FAR_OFF_IN_SIGMA * sigma)
    if len(far):
        worst = tuple(int(row) for row in np.asarray(e.runs.rows)[used][far[np.argsort(-size[far], kind="stable")]])
        more = f" and {len(worst) - MOST_NAMED} more" if len(worst) > MOST_NAMED else ""
        yield Reason(
            "outliers",
            "warning",
            f"{f'{len(worst)} runs lie' if len(worst) > 1 else '1 run lies'} more than {FAR_OFF_IN_SIGMA:g} typical "
            f"residuals off the law (row{'s' * (len(worst) > 1)} {', '.join(map(str, worst[:MOST_NAMED]))}{more}); "
            "check and keep or leave out, none was dropped",
            worst,
        )
