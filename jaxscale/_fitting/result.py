"""A finished fit: what was found, how sure it is, and whether to believe it; written to and read from plain JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.latex import ForPapers, rounded
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.reported import Reported
from jaxscale._base.text import inert, plain, plural
from jaxscale._base.verdict import Verdict
from jaxscale._data.runs import Runs
from jaxscale._data.runs_file import RunsRecord
from jaxscale._fitting import read_file
from jaxscale._fitting.bibtex import bibtex
from jaxscale._fitting.card import Card, make_card
from jaxscale._fitting.result_words import METHODS, findings, objective_words, span
from jaxscale._problem.objectives import Objective, objective_from
from jaxscale._problem.problem import Noise, Problem, make_problem
from jaxscale._solver.outcome import Starts
from jaxscale._trust.covariance import Covariance
from jaxscale._trust.drift import read_drifts
from jaxscale._trust.identification import Identification
from jaxscale._trust.intervals import Intervals
from jaxscale._trust.matched import AtNoise
from jaxscale.laws import Law
from jaxscale.laws._parameters import Parameter


@dataclass(frozen=True, eq=False)
class FitResult(Reporting, Pictured, Reported, ForPapers, files.Saved):
    """A law fitted to runs. Frozen; new questions are verbs that take it (`bootstrap`, `frontier`).

    params: natural values by name. theta: the same unconstrained, (n_parameters,), in the law's order. value: the
    objective, summed over runs. gradient_norm: largest cosine between a column of the Jacobian and the scores, 0 at an
    optimum. covariance: of theta; parameters it does not name were fixed. runs: None if read from a file without rows.
    objective: with the numbers that were used. priors: (centre, width) as given. noise: of the first fit that objective
    and priors were matched to, None if there was nothing to match. at_noise: where Huber's delta lies below half the
    typical residual, what a matched one and Student's t would have said, found when first looked at; where runs scatter
    to one side, the lower edge. shared: parameters fitted together with other groups and how far apart they may lie,
    see `fit_many`; the gradient, the starts and the intervals are then those of the joint fit. drifts: how theta moves
    with a response that drifts with N or D, see `drifts_of`; empty where that is not known. verdict: `trustworthy`, the
    `reasons` (each a code, a severity, a text, and the rows and params that it is of), `scope`, the largest compute
    that it speaks of, `margins`, how near a plan there is to being refused, and `next_step`; `str(verdict)` is its
    first line.
    """

    _format = files.FIT_FORMAT

    law: Law
    params: Mapping[str, float]
    theta: np.ndarray
    objective: Objective
    value: float
    gradient_norm: float
    precision: str
    sigma: float
    starts: Starts
    verdict: Verdict
    identification: Identification
    intervals: Intervals
    covariance: Covariance | None
    runs: Runs | None
    record: RunsRecord
    runs_sha256: str
    fixed: Mapping[str, float]
    tied: tuple[tuple[str, ...], ...]
    bounds: Mapping[str, tuple[float | None, float | None]]
    optimizer: str
    seed: int
    priors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    noise: Noise | None = None
    at_noise: Sequence[AtNoise] = ()
    shared: Mapping[str, float] = field(default_factory=dict)
    drifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """Level of the intervals."""
        return self.intervals.level

    @property
    def turning_point(self) -> float | None:
        """Where the objective turns from squares to straight lines, in typical residuals; None where it never does."""
        delta = self.objective.delta
        if isinstance(delta, str) or not np.isfinite(delta) or not self.sigma > 0:
            return None
        return delta / self.sigma

    @property
    def label(self) -> str:
        """The law's name."""
        return self.law.name

    @property
    def response(self) -> Measure:
        """What is predicted: its name and unit, and how people count it, see `Measure.to_given` and `to_law`."""
        return self.record.measure.under(self.law.response.name, self.law.response.unit)

    def predict(self, **variables: Any) -> Any:
        """The law's response at the fitted parameters: `result.predict(N=70e9, D=1.4e12)`; see `Law.predict`.

        In the law's unit, `response.unit`; `response.to_given` makes it bits, say, where the losses were given in bits.
        """
        return self.law.predict(self.params, **variables)

    def predict_interval(self, **variables: Any) -> tuple[float, tuple[float, float] | None]:
        """The response for one run and its interval by the delta method (None without a covariance).

        The interval is the error of the law fitted, not the scatter of a run around it.
        """
        return self.law.predict_interval(self.params, self.covariance, level=self.level, **variables)

    def beyond_runs(self, **variables: float) -> dict[str, float]:
        """How far one run lies outside the runs fitted, by variable: above 1, its value over the largest; below 1, its
        value over the smallest. Variables within the runs are absent, as are those that may be 0 or negative."""
        ranges = dict(self.record.ranges)
        if "C" not in ranges and self.runs is not None and {"N", "D"} <= ranges.keys():
            compute = self.runs.variable("C")
            ranges["C"] = (float(compute.min()), float(compute.max()))
        beyond = {}
        for name, value in variables.items():
            low, high = ranges.get(name, (0.0, 0.0))
            if low > 0 and not low <= value <= high:
                beyond[name] = float(value / (low if value < low else high))
        return beyond

    def to_frame(self) -> pd.DataFrame:
        """One row for each parameter: value, low and high end of the interval, standard error (all in the parameter's
        unit, see `Intervals`), unit, note."""
        rows = []
        for p in self.law.parameters:
            low, high = self.intervals.params.get(p.name, (np.nan, np.nan))
            error = self.intervals.standard_errors.get(p.name, np.nan)
            rows.append((p.name, self.params[p.name], low, high, error, self.unit_of(p), self._note(p.name)))
        columns = ["parameter", "value", "low", "high", "standard_error", "unit", "note"]
        return pd.DataFrame(rows, columns=columns).set_index("parameter")

    def unit_of(self, parameter: Parameter) -> str:
        """The unit of a parameter, in that of the response."""
        own = self.law.response.name
        if own == "loss":
            return self.response.of_parameter(parameter.unit)
        return re.sub(rf"\b{own}\b", self.response.word, parameter.unit) if own == "score" else parameter.unit

    def _as_given(self, parameter: Parameter) -> str:
        """What a parameter is in the unit in which people gave the response; empty where it does not grow with it."""
        power = parameter.growth(self.law.response.name, self.params)
        value = self.params[parameter.name]
        if dict(parameter.dimension) == {self.law.response.name: 1}:
            return plain(self.response.to_given(value))
        return plain(value * self.response.slope(value) ** power) if self.response.linear and power else ""

    def _note(self, name: str) -> str:
        if name in self.fixed:
            return "fixed"
        notes = [f"tied to {', '.join(n for n in t if n != name)}" for t in self.tied if name in t]
        if name in self.priors:
            centre, width = self.priors[name]
            logged = {"log": " in the log", "logit": " in log odds"}
            transform = self.law.parameters[self.law.parameter_names.index(name)].transform
            which = " of the centre" if self.shared.get(name) else ""
            notes.append(f"prior{which} {centre:g} ± {width:g}{logged.get(transform, '')}")
        if (width := self.shared.get(name)) is not None:
            notes.append("common to all groups" if width == 0 else f"pooled with other groups, {width:g} apart")
        if any(r.code == "at_bound" and name in r.params for r in self.verdict.reasons):
            notes.append("at bound")
        return ", ".join(notes)

    def report(self) -> Report:
        """Verdict first, then parameters, then what to know about the optimum, the data and each finding."""
        n, p = self.record.count, len(self.law.parameters) - len(self.fixed)
        words = objective_words(self.objective, self.law, self.response.name)
        title = f"{self.law.name} · {plural(n, 'run')} · {p} parameters fitted · {words} · {self.precision}"
        percent = f"{100 * self.level:g} % interval"
        rows = []
        for q in self.law.parameters:
            ends, note = self.intervals.params.get(q.name), self._note(q.name)
            shown = span(*ends) if ends else ("–" if note else "not computed")
            others = (plain(second.params[q.name]) for second in self.at_noise)
            given = (self._as_given(q),) if self.response.converted else ()
            rows.append((q.name, plain(self.params[q.name]), shown, *others, self.unit_of(q), *given, note))
        method = METHODS.get(self.intervals.method, self.intervals.method)
        draws = f" of {self.intervals.draws} draws" if self.intervals.draws else ""
        as_given = (f"as {self.response.given_short}",) if self.response.converted else ()
        parameters = Table(
            "Parameters",
            ("name", "value", percent, *(second.heading for second in self.at_noise), "unit", *as_given, "note"),
            tuple(rows),
            f"Intervals: {method}{draws}; {self.intervals.why}." + self._other_estimates(),
        )
        i = self.identification
        sloppy = ", ".join(f"{w:+.2f} {k}" for k, w in list(i.sloppiest.items())[:4] if abs(w) > 0.05)
        condition = f"{i.condition_number:.1e}" if np.isfinite(i.condition_number) else "infinite"
        priors = " and priors" if self.priors else ""
        facts = [
            f"objective {self.value:.10g} (sum over runs{priors}), gradient {self.gradient_norm:.1e}",
            f"starts: {self.starts}",
            f"conditioning {condition}; least determined direction: {sloppy or 'none'}",
        ]
        if np.isfinite(self.sigma):
            size = self.turning_point
            turn = "" if size is None else f"; Huber turns from squares to absolute values at {size:.2g} of it"
            facts.append(f"typical residual {self.sigma:.2e} (robust standard deviation){turn}")
        if self.noise is not None:
            what = " and priors" if self.priors else ""
            facts.append(f"objective{what} matched to the scatter of a first fit, {self.noise.sigma:.2e}")
        runs = tuple(f"{label}: {text}" for label, text in self.record.lines())
        runs += (self.response.said(),) if self.response.converted else ()
        blocks: list[Table | Lines] = [parameters, Lines("Optimum", tuple(facts)), Lines("Runs", runs)]
        if self.verdict.reasons:
            blocks.insert(0, Lines("Findings", findings(self.verdict)))
        if near := tuple(filter(None, (self.verdict.margin, self.verdict.next_step))):
            blocks.insert(0, Lines("", near))
        return Report(title, str(self.verdict), tuple(blocks))

    def _other_estimates(self) -> str:
        """What the columns beside the intervals are."""
        matched = [second for second in self.at_noise if second.objective.kind != "lower_edge"]
        edge = "" if len(matched) == len(self.at_noise) else " Lower edge: the law that 10 % of these runs lie below."
        if not matched or self.turning_point is None:
            return edge
        names = " and ".join(second.heading for second in matched)
        words = " and ".join(second.objective.words for second in matched)
        return (
            f" {names[0].upper() + names[1:]}: the same runs by {words}, which weigh small residuals as least squares "
            f"does: more precise if the noise is Gaussian, less robust if it is not.{edge}"
        )

    @property
    def fitted_by(self) -> str:
        """What was fitted and what was minimised, in words."""
        words = objective_words(self.objective, self.law, self.response.name)
        return f"fitted to {plural(self.record.count, 'run')} by minimising the sum of {words}"

    def paper_table(self) -> Table:
        """Constants with their intervals; the caption says the law, what was minimised, the runs, how sure it is."""
        rows = []
        for p in self.law.parameters:
            value, span = rounded(self.params[p.name], self.intervals.params.get(p.name))
            rows.append((p.name, value, self._note(p.name) if span == "–" and self._note(p.name) else span, p.unit))
        units = any(row[-1] for row in rows)
        header = ("parameter", "value", f"{100 * self.level:g} % interval", *(("unit",) if units else ()))
        formula = f" ({self.law.formula})" if self.law.formula else ""
        method = METHODS.get(self.intervals.method, self.intervals.method)
        draws = f" of {self.intervals.draws} draws" if self.intervals.draws else ""
        sure = f"Intervals: {method}{draws}." if self.intervals.params else "Without intervals."
        caption = f"Constants of the law {self.law.name}{formula}, {self.fitted_by}. {sure} Verdict: {self.verdict}."
        return Table(caption, header, tuple(row if units else row[:-1] for row in rows))

    def cite(self) -> str:
        """BibTeX of the law's paper, of the methods used, and of jaxscale."""
        kind = str(self.objective.to_dict()["kind"])
        return bibtex(self.law.source, self.law.name, kind, self.intervals.method)

    def card(self) -> Card:
        """Everything needed to repeat and to judge the fit: `.to_markdown()` for a reader, `.to_dict()` for a file."""
        return make_card(self, objective_words(self.objective, self.law, self.response.name))

    def __repr__(self) -> str:
        return f"<FitResult {self.law.name}, {self.record.count} runs: {self.verdict!s}>"

    def to_dict(self) -> dict[str, Any]:
        """The fit in the format `jaxscale.fit/1`: plain dicts, lists, numbers and text; what is missing is None."""
        at = {"value": self.value, "gradient_norm": self.gradient_norm, "sigma": self.sigma}
        return self._document(
            {
                "law": self.law.name,
                "law_options": dict(self.law.options),
                "response": self.response.to_dict(),
                "params": dict(self.params),
                "theta": dict(zip(self.law.parameter_names, map(float, self.theta), strict=True)),
                "precision": self.precision,
                "objective": {**self.objective.to_dict(), **at},
                "constraints": {
                    "fixed": dict(self.fixed),
                    "tied": [list(t) for t in self.tied],
                    "bounds": {k: list(map(files.number_or_none, v)) for k, v in self.bounds.items()},
                    "priors": {k: list(v) for k, v in self.priors.items()},
                    "shared": dict(self.shared),
                },
                "at_noise": [second.to_dict() for second in self.at_noise],
                "noise": None if self.noise is None else self.noise.to_dict(),
                "optimizer": self.optimizer,
                "seed": self.seed,
                "covariance": None if self.covariance is None else self.covariance.to_dict(),
                "drifts": {name: dict(moves) for name, moves in self.drifts.items()},
                "runs": self._summary_of_runs() if self.runs is None else self.runs.to_data(),
                "starts": self.starts.to_dict(),
                "verdict": self.verdict.to_dict(),
                "intervals": self.intervals.to_dict(),
                "identification": self.identification.to_dict(),
            }
        )

    def _summary_of_runs(self) -> dict[str, Any]:
        """What is left of runs that were not in the file the fit was read from."""
        ranges = {k: list(v) for k, v in self.record.ranges.items()}
        return {
            "count": self.record.count,
            "sha256": self.runs_sha256,
            "data": None,
            "ranges": ranges,
            "measure": self.record.measure.to_dict(),
        }

    @staticmethod
    def load(path: str | Path, law: Law | None = None) -> "FitResult":
        """Read a fit. A law of one's own is passed in. Raises InputError for anything but a fit file."""
        return read_file.read_file(path, law, {files.FIT_FORMAT: fit_from})


