"""Approaches 1, 2 and 3 of Hoffmann et al. 2022 on one table, side by side, and why they disagree where they do."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from statistics import NormalDist
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale._approaches.envelope import Envelope, envelope
from jaxscale._approaches.isoflop import MISFIT, IsoFlop, Method, isoflop
from jaxscale._approaches.trend import Interval, Trend, check_resampling, words
from jaxscale._base.errors import InputError
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs, as_runs
from jaxscale._fitting.fit import fit
from jaxscale._fitting.result import FitResult
from jaxscale._planning.frontier import frontier
from jaxscale.laws import chinchilla, pearce_song

Code = Literal["envelope", "parabola", "akima", "unbiased", "fit"]

_NAMES: dict[Code, str] = {
    "envelope": "1: envelope of training curves",
    "parabola": "2: isoFLOP, parabola",
    "akima": "2: isoFLOP, Akima",
    "unbiased": "2: isoFLOP, unbiased",
    "fit": "3: fit of the law",
}
_METHODS: tuple[Method, ...] = ("parabola", "akima", "unbiased")
_TELLING_SHARE, _TELLING_EXPONENT = 0.01, 0.002  # biases below are not worth a sentence
_CENTRED = 1.5  # sizes whose middle is within this factor of the optimum count as centred
_FEW_BUDGETS = 4
_WIDE = 0.1  # width of an interval of the exponent within which agreement means little
_SIX_ND = 0.02  # by how much log compute may differ from that of 6 N D
_MISFIT = frozenset({"residual_trend", "cross_term", "residuals_dependent", "weakly_identified"})
_FAR = 1.0  # decades beyond the largest optimum


@dataclass(frozen=True, eq=False)
class Approach:
    """What one approach says: exponents of N and D with intervals, and N and D at each budget of the comparison.

    `missing` says why there is nothing (all nan then). N and D: (value, interval) for each budget. bias_a, bias_D: what
    the approach alone would get wrong on losses of exactly the fitted law at these very sizes and budgets: its exponent
    less the true one, and its D at the largest budget relative to the true one less 1; nan where not known.
    """

    code: Code
    a: float = math.nan
    a_interval: Interval | None = None
    b: float = math.nan
    b_interval: Interval | None = None
    N: tuple[tuple[float, Interval | None], ...] = ()
    D: tuple[tuple[float, Interval | None], ...] = ()
    decades_beyond: tuple[float, ...] = ()
    bias_a: float = math.nan
    bias_D: float = math.nan
    missing: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return _NAMES[self.code]


@dataclass(frozen=True)
class Reason:
    """Why approaches disagree, or may: a code that means one thing for ever, and a sentence."""

    code: str
    text: str


@dataclass(frozen=True)
class Counted:
    """The exponent that a way to look at the runs gives when model and compute are counted in one of two ways."""

    convention: str
    how: str
    a: float
    interval: Interval | None


@dataclass(frozen=True, eq=False)
class Approaches(Reporting):
    """The approaches on one table. `agree` is False where intervals of an exponent, or of N at a budget, are apart.

    envelope, isoflops (by method) and fit are the full records, None or absent where `rows` says what is missing.
    counting: the exponents with and without embeddings, empty unless asked for.
    """

    _columns = 120

    rows: tuple[Approach, ...]
    reasons: tuple[Reason, ...]
    budgets: tuple[float, ...]
    agree: bool
    level: float
    runs: int
    envelope: Envelope | None
    isoflops: dict[str, IsoFlop]
    fit: FitResult | None
    counting: tuple[Counted, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row for each approach: exponents and, for each budget, N and D, with the ends of their intervals."""
        records = []
        for row in self.rows:
            record: dict[str, Any] = {"approach": row.name, "missing": row.missing}
            pairs = {"a": (row.a, row.a_interval), "b": (row.b, row.b_interval)}
            for k, budget in enumerate(self.budgets):
                for of, values in (("N", row.N), ("D", row.D)):
                    pairs[f"{of}({budget:.3g})"] = values[k] if values else (math.nan, None)
            for name, (value, ends) in pairs.items():
                low, high = ends or (math.nan, math.nan)
                record |= {name: value, f"{name}_lo": low, f"{name}_hi": high}
            records.append(record | {"bias_a": row.bias_a, "bias_D": row.bias_D})
        return pd.DataFrame(records).set_index("approach")

    @property
    def verdict(self) -> str:
        """One line: whether the approaches that could be taken agree, and between which exponents they lie."""
        found = [row for row in self.rows if not row.missing]
        if len(found) < 2:
            return f"NOTHING TO COMPARE: {len(found)} of {len(self.rows)} approaches could be taken"
        low, high = min(r.a for r in found), max(r.a for r in found)
        ends = [r.a_interval for r in found if r.a_interval]
        if self.agree and max((high - low for low, high in ends), default=0.0) > _WIDE:
            return f"THE APPROACHES ARE NOT APART, but their intervals are wide: N grows as C^{low:.3f} to C^{high:.3f}"
        if self.agree:
            return f"THE APPROACHES AGREE within their intervals: N grows as C^{low:.3f} to C^{high:.3f}"
        return f"THE APPROACHES DISAGREE: N grows as C^{low:.3f} to C^{high:.3f}; the reasons are below"

    def report(self) -> Report:
        """Whether they agree, then each approach, its allocations, why they differ, and the two ways to count."""
        percent = f"{100 * self.level:g} %"
        fixed = "{:.4f}".format
        exponents = tuple(
            (
                row.name,
                fixed(row.a),
                words(row.a_interval, fixed),
                fixed(row.b),
                words(row.b_interval, fixed),
                f"{row.bias_a:+.4f}" if math.isfinite(row.bias_a) else "–",
            )
            for row in self.rows
            if not row.missing
        )
        header = ("approach", "a: N as C^a", percent, "b: D as C^b", percent, "its own bias of a")
        note = "Its own bias: what it would get wrong on losses of exactly the fitted law at these sizes and budgets."
        blocks: list[Table | Lines] = [
            Table("Exponents", header, exponents, note if any(math.isfinite(r.bias_a) for r in self.rows) else "")
        ]
        allocations = tuple(
            (
                _flops(budget),
                row.name,
                format_number(row.N[k][0]),
                words(row.N[k][1], lambda v: format_number(v, 3)),
                format_number(row.D[k][0]),
                words(row.D[k][1], lambda v: format_number(v, 3)),
                f"{row.decades_beyond[k]:.1f}",
            )
            for k, budget in enumerate(self.budgets)
            for row in self.rows
            if not row.missing
        )
        header = ("budget (FLOPs)", "approach", "N", percent, "D (tokens)", percent, "decades beyond")
        blocks.append(Table("Best size and tokens", header, allocations))
        why = {row.missing: [r.name for r in self.rows if r.missing == row.missing] for row in self.rows if row.missing}
        if why:
            blocks.append(Lines("Not taken", tuple(f"{'; '.join(names)}: {text}" for text, names in why.items())))
        if self.reasons:
            blocks.append(Lines("Why they differ", tuple(f"{r.code}: {r.text}" for r in self.reasons)))
        if self.counting:
            rows = tuple((c.convention, c.how, fixed(c.a), words(c.interval, fixed)) for c in self.counting)
            header = ("counted", "how", "a: N as C^a", percent)
            note = "Kaplan et al. 2020 counted without embeddings and found 0.73; Hoffmann et al. 2022 with, and 0.5."
            blocks.append(Table("The same runs, counted in two ways", header, rows, note))
        return Report(f"Approaches 1, 2 and 3 · {self.runs} runs", self.verdict, tuple(blocks))

    def __repr__(self) -> str:
        return f"<Approaches: {self.verdict}>"


