"""Finished fits: what was found, how sure it is, and whether to believe it; written to and read from plain JSON."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from scipy.special import ndtri

from jaxscale._at_noise import AtNoise
from jaxscale._card import Card, make_card
from jaxscale._errors import InputError
from jaxscale._identification import Identification
from jaxscale._intervals import Covariance, Intervals
from jaxscale._objective import HUBER_AT_NOISE, OBJECTIVES, Huber, Objective, StudentT
from jaxscale._problem import Noise
from jaxscale._report import Lines, Report, Table, to_html, to_text
from jaxscale._runs import Runs, RunsRecord
from jaxscale._sharing import Sharing
from jaxscale._text import format_number, inert, quoted, write_atomic
from jaxscale._verdict import Reason, Verdict
from jaxscale._version import __version__
from jaxscale.laws import Law, get
from jaxscale.optim import STATUS_TEXT

FIT_FORMAT, FITS_FORMAT, DRAWS_FORMAT = "jaxscale.fit/1", "jaxscale.fits/1", "jaxscale.draws/1"
_LARGEST_FILE = 1 << 30
# What the methods of intervals and draws are called in a file, and in a report.
_METHODS = {
    "powell_sandwich": "robust standard errors (sandwich with Powell's kernel)",
    "pairs_bias_corrected": "bootstrap",
    "pairs_percentile": "bootstrap",
    "cluster_pairs_percentile": "bootstrap",
    "joint_pairs_percentile": "bootstrap of all groups at once",
    "profile": "profiles of the objective, scaled to its noise",
    "nuts": "posterior by NUTS",
    "pairs": "runs resampled",
    "cluster_pairs": "independent runs resampled whole",
    "bayesian": "Bayesian weights of the runs",
    "cluster_bayesian": "Bayesian weights of the independent runs",
    "wild": "residuals with random signs",
    "cluster_wild": "residuals with random signs, one for each independent run",
}


@dataclass(frozen=True, eq=False)
class Starts:
    """What every start reached. `count` starts were considered, `screened` of them by their objective alone, `finished`
    run to the end (those that meet on the way as one); `at_best` of those reached the best objective (within 1e-9 of
    it), `failed` never had a finite one.
    `undiscovered` is the expected share of starts that would lead to an optimum not yet seen (Boender & Rinnooy Kan
    1987); None if it was not kept.

    theta: (finished, n_parameters) where each ended; value: its objective; status: why it ended; steps: iterations.
    All four are empty in a fit read from a file.
    """

    mode: str
    count: int
    screened: int
    finished: int
    at_best: int
    failed: int
    theta: np.ndarray
    value: np.ndarray
    status: np.ndarray
    steps: np.ndarray
    names: tuple[str, ...]
    undiscovered: float | None = None

    def __str__(self) -> str:
        tried = f"{self.screened:,} points screened, " if self.screened else ""
        lost = f", {self.failed} ended where the law is not finite" if self.failed else ""
        share = self.undiscovered
        unseen = "" if share is None or share >= 1 else f"; {100 * share:.2g} % expected to lead to one not yet seen"
        return f"{tried}{self.finished} run to the end, {self.at_best} of them reached this optimum{lost}{unseen}"

    def __repr__(self) -> str:
        return f"<Starts {self.mode}: {self}>"

    def to_frame(self) -> pd.DataFrame:
        """One row for each finished start: parameters (theta), objective, steps, and why it ended."""
        frame = pd.DataFrame(self.theta, columns=list(self.names))
        ended = [STATUS_TEXT[s] for s in self.status]
        return frame.assign(objective=self.value, steps=self.steps, ended=ended)


@dataclass(frozen=True, eq=False)
class FitResult:
    """A law fitted to runs. Frozen; new questions are verbs that take it (`bootstrap`, `frontier`).

    params: natural values by name. theta: the same unconstrained, (n_parameters,), in the law's order. value: the
    objective, summed over runs. gradient_norm: largest cosine between a column of the Jacobian and the scores, 0 at an
    optimum. covariance: of theta; parameters it does not name were fixed. runs: None if read from a file without rows.
    objective: with the numbers that were used. priors: (centre, width) as given. noise: of the first fit that objective
    and priors were matched to, None if there was nothing to match. at_noise: where Huber's delta lies below half the
    typical residual, what a matched one would have said.
    shared: parameters fitted together with other groups and how far apart they may lie, see `fit_many`; the gradient,
    the starts and the intervals are then those of the joint fit.
    """

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
    at_noise: AtNoise | None = None
    shared: Mapping[str, float] = field(default_factory=dict)

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

    def predict(self, **variables: Any) -> Any:
        """The law's response at the fitted parameters: `result.predict(N=70e9, D=1.4e12)`; see `Law.predict`."""
        return self.law.predict(self.params, **variables)

    def predict_interval(self, **variables: Any) -> tuple[float, tuple[float, float] | None]:
        """The response for one run and its interval by the delta method (None without a covariance).

        The interval is the error of the law fitted, not the scatter of a run around it.
        """
        value = self.predict(**variables)
        if np.ndim(value):
            raise InputError("predict_interval takes one run; give numbers, not arrays")
        if self.covariance is None:
            return value, None
        law, names = self.law, self.law.parameter_names
        chosen = [names.index(n) for n in self.covariance.names]
        positive = law.response.domain == "positive"
        with jax.enable_x64(True):
            logs = tuple(
                jnp.log(float(variables[v.name])) if v.domain == "positive" else jnp.asarray(variables[v.name], float)
                for v in law.variables
            )
            slope = np.asarray(_slope(law, jnp.asarray(self.theta), logs))[chosen]
        variance = slope @ self.covariance.matrix @ slope
        if not 0 <= variance < np.inf:
            return value, None
        half = ndtri((1 + self.level) / 2) * np.sqrt(variance)
        low, high = (value * np.exp(-half), value * np.exp(half)) if positive else (value - half, value + half)
        return value, (float(low), float(high))

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
        """One row for each parameter: value, low and high end of the interval, standard error, unit, note."""
        rows = []
        for p in self.law.parameters:
            low, high = self.intervals.params.get(p.name, (np.nan, np.nan))
            error = self.intervals.standard_errors.get(p.name, np.nan)
            rows.append((p.name, self.params[p.name], low, high, error, p.unit, self._note(p.name)))
        columns = ["parameter", "value", "low", "high", "standard_error", "unit", "note"]
        return pd.DataFrame(rows, columns=columns).set_index("parameter")

    def _note(self, name: str) -> str:
        if name in self.fixed:
            return "fixed"
        notes = [f"tied to {', '.join(n for n in t if n != name)}" for t in self.tied if name in t]
        if name in self.priors:
            centre, width = self.priors[name]
            logged = {"log": " in the log", "logit": " in log odds"}
            transform = self.law.parameters[self.law.parameter_names.index(name)].transform
            notes.append(f"prior {centre:g} ± {width:g}{logged.get(transform, '')}")
        if (width := self.shared.get(name)) is not None:
            notes.append("common to all groups" if width == 0 else f"pooled with other groups, {width:g} apart")
        if any(r.code == "at_bound" and name in r.params for r in self.verdict.reasons):
            notes.append("at bound")
        return ", ".join(notes)

    def report(self) -> Report:
        """Verdict first, then parameters, then what to know about the optimum, the data and each finding."""
        n, p = self.record.count, len(self.law.parameters) - len(self.fixed)
        title = f"{self.law.name} · {n} runs · {p} parameters fitted · {_objective_words(self)} · {self.precision}"
        percent = f"{100 * self.level:g} % interval"
        rows = []
        for q in self.law.parameters:
            ends, note = self.intervals.params.get(q.name), self._note(q.name)
            shown = _span(*ends) if ends else ("–" if note else "not computed")
            second = () if self.at_noise is None else (_plain(self.at_noise.params[q.name]),)
            rows.append((q.name, _plain(self.params[q.name]), shown, *second, q.unit, note))
        method = _METHODS.get(self.intervals.method, self.intervals.method)
        draws = f" of {self.intervals.draws} draws" if self.intervals.draws else ""
        parameters = Table(
            "Parameters",
            ("name", "value", percent, *(() if self.at_noise is None else ("noise-matched",)), "unit", "note"),
            tuple(rows),
            f"Intervals: {method}{draws}; {self.intervals.why}." + self._second_estimate(),
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
        blocks: list[Table | Lines] = [parameters, Lines("Optimum", tuple(facts)), Lines("Runs", runs)]
        if self.verdict.reasons:
            blocks.insert(0, Lines("Findings", _findings(self.verdict)))
        return Report(title, str(self.verdict), tuple(blocks))

    def _second_estimate(self) -> str:
        """What the column of noise-matched values is."""
        if self.at_noise is None or self.turning_point is None:
            return ""
        return (
            f" Noise-matched: the same runs by {self.at_noise.objective.words}, which turns linear at "
            f"{HUBER_AT_NOISE:g} typical residuals instead of {self.turning_point:.2g}: surer where the noise is "
            "Gaussian, less so where it has long tails."
        )

    def card(self) -> Card:
        """Everything needed to repeat and to judge the fit: `.to_markdown()` for a reader, `.to_dict()` for a file."""
        return make_card(self, _objective_words(self))

    def __str__(self) -> str:
        return to_text(self.report())

    def __repr__(self) -> str:
        return f"<FitResult {self.law.name}, {self.record.count} runs: {self.verdict!s}>"

    def _repr_html_(self) -> str:
        return to_html(self.report())

    def to_dict(self) -> dict[str, Any]:
        """The fit in the format `jaxscale.fit/1`: plain dicts, lists, numbers and text; what is missing is None."""
        o, s, i, c = self.objective, self.starts, self.identification, self.covariance
        rows = None if self.runs is None else self.runs.to_data()
        return finite({
            "format": FIT_FORMAT,
            "jaxscale_version": __version__,
            "law": self.law.name,
            "law_options": dict(self.law.options),
            "params": dict(self.params),
            "theta": dict(zip(self.law.parameter_names, map(float, self.theta), strict=True)),
            "precision": self.precision,
            "objective": {
                "kind": o.kind,
                "space": o.space,
                "delta": o.delta,
                **({"scale": o.scale, "freedom": o.freedom} if isinstance(o, StudentT) else {}),
                "overestimate": o.overestimate,
                "value": self.value,
                "gradient_norm": self.gradient_norm,
                "sigma": self.sigma,
            },
            "constraints": {
                "fixed": dict(self.fixed),
                "tied": [list(t) for t in self.tied],
                "bounds": {k: list(map(_number_or_none, v)) for k, v in self.bounds.items()},
                "priors": {k: list(v) for k, v in self.priors.items()},
                "shared": dict(self.shared),
            },
            "at_noise": None
            if self.at_noise is None
            else {"delta": self.at_noise.objective.delta, "params": dict(self.at_noise.params)},
            "noise": None if self.noise is None else dict(vars(self.noise)),
            "optimizer": self.optimizer,
            "seed": self.seed,
            "covariance": None
            if c is None
            else {"names": list(c.names), "matrix": c.matrix.tolist(), "method": c.method},
            "runs": self._summary_of_runs() if rows is None else rows,
            "starts": {
                k: getattr(s, k)
                for k in ("mode", "count", "screened", "finished", "at_best", "failed", "undiscovered")
            },
            "verdict": _verdict_to(self.verdict),
            "intervals": {
                "level": self.intervals.level,
                "method": self.intervals.method,
                "why": self.intervals.why,
                "params": {k: list(v) for k, v in self.intervals.params.items()},
                "standard_errors": dict(self.intervals.standard_errors),
                "draws": self.intervals.draws,
            },
            "identification": {
                "condition_number": i.condition_number,
                "correlations": dict(i.correlations),
                "sloppiest": dict(i.sloppiest),
            },
        })  # fmt: skip

    def _summary_of_runs(self) -> dict[str, Any]:
        """What is left of runs that were not in the file the fit was read from."""
        ranges = {k: list(v) for k, v in self.record.ranges.items()}
        return {"count": self.record.count, "sha256": self.runs_sha256, "data": None, "ranges": ranges}

    def save(self, path: str | Path) -> None:
        """Write the fit as JSON; the file is there whole, or not at all."""
        write_atomic(path, to_json(self.to_dict()))

    @classmethod
    def load(cls, path: str | Path, law: Law | None = None) -> "FitResult":
        """Read a fit. A law of one's own is passed in. Raises InputError for anything but a fit file."""
        loaded = load(path, law)
        if not isinstance(loaded, cls):
            raise InputError(f"{inert(path)} holds {type(loaded).__name__}, not one fit; use jaxscale.load")
        return loaded


@partial(jax.jit, static_argnums=0)
def _slope(law: Law, theta: Array, logs: tuple[Array, ...]) -> Array:
    """Derivatives of the law's (log) response in theta, (n_parameters,)."""
    return jax.grad(lambda t: law.log_response(tuple(t), logs))(theta)


@dataclass(frozen=True)
class Failure:
    """Why a group has no fit: a code and a sentence."""

    code: str
    text: str


Entry = FitResult | Failure | Callable[[], FitResult]


@dataclass(frozen=True, eq=False)
class Fits:
    """Fits of many groups. A group that could not be fitted is a `Failure` with its reason, and disturbs no other.

    `entries` may hold what makes a result in place of the result: verdicts are reached when somebody looks.
    `sharing` is the record of the joint fit where groups share parameters.
    """

    by: str
    entries: tuple[tuple[str, Entry], ...]
    sharing: Sharing | None = None

    @property
    def items(self) -> tuple[tuple[str, FitResult | Failure], ...]:
        """Every group with its fit, or why there is none."""
        return tuple((name, _made(entry)) for name, entry in self.entries)

    def __iter__(self) -> Iterator[tuple[str, FitResult | Failure]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, group: str) -> FitResult:
        """The fit of a group. Raises InputError if there is none, with the reason."""
        for name, entry in self.entries:
            if name == group:
                item = _made(entry)
                if isinstance(item, Failure):
                    raise InputError(f"group {quoted(group)} has no fit: {item.text}")
                return item
        raise InputError(f"no group {quoted(group)}; there are {', '.join(inert(n) for n, _ in self.entries[:20])}")

    def to_frame(self) -> pd.DataFrame:
        """One row for each group: ok, trustworthy, runs, parameters with their intervals, objective, codes, error."""
        rows = []
        for group, item in self.items:
            if isinstance(item, Failure):
                rows.append({self.by: group, "ok": False, "error": f"{item.code}: {item.text}"})
                continue
            row = {self.by: group, "ok": True, "trustworthy": item.verdict.trustworthy, "runs": item.record.count}
            for name, value in item.params.items():
                low, high = item.intervals.params.get(name, (np.nan, np.nan))
                row |= {name: value, f"{name}_low": low, f"{name}_high": high}
            row |= {"objective": item.value, "codes": " ".join(dict.fromkeys(item.verdict.codes)), "error": ""}
            rows.append(row)
        return pd.DataFrame(rows)

    def report(self) -> Report:
        """One row for each group, failures with their reason."""
        fitted = [item for _, item in self.items if isinstance(item, FitResult)]
        names = fitted[0].law.parameter_names if fitted else ()
        rows = []
        for group, item in self.items:
            if isinstance(item, Failure):
                rows.append((group, "failed", "", *("" for _ in names), item.text))
            else:
                state = "trustworthy" if item.verdict.trustworthy else "NOT TRUSTWORTHY"
                values = (_plain(item.params[n]) for n in names)
                rows.append(
                    (group, state, str(item.record.count), *values, ", ".join(dict.fromkeys(item.verdict.codes)))
                )
        law = f"{fitted[0].law.name} · " if fitted else ""
        table = Table("", (self.by, "verdict", "runs", *names, "why"), tuple(rows))
        together = self.sharing.blocks() if self.sharing else ()
        return Report(f"{law}{len(self.items)} groups by {self.by}", self.summary, (*together, table))

    @property
    def summary(self) -> str:
        """How many groups have which outcome, in words."""
        fitted = [item for _, item in self.items if isinstance(item, FitResult)]
        good = sum(f.verdict.trustworthy for f in fitted)
        return f"{good} trustworthy, {len(fitted) - good} not, {len(self.items) - len(fitted)} failed"

    def __str__(self) -> str:
        return to_text(self.report(), width=160)

    def __repr__(self) -> str:
        return f"<Fits, {len(self.items)} groups by {inert(self.by)}: {self.summary}>"

    def _repr_html_(self) -> str:
        return to_html(self.report())

    def to_dict(self) -> dict[str, Any]:
        """All groups in the format `jaxscale.fits/1`."""
        fits = []
        for group, item in self.items:
            if isinstance(item, Failure):
                fits.append({"group": group, "ok": False, "fit": None, "error": {"code": item.code, "text": item.text}})
            else:
                fits.append({"group": group, "ok": True, "fit": item.to_dict(), "error": None})
        sharing = None if self.sharing is None else _sharing_to(self.sharing)
        return {"format": FITS_FORMAT, "jaxscale_version": __version__, "by": self.by, "sharing": sharing, "fits": fits}

    def save(self, path: str | Path) -> None:
        """Write all groups as JSON; the file is there whole, or not at all."""
        write_atomic(path, to_json(self.to_dict()))


def _made(entry: Entry) -> FitResult | Failure:
    return entry if isinstance(entry, FitResult | Failure) else entry()


@dataclass(frozen=True, eq=False)
class Draws:
    """Resampled fits: theta of each, (n_draws, n_parameters), beside the point estimate they belong to."""

    law: Law
    params: Mapping[str, float]
    theta: np.ndarray
    draws: np.ndarray
    method: str
    seed: int
    level: float
    record: RunsRecord
    verdict: Verdict
    runs_sha256: str

    @property
    def label(self) -> str:
        """The law's name."""
        return self.law.name

    def to_frame(self) -> pd.DataFrame:
        """One row for each draw, natural values."""
        columns = zip(self.law.parameters, self.draws.T, strict=True)
        return pd.DataFrame({p.name: [p.to_natural(x) for x in column] for p, column in columns})

    def interval(self, name: str, level: float | None = None) -> tuple[float, float]:
        """Percentile interval of a parameter in natural units."""
        if name not in self.law.parameter_names:
            raise InputError(
                f"law {self.law.name!r} has no parameter {name!r}; it has {', '.join(self.law.parameter_names)}"
            )
        level = self.level if level is None else level
        low, high = np.quantile(self.to_frame()[name], [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def report(self) -> Report:
        """Spread of every parameter."""
        rows = []
        for k, p in enumerate(self.law.parameters):
            low, high = self.interval(p.name)
            error = f"{self.draws[:, k].std(ddof=1):.3g}"
            rows.append((p.name, _plain(self.params[p.name]), f"{_plain(low)} to {_plain(high)}", error))
        header = ("name", "value", f"{100 * self.level:g} % of draws", "standard error (log where fitted in logs)")
        return Report(self._title(), str(self.verdict), (Table("", header, tuple(rows)),))

    def _title(self) -> str:
        method = _METHODS.get(self.method, self.method)
        return f"{self.law.name} · {len(self.draws)} draws ({method}, seed {self.seed})"

    def __str__(self) -> str:
        return to_text(self.report())

    def __repr__(self) -> str:
        return f"<Draws {self._title()}>"

    def _repr_html_(self) -> str:
        return to_html(self.report())

    def to_dict(self) -> dict[str, Any]:
        """The draws in the format `jaxscale.draws/1`."""
        return finite({
            "format": DRAWS_FORMAT,
            "jaxscale_version": __version__,
            "fit": {
                "law": self.law.name,
                "law_options": dict(self.law.options),
                "params": dict(self.params),
                "runs_sha256": self.runs_sha256,
            },
            "ranges": {k: list(v) for k, v in self.record.ranges.items()},
            "count": self.record.count,
            "verdict": _verdict_to(self.verdict),
            "method": self.method,
            "seed": self.seed,
            "level": self.level,
            "names": list(self.law.parameter_names),
            "draws": self.draws.tolist(),
        })  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write the draws as JSON; the file is there whole, or not at all."""
        write_atomic(path, to_json(self.to_dict()))


def to_json(data: Mapping[str, Any]) -> str:
    """JSON text with a line break at the end; a non-finite number is an error, since `to_dict` leaves none."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def load(path: str | Path, law: Law | None = None) -> FitResult | Fits | Draws:
    """Read a file that jaxscale wrote: a fit, fits of many groups, or draws.

    Args:
        path: the file.
        law: the law, if it is one of your own; jaxscale's are found by name.

    Raises:
        InputError: there is no such file, or it is not one that this version of jaxscale knows how to read.
    """
    data = _read_json(Path(path))
    kind = data.get("format") if isinstance(data, dict) else None
    readers = {FIT_FORMAT: _fit_from, FITS_FORMAT: _fits_from, DRAWS_FORMAT: _draws_from}
    if not isinstance(kind, str) or kind not in readers:
        if kind is None:
            raise InputError(f"{inert(path)} is JSON, but no file that jaxscale wrote. {_fit_first(path)}")
        raise InputError(f"{inert(path)} has the format {quoted(kind)}; this version reads {', '.join(readers)}")
    try:
        return readers[kind](data, law)
    except InputError as error:
        raise InputError(f"{inert(path)}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{inert(path)} is not a whole {kind} file: {inert(reason, 200)}") from None


def _read_json(path: Path) -> Any:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{inert(path)} is larger than 1 GiB, which no fit is")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {inert(path)}: {error.strerror}") from None
    try:
        return json.loads(data.decode("utf-8"))
    except (RecursionError, ValueError) as error:
        if not data.lstrip().startswith(b"{"):
            raise InputError(f"{inert(path)} is no file that jaxscale wrote. {_fit_first(path)}") from None
        raise InputError(f"{inert(path)} is not JSON that jaxscale wrote: {inert(error, 200)}") from None


def _fit_first(path: str | Path) -> str:
    return f"If it is a table of runs, fit it first: jaxscale fit {inert(path)} -o fit.json"


def _law_of(data: Mapping[str, Any], law: Law | None) -> Law:
    name = data["law"]
    if law is not None:
        if law.name != name:
            raise InputError(f"it was fitted with law {quoted(name)}, not {quoted(law.name)}")
        return law
    try:
        return get(name, **data["law_options"])
    except InputError as error:
        raise InputError(f"{error}; a law of your own is given as law=...") from None


def _theta_from(data: Mapping[str, Any], law: Law) -> np.ndarray:
    theta = np.array([_number(data[name]) for name in law.parameter_names])
    if len(data) != len(theta):
        raise InputError(
            f"theta names {', '.join(map(inert, data))}, but law {law.name!r} has {', '.join(law.parameter_names)}"
        )
    if beyond := [name for name, value in law.natural(theta).items() if not np.isfinite(value)]:
        raise InputError(f"theta of {beyond[0]} is beyond what a parameter can be")
    return theta


def _number(value: Any, missing: float | None = None) -> float:
    if value is None and missing is not None:
        return missing
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(float(value)):
        raise InputError(f"expected a finite number, found {inert(value, 60)}")
    return float(value)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _level(value: Any) -> float:
    level = _number(value)
    if not 0 < level < 1:
        raise InputError(f"a level lies between 0 and 1, found {level!r}")
    return level


def _numbers(data: Mapping[str, Any]) -> dict[str, float]:
    return {str(k): _number(v) for k, v in data.items()}


def _matrix(data: Any, columns: int) -> np.ndarray:
    return np.array([[_number(x) for x in row] for row in data], np.float64).reshape(-1, columns)


def _pairs(data: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {str(k): (_number(low), _number(high)) for k, (low, high) in data.items()}


def _ends(low: Any, high: Any) -> tuple[float, float]:
    """An interval, of which an end that is missing is open."""
    return _number(low, float("-inf")), _number(high, float("inf"))


def _verdict_to(verdict: Verdict) -> dict[str, Any]:
    reasons = [{**vars(r), "rows": list(r.rows), "params": list(r.params)} for r in verdict.reasons]
    return {"trustworthy": verdict.trustworthy, "reasons": reasons}


def _verdict_from(data: Mapping[str, Any]) -> Verdict:
    verdict = Verdict(
        tuple(
            Reason(
                str(r["code"]),
                r["severity"],
                str(r["text"]),
                tuple(int(_number(row)) for row in r.get("rows", ())),
                tuple(map(str, r.get("params", ()))),
            )
            for r in data["reasons"]
        )
    )
    if (
        any(r.severity not in ("info", "warning", "fatal") for r in verdict.reasons)
        or verdict.trustworthy is not data["trustworthy"]
    ):
        raise InputError("its verdict contradicts its reasons")
    return verdict


def _fit_from(data: Mapping[str, Any], law: Law | None) -> FitResult:
    law = _law_of(data, law)
    theta = _theta_from(data["theta"], law)
    o, s, i, c, v, pins = (
        data[k] for k in ("objective", "starts", "identification", "covariance", "intervals", "constraints")
    )
    if o["kind"] not in OBJECTIVES:
        raise InputError(f"unknown objective {quoted(o['kind'])}")
    shape = {"huber": ("delta",), "student": ("scale", "freedom")}.get(o["kind"], ())
    options = {name: _number(o[name]) for name in shape}
    objective = OBJECTIVES[o["kind"]](space=o["space"], overestimate=_number(o["overestimate"]), **options)
    params = _numbers(data["params"])
    if set(params) != set(law.parameter_names) or not np.allclose(law.theta(params), theta, rtol=1e-9, atol=1e-9):
        raise InputError("its params and theta contradict each other")
    runs = None if data["runs"].get("data") is None else Runs.from_data(data["runs"])
    ranges = _pairs(data["runs"]["ranges"])
    empty = np.empty(0)
    counts = {k: int(_number(s[k])) for k in ("count", "screened", "finished", "at_best", "failed")}
    condition = _number(i["condition_number"], float("inf"))
    return FitResult(
        law=law,
        params=law.natural(theta),
        theta=theta,
        objective=objective,
        value=_number(o["value"]),
        gradient_norm=_number(o["gradient_norm"]),
        precision=str(data["precision"]),
        sigma=_number(o["sigma"], float("nan")),
        starts=Starts(
            str(s["mode"]),
            **counts,
            theta=np.empty((0, len(theta))),
            value=empty,
            status=empty.astype(int),
            steps=empty.astype(int),
            names=law.parameter_names,
            undiscovered=_number_or_none(s.get("undiscovered")),
        ),
        verdict=_verdict_from(data["verdict"]),
        identification=Identification(condition, _numbers(i["correlations"]), _numbers(i["sloppiest"])),
        intervals=Intervals(
            _level(v["level"]),
            str(v["method"]),
            str(v["why"]),
            {str(k): _ends(*ends) for k, ends in v["params"].items()},
            {str(k): _number(x, float("nan")) for k, x in v["standard_errors"].items()},
            None if v["draws"] is None else int(v["draws"]),
        ),
        covariance=None if c is None else _covariance_from(c, law),
        runs=runs,
        record=RunsRecord(int(data["runs"]["count"]), ranges=ranges) if runs is None else runs.record,
        runs_sha256=str(data["runs"]["sha256"]),
        fixed=_numbers(pins["fixed"]),
        tied=tuple(tuple(map(str, t)) for t in pins["tied"]),
        bounds={str(k): (_number_or_none(low), _number_or_none(high)) for k, (low, high) in pins["bounds"].items()},
        optimizer=str(data["optimizer"]),
        seed=int(data["seed"]),
        priors=_pairs(pins.get("priors", {})),
        noise=None if data.get("noise") is None else Noise(**_numbers(data["noise"])),
        at_noise=_at_noise_from(data.get("at_noise"), objective, law),
        shared=_numbers(pins.get("shared", {})),
    )


def _at_noise_from(data: Mapping[str, Any] | None, objective: Objective, law: Law) -> AtNoise | None:
    if data is None:
        return None
    params = _numbers(data["params"])
    if not isinstance(objective, Huber) or set(params) != set(law.parameter_names):
        raise InputError("its noise-matched estimate does not fit its law or objective")
    return AtNoise(replace(objective, delta=_number(data["delta"])), params)


def _covariance_from(data: Mapping[str, Any], law: Law) -> Covariance:
    names = tuple(map(str, data["names"]))
    matrix = _matrix(data["matrix"], len(names))
    if len(matrix) != len(names) or not set(names) <= set(law.parameter_names):
        raise InputError("its covariance does not fit its parameters")
    scale = np.abs(matrix).max(initial=0.0)
    symmetric = np.allclose(matrix, matrix.T, rtol=1e-9, atol=1e-12 * scale)
    if not symmetric or np.linalg.eigvalsh(matrix).min(initial=0.0) < -1e-9 * max(scale, 1e-300):
        raise InputError("its covariance is not one: not symmetric, or with a negative variance")
    return Covariance(names, matrix, str(data["method"]))


def _fits_from(data: Mapping[str, Any], law: Law | None) -> Fits:
    items: list[tuple[str, FitResult | Failure]] = []
    for entry in data["fits"]:
        if entry["ok"]:
            items.append((str(entry["group"]), _fit_from(entry["fit"], law)))
        else:
            items.append((str(entry["group"]), Failure(str(entry["error"]["code"]), str(entry["error"]["text"]))))
    sharing = data.get("sharing")
    return Fits(str(data["by"]), tuple(items), None if sharing is None else _sharing_from(sharing))


def _sharing_to(sharing: Sharing) -> dict[str, Any]:
    named = {k: v for k, v in vars(sharing).items() if k != "verdict"}
    named["intervals"] = {k: list(v) for k, v in sharing.intervals.items()}
    return finite({**named, "verdict": _verdict_to(sharing.verdict)})


def _sharing_from(data: Mapping[str, Any]) -> Sharing:
    def count(name: str) -> int:
        return int(_number(data[name]))

    def maybe(name: str) -> int | None:
        return None if data[name] is None else count(name)

    return Sharing(
        widths=_numbers(data["widths"]),
        centres=_numbers(data["centres"]),
        intervals=_pairs(data["intervals"]),
        level=_level(data["level"]),
        value=_number(data["value"]),
        gradient_norm=_number(data["gradient_norm"]),
        noise=_number(data["noise"]),
        groups=count("groups"),
        runs=count("runs"),
        parameters=_number(data["parameters"]),
        finished=count("finished"),
        at_best=count("at_best"),
        statistic=_number_or_none(data["statistic"]),
        constraints=maybe("constraints"),
        freedom=maybe("freedom"),
        p_value=_number_or_none(data["p_value"]),
        test=str(data["test"]),
        verdict=_verdict_from(data["verdict"]),
    )


def _draws_from(data: Mapping[str, Any], law: Law | None) -> Draws:
    law = _law_of(data["fit"], law)
    if tuple(data["names"]) != law.parameter_names:
        found = ", ".join(map(inert, data["names"]))
        raise InputError(f"its draws are of {found}, law {law.name!r} has {', '.join(law.parameter_names)}")
    params = _numbers(data["fit"]["params"])
    return Draws(
        law=law,
        params=params,
        theta=law.theta(params),
        draws=_matrix(data["draws"], len(law.parameters)),
        method=str(data["method"]),
        seed=int(data["seed"]),
        level=_level(data["level"]),
        record=RunsRecord(int(data["count"]), ranges=_pairs(data["ranges"])),
        verdict=_verdict_from(data["verdict"]),
        runs_sha256=str(data["fit"]["runs_sha256"]),
    )


def finite(value: Any) -> Any:
    """The same plain data with None for numbers that are not finite."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def _plain(value: float) -> str:
    """A parameter to six digits, without the suffixes that belong to counts."""
    return format_number(value, 6, suffixes=False)


def _span(low: float, high: float) -> str:
    """An interval in words; an end that the runs do not bound is open."""
    return f"{_plain(low) if np.isfinite(low) else 'open'} to {_plain(high) if np.isfinite(high) else 'open'}"


def _findings(verdict: Verdict) -> tuple[str, ...]:
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


def _objective_words(result: FitResult) -> str:
    o, response = result.objective, result.law.response.name
    extra = f", overestimates x {o.overestimate:g}" if o.overestimate != 1 else ""
    return f"{o.words} on {'log ' if o.space == 'log' else ''}{response}{extra}"
