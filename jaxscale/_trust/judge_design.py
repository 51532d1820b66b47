"""Whether the runs are enough, and vary what the law reads."""

from collections.abc import Iterator

import numpy as np

from jaxscale._base.text import plural
from jaxscale._base.verdict import Reason
from jaxscale._trust.evidence import Evidence
from jaxscale._trust.identification import WARN_CONDITION
from jaxscale._trust.interval_method import FEWEST_DEGREES_OF_FREEDOM
from jaxscale._trust.residuals import across_to_along, three_values

ONE_RAY = 0.02  # spread of the variables across their common direction, as a share of that along it


def too_few_runs(used: int, parameters: int) -> Iterator[Reason]:
    freedom = used - parameters
    if freedom < FEWEST_DEGREES_OF_FREEDOM:
        yield Reason(
            "too_few_runs",
            "fatal",
            f"{plural(used, 'run')} cannot determine {parameters} parameters; add runs or fix parameters"
            if freedom < 1
            else f"{used} runs leave only {freedom} degrees of freedom for {parameters} parameters; "
            "add runs or fix parameters",
        )


def _too_few_below(below: float, parameters: int) -> Iterator[Reason]:
    """A law that lies below most runs passes through as many as it has parameters; more of them must lie below it."""
    if below < parameters:
        yield Reason(
            "too_few_runs",
            "warning",
            f"about {below:.1f} runs lie below the law, too few for {parameters} parameters: it passes through its "
            "lowest runs and follows their noise; take a larger share q, or more runs",
        )


def design_checks(e: Evidence) -> Iterator[Reason]:
    used = int(e.at.used.sum())
    yield from too_few_runs(used, e.at.jacobian.shape[1])
    yield from _too_few_below(e.at.scatter.runs_below, e.at.jacobian.shape[1])
    response = e.runs.response[e.at.used]
    if used > 1 and (response == response[0]).all():
        same = f"the {e.response.name} is the same in every run, so nothing follows from it; check its column"
        yield Reason("few_distinct_sizes", "fatal", same)
    # What the design cannot separate, a pin, tie or prior may: the conditioning knows of them.
    known = known_beside_runs(e) if e.identification.condition_number < WARN_CONDITION else ""
    severity = "warning" if known else "fatal"
    values = e.ask(three_values)
    for name, count in values.items():
        if count < 3:
            many = "one value" if count == 1 else f"{count} values"
            yield Reason(
                "few_distinct_sizes",
                severity,
                f"{name} takes only {many} in these runs, so "
                + (f"its effect is known from {known} alone" if known else "its effect cannot be separated")
                + f"; vary {name}",
            )
    if len(values) >= 2 and all(count == 3 for count in values.values()) and e.ask(across_to_along) < ONE_RAY:
        first, *_, last = values
        such_as = " (a fixed D/N, or a single compute budget)" if {"N", "D"} <= set(values) else ""
        yield Reason(
            "one_ray",
            severity,
            f"{' and '.join(values)} lie on one line in all runs{such_as}, so "
            + (f"{known} alone tells their effects apart" if known else "their effects cannot be separated")
            + f"; vary {first} at fixed {last}, or {last} at fixed {first}",
        )


def weight_checks(e: Evidence) -> Iterator[Reason]:
    """How many runs of equal weight these are worth, (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling, sec. 11.7)."""
    weights = np.asarray(e.runs.precision)[e.at.used]
    worth, count = float(weights.sum() ** 2 / (weights**2).sum()), e.at.jacobian.shape[1]
    if worth > len(weights) - 0.5:
        return
    what = "weights" if e.runs.errors is None else "weights by the runs' standard errors"
    spread = f"{what} run from {weights.min():.3g} to {weights.max():.3g}"
    runs = f"{len(weights)} runs are worth {worth:.1f} of equal weight"
    if worth < count + 2:
        heaviest = np.argsort(-weights)[:3]
        rows = tuple(int(row) for row in np.asarray(e.runs.rows)[e.at.used][heaviest])
        yield Reason(
            "uneven_weights",
            "fatal",
            f"{spread}, so that {runs}, too few for {count} parameters; look at the heaviest, "
            f"rows {', '.join(map(str, rows))}, or weigh runs more evenly",
            rows,
        )
    else:
        yield Reason("uneven_weights", "info", f"{spread}: {runs}")


def known_beside_runs(e: Evidence) -> str:
    """What is known beside the runs, in words; empty if nothing is."""
    names, slots, prior = e.problem.law.parameter_names, e.problem.layout.slots, e.problem.loss.prior
    fixed = [name for name, slot in zip(names, slots, strict=True) if slot < 0]
    tied = [name for name, slot in zip(names, slots, strict=True) if slot >= 0 and slots.count(slot) > 1]
    believed = [] if prior is None else [name for name, w in zip(e.at.names, prior.weight, strict=True) if w > 0]
    parts = ("what was fixed", fixed), ("the tie", tied), ("the prior", believed)
    return " and ".join(f"{what} ({', '.join(of)})" for what, of in parts if of)