def approaches(
    runs: Runs | Any,
    *,
    budgets: Sequence[float] | None = None,
    non_embedding: str | float | None = None,
    level: float = 0.9,
    draws: int = 500,
    seed: int = 0,
    progress: Progress | None = None,
) -> Approaches:
    """Approaches 1, 2 and 3 of Hoffmann et al. 2022 (arXiv 2203.15556, Section 3) on the same runs.

    Args:
        runs: `Runs` with N and D (or C), or anything `read_runs` takes; with a `run` column they are training curves.
        budgets: FLOPs at which best sizes are compared; the largest of the runs and a hundred times that by default.
        non_embedding: also count model and compute without embeddings, as Kaplan et al. 2020 did: the variable of
            `runs` that holds those sizes (`Runs.from_frame(..., M="params_non_embedding")`, then "M"), or omega of
            N_total = N + omega N^(1/3) (Pearce and Song 2024, arXiv 2406.12907; 47491 for Chinchilla's models).
        level, draws, seed: of the intervals of every approach.
        progress: called as progress(done, total, what).

    An approach that these runs do not allow is a row that says why. Where approaches disagree the record says what
    pulls them apart, measured on losses of exactly the fitted law at the same sizes and budgets.

    Raises:
        InputError: the runs lack N, D or a positive loss, or an argument cannot be used.
    """
    runs = as_runs(runs)
    check_resampling(level, draws)
    compute = runs.variable("C")
    if budgets is None:
        budgets = (float(compute.max()), 100 * float(compute.max()))
    if not len(budgets) or not all(0 < b < math.inf for b in budgets):
        raise InputError("budgets must be positive and finite numbers of FLOPs")
    budgets = tuple(float(b) for b in budgets)
    sampling = {"level": level, "draws": draws, "seed": seed}
    rows: list[Approach] = []

    whole = _attempt("envelope", rows, partial(envelope, runs, **sampling), budgets)
    isoflops = {
        method: found
        for method in _METHODS
        if (found := _attempt(method, rows, partial(isoflop, runs, method=method, points=None, **sampling), budgets))
    }
    fitted, untrusted = _fitted(runs, sampling, progress)
    if fitted is None or untrusted:
        rows.append(Approach("fit", missing=untrusted))
    else:
        best = _fit_row(fitted, runs, budgets)
        rows = [*(_with_bias(row, runs, fitted, best, budgets) for row in rows), best]
    trusted = None if untrusted else fitted
    agree = not _apart(rows)
    return Approaches(
        rows=tuple(rows),
        reasons=_reasons(runs, rows, isoflops, whole, trusted, budgets),
        budgets=budgets,
        agree=agree,
        level=level,
        runs=runs.count,
        envelope=whole,
        isoflops=isoflops,
        fit=fitted,
        counting=() if non_embedding is None else _counting(runs, non_embedding, whole, trusted, sampling),
    )