def runs_of(result: FitResult, runs: Runs | None = None) -> Runs:
    """The runs of a fit, which are given where it does not carry them.

    Raises:
        InputError: they are missing, or not those of the fit.
    """
    runs = result.runs if runs is None else runs
    if runs is None:
        raise InputError("this fit does not carry its runs; give them as runs=")
    if runs.sha256 != result.runs_sha256:
        raise InputError("these are not the runs of the fit: their SHA-256 differs")
    return runs


def problem_of(result: FitResult, runs: Runs | None = None) -> Problem:
    """What was fitted, for another question about it; see `runs_of`.

    Raises:
        InputError: it was fitted together with other groups.
    """
    if result.shared:
        raise InputError(
            f"{', '.join(result.shared)} of this group were fitted together with other groups, whose runs it does not "
            "carry; ask fit_many(..., share=...) (fit --by --share) for its intervals, or fit the group alone"
        )
    return make_problem(
        result.law,
        runs_of(result, runs),
        result.objective,
        fixed=result.fixed,
        tied=result.tied,
        bounds=result.bounds,
        priors=result.priors,
        noise=result.noise,
    )


def fit_from(data: Mapping[str, Any], law: Law | None) -> FitResult:
    """What `FitResult.to_dict` described."""
    law = read_file.law_of(data, law)
    names = law.parameter_names
    params, theta = _values_from(data, law)
    pins, found, covariance, noise = data["constraints"], data["objective"], data["covariance"], data.get("noise")
    objective = objective_from(found)
    runs = None if data["runs"].get("data") is None else Runs.from_data(data["runs"])
    ranges = files.pairs(data["runs"]["ranges"])
    return FitResult(
        law=law,
        params=params,
        theta=theta,
        objective=objective,
        value=files.number(found["value"]),
        gradient_norm=files.number(found["gradient_norm"]),
        precision=str(data["precision"]),
        sigma=files.number(found["sigma"], float("nan")),
        starts=Starts.from_dict(data["starts"], names),
        verdict=Verdict.from_dict(data["verdict"]),
        identification=Identification.from_dict(data["identification"]),
        intervals=Intervals.from_dict(data["intervals"], law, theta),
        covariance=None if covariance is None else Covariance.from_dict(covariance, names),
        runs=runs,
        record=runs.record if runs is not None else _summary_from(data["runs"], ranges),
        runs_sha256=str(data["runs"]["sha256"]),
        fixed=files.numbers(pins["fixed"]),
        tied=tuple(tuple(map(str, t)) for t in pins["tied"]),
        bounds={
            str(k): (files.number_or_none(low), files.number_or_none(high)) for k, (low, high) in pins["bounds"].items()
        },
        optimizer=str(data["optimizer"]),
        seed=int(data["seed"]),
        priors=files.pairs(pins.get("priors", {})),
        noise=None if noise is None else Noise.from_dict(noise),
        at_noise=tuple(AtNoise.from_dict(second, objective, names) for second in data["at_noise"] or ()),
        shared=files.numbers(pins.get("shared", {})),
        drifts=read_drifts(data.get("drifts")),
    )


def _summary_from(data: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> RunsRecord:
    """What is left of runs without their rows."""
    return RunsRecord(int(data["count"]), ranges=ranges, measure=Measure.from_dict(data.get("measure")))


def _values_from(data: Mapping[str, Any], law: Law) -> tuple[dict[str, float], np.ndarray]:
    """Params and theta, which say the same twice."""
    given, params = data["theta"], files.numbers(data["params"])
    theta = np.array([files.number(given[name]) for name in law.parameter_names])
    if len(given) != len(theta):
        raise InputError(
            f"theta names {', '.join(map(inert, given))}, but law {law.name!r} has {', '.join(law.parameter_names)}"
        )
    natural = law.natural(theta)
    if beyond := [name for name, value in natural.items() if not np.isfinite(value)]:
        raise InputError(f"theta of {beyond[0]} is beyond what a parameter can be")
    # In natural units: theta of a share next to one is more precise than what the share says of it.
    if set(params) != set(natural) or not all(np.isclose(params[n], x, rtol=1e-7, atol=0) for n, x in natural.items()):
        raise InputError("its params and theta contradict each other")
    return natural, theta
