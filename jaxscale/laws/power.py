"""Laws of one variable: loss that falls with size, tokens or compute, scores of either sign, and optima that grow."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import C, Parameter, Params, Variable, variable_of

# A response of either sign, compared as it is: an Elo rating, a difference.
_SCORE = Variable("score", "", "score, which may be negative", "real", better="higher")


def power_law(variable: str = "N", floor: bool = True, real: bool = False) -> Law:
    """Loss against one variable: L = E + A x^-alpha, or L = A x^-alpha without a floor.

    The same arguments give the same object, so that a law asked for twice is compiled once.

    Args:
        variable: name of the variable x: N, D, C, or any other positive quantity of a run.
        floor: whether there is an irreducible loss E.
        real: a response of either sign, y = E + A x^-alpha with E and A of either sign, compared as it is, not by its
            logarithm: scores such as Elo, and losses whose limit lies below zero.

    Raises:
        InputError: `variable` is no name, or one that the law's parameters use; `floor` or `real` is not true or false.
    """
    _check_name("power_law", variable)
    for option, value in (("floor", floor), ("real", real)):
        if not isinstance(value, bool):
            raise InputError(f"power_law takes {option}=True or {option}=False, got {value!r}")
    return _real_power_law(variable, floor) if real else _power_law(variable, floor)


def log_law(variable: str = "N") -> Law:
    """A score that grows by the same amount with every doubling of one variable: y = a + b ln x, of either sign.

    Args:
        variable: name of the variable x: N, D, C, or any other positive quantity of a run.

    Raises:
        InputError: `variable` is no name, or one that the law's parameters use.
    """
    _check_name("log_law", variable)
    return _log_law(variable)


def _check_name(law: str, variable: str) -> None:
    if not isinstance(variable, str) or not variable.isidentifier():
        raise InputError(f"{law} needs the name of a variable, such as variable='C'; got {variable!r}")


@cache
def _log_law(variable: str) -> Law:
    return Law(
        "log_law",
        lambda p, **logs: p.a + p.b * logs[f"log_{variable}"],
        variables=(replace(variable_of(variable), fixed_unit=True),),
        response=_SCORE,
        parameters=(
            Parameter("a", "identity", meaning=f"score at {variable} = 1", dimension={"score": 1}),
            Parameter("b", "identity", meaning=f"gain as {variable} grows e-fold", dimension={"score": 1}),
        ),
        formula=f"y = a + b ln {variable}",
        serves="What every doubling of one thing gains.",
        options={"variable": variable},
    )


@cache
def _real_power_law(variable: str, floor: bool) -> Law:
    def value(p: Params, **logs: Array) -> Array:
        power = p.A * jnp.exp(-p.alpha * logs[f"log_{variable}"])
        return p.E + power if floor else power

    amplitude = Parameter(
        "A",
        "identity",
        meaning=f"what is added at {variable} = 1, of either sign",
        dimension={variable: "alpha", "score": 1},
        unit=f"score {variable}^alpha",
    )
    limit = Parameter("E", "identity", meaning="limit, of either sign", dimension={"score": 1}, unit="score")
    exponent = Parameter("alpha", "identity", meaning=f"exponent of {variable}")
    return Law(
        "power_law",
        value,
        variables=(variable_of(variable),),
        response=_SCORE,
        parameters=(amplitude, limit, exponent) if floor else (amplitude, exponent),
        formula=f"y = {'E + ' if floor else ''}A {variable}^-alpha",
        serves="What more of one thing gains, whatever it is.",
        options={"variable": variable, "floor": floor, "real": True},
    )


@cache
def _power_law(variable: str, floor: bool) -> Law:
    def log_loss(p: Params, **logs: Array) -> Array:
        power = p.log_A - p.alpha * logs[f"log_{variable}"]
        return logsumexp(p.log_E, power) if floor else power

    amplitude = Parameter(
        "A",
        meaning=f"reducible loss at {variable} = 1",
        dimension={variable: "alpha", "loss": 1},
        unit=f"nats {variable}^alpha",
    )
    irreducible = Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1})
    exponent = Parameter("alpha", "identity", meaning=f"exponent of {variable}")
    return Law(
        "power_law",
        log_loss,
        variables=(variable_of(variable),),
        parameters=(amplitude, irreducible, exponent) if floor else (amplitude, exponent),
        formula=f"L = {'E + ' if floor else ''}A {variable}^-alpha",
        serves="What more of one thing gains, whatever it is.",
        options={"variable": variable, "floor": floor, "real": False},
    )


def allocation_law(
    name: str, *, constants: Mapping[str, Published], flops_per_unit: float = 1.0, **described: Any
) -> Law:
    """An optimum that grows as a power of compute: k C^a, one instance per quantity (N, D, ...).

    Args:
        name, constants: see `Law`.
        flops_per_unit: FLOPs in the unit of compute that `k` refers to; the variable C is in FLOPs all the same.
        **described: `source`, `note`, `serves` and `seen_to` of the law.
    """
    log_unit = math.log(flops_per_unit)

    def log_optimum(p: Params, *, log_C: Array) -> Array:
        return p.log_k + p.a * (log_C - log_unit)

    return Law(
        name,
        log_optimum,
        variables=(C,),
        response=Variable(
            "optimum", "as the instance says", "compute-optimal parameters, tokens, batch or steps", better="neither"
        ),
        parameters=(
            Parameter("k", meaning="optimum at one unit of compute", dimension={"optimum": 1, "C": "-a"}),
            Parameter("a", "identity", meaning="exponent of compute"),
        ),
        formula="optimum = k C^a" if flops_per_unit == 1 else f"optimum = k (C / {flops_per_unit:g})^a",
        constants=constants,
        **described,
    )


def compute_law(name: str, *, constants: Mapping[str, Published], flops_per_unit: float, **described: Any) -> Law:
    """Loss that falls as a power of compute, without a floor: L = A (C / unit)^-alpha.

    Args:
        name, constants: see `Law`.
        flops_per_unit: FLOPs in the unit of compute that `A` refers to; the variable C is in FLOPs all the same.
        **described: `source`, `note`, `serves` and `seen_to` of the law.
    """
    log_unit = math.log(flops_per_unit)

    def log_loss(p: Params, *, log_C: Array) -> Array:
        return p.log_A - p.alpha * (log_C - log_unit)

    return Law(
        name,
        log_loss,
        variables=(C,),
        parameters=(
            Parameter(
                "A", unit="nats per token", meaning="loss at one unit of compute", dimension={"C": "alpha", "loss": 1}
            ),
            Parameter("alpha", "identity", meaning="exponent of compute"),
        ),
        formula=f"L = A (C / {flops_per_unit:g})^-alpha",
        constants=constants,
        **described,
    )
