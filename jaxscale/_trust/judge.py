"""Whether a fit may be trusted: each check, its threshold, and the sentence a person reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from jaxscale._base.verdict import Reason, Verdict
from jaxscale._data.notes import POSSIBLE_GROUPS
from jaxscale._data.runs import Runs
from jaxscale._problem.losses import Prior
from jaxscale._problem.problem import Noise, Problem
from jaxscale._solver.projection import linear_parameters
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.identification import Identification
from jaxscale._trust.interval_method import (
    FEWEST_DEGREES_OF_FREEDOM,
    HOPELESS_CONDITION,
    WARN_CONDITION,
    WEAK_RELATIVE_ERROR,
)
from jaxscale._trust.linearization import Linearization
from jaxscale._trust.residuals import (
    FEWEST_RUNS_FOR_TRENDS,
    MOST_NAMED,
    cross_term_score,
    dependence,
    distinct,
    has_trend,
    influential,
    missing_terms,
    ranks_of,
)
from jaxscale.laws import chinchilla

GRADIENT_TOLERANCE = 1e-5
ROUNDING = 4 * float(np.finfo(np.float64).eps)  # of a residual, as a share of the response; 1 eps was seen
FEW_AGREEING = 0.05
FAR_FROM_PRIOR = 2.0  # widths: beyond, 5 % of the time even were the runs to say nothing
CROSS_TERM_T = 3.0
DEPENDENCE = 0.3
# Where a warning becomes fatal was set on the tuning seeds of studies/verdicts.py. Sound tables reach the first
# number, tables whose decision is wrong begin at the second:
HOPELESS_RELATIVE_ERROR = 0.5  # .44, .53: standard error of an exponent
NOISY = 0.2  # .07, .25: typical residual over the spread of what the law explains; then WEAK_RELATIVE_ERROR is fatal
STRONG_DEPENDENCE = 0.65  # .57, .69: rank correlation of neighbours
BEYOND = 10.0
SIZE_BEYOND = 0.26, 0.4  # .35, .5: standard error of log N*, warned of and fatal
LOSS_BEYOND = 0.006, 0.0085  # .0075, .0094: standard error of the log of the least loss
NEGLIGIBLE_RESIDUAL = 1e-3  # residuals of logs below which no dependence between them matters
FAR_OFF_IN_SIGMA = 10.0
ONE_RAY = 0.02  # spread of the variables across their common direction, as a share of that along it


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything the checks look at."""

    problem: Problem
    runs: Runs
    free: np.ndarray  # (free,) the optimum
    at: Linearization
    identification: Identification
    covariance: Covariance | None  # of the free values, the best there is
    finished: int
    at_best: int
    never_moved: tuple[str, ...]
    in_float32: bool = False  # whether the first steps were
    whole: tuple[Reason, ...] | None = None  # of one group of a joint fit: what `judge_whole` found, checked there


def judge(evidence: Evidence) -> Verdict:
    """All checks, the worst first; hints about the table only where something is fatal."""
    checks = [c for c in _CHECKS if evidence.whole is None or c not in (_optimum, _design)]
    reasons = [*(evidence.whole or ()), *(r for check in checks for r in check(evidence))]
    if all(r.severity != "fatal" for r in reasons):
        reasons = [r for r in reasons if r.code != POSSIBLE_GROUPS]
    return Verdict.of(reasons)


def gradient_tolerance(problems: Sequence[Problem], at: Sequence[Linearization]) -> float:
    """The largest `gradient_norm` that counts as zero: more where residuals are so small that they are mostly rounding.

    A law that passes through every run leaves nothing but rounding to point anywhere.
    """
    size = np.linalg.norm(np.concatenate([x.psi for x in at]))
    if not size > 0:
        return GRADIENT_TOLERANCE
    off = [
        x.weights * (np.abs(p.points.response[: p.count]) + (p.task.space == "log"))  # of logs near zero too
        for p, x in zip(problems, at, strict=True)
    ]
    return GRADIENT_TOLERANCE + float(ROUNDING * np.linalg.norm(np.concatenate(off)) / size)


def judge_whole(
    gradient_norm: float, tolerance: float, finished: int, at_best: int, used: int, parameters: int
) -> tuple[Reason, ...]:
    """What holds for all groups of a joint fit: its optimum, and runs enough for all its parameters."""
    return (*_gradient(gradient_norm, tolerance), *_agreement(finished, at_best), *_freedom(used, parameters))


