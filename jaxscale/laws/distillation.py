"""Distillation: the loss of a student that learns from a teacher's predictions, and of one that learns from text alone.

Busbridge et al. 2025, "Distillation Scaling Laws" (arXiv 2502.08606).
"""

import jax
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, D, N, Parameter, Params, Variable
from jaxscale.laws.hoffmann import chinchilla

_PAPER = "Busbridge et al. 2025 (arXiv 2502.08606)"


def _log_terms(p: Params, mark: str, log_N: Array, log_D: Array) -> Array:
    """log of (A / N^alpha + B / D^beta)^gamma."""
    size = p[f"log_A{mark}"] - p[f"alpha{mark}"] * log_N
    return p[f"gamma{mark}"] * logsumexp(size, p[f"log_B{mark}"] - p[f"beta{mark}"] * log_D)


def _log_supervised(p: Params, mark: str, log_N: Array, log_D: Array) -> Array:
    return logsumexp(p[f"log_E{mark}"], _log_terms(p, mark, log_N, log_D))


def _log_loss_supervised(p: Params, *, log_N: Array, log_D: Array) -> Array:
    return _log_supervised(p, "", log_N, log_D)


def _term_parameters(mark: str, of: str, loss_power) -> tuple[Parameter, ...]:
    return (
        Parameter(
            f"A{mark}", meaning=f"size term of {of} at N = 1", dimension={"N": f"alpha{mark}", "loss": loss_power}
        ),
        Parameter(
            f"B{mark}", meaning=f"data term of {of} at D = 1", dimension={"D": f"beta{mark}", "loss": loss_power}
        ),
        Parameter(f"alpha{mark}", "identity", meaning=f"exponent of N of {of}"),
        Parameter(f"beta{mark}", "identity", meaning=f"exponent of D of {of}"),
        Parameter(f"gamma{mark}", meaning=f"exponent of both terms together of {of}"),
    )


def _floor(mark: str) -> Parameter:
    return Parameter(f"E{mark}", unit=LOSS.unit, meaning="irreducible loss", dimension={"loss": 1})


busbridge_supervised = Law(
    "busbridge_supervised",
    _log_loss_supervised,
    variables=(N, D),
    parameters=(_floor(""), *_term_parameters("", "the loss", "1/gamma")),
    formula="L = E + (A / N^alpha + B / D^beta)^gamma",
    serves="How many parameters and tokens, as the base of distillation.",
    seen_to="12.6B parameters",
    source=f"{_PAPER}, supervised law",
    note="The best N and D are those of chinchilla with the same A, B, alpha and beta: gamma plays no part.",
    constants={
        "busbridge": Published(
            {"E": 1.220, "A": 3355.0, "B": 18186.0, "alpha": 0.408, "beta": 0.431, "gamma": 0.452},
            f"{_PAPER}, supervised law",
            "unverified",
            note="As quoted in a public note; not read in the paper itself.",
        )
    },
    closed_forms={"allocation": chinchilla.closed_forms["allocation"]},
)


def _log_loss_student(p: Params, *, log_N: Array, log_D: Array, log_teacher: Array) -> Array:
    log_alone = _log_supervised(p, "_s", log_N, log_D)
    gap = (log_teacher - log_alone - p.log_d1) / p.f1  # teacher better than the student could be: below zero
    log_gain = -p.c0 * log_teacher - p.c1 * p.f1 * jax.nn.softplus(gap)
    return logsumexp(log_teacher, log_gain + _log_terms(p, "", log_N, log_D))


busbridge_distill = Law(
    "busbridge_distill",
    _log_loss_student,
    variables=(N, D, Variable("teacher", LOSS.unit, "loss of the teacher")),
    parameters=(
        *_term_parameters("", "the student", lambda p: (1 + p["c0"]) / p["gamma"]),
        Parameter("c0", "identity", meaning="exponent of the teacher's loss"),
        Parameter("c1", meaning="exponent of the teacher's loss once it is far worse than the student's alone"),
        Parameter("d1", meaning="where that changes: teacher's loss over the student's alone"),
        Parameter("f1", meaning="how gradually that changes"),
        _floor("_s"),
        *_term_parameters("_s", "the supervised loss", "1/gamma_s"),
    ),
    formula=(
        "L = T + T^-c0 (1 + (T / (L_s d1))^(1/f1))^(-c1 f1) (A / N^alpha + B / D^beta)^gamma, T = teacher, "
        "L_s = E_s + (A_s / N^alpha_s + B_s / D^beta_s)^gamma_s"
    ),
    serves="Whether to distil, and from how good a teacher.",
    seen_to="12.6B parameters",
    source=f"{_PAPER}, distillation law",
    note=(
        "Form only. L_s is what the student would reach alone: fit busbridge_supervised to runs without one first "
        "and fix those six parameters."
    ),
)