def _flops(budget: float) -> str:
    """Without suffix: 2.2e14, not 220T."""
    return format_number(budget, suffixes=False)


# --- Each approach as a row ---


def _attempt(code: Code, rows: list[Approach], make: Any, budgets: tuple[float, ...]) -> Any:
    """The record of an approach, its row appended; None where the runs do not allow it, and the row says why."""
    try:
        record = make()
    except InputError as error:
        rows.append(Approach(code, missing=str(error)))
        return None
    if not math.isfinite(record.N.exponent):
        rows.append(Approach(code, missing=record.verdict))
        return record
    rows.append(_row(code, record.N, record.D, budgets))
    return record


def _row(code: Code, N: Trend, D: Trend, budgets: tuple[float, ...]) -> Approach:
    return Approach(
        code,
        N.exponent,
        N.interval,
        D.exponent,
        D.interval,
        tuple(N.at(b) for b in budgets),
        tuple(D.at(b) for b in budgets),
        tuple(N.decades_beyond(b) for b in budgets),
    )


def _fitted(runs: Runs, sampling: Mapping[str, Any], progress: Progress | None) -> tuple[FitResult | None, str]:
    """Approach 3, and why it says nothing: a fit that cannot be trusted has no row."""
    options = {**sampling, "draws": max(sampling["draws"], 20)}
    try:
        found = fit(chinchilla, runs, progress=progress, **options)
    except InputError as error:
        return None, str(error)
    return found, "" if found.verdict.trustworthy else str(found.verdict)


def _fit_row(found: FitResult, runs: Runs, budgets: tuple[float, ...]) -> Approach:
    plan = frontier(found, budgets)
    a, interval = _share(found)
    largest = float(runs.variable("C").max())
    return Approach(
        "fit",
        a,
        interval,
        1 - a,
        None if interval is None else (1 - interval[1], 1 - interval[0]),
        tuple((r.N, r.intervals.get("N")) for r in plan.rows),
        tuple((r.D, r.intervals.get("D")) for r in plan.rows),
        tuple(max(0.0, math.log10(b / largest)) for b in budgets),
    )


def _share(found: FitResult) -> tuple[float, Interval | None]:
    """a = beta / (alpha + beta) of a fit, with its interval by the delta method."""
    alpha, beta = found.params["alpha"], found.params["beta"]
    a = beta / (alpha + beta)
    names = () if found.covariance is None else found.covariance.names
    if found.covariance is None or not {"alpha", "beta"} <= set(names):
        return a, None
    slope = np.zeros(len(names))
    slope[names.index("alpha")] = -beta / (alpha + beta) ** 2
    slope[names.index("beta")] = alpha / (alpha + beta) ** 2
    variance = float(slope @ found.covariance.matrix @ slope)
    if not variance >= 0:
        return a, None
    half = NormalDist().inv_cdf((1 + found.level) / 2) * math.sqrt(variance)
    return a, (a - half, a + half)