def _optimum(e: Evidence) -> Iterator[Reason]:
    yield from _gradient(e.at.gradient_norm, gradient_tolerance([e.problem], [e.at]))
    if e.never_moved:
        yield Reason(
            "never_moved",
            "fatal",
            f"{', '.join(e.never_moved)} never moved from the start: the runs say nothing about it",
            params=e.never_moved,
        )
    if e.in_float32:
        yield Reason(
            "low_precision",
            "info",
            "these devices have no float64, so starts descended in float32 on them and were finished in float64 on "
            "the host",
        )
    yield from _agreement(e.finished, e.at_best)


def _gradient(gradient_norm: float, tolerance: float) -> Iterator[Reason]:
    if not gradient_norm <= tolerance:
        yield Reason(
            "gradient_not_zero",
            "fatal",
            f"the solver stopped where the gradient is not zero (cosine {gradient_norm:.1e}, should be below "
            f"{tolerance:.1g}); leave optimizer at its default",
        )


def _agreement(finished: int, at_best: int) -> Iterator[Reason]:
    share = at_best / max(finished, 1)
    if finished >= 8 and (at_best < 2 or share < FEW_AGREEING):
        yield Reason(
            "starts_disagree",
            "fatal" if at_best < 2 else "warning",
            f"only {at_best} of {finished} starts agree on the minimum; try starts='paper' or more starts, "
            "or a simpler law",
        )


def _bounds(e: Evidence) -> Iterator[Reason]:
    for k, name in enumerate(e.at.names):
        if not e.at.held[k]:
            continue
        members = [p.name for p, s in zip(e.problem.law.parameters, e.problem.layout.slots, strict=True) if s == k]
        side = "lower" if e.free[k] <= e.problem.lower[k] + 1e-9 else "upper"
        if e.problem.asked & set(members):
            text = f"{name} sits on its {side} bound; widen the bound, or fix {name} if you are sure of it"
        elif dict(e.problem.law.parameters[e.problem.law.parameter_names.index(name)].dimension) == {
            e.problem.law.response.name: 1
        }:
            text = (
                f"{name} fell to zero: these runs show no floor, so nothing beyond their range can be predicted; "
                f"add larger runs or fix {name}"
            )
        else:
            text = f"{name} ran off to its {side} limit: these runs do not determine it; fix it or take a simpler law"
        yield Reason("at_bound", "fatal", text, params=tuple(members))


def _freedom(used: int, parameters: int) -> Iterator[Reason]:
    freedom = used - parameters
    if freedom < FEWEST_DEGREES_OF_FREEDOM:
        yield Reason(
            "too_few_runs",
            "fatal",
            f"{used} runs cannot determine {parameters} parameters; add runs or fix parameters"
            if freedom < 1
            else f"{used} runs leave only {freedom} degrees of freedom for {parameters} parameters; "
            "add runs or fix parameters",
        )


def _design(e: Evidence) -> Iterator[Reason]:
    used = int(e.at.used.sum())
    yield from _freedom(used, e.at.jacobian.shape[1])
    logs = _scalar_logs(e)
    # What the design cannot separate, a pin, tie or prior may: the conditioning knows of them.
    known = known_beside_runs(e) if e.identification.condition_number < WARN_CONDITION else ""
    severity = "warning" if known else "fatal"
    for name, values in logs.items():
        count = distinct(values)
        if count < 3:
            many = "one value" if count == 1 else f"{count} values"
            yield Reason(
                "few_distinct_sizes",
                severity,
                f"{name} takes only {many} in these runs, so "
                + (f"its effect is known from {known} alone" if known else "its effect cannot be separated")
                + f"; vary {name}",
            )
    if len(logs) >= 2 and used >= 3 and all(distinct(v) >= 3 for v in logs.values()):
        stacked = np.stack([(v - v.mean()) / v.std() for v in logs.values()])
        singular = np.linalg.svd(stacked, compute_uv=False)
        if singular[-1] < ONE_RAY * singular[0]:
            first, *_, last = logs
            such_as = " (a fixed D/N, or a single compute budget)" if {"N", "D"} <= set(logs) else ""
            yield Reason(
                "one_ray",
                severity,
                f"{' and '.join(logs)} lie on one line in all runs{such_as}, so "
                + (f"{known} alone tells their effects apart" if known else "their effects cannot be separated")
                + f"; vary {first} at fixed {last}, or {last} at fixed {first}",
            )


