"""What counting compute or parameters another way does to an exponent."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale._analyses.approaches.envelope import Envelope, envelope
from jaxscale._analyses.approaches.law_fit import fit_law, share
from jaxscale._analyses.approaches.side_by_side import Counted
from jaxscale._base.errors import InputError
from jaxscale._base.settings import in_float64
from jaxscale._base.text import quoted
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult
from jaxscale.laws import chinchilla, pearce_song

MISFIT_CODES = frozenset(
    {"residual_trend", "cross_term", "residuals_dependent", "lack_of_fit", "backtest_failed", "weakly_identified"}
)


# --- Kaplan against Chinchilla ---
def counting_difference(
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
        with in_float64():
            sizes = np.asarray(jax.jit(pearce_song.closed_forms["non_embedding_size"])({"omega": omega}, total))
    kaplan = replace(runs, variables={"N": sizes, "D": runs.variable("D")})
    counted = []
    with_all, without = "all parameters", "without embeddings"
    if whole is not None and math.isfinite(whole.N.exponent):
        counted.append(Counted(with_all, "envelope", whole.N.exponent, whole.N.interval))
        found = envelope(kaplan, **sampling)
        counted.append(Counted(without, "envelope", found.N.exponent, found.N.interval))
    if fitted is not None:
        counted.append(Counted(with_all, "fit of the law", *share(fitted)))
        again, _ = fit_law(kaplan, sampling)
        # The law can hold for one count at most. What shows that is no reason to hide what the other would have said,
        # and the interval says how little that is.
        if again is not None and all(r.code in MISFIT_CODES for r in again.verdict.reasons if r.severity == "fatal"):
            counted.append(Counted(without, "fit of the law", *share(again)))
        slope = _recounted_slope(runs, fitted, omega)
        counted.append(Counted(without, "the fitted law's own optima, recounted", slope, None))
    return tuple(counted)


def _recounted_slope(runs: Runs, fitted: FitResult, omega: float) -> float:
    """Slope of log N in log C, both without embeddings, of the fitted law's optima at the compute of the runs.

    Pearce and Song 2024 (arXiv 2406.12907, Section 3): a line through a curve whose slope changes with the size.
    """
    compute = runs.variable("C")
    params = dict(fitted.params) | {"omega": omega}
    with in_float64():
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
