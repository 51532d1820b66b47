"""Why approaches disagree."""

import math
from collections.abc import Sequence
from itertools import combinations

from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import MISFIT, IsoFlop
from jaxscale._analyses.approaches.side_by_side import Approach, Difference, flops
from jaxscale._analyses.approaches.trend import Interval
from jaxscale._base.text import format_number
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult
from jaxscale.costs import compute_ratios

_TELLING_SHARE, _TELLING_EXPONENT = 0.01, 0.002  # biases below are not worth a sentence
_CENTRED = 1.5  # sizes whose middle is within this factor of the optimum count as centred
_FEW_BUDGETS = 4
_FAR = 1.0  # decades beyond the largest optimum


# --- Why they differ ---
def pairs_apart(rows: Sequence[Approach]) -> list[tuple[Approach, Approach]]:
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


def differences_of(
    runs: Runs,
    rows: Sequence[Approach],
    isoflops: dict[str, IsoFlop],
    whole: Envelope | None,
    fitted: FitResult | None,
    budgets: tuple[float, ...],
) -> tuple[Difference, ...]:
    reasons = [
        Difference("disagree", f"the intervals of {one.name!r} and {other.name!r} have nothing in common.")
        for one, other in pairs_apart(rows)
    ]
    by_code = {row.code: row for row in rows if not row.missing}
    furthest = max(budgets)
    parabola = by_code.get("parabola")
    if parabola and (abs(parabola.bias_D) > _TELLING_SHARE or abs(parabola.bias_a) > _TELLING_EXPONENT):
        assert fitted is not None  # a bias is known from the fitted law
        alpha, beta = fitted.params["alpha"], fitted.params["beta"]
        reasons.append(
            Difference(
                "parabola_bias",
                f"alpha {alpha:.3f} and beta {beta:.3f} differ, so losses along a budget are no parabola: even without "
                f"noise it would put a off by {parabola.bias_a:+.4f} and D at {flops(furthest)} FLOPs by "
                f"{100 * parabola.bias_D:+.1f} %.",
            )
        )
    ratios = compute_ratios(runs)
    if ratios is not None:
        low, high = (format_number(x, 3) for x in ratios)
        times = low if low == high else f"{low} to {high}"
        reasons.append(
            Difference(
                "compute",
                f"the table's compute is {times} times 6 N D; approaches 1 and 2 go "
                "by the table, the fit's best sizes by 6 N D.",
            )
        )
    profiles = next(iter(isoflops.values())).profiles if isoflops else ()
    centre = _centring(isoflops)
    if centre is not None:
        reasons.append(Difference("off_centre", centre))
    outside = [flops(p.budget) for p in profiles if p.note]
    if outside:
        reasons.append(
            Difference(
                "optimum_outside",
                f"the best size of {', '.join(outside)} FLOPs lies outside the runs; approach 2 leaves them out, the "
                "fit does not.",
            )
        )
    used = max((i.N.count for i in isoflops.values()), default=0)
    if 0 < used < _FEW_BUDGETS:
        reasons.append(Difference("few_budgets", f"a line through {used} budgets says little about its exponent."))
    unbiased = isoflops.get("unbiased")
    if unbiased is not None and unbiased.misfit > MISFIT:
        reasons.append(
            Difference(
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
                Difference(
                    "envelope", f"how the envelope is taken alone moves its exponent from {low:.3f} to {high:.3f}."
                )
            )
    far = max((row.decades_beyond[budgets.index(furthest)] for row in by_code.values()), default=0.0)
    if far > _FAR and len(by_code) > 1:
        sizes = [row.N[budgets.index(furthest)][0] for row in by_code.values()]
        reasons.append(
            Difference(
                "extrapolation",
                f"{flops(furthest)} FLOPs is {far:.1f} decades beyond the largest budget with an optimum: "
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
