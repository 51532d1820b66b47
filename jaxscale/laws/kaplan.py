"""The laws of Kaplan et al. 2020, "Scaling Laws for Neural Language Models" (arXiv 2001.08361).

N counts non-embedding parameters and C = 6 N B S leaves embeddings out. There is no irreducible loss. The paper counts
compute in PF-days; here the variable C is in FLOPs, as everywhere, and only parameters keep the paper's unit.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, C, D, N, Parameter, Params, Variable
from jaxscale.laws.power import allocation_law

PF_DAY = 1e15 * 86400
"""FLOPs in a petaflop/s-day."""

_LOG_PF_DAY = math.log(PF_DAY)
_PAPER = "Kaplan et al. 2020 (arXiv 2001.08361)"
_SEEN_TO = "1.5B parameters without embeddings"
_SECOND_HAND = "As quoted in a survey; not read in the paper itself."

_N = replace(N, meaning="non-embedding parameters")
_C = replace(C, meaning="non-embedding training compute")
_C_MIN = replace(C, meaning="non-embedding training compute, had the batch been far below the critical one")
_S_MIN = Variable("S_min", "steps", "optimizer steps, had the batch been far above the critical one")
_B_CRIT = Variable(
    "B", "tokens", "critical batch: it costs twice the least compute and twice the least steps", better="neither"
)


def _scale(name: str, variable: Variable, exponent: str, unit: str = "") -> Parameter:
    """The x_c of a term (x_c / x)^exponent that is a loss."""
    return Parameter(
        name,
        unit=unit or variable.unit,
        meaning=f"{variable.name} at which the term would be one nat",
        dimension={variable.name: 1, "loss": f"1/{exponent}"},
    )


def _exponent(name: str, of: str) -> Parameter:
    return Parameter(name, meaning=f"exponent of {of}")


def _one_term(
    name: str, variable: Variable, scale: str, exponent: str, values: tuple[float, float], **more: Any
) -> Law:
    """(scale / variable)^exponent, with the paper's two constants; compute is turned into PF-days."""
    log_unit = _LOG_PF_DAY if variable.name == "C" else 0.0

    def log_loss(p: Params, **logs: Array) -> Array:
        return p[exponent] * (p[f"log_{scale}"] - (logs[variable.argument] - log_unit))

    x = "C / PF-day" if variable.name == "C" else variable.name
    return Law(
        name,
        log_loss,
        variables=(variable,),
        parameters=(
            _scale(scale, variable, exponent, "PF-days" if variable.name == "C" else ""),
            _exponent(exponent, variable.name),
        ),
        formula=f"L = ({scale} / {x if ' ' not in x else f'({x})'})^{exponent}",
        source=_PAPER,
        seen_to=_SEEN_TO,
        constants={"kaplan": Published(dict(zip((scale, exponent), values, strict=True)), f"{_PAPER}, Table 5")},
        **more,
    )


kaplan_n = _one_term(
    "kaplan_n",
    _N,
    "N_c",
    "alpha_N",
    (8.8e13, 0.076),
    serves="What a larger model gains where data is ample.",
    note="Trained to convergence on ample data.",
)
kaplan_d = _one_term(
    "kaplan_d",
    D,
    "D_c",
    "alpha_D",
    (5.4e13, 0.095),
    serves="What more data gains where the model is large enough.",
    note="A large model, stopped early.",
)
kaplan_c = _one_term(
    "kaplan_c",
    _C,
    "C_c",
    "alpha_C",
    (1.6e7, 0.057),
    serves="What more compute gains at one batch size.",
    note="At one fixed batch size; kaplan_cmin corrects for it.",
)
kaplan_cmin = _one_term(
    "kaplan_cmin",
    _C_MIN,
    "C_c",
    "alpha_C",
    (3.1e8, 0.050),
    serves="What more compute gains at small batches.",
    note="C is the least compute: see minimum_compute among the closed forms of kaplan_bcrit.",
)


