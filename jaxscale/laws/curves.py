"""Curves for any quantity that improves with scale: smoothly broken power laws, and four ways to bend a power law.

Their variable and response are whatever a table has: examples seen and error, compute and loss. Constants belong to one
data set, so none are published here.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp, newton_root
from jaxscale.laws._parameters import Parameter, Params, variable_of

_CABALLERO = "Caballero et al. 2023 (arXiv 2210.14891)"
_ALABDULMOHSIN = "Alabdulmohsin et al. 2022 (arXiv 2209.06640)"
_MOST_BREAKS = 9


def _check_variable(law: str, variable: Any) -> None:
    if not isinstance(variable, str) or not variable.isidentifier():
        raise InputError(f"{law} needs the name of a variable, such as variable='D'; got {variable!r}")


# --- Broken power laws ---


def bnsl(breaks: int = 1, variable: str = "D") -> Law:
    """A power law whose exponent changes smoothly at any number of breaks (Caballero et al. 2023, Equation 1).

    The same arguments give the same object, so that a law asked for twice is compiled once.

    Args:
        breaks: how many. Break i, at d_i, adds c_i to the exponent over about f_i in the log of the variable; they may
            come in any order. A break needs runs on both sides of it.
        variable: name of the variable x: N, D, C, or any other positive quantity of a run.

    Raises:
        InputError: `breaks` is no number from 0 to 9, or `variable` no name or one that the parameters use.
    """
    _check_variable("bnsl", variable)
    if not isinstance(breaks, int) or isinstance(breaks, bool) or not 0 <= breaks <= _MOST_BREAKS:
        raise InputError(f"bnsl takes breaks from 0 to {_MOST_BREAKS}, got {breaks!r}")
    return _bnsl(breaks, variable)


@cache
def _bnsl(breaks: int, variable: str) -> Law:
    numbers = range(1, breaks + 1)

    def log_loss(p: Params, **logs: Array) -> Array:
        log_x = logs[f"log_{variable}"]
        fall = p.c0 * log_x
        for i in numbers:
            f = p[f"f{i}"]
            fall = fall + p[f"c{i}"] * f * logsumexp(0.0, (log_x - p[f"log_d{i}"]) / f)
        return logsumexp(p.log_a, p.log_b - fall)

    bends = (
        (
            Parameter(f"c{i}", "identity", meaning=f"what break {i} adds to the exponent; of either sign"),
            Parameter(f"d{i}", meaning=f"{variable} at break {i}", dimension={variable: 1}),
            Parameter(f"f{i}", meaning=f"width of break {i} in the log of {variable}; small is sharp"),
        )
        for i in numbers
    )
    return Law(
        "bnsl",
        log_loss,
        variables=(variable_of(variable),),
        parameters=(
            Parameter("a", meaning="what remains in the limit", dimension={"loss": 1}),
            Parameter("b", meaning=f"reducible part at {variable} = 1", dimension={variable: "c0", "loss": 1}),
            Parameter("c0", "identity", meaning="exponent before the first break"),
            *(parameter for bend in bends for parameter in bend),
        ),
        formula=f"L = a + b {variable}^-c0"
        + "".join(f" (1 + ({variable} / d{i})^(1 / f{i}))^(-c{i} f{i})" for i in numbers),
        serves="What comes after a curve bends.",
        source=_CABALLERO,
        options={"breaks": breaks, "variable": variable},
        along_runs=variable != "N",
    )


# --- Alabdulmohsin et al.: M1 to M4 ---


def _log_m1(p: Params, log_x: Array) -> Array:
    return p.log_beta + p.c * log_x


def _log_m2(p: Params, log_x: Array) -> Array:
    return logsumexp(p.log_eps_inf, _log_m1(p, log_x))


def _log_m3(p: Params, log_x: Array) -> Array:
    return p.log_beta - p.c * logsumexp(-log_x, -p.log_x_s)


def _log_m4(p: Params, log_x: Array) -> Array:
    """Solved for z, where L = eps_inf + (eps_0 - eps_inf) sigmoid(z): any z gives a loss between the two."""
    log_room = log(p.eps_0 - p.eps_inf)
    target = _log_m1(p, log_x) - (1 - p.alpha) * log_room

    def excess(z: Array) -> Array:  # rises with a slope between 1 and alpha, and bends one way: Newton cannot miss
        return -logsumexp(0.0, -z) + p.alpha * logsumexp(0.0, z) - target

    guess = jnp.where(target < 0, target, target / jnp.where(target < 0, 1.0, p.alpha))
    z = newton_root(excess, guess, steps=12)
    return logsumexp(p.log_eps_inf, log_room - logsumexp(0.0, -z))


_BETA = ("beta", "log", "what the power is multiplied with")
_C = ("c", "identity", "exponent of {x}, negative")
_EPS_INF = ("eps_inf", "log", "loss in the limit")
_FORMS: Mapping[str, tuple[Callable[[Params, Array], Array], str, tuple[tuple[str, Any, str], ...]]] = {
    "alabdulmohsin_m1": (_log_m1, "L = beta {x}^c", (_BETA, _C)),
    "alabdulmohsin_m2": (_log_m2, "L - eps_inf = beta {x}^c", (_BETA, _C, _EPS_INF)),
    "alabdulmohsin_m3": (
        _log_m3,
        "L = beta (1 / {x} + 1 / x_s)^-c",
        (_BETA, _C, ("x_s", "log", "value of {x} beyond which little is gained, 1 / gamma in the paper")),
    ),
    "alabdulmohsin_m4": (
        _log_m4,
        "(L - eps_inf) / (eps_0 - L)^alpha = beta {x}^c",
        (
            _BETA,
            _C,
            _EPS_INF,
            ("eps_0", "log", "loss of a guess, above every loss of the runs"),
            ("alpha", "log", "how slowly the loss leaves eps_0"),
        ),
    ),
}
_SERVES = {
    "alabdulmohsin_m1": "What more data gains, by the simplest of four curves.",
    "alabdulmohsin_m2": "What more data gains above a floor.",
    "alabdulmohsin_m3": "What more data gains until it saturates.",
    "alabdulmohsin_m4": "What more data gains, from a guess down to a floor.",
}
_LOSS_POWER: Mapping[str, Any] = {"alabdulmohsin_m4": lambda values: 1 - values["alpha"]}


def _dimension(name: str, parameter: str, variable: str) -> dict[str, Any]:
    if parameter == "beta":
        return {variable: "-c", "loss": _LOSS_POWER.get(name, 1)}
    return {"eps_inf": {"loss": 1}, "eps_0": {"loss": 1}, "x_s": {variable: 1}}.get(parameter, {})


@cache
def _bent(name: str, variable: str) -> Law:
    log_form, formula, parameters = _FORMS[name]

    def log_loss(p: Params, **logs: Array) -> Array:
        return log_form(p, logs[f"log_{variable}"])

    return Law(
        name,
        log_loss,
        variables=(variable_of(variable),),
        parameters=tuple(
            Parameter(
                parameter,
                transform,
                meaning=meaning.format(x=variable),
                dimension=_dimension(name, parameter, variable),
            )
            for parameter, transform, meaning in parameters
        ),
        formula=formula.format(x=variable),
        serves=_SERVES[name],
        source=_ALABDULMOHSIN,
        note="The paper chooses among its four by the error of extrapolation, not by the fit.",
        options={"variable": variable},
        along_runs=variable != "N",
    )


def alabdulmohsin_m1(variable: str = "D") -> Law:
    """M1: a power law without a floor. `variable` names x. The same argument gives the same object.

    Raises:
        InputError: `variable` is no name, or one that the parameters use.
    """
    _check_variable("alabdulmohsin_m1", variable)
    return _bent("alabdulmohsin_m1", variable)


def alabdulmohsin_m2(variable: str = "D") -> Law:
    """M2: a power law above a floor. `variable` names x. The same argument gives the same object.

    Raises:
        InputError: `variable` is no name, or one that the parameters use.
    """
    _check_variable("alabdulmohsin_m2", variable)
    return _bent("alabdulmohsin_m2", variable)


def alabdulmohsin_m3(variable: str = "D") -> Law:
    """M3: a power law that saturates beyond x_s. `variable` names x. The same argument gives the same object.

    Raises:
        InputError: `variable` is no name, or one that the parameters use.
    """
    _check_variable("alabdulmohsin_m3", variable)
    return _bent("alabdulmohsin_m3", variable)


def alabdulmohsin_m4(variable: str = "D") -> Law:
    """M4: a sigmoid from the loss eps_0 of a guess down to a floor, an implicit equation for the loss.

    `variable` names x. The same argument gives the same object.

    Raises:
        InputError: `variable` is no name, or one that the parameters use.
    """
    _check_variable("alabdulmohsin_m4", variable)
    return _bent("alabdulmohsin_m4", variable)