def known_beside_runs(e: Evidence) -> str:
    """What is known beside the runs, in words; empty if nothing is."""
    names, slots, prior = e.problem.law.parameter_names, e.problem.layout.slots, e.problem.loss.prior
    fixed = [name for name, slot in zip(names, slots, strict=True) if slot < 0]
    tied = [name for name, slot in zip(names, slots, strict=True) if slot >= 0 and slots.count(slot) > 1]
    believed = [] if prior is None else [name for name, w in zip(e.at.names, prior.weight, strict=True) if w > 0]
    parts = ("what was fixed", fixed), ("the tie", tied), ("the prior", believed)
    return " and ".join(f"{what} ({', '.join(of)})" for what, of in parts if of)


def _conditioning(e: Evidence) -> Iterator[Reason]:
    condition = e.identification.condition_number
    heaviest = " against ".join(list(e.identification.sloppiest)[:2])
    if not condition < HOPELESS_CONDITION:
        yield Reason(
            "ill_conditioned",
            "fatal",
            f"the runs do not determine {heaviest} (condition number {condition:.1e}, refused above "
            f"{HOPELESS_CONDITION:.0e}); fix or tie one, or widen the runs",
        )
    elif condition > WARN_CONDITION:
        yield Reason(
            "ill_conditioned",
            "warning",
            f"the runs hardly determine {heaviest} (condition number {condition:.1e}, sound below "
            f"{WARN_CONDITION:.0e}); widen the range of the runs",
        )
    used, noisy = e.at.used, False
    if e.problem.task.space == "log" and used.any():
        explained = float(np.std(e.problem.points.response[: len(used)][used] + e.at.residuals[used]))
        noisy = e.at.sigma > NOISY * explained
    limit = WEAK_RELATIVE_ERROR if noisy else HOPELESS_RELATIVE_ERROR
    for name, error in _relative_errors(e):
        if error > WEAK_RELATIVE_ERROR:
            # What multiplies a term may well be near zero; then the term hardly matters, and the rest is known.
            factor = name in linear_parameters(e.problem)
            yield Reason(
                "weakly_identified",
                "fatal" if error > limit and not factor else "warning",
                f"{name} is known only to {100 * error:.0f} % (one standard error); "
                "add runs that vary what it governs, or fix it",
                params=(name,),
            )


def _decision(e: Evidence) -> Iterator[Reason]:
    """How well the runs determine what a plan would decide somewhat beyond them."""
    found = errors_beyond(e)
    if found is None:
        return
    size, loss = found
    beyond = f"{BEYOND:g} times the largest compute of these runs"
    for error, (warn, hopeless), text in (
        (size, SIZE_BEYOND, f"the best N at {beyond} is known only to a factor of {np.exp(min(size, 700.0)):.2g}"),
        (loss, LOSS_BEYOND, f"the least loss at {beyond} is known only to {100 * min(loss, 1e4):.2g} %"),
    ):
        if error > warn:
            text += " (one standard error); add larger runs, or runs on both sides of the best N"
            yield Reason("weakly_identified", "fatal" if error > hopeless else "warning", text)


def errors_beyond(e: Evidence) -> tuple[float, float] | None:
    """Standard errors of log N* and of the log of the least loss at `BEYOND` times the largest compute, C = 6 N D, by
    the delta method, widened for few runs as Student's t is; None for laws whose optimum is not that of Hoffmann et al.
    2022, Eq. 4: N* = (alpha A / (beta B))^(1 / (alpha + beta)) (C / 6)^(beta / (alpha + beta))."""
    law, logs = e.problem.law, _scalar_logs(e)
    if law.closed_forms.get("allocation") is not chinchilla.closed_forms["allocation"] or e.covariance is None:
        return None
    theta = dict(zip(law.parameter_names, e.problem.full(e.free), strict=True))
    alpha, beta = theta["alpha"], theta["beta"]
    if set(logs) != {"N", "D"} or not (alpha > 0 and beta > 0) or e.at.freedom < 1:
        return None
    log_product = np.log(BEYOND) + np.max(logs["N"] + logs["D"])  # of N and D
    log_n = (np.log(alpha / beta) + theta["A"] - theta["B"] + beta * log_product) / (alpha + beta)
    log_d = log_product - log_n
    terms = np.array([theta["E"], theta["A"] - alpha * log_n, theta["B"] - beta * log_d])
    floor, of_size, of_tokens = np.exp(terms - np.logaddexp.reduce(terms))
    of_best = {"A": 1.0, "B": -1.0, "alpha": 1 / alpha - log_n, "beta": log_product - 1 / beta - log_n}
    # The loss does not change with N at the optimum.
    of_loss = {"E": floor, "A": of_size, "B": of_tokens, "alpha": -log_n * of_size, "beta": -log_d * of_tokens}
    slopes = np.zeros((2, len(e.free)))
    for name, k in zip(law.parameter_names, e.problem.layout.slots, strict=True):
        if k >= 0 and not e.at.held[k]:
            slopes[:, k] += of_best.get(name, 0.0) / (alpha + beta), of_loss.get(name, 0.0)
    variance = np.einsum("qi,ij,qj->q", slopes, e.covariance.matrix, slopes)
    wider = stdtrit(e.at.freedom, 0.95) / stdtrit(np.inf, 0.95)
    size, loss = wider * np.sqrt(np.maximum(np.nan_to_num(variance, nan=np.inf), 0.0))
    return float(size), float(loss)