# --- L(N, D) ---


def _log_loss_nd(p: Params, *, log_N: Array, log_D: Array) -> Array:
    return p.alpha_D * logsumexp((p.alpha_N / p.alpha_D) * (p.log_N_c - log_N), p.log_D_c - log_D)


def _tokens_against_overfitting(params: Mapping[str, Any], N: Any, excess: Any = 0.02) -> Array:
    """Tokens at which a model of size N does worse by the fraction `excess` than with endless data."""
    p = Params(params)
    log_ratio = (p.alpha_N / p.alpha_D) * (jnp.log(N) - p.log_N_c)
    return jnp.exp(p.log_D_c + log_ratio) / jnp.expm1(jnp.log1p(excess) / p.alpha_D)


kaplan_nd = Law(
    "kaplan_nd",
    _log_loss_nd,
    variables=(_N, D),
    parameters=(
        _scale("N_c", _N, "alpha_N"),
        _scale("D_c", D, "alpha_D"),
        _exponent("alpha_N", "N"),
        _exponent("alpha_D", "D"),
    ),
    formula="L = [(N_c / N)^(alpha_N / alpha_D) + D_c / D]^alpha_D",
    serves="How much data a model needs before it overfits.",
    seen_to=_SEEN_TO,
    source=_PAPER,
    note="D is data seen repeatedly with early stopping, so C = 6ND does not hold for the runs behind it.",
    constants={
        "kaplan": Published(
            {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
            f"{_PAPER}, Table 2",
            "unverified",
            note=f"{_SECOND_HAND} A joint fit: it differs from the laws of one variable on purpose.",
        )
    },
    closed_forms={"tokens_against_overfitting": _tokens_against_overfitting},
)


# --- L(N, S_min), the critical batch, and the frontier that follows from both ---

_NS = {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76}
_B_STAR_TEXT, _B_STAR_TABLE, _ALPHA_B = 2.0e8, 2.1e8, 0.21


def _log_loss_ns(p: Params, *, log_N: Array, log_S_min: Array) -> Array:
    return logsumexp(p.alpha_N * (p.log_N_c - log_N), p.alpha_S * (p.log_S_c - log_S_min))


kaplan_ns = Law(
    "kaplan_ns",
    _log_loss_ns,
    variables=(_N, _S_MIN),
    parameters=(
        _scale("N_c", _N, "alpha_N"),
        _scale("S_c", _S_MIN, "alpha_S"),
        _exponent("alpha_N", "N"),
        _exponent("alpha_S", "S_min"),
    ),
    formula="L = (N_c / N)^alpha_N + (S_c / S_min)^alpha_S",
    serves="How many steps to train a model for where data is ample.",
    seen_to=_SEEN_TO,
    source=_PAPER,
    along_runs=True,
    note="Endless data. For S steps at batch B see minimum_steps among the closed forms of kaplan_bcrit.",
    constants={"kaplan": Published(_NS, f"{_PAPER}, Table 3")},
)


def _log_critical_batch(p: Params, *, log_loss: Array) -> Array:
    return p.log_B_star - log_loss / p.alpha_B


def _critical_batch(params: Mapping[str, Any], loss: Any) -> Array:
    return jnp.exp(_log_critical_batch(Params(params), log_loss=jnp.log(loss)))


def _minimum_steps(params: Mapping[str, Any], S: Any, B: Any, loss: Any) -> Array:
    """Steps that a batch far above the critical one would have needed for what S steps at batch B reached."""
    return S / (1 + _critical_batch(params, loss) / B)


def _minimum_compute(params: Mapping[str, Any], C: Any, B: Any, loss: Any) -> Array:
    """Compute that a batch far below the critical one would have needed for what C at batch B reached."""
    return C / (1 + B / _critical_batch(params, loss))


_B_STAR = Parameter(
    "B_star", unit="tokens", meaning="critical batch at a loss of one nat", dimension={"B": 1, "loss": "1/alpha_B"}
)
_ALPHA_B_PARAMETER = Parameter("alpha_B", meaning="inverse exponent of loss in the critical batch")

kaplan_bcrit = Law(
    "kaplan_bcrit",
    _log_critical_batch,
    variables=(LOSS,),
    response=_B_CRIT,
    parameters=(_B_STAR, _ALPHA_B_PARAMETER),
    formula="B = B_star / L^(1 / alpha_B)",
    serves="How large a batch may be before it wastes compute.",
    seen_to=_SEEN_TO,
    source=_PAPER,
    constants={
        "kaplan": Published({"B_star": _B_STAR_TABLE, "alpha_B": _ALPHA_B}, f"{_PAPER}, Table 5"),
        "kaplan_text": Published({"B_star": _B_STAR_TEXT, "alpha_B": _ALPHA_B}, f"{_PAPER}, main text"),
    },
    closed_forms={"minimum_steps": _minimum_steps, "minimum_compute": _minimum_compute},
)

kaplan_alloc = allocation_law(
    "kaplan_alloc",
    flops_per_unit=PF_DAY,
    serves="What size, batch and steps a budget should buy, by the accounting of 2020.",
    seen_to=_SEEN_TO,
    source=_PAPER,
    note="6 N D is about 1.8 C: the paper trains at the critical batch, where compute is twice the least.",
    constants={
        name: Published({"k": k, "a": a}, f"{_PAPER}, Table 6", note=note)
        for name, k, a, note in (
            ("N", 1.3e9, 0.73, "Non-embedding parameters."),
            ("D", 2e10, 0.27, "Tokens, one epoch. Equation 6.7 of the paper has 4e10 C^0.26 instead."),
            ("B", 2.0e6, 0.24, "Batch in tokens."),
            ("S_min", 5.4e3, 0.03, "Steps, a lower bound."),
        )
    },
)


def _frontier_exponent(p: Params) -> Any:
    return 1 / (1 / p.alpha_S + 1 / p.alpha_B + 1 / p.alpha_N)


def _log_frontier_scale(p: Params) -> Array:
    """Log of the compute, in FLOPs, at which the frontier would reach one nat."""
    ratio = p.alpha_N / p.alpha_S
    stretch = (1 / p.alpha_S + 1 / p.alpha_N) * jnp.log1p(ratio) - jnp.log(ratio) / p.alpha_S
    return math.log(6) + p.log_N_c + p.log_B_star + p.log_S_c + stretch


def _log_frontier_loss(p: Params, *, log_C: Array) -> Array:
    return _frontier_exponent(p) * (_log_frontier_scale(p) - log_C)


def _exponent_of_compute(params: Mapping[str, Any]) -> Any:
    """alpha_C of L = (C_c / C)^alpha_C."""
    return _frontier_exponent(Params(params))


def _scale_of_compute(params: Mapping[str, Any]) -> Array:
    """C_c of L = (C_c / C)^alpha_C, in FLOPs."""
    return jnp.exp(_log_frontier_scale(Params(params)))


def _frontier_size(params: Mapping[str, Any], C: Any) -> Array:
    """Best size for compute C."""
    p = Params(params)
    log_relative = jnp.log(C) - _log_frontier_scale(p)
    return jnp.exp(p.log_N_c + (_frontier_exponent(p) * log_relative + jnp.log1p(p.alpha_N / p.alpha_S)) / p.alpha_N)


def _frontier_steps(params: Mapping[str, Any], C: Any) -> Array:
    """Best (minimum) steps for compute C."""
    p = Params(params)
    log_scale = _log_frontier_scale(p)
    log_steps = log_scale - math.log(6) - p.log_N_c - p.log_B_star - jnp.log1p(p.alpha_N / p.alpha_S) / p.alpha_N
    return jnp.exp(log_steps + _frontier_exponent(p) / p.alpha_S * (jnp.log(C) - log_scale))


def _frontier_batch(params: Mapping[str, Any], C: Any) -> Array:
    """Critical batch, in tokens, at the loss that compute C reaches."""
    p = Params(params)
    return jnp.exp(_log_critical_batch(p, log_loss=_log_frontier_loss(p, log_C=jnp.log(C))))


def _excess_compute(params: Mapping[str, Any], ratio: Any) -> Array:
    """Compute, relative to the least, that a model `ratio` times the best size needs for the same loss.

    Not a number where the model is too small to ever reach that loss.
    """
    p = Params(params)
    return ratio * (1 - p.alpha_S / p.alpha_N * jnp.expm1(-p.alpha_N * jnp.log(ratio))) ** (-1 / p.alpha_S)


def _stopping_excess(params: Mapping[str, Any]) -> Array:
    """Loss at the best stopping point relative to the same model's loss at convergence."""
    p = Params(params)
    return 1 + p.alpha_N / p.alpha_S


def _loss_of_run(params: Mapping[str, Any], N: Any, S: Any, B: Any) -> Array:
    """Loss of a model of size N after S steps at a batch of B tokens, off the frontier too.

    S_min depends on the critical batch and so on the loss itself: an equation, solved by Newton's method in log loss,
    differentiated through the equation, not through the iterations.
    """
    p = Params(params)
    log_N, log_S, log_B = jnp.log(N), jnp.log(S), jnp.log(B)

    def excess(log_loss: Array) -> Array:  # rises with a slope of at least one: a single root
        log_s_min = log_S - logsumexp(jnp.zeros_like(log_loss), _log_critical_batch(p, log_loss=log_loss) - log_B)
        return log_loss - _log_loss_ns(p, log_N=log_N, log_S_min=log_s_min)

    def newton(f: Any, guess: Array) -> Array:
        def step(_: int, x: Array) -> Array:
            value, slope = jax.jvp(f, (x,), (jnp.ones_like(x),))
            return x - value / slope

        return lax.fori_loop(0, 20, step, guess)

    def divide(linear: Any, y: Array) -> Array:
        return y / linear(jnp.ones_like(y))

    guess = _log_loss_ns(p, log_N=log_N, log_S_min=log_S) + 0 * log_B
    return jnp.exp(lax.custom_root(excess, guess, newton, divide))


kaplan_frontier = Law(
    "kaplan_frontier",
    _log_frontier_loss,
    variables=(_C_MIN,),
    parameters=(
        replace(_scale("N_c", _N, "alpha_N"), dimension={"C": 1, "loss": "1/alpha_N"}),
        replace(_scale("S_c", _S_MIN, "alpha_S"), dimension={"loss": "1/alpha_S"}),
        replace(_B_STAR, dimension={"loss": "1/alpha_B"}),
        _exponent("alpha_N", "N"),
        _exponent("alpha_S", "S_min"),
        _ALPHA_B_PARAMETER,
    ),
    formula="L = (C_c / C)^alpha_C, with C_c and alpha_C from kaplan_ns and kaplan_bcrit",
    serves="The least loss a budget buys where batch and steps are free.",
    seen_to=_SEEN_TO,
    source=f"{_PAPER}, Appendix B",
    note="C and loss alone determine two combinations of the six parameters: to fit them, use kaplan_cmin.",
    constants={
        "kaplan": Published(
            {**_NS, "B_star": _B_STAR_TABLE, "alpha_B": _ALPHA_B}, f"{_PAPER}, Tables 3 and 5, Appendix B"
        )
    },
    closed_forms={
        "N": _frontier_size,
        "S": _frontier_steps,
        "B": _frontier_batch,
        "exponent": _exponent_of_compute,
        "scale": _scale_of_compute,
        "excess_compute": _excess_compute,
        "stopping_excess": _stopping_excess,
        "loss_of_run": _loss_of_run,
    },
)
