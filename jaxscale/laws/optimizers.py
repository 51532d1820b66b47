"""What an optimiser is worth: size and data that count for more, and Moonlight's two frontiers."""

from collections.abc import Mapping
from typing import Any

from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable
from jaxscale.laws.kaplan import PF_DAY
from jaxscale.laws.power import compute_law

_MOONLIGHT = "Liu et al. 2025 (arXiv 2502.16982)"


def _log_loss(p: Params, *, log_N: Array, log_D: Array, new: Array) -> Array:
    size, data = log_N + new * p.log_rho_N, log_D + new * p.log_rho_D
    return logsumexp(p.log_E, p.log_A - p.alpha * size, p.log_B - p.beta * data)


def _as_chinchilla(params: Mapping[str, Any], new: Any = 1.0) -> dict[str, Any]:
    """The law of one optimiser as parameters of chinchilla: of the new one, or with new = 0 of the reference."""
    p = Params(params)
    A, B = p.A * p.rho_N ** (-p.alpha * new), p.B * p.rho_D ** (-p.beta * new)
    return {"A": A, "B": B, "E": p.E, "alpha": p.alpha, "beta": p.beta}


rescaled_optimizer = Law(
    "rescaled_optimizer",
    _log_loss,
    variables=(N, D, Variable("new", "", "0 for runs of the reference optimiser, 1 for those of the new one", "count")),
    parameters=(
        Parameter("A", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("B", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter("rho_N", meaning="times that a parameter counts for more under the new optimiser"),
        Parameter("rho_D", meaning="times that a token counts for more under the new optimiser"),
    ),
    formula="L = E + A / (rho_N^new N)^alpha + B / (rho_D^new D)^beta",
    serves="Whether to change the optimiser: what it is worth in parameters and in tokens.",
    source="arXiv 2602.07712; the form as quoted in a public note",
    note=(
        "Form only: the paper's factors were not found. Separate laws for each optimiser are ill-conditioned; with "
        "exponents and floor shared two factors remain. From groups of runs, fit_many('chinchilla', table, "
        "by='optimizer', share=('E', 'alpha', 'beta')) (--by optimizer --share E --share alpha --share beta), "
        "rescaling(fits, 'adamw') tells them with joint intervals."
    ),
    closed_forms={"as_chinchilla": _as_chinchilla},
)

moonlight_frontier = compute_law(
    "moonlight_frontier",
    flops_per_unit=PF_DAY,
    serves="What Muon saves of AdamW's compute.",
    seen_to="1.5B parameters",
    source=f"{_MOONLIGHT}, Section 3.2",
    note=(
        "Dense models of 0.4B to 1.5B parameters, context 8192, each at its best size and tokens. The unit of compute "
        "is inferred: in PF-days Muon needs half of AdamW's FLOPs, as the paper says (52 %), in FLOPs the losses would "
        "be 0.25."
    ),
    constants={
        "muon": Published({"A": 2.506, "alpha": 0.052}, f"{_MOONLIGHT}, Table 3", note="Muon."),
        "adamw": Published({"A": 2.608, "alpha": 0.054}, f"{_MOONLIGHT}, Table 3", note="AdamW."),
    },
)