def _with_bias(row: Approach, runs: Runs, fitted: FitResult, best: Approach, budgets: tuple[float, ...]) -> Approach:
    """The row with what its approach gets wrong on losses of exactly the fitted law (`best`) at the same runs."""
    if row.missing or row.code == "fit" or _compute_ratios(runs) is not None:
        return row
    exact = replace(runs, response=np.asarray(fitted.predict(N=runs.variable("N"), D=runs.variable("D"))))
    try:
        if row.code == "envelope":
            record = envelope(exact, draws=0)
        else:
            record = isoflop(exact, method=row.code, points=None, draws=0)
    except InputError:
        return row
    furthest = max(budgets)
    truth = best.D[budgets.index(furthest)][0]
    return replace(row, bias_a=record.N.exponent - best.a, bias_D=record.D.at(furthest)[0] / truth - 1)


def _compute_ratios(runs: Runs) -> Interval | None:
    """Smallest and largest ratio of the table's compute to 6 N D; None where it is 6 N D."""
    ratios = runs.variable("C") / (6 * runs.variable("N") * runs.variable("D"))
    low, high = float(ratios.min()), float(ratios.max())
    return None if max(abs(math.log(low)), abs(math.log(high))) <= _SIX_ND else (low, high)


# --- Why they differ ---


def _apart(rows: Sequence[Approach]) -> list[tuple[Approach, Approach]]:
    """Pairs whose intervals of the exponent, or of N at a budget, have nothing in common."""
    found = [row for row in rows if not row.missing]

    def separate(one: Interval | None, other: Interval | None) -> bool:
        return one is not None and other is not None and (one[0] > other[1] or other[0] > one[1])

    return [
        (one, other)
        for one, other in combinations(found, 2)
        if separate(one.a_interval, other.a_interval)
        or any(separate(p[1], q[1]) for p, q in zip(one.N, other.N, strict=True))
    ]


def _reasons(
    runs: Runs,
    rows: Sequence[Approach],
    isoflops: dict[str, IsoFlop],
    whole: Envelope | None,
    fitted: FitResult | None,
    budgets: tuple[float, ...],
) -> tuple[Reason, ...]:
    reasons = [
        Reason("disagree", f"the intervals of {one.name!r} and {other.name!r} have nothing in common.")
        for one, other in _apart(rows)
    ]
    by_code = {row.code: row for row in rows if not row.missing}
    furthest = max(budgets)
    parabola = by_code.get("parabola")
    if parabola and (abs(parabola.bias_D) > _TELLING_SHARE or abs(parabola.bias_a) > _TELLING_EXPONENT):
        assert fitted is not None  # a bias is known from the fitted law
        alpha, beta = fitted.params["alpha"], fitted.params["beta"]
        reasons.append(
            Reason(
                "parabola_bias",
                f"alpha {alpha:.3f} and beta {beta:.3f} differ, so losses along a budget are no parabola: even without "
                f"noise it would put a off by {parabola.bias_a:+.4f} and D at {_flops(furthest)} FLOPs by "
                f"{100 * parabola.bias_D:+.1f} %.",
            )
        )
    ratios = _compute_ratios(runs)
    if ratios is not None:
        low, high = (format_number(x, 3) for x in ratios)
        times = low if low == high else f"{low} to {high}"
        reasons.append(
            Reason(
                "compute",
                f"the table's compute is {times} times 6 N D; approaches 1 and 2 go "
                "by the table, the fit's best sizes by 6 N D.",
            )
        )
    profiles = next(iter(isoflops.values())).profiles if isoflops else ()
    centre = _centring(isoflops)
    if centre is not None:
        reasons.append(Reason("off_centre", centre))
    outside = [_flops(p.budget) for p in profiles if p.note]
    if outside:
        reasons.append(
            Reason(
                "optimum_outside",
                f"the best size of {', '.join(outside)} FLOPs lies outside the runs; approach 2 leaves them out, the "
                "fit does not.",
            )
        )
    used = max((i.N.count for i in isoflops.values()), default=0)
    if 0 < used < _FEW_BUDGETS:
        reasons.append(Reason("few_budgets", f"a line through {used} budgets says little about its exponent."))
    unbiased = isoflops.get("unbiased")
    if unbiased is not None and unbiased.misfit > MISFIT:
        reasons.append(
            Reason(
                "shape",
                f"along a budget the losses do not follow the law: it misses them by {unbiased.misfit:.1f} times the "
                "noise between neighbouring sizes. Runs far from the optimum then pull the unbiased form and the fit; "
                "Akima looks only near the lowest.",
            )
        )
    if whole is not None and whole.N.count >= 2:
        low, high = whole.sensitivity.exponent.min(), whole.sensitivity.exponent.max()
        if high - low > 0.05:
            reasons.append(
                Reason("envelope", f"how the envelope is taken alone moves its exponent from {low:.3f} to {high:.3f}.")
            )
    far = max((row.decades_beyond[budgets.index(furthest)] for row in by_code.values()), default=0.0)
    if far > _FAR and len(by_code) > 1:
        sizes = [row.N[budgets.index(furthest)][0] for row in by_code.values()]
        reasons.append(
            Reason(
                "extrapolation",
                f"{_flops(furthest)} FLOPs is {far:.1f} decades beyond the largest budget with an optimum: "
                f"small differences of exponents become a factor of {max(sizes) / min(sizes):.2f} in N there.",
            )
        )
    return tuple(reasons)


