"""Batch, steps and weight decay: what haste costs, and which batch and decay a number of tokens asks for."""

from collections.abc import Mapping
from typing import Any

from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable
from jaxscale.laws.hyperparameters import optimum_law

_MCCANDLISH = "McCandlish et al. 2018 (arXiv 1812.06162)"
_POWER_LINES = "Bergsma et al. 2025 (arXiv 2505.13738)"
_ZHANG = "Zhang et al. 2024 (arXiv 2410.21676)"
_SCHAIPP = "Schaipp 2026 (arXiv 2607.01487)"

# --- Steps against examples ---


def _log_steps(p: Params, *, log_B: Array) -> Array:
    return logsumexp(p.log_S_min, p.log_E_min - log_B)


def _critical_batch(params: Mapping[str, Any]) -> Any:
    """E_min / S_min: the batch at which steps and tokens are both twice their least."""
    p = Params(params)
    return p.E_min / p.S_min


def _tokens(params: Mapping[str, Any], B: Any) -> Any:
    """Tokens to the same loss at batch B: E_min (1 + B / B_crit)."""
    p = Params(params)
    return p.E_min + p.S_min * B


mccandlish_steps = Law(
    "mccandlish_steps",
    _log_steps,
    variables=(Variable("B", "tokens", "batch"),),
    response=Variable("S", "steps", "optimizer steps to a given loss"),
    parameters=(
        Parameter("S_min", unit="steps", meaning="steps that no batch can save", dimension={"S": 1}),
        Parameter("E_min", unit="tokens", meaning="tokens that the smallest batches need", dimension={"S": 1, "B": 1}),
    ),
    formula="S = S_min + E_min / B, which is (S / S_min - 1)(E / E_min - 1) = 1 with E = B S",
    serves="How large a batch may be: how fast a model can be trained, and what the haste costs in compute.",
    source=_MCCANDLISH,
    note=(
        "Form only: constants belong to one model and loss. Twice the least steps cost twice the least tokens. As the "
        "cost of a plan: costs.six_nd.at_batch(batch, critical)."
    ),
    closed_forms={"critical_batch": _critical_batch, "tokens": _tokens},
)

# --- The batch that a number of tokens asks for ---


def _exponent_alone(a: float, what: str, source: str, runs: str) -> Published:
    return Published(
        {"a": a},
        source,
        "unverified",
        note=f"{what}. {runs} As quoted in public notes; the prefactor was not found there.",
    )


batch_by_tokens = optimum_law(
    "batch_by_tokens",
    (D,),
    serves="Which batch to train with, and how large it may be before it wastes compute.",
    seen_to="3.3B parameters (power_lines), 1.2B (zhang)",
    source=f"{_POWER_LINES}; {_ZHANG}; {_SCHAIPP}",
    note=(
        "Batches in tokens. All find that the batch follows the tokens and not the size; step_law:B agrees (0.58 "
        "D^0.571). Within a factor of two of the best little is lost: batches within 5 % of the least compute span a "
        "factor of four (schaipp)."
    ),
    constants={
        "schaipp": Published(
            {"k": 0.667, "a": 0.566}, _SCHAIPP, "unverified", note="Best batch. As quoted in a survey; not read there."
        ),
        "power_lines": _exponent_alone(0.383, "Best batch", _POWER_LINES, "111M to 3.3B parameters, SlimPajama."),
        "power_lines_critical": _exponent_alone(
            0.462, "Critical batch, against the least tokens", _POWER_LINES, "111M to 3.3B parameters, SlimPajama."
        ),
        "zhang_critical": _exponent_alone(
            0.47, "Critical batch: that of 20 % more steps than in proportion", _ZHANG, "85M to 1.2B parameters, C4."
        ),
    },
)

# --- Weight decay ---


def _weight_decay(params: Mapping[str, Any], N: Any, D: Any, B: Any, lr: Any) -> Any:
    """The weight decay B / (lr D tau) of AdamW that goes with the best time-scale, at batch B (tokens) and learning
    rate lr."""
    p = Params(params)
    return B / (lr * D * p.k * N**p.a * D**p.b)


power_lines_timescale = optimum_law(
    "power_lines_timescale",
    (N, D),
    response=Variable("tau", "", "best time-scale of AdamW, as a share of the run", better="neither"),
    serves="Which weight decay to train with.",
    seen_to="3.3B parameters",
    source=_POWER_LINES,
    note=(
        "tau = B / (lr decay D) with batch B and tokens D: a power of D / N, so that b = -a. weight_decay turns it "
        "into a decay. Learning rates are those of maximal update parametrisation."
    ),
    constants={
        "power_lines": Published(
            {"k": 1.084, "a": 0.527, "b": -0.527},
            _POWER_LINES,
            "unverified",
            note="Two independent public notes print the same; not read in the paper itself. 111M to 3.3B parameters.",
        )
    },
    closed_forms={"weight_decay": _weight_decay},
)
