"""The card of a fit: everything a reader needs to repeat it and to judge it, as Markdown and as plain data.

It answers what surveys of scaling-law papers find missing: how parameters and compute were counted, how many runs of
which range, what was minimised, from how many starts, and what was not checked.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from jaxscale._base.files import CARD_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.report import Lines, Report, Reporting, Table, to_markdown
from jaxscale._base.text import format_number, inert
from jaxscale._base.verdict import Verdict
from jaxscale._base.version import __version__
from jaxscale._data.runs import Runs
from jaxscale._data.runs_file import RunsRecord
from jaxscale._problem.objectives import Huber, Objective, SquaredError, StudentT
from jaxscale._problem.problem import Noise
from jaxscale._solver.outcome import Starts
from jaxscale._trust.identification import Identification
from jaxscale._trust.intervals import Intervals
from jaxscale._trust.matched import AtNoise
from jaxscale.laws import Law
from jaxscale.laws._parameters import Parameter

# How often nominal 90 % intervals held the truth in simulations of the Chinchilla law (design and noise varied): the
# least and the largest mean over parameters and decisions. Of Huber(1e-3), or of what `_STUDIED` names.
_COVERAGE = {
    "pairs_bias_corrected": "88 to 92 % at 20 or more runs",
    "pairs_percentile": "88 to 92 % at 20 or more runs",
    "profile": "88 to 95 % at 9 or more runs",
    "powell_sandwich": "89 to 95 % at 9 or more runs",
    "leverage_sandwich": "89 to 94 % at 20 to 72 runs",
    "joint_pairs_percentile": "89 % of pooled exponents of 6 groups of 20 runs",
    "cluster_pairs_percentile": "92 to 93 % at 12 runs of 20 checkpoints",
}
_STUDIED: dict[str, tuple[Objective, ...]] = {
    "pairs_percentile": (Huber("matched"),),
    "leverage_sandwich": (Huber("matched"), StudentT(), SquaredError()),
}


@dataclass(frozen=True)
class Card(Reporting, Saved):
    """Sections of label and text, in order."""

    _format = CARD_FORMAT

    title: str
    verdict: str
    sections: dict[str, tuple[tuple[str, str], ...]] = field(hash=False)

    def to_dict(self) -> dict[str, Any]:
        """The card in the format `jaxscale.card/1`: sections of [label, text] pairs, in order."""
        sections = {name: [list(line) for line in lines] for name, lines in self.sections.items()}
        return self._document({"title": self.title, "verdict": self.verdict, "sections": sections})

    def report(self) -> Report:
        """One table for each section."""
        blocks: list[Table | Lines] = [Table(name, ("", "what"), tuple(lines)) for name, lines in self.sections.items()]
        return Report(self.title, self.verdict, tuple(blocks))

    def to_markdown(self) -> str:
        """The card for a repository or an appendix."""
        return to_markdown(self.report())


class Finished(Protocol):
    """What a card reads of a `FitResult`, which stands above it."""

    @property
    def law(self) -> Law: ...
    @property
    def response(self) -> Measure: ...
    @property
    def params(self) -> Mapping[str, float]: ...
    def unit_of(self, parameter: Parameter) -> str: ...
    @property
    def objective(self) -> Objective: ...
    @property
    def value(self) -> float: ...
    @property
    def gradient_norm(self) -> float: ...
    @property
    def precision(self) -> str: ...
    @property
    def sigma(self) -> float: ...
    @property
    def turning_point(self) -> float | None: ...
    @property
    def starts(self) -> Starts: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def identification(self) -> Identification: ...
    @property
    def intervals(self) -> Intervals: ...
    @property
    def runs(self) -> Runs | None: ...
    @property
    def record(self) -> RunsRecord: ...
    @property
    def runs_sha256(self) -> str: ...
    @property
    def fixed(self) -> Mapping[str, float]: ...
    @property
    def tied(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def bounds(self) -> Mapping[str, tuple[float | None, float | None]]: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def priors(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def noise(self) -> Noise | None: ...
    @property
    def at_noise(self) -> Sequence[AtNoise]: ...
    @property
    def shared(self) -> Mapping[str, float]: ...


def _beside() -> str:
    """What else computes here, with versions."""
    return f"Python {platform.python_version()}, JAX {version('jax')}, NumPy {np.__version__}"


def make_card(result: Finished, objective: str) -> Card:
    """The card of a `FitResult`, whose `objective` is given in words."""
    law, record, starts, intervals = result.law, result.record, result.starts, result.intervals
    sections = {
        "Law": _law(result),
        "Definitions": _definitions(result),
        "Runs": _runs(result),
        "Fit": (
            ("minimised", f"{objective}, summed over runs"),
            ("objective", f"{result.value:.10g}"),
            ("solver", f"{result.optimizer}, {result.precision}, seed {result.seed}"),
            ("starts", str(starts)),
            ("tolerance reached", f"largest cosine of the gradient {result.gradient_norm:.1e} (0 at an optimum)"),
            ("typical residual", f"{result.sigma:.3g} (robust standard deviation)"),
            ("delta over it", _delta(result)),
            *_matched(result),
            *_at_noise(result),
            ("versions", f"jaxscale {__version__}; card written with {_beside()}"),
        ),
        "Uncertainty": (
            ("method", f"{intervals.method}, {100 * intervals.level:g} %" if intervals.params else "none"),
            ("why", intervals.why),
            *((("draws", f"{intervals.draws:,} refits, seed {result.seed}"),) if intervals.draws else ()),
            ("measured coverage", _coverage(result)),
            ("degrees of freedom", _freedom(result)),
            ("conditioning", f"{result.identification.condition_number:.1e} (sound below 3e+05)"),
        ),
        "Findings": tuple((f"{r.severity}, {r.code}", r.text) for r in result.verdict.reasons)
        or (("none", "every check passed"),),
        "Not checked": _not_checked(result),
    }
    return Card(f"{law.name} · {record.count} runs", str(result.verdict), sections)


def _law(result: Finished) -> tuple[tuple[str, str], ...]:
    law = result.law
    lines = [("name", law.name), ("formula", law.formula or "not given"), ("source", law.source or "not given")]
    if law.note:
        lines.append(("note", law.note))
    for p in law.parameters:
        ends = result.intervals.params.get(p.name)
        value = format_number(result.params[p.name], 6, False)
        if ends:
            low, high = (format_number(x, 6, False) if np.isfinite(x) else "open" for x in ends)
            value += f" ({low} to {high})"
        how = (
            "fixed"
            if p.name in result.fixed
            else ", ".join(f"tied: {' = '.join(t)}" for t in result.tied if p.name in t)
        )
        words = ", ".join(w for w in (result.unit_of(p), how) if w)
        lines.append((p.name, f"{value} {words}".rstrip()))
    lines += [
        (f"prior of {name}", f"{centre:g} ± {width:g}, a standard deviation of theta")
        for name, (centre, width) in result.priors.items()
    ]
    lines += [(f"bounds of {name}", f"{low} to {high}") for name, (low, high) in result.bounds.items()]
    return tuple(lines)


def _definitions(result: Finished) -> tuple[tuple[str, str], ...]:
    lines, record = [], result.record
    response, own = result.response, result.law.response
    known = own.meaning if response.unit == own.unit else ""
    symbol = [own.name, *record.ranges][-1]  # what is predicted comes last
    entries = [(v.name, v.name, response.counted(v.meaning), response.counted(v.unit)) for v in result.law.variables]
    for key, name, meaning, unit in [*entries, (symbol, response.name, known, response.unit)]:
        column = record.columns.get(key)
        parts = [", ".join(p for p in (meaning, unit) if p) or "no meaning given"]
        if column is not None:
            shown = column if isinstance(column, str) else ", ".join(column)
            parts.append(f"column {inert(shown)}" + (", recognised by its name" if key in record.guessed else ""))
        if key in record.conventions:
            parts.append(inert(record.conventions[key]))
        lines.append((name, "; ".join(parts)))
    lines += [
        (inert(k), inert(text))
        for k, text in record.conventions.items()
        if text != "nats" and k not in {label for label, _ in lines}
    ]
    return tuple(lines)


def _runs(result: Finished) -> tuple[tuple[str, str], ...]:
    record, runs = result.record, result.runs
    lines = [("count", str(record.count))]
    lines += [
        (f"range of {inert(name)}", f"{format_number(low)} to {format_number(high)}")
        for name, (low, high) in record.ranges.items()
    ]
    lines.append(("SHA-256", result.runs_sha256))
    lines.append(
        (
            "filters",
            " and ".join(map(inert, record.filters)) + f" ({record.filtered} left out)" if record.filters else "none",
        )
    )
    lines.append(("dropped", f"{len(record.dropped)} rows with a bad cell" if record.dropped else "none"))
    lines.append(("duplicates", f"{len(record.duplicates)} sets of equal rows" if record.duplicates else "none"))
    if runs is not None:
        clusters = None if runs.clusters is None else len(set(runs.clusters))
        lines.append(("independent runs", "every row taken as one" if clusters is None else str(clusters)))
        counted = "equal" if runs.weights is None else "given"
        lines.append(("weights", counted if runs.errors is None else "by standard errors of the runs"))
    return tuple(lines)


def _used(result: Finished) -> int:
    runs = result.runs
    return result.record.count if runs is None or runs.weights is None else int((runs.weights > 0).sum())


def _freedom(result: Finished) -> str:
    if result.shared:
        return f"of a joint fit: {', '.join(result.shared)} were fitted together with other groups"
    return str(_used(result) - len(result.law.parameters) + len(result.fixed) + _shared(result))


def _shared(result: Finished) -> int:
    """Parameters that ties take away."""
    groups: list[set[str]] = []
    for tie in result.tied:
        joined = [g for g in groups if g & set(tie)]
        groups = [g for g in groups if g not in joined] + [set(tie).union(*joined)]
    return sum(len(g) - 1 for g in groups)


def _delta(result: Finished) -> str:
    share = result.turning_point
    if share is None:
        return "no delta"
    if share < 0.5:
        return f"{share:.2g}: close to least absolute deviations, which cost precision if the noise is Gaussian"
    return f"{share:.2g}"


def _matched(result: Finished) -> tuple[tuple[str, str], ...]:
    noise = result.noise
    return () if noise is None else (("matched to", f"the scatter of a first fit, {noise.sigma:.3g}"),)


def _at_noise(result: Finished) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"estimate with {second.way}",
            ", ".join(f"{name} {format_number(value, 6, False)}" for name, value in second.params.items()),
        )
        for second in result.at_noise
    )


def _coverage(result: Finished) -> str:
    known = _COVERAGE.get(result.intervals.method)
    if known is None:
        return "not measured"
    words = f"nominal 90 % intervals held the truth {known}, in simulations of the Chinchilla law with the law right"
    studied = _STUDIED.get(result.intervals.method, (Huber(),))
    if result.noise is not None:
        studied = tuple(objective.at(result.noise.sigma) for objective in studied)
    measured = {"law": result.law.name == "chinchilla", "objective": result.objective in studied}
    others = [what for what, known in measured.items() if not known]
    return f"{words}; not measured for this {' and '.join(others)}" if others else words


def _not_checked(result: Finished) -> tuple[tuple[str, str], ...]:
    lines = [
        ("held-out runs", "none were held out by this fit"),
        ("training recipe", "learning rate, schedule, batch size and data of the runs are not in the table"),
        ("beyond the runs", "that the law holds outside the ranges above"),
    ]
    if result.runs is not None and result.runs.clusters is None:
        lines.append(("independence", "which rows are of one run was not said; only the residuals were looked at"))
    if len(result.starts.value) == 0 and result.starts.finished:
        lines.append(("starts", "what each start reached is not in the file"))
    return tuple(lines)
