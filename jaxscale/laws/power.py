"""Power laws in one variable: loss that falls with size, tokens or compute, and optima that grow with compute."""

import math
from collections.abc import Mapping
from functools import cache

from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import C, Parameter, Params, Variable, variable_of


def power_law(variable: str = "N", floor: bool = True) -> Law:
    """Loss against one variable: L = E + A x^-alpha, or L = A x^-alpha without a floor.

    The same arguments give the same object, so that a law asked for twice is compiled once.

    Args:
        variable: name of the variable x: N, D, C, or any other positive quantity of a run.
        floor: whether there is an irreducible loss E.

    Raises:
        InputError: `variable` is no name, or one that the law's parameters use; `floor` is not true or false.
    """
    if not isinstance(variable, str) or not variable.isidentifier():
        raise InputError(f"power_law needs the name of a variable, such as variable='C'; got {variable!r}")
    if not isinstance(floor, bool):
        raise InputError(f"power_law takes floor=True or floor=False, got {floor!r}")
    return _power_law(variable, floor)


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
        options={"variable": variable, "floor": floor},
    )


def allocation_law(
    name: str, *, source: str, constants: Mapping[str, Published], note: str = "", flops_per_unit: float = 1.0
) -> Law:
    """An optimum that grows as a power of compute: k C^a, one instance per quantity (N, D, ...).

    Args:
        name, source, note, constants: see `Law`.
        flops_per_unit: FLOPs in the unit of compute that `k` refers to; the variable C is in FLOPs all the same.
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
        source=source,
        note=note,
        constants=constants,
    )