def _centring(isoflops: dict[str, IsoFlop]) -> str | None:
    """A sentence where the sizes of the budgets are not centred on the optimum."""
    method = next((m for m in ("unbiased", "akima", "parabola") if m in isoflops), None)
    away = [p.off_centre for p in isoflops[method].profiles if math.isfinite(p.off_centre)] if method else []
    if not away or max(map(abs, away)) <= math.log(_CENTRED):
        return None
    first, last = (format_number(math.exp(x), 3) for x in (away[0], away[-1]))
    return (
        f"the middle of the sizes is {first} times the best size at the smallest budget and {last} times at the "
        "largest; off centre a parabola's bias changes, and what changes along the budgets gets into the exponent."
    )


# --- Kaplan against Chinchilla ---


def _counting(
    runs: Runs,
    non_embedding: str | float,
    whole: Envelope | None,
    fitted: FitResult | None,
    sampling: Mapping[str, Any],
) -> tuple[Counted, ...]:
    """The exponents of the same runs with all parameters counted, and without embeddings (C = 6 N D with that N)."""
    total = runs.variable("N")
    if isinstance(non_embedding, str):
        sizes = runs.variable(non_embedding)
        omega = float(np.median((total - sizes) / np.cbrt(sizes)))
        if not ((sizes > 0) & (sizes < total)).all():
            raise InputError(
                f"variable {quoted(non_embedding)} must be positive and below N: it counts the parameters without "
                "embeddings"
            )
    else:
        omega = float(non_embedding)
        if not 0 < omega < math.inf:
            raise InputError(f"non_embedding must be a positive omega or the name of a variable, got {omega!r}")
        with jax.enable_x64(True):
            sizes = np.asarray(jax.jit(pearce_song.closed_forms["non_embedding_size"])({"omega": omega}, total))
    kaplan = replace(runs, variables={"N": sizes, "D": runs.variable("D")})
    counted = []
    with_all, without = "all parameters", "without embeddings"
    if whole is not None and math.isfinite(whole.N.exponent):
        counted.append(Counted(with_all, "envelope", whole.N.exponent, whole.N.interval))
        found = envelope(kaplan, **sampling)
        counted.append(Counted(without, "envelope", found.N.exponent, found.N.interval))
    if fitted is not None:
        counted.append(Counted(with_all, "fit of the law", *_share(fitted)))
        again, _ = _fitted(kaplan, sampling, None)
        # The law can hold for one count at most. What shows that is no reason to hide what the other would have said,
        # and the interval says how little that is.
        if again is not None and all(r.code in _MISFIT for r in again.verdict.reasons if r.severity == "fatal"):
            counted.append(Counted(without, "fit of the law", *_share(again)))
        slope = _recounted_slope(runs, fitted, omega)
        counted.append(Counted(without, "the fitted law's own optima, recounted", slope, None))
    return tuple(counted)


def _recounted_slope(runs: Runs, fitted: FitResult, omega: float) -> float:
    """Slope of log N in log C, both without embeddings, of the fitted law's optima at the compute of the runs.

    Pearce and Song 2024 (arXiv 2406.12907, Section 3): a line through a curve whose slope changes with the size.
    """
    compute = runs.variable("C")
    params = dict(fitted.params) | {"omega": omega}
    with jax.enable_x64(True):
        sizes, budgets = _recounted_path(params, np.array([compute.min(), compute.max()]))
    return float(np.polyfit(np.log(budgets), np.log(sizes), 1)[0])


@jax.jit
def _recounted_path(params: Mapping[str, Any], budgets: Any) -> tuple[Any, Any]:
    """Best sizes without embeddings, (100,), between those of two budgets, and the compute at which each is best."""
    forms = pearce_song.closed_forms
    total = chinchilla.closed_forms["allocation"](params, budgets).N
    first, last = jnp.log(forms["non_embedding_size"](params, total))
    sizes = jnp.exp(jnp.linspace(first, last, 100))
    return sizes, forms["budget_at_size"](params, sizes)