def _relative_errors(e: Evidence) -> Iterator[tuple[str, float]]:
    """Standard error over value of parameters fitted as they are (exponents); logs are wide in sound fits."""
    if e.covariance is None:
        return
    errors = np.sqrt(np.diag(e.covariance.matrix))
    for parameter, slot in zip(e.problem.law.parameters, e.problem.layout.slots, strict=True):
        if slot >= 0 and parameter.transform == "identity" and not e.at.held[slot] and e.free[slot] != 0:
            yield parameter.name, float(errors[slot] / abs(e.free[slot]))


def _residuals(e: Evidence) -> Iterator[Reason]:
    used = e.at.used
    residuals, sigma = e.at.residuals[used], e.at.sigma
    if not (np.isfinite(sigma) and sigma > 0):
        return
    rows = np.asarray(e.runs.rows)[used]
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
    logs, ranks = _scalar_logs(e), ranks_of(residuals)
    log_space = e.problem.task.space == "log"
    bends = missing_terms(e.at, logs) if log_space else {}
    response = e.problem.law.response.name
    for names, (t, size) in bends.items():
        term = " x ".join(f"log {n}" for n in names)
        yield Reason(
            "residual_trend" if names[0] == names[1] else "cross_term",
            "fatal",
            f"the law misses a term in {term} that moves the {response} by {100 * size:.1g} % in these runs "
            f"(t = {t:.0f}) and by more beyond them; compare another law, or fit a narrower range",
        )
    if trends := [name for name, values in (*logs.items(), *_compute(logs)) if has_trend(values, ranks)]:
        yield Reason(
            "residual_trend",
            "warning",
            f"residuals rise, fall or bend with {' and '.join(trends)}: the law misses something there; "
            "compare another law, or fit a narrower range",
        )
    if logs and (together := dependence(e.at, logs, e.runs.clusters)) > DEPENDENCE:
        strong = together > STRONG_DEPENDENCE and not (log_space and sigma < NEGLIGIBLE_RESIDUAL)
        unnamed = e.runs.clusters is None
        yield Reason(
            "residuals_dependent",
            "fatal" if strong else "warning",
            f"runs that lie close together err together (rank correlation {together:+.2f}, none expected): "
            + ("name the independent run of each row (run=), or " if unnamed else "intervals are too narrow; ")
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


def _priors(e: Evidence) -> Iterator[Reason]:
    if e.problem.loss.prior is not None:
        yield from contradicted(e.at.names, e.free, e.problem.loss.prior, e.problem.noise)


def contradicted(names: Sequence[str], values: np.ndarray, prior: Prior, noise: Noise | None) -> Iterator[Reason]:
    """Values that ended far from the centre of their prior."""
    if noise is None:
        return
    widths_off = np.abs(values - prior.centre) * np.sqrt(prior.weight / (noise.dispersion or np.nan))
    for name, off in zip(names, widths_off, strict=True):
        if off > FAR_FROM_PRIOR:
            yield Reason(
                "prior_contradicted",
                "warning",
                f"{name} ended {off:.1f} widths from the centre of its prior: runs and prior contradict each other; "
                "check both, or widen the prior",
                params=(name,),
            )


def _table(e: Evidence) -> Iterator[Reason]:
    yield from e.runs.record.notes


_CHECKS = (_optimum, _bounds, _design, _conditioning, _decision, _residuals, _priors, _table)


def _scalar_logs(e: Evidence) -> dict[str, np.ndarray]:
    """The law's scalar variables at the runs used, logged where positive."""
    rows = np.flatnonzero(e.at.used)
    pairs = zip(e.problem.law.variables, e.problem.points.logs, strict=True)
    return {v.name: np.asarray(x)[rows] for v, x in pairs if np.ndim(x) == 1}


def _compute(logs: dict[str, np.ndarray]):
    return [("C", logs["N"] + logs["D"])] if {"N", "D"} <= set(logs) and "C" not in logs else []


def _count(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _rows(rows: tuple[int, ...]) -> str:
    more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:MOST_NAMED]))}{more}"
