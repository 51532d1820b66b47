"""Mixtures of several domains or languages: loss against size, tokens and the shares of the training data."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale._base.errors import InputError
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_SHUKOR = "Shukor et al. 2025 (arXiv 2507.09404)"

# --- Domains ---


def shukor_mixture(domains: int = 3, joint: bool = False) -> Law:
    """Loss on one domain or task as the shares h of the training domains, size and tokens change.

    Additive, a mixture moves the floor alone, so that the best one is the same at every scale; joint, it moves the size
    and data terms too. The same arguments give the same object.

    Args:
        domains: length of the vector h of shares, which add up to 1.
        joint: whether A and B depend on the shares (5 + 4 parameters a domain, else 5 + 2).

    Raises:
        InputError: `domains` is not a whole number of at least 2, or `joint` is not true or false.
    """
    if isinstance(domains, bool) or not isinstance(domains, int) or domains < 2:
        raise InputError(f"shukor_mixture takes domains=2, 3, ...; got {domains!r}")
    if not isinstance(joint, bool):
        raise InputError(f"shukor_mixture takes joint=True or joint=False, got {joint!r}")
    return _shukor_mixture(domains, joint)


@cache
def _shukor_mixture(domains: int, joint: bool) -> Law:
    numbers = range(1, domains + 1)

    def log_weighed(p: Params, name: str, h: Array) -> Array:
        """Log of sum_i c_i h_i."""
        return log(sum(p[f"{name}{i}"] * h[..., i - 1] for i in numbers))

    def log_floor(p: Params, h: Array) -> Array:
        """Log of 1 / sum_i C_i h_i^gamma_i; a domain that is left out adds nothing."""
        parts = []
        for i in numbers:
            share = h[..., i - 1]
            there = share > 0
            power = p[f"log_C{i}"] + p[f"gamma{i}"] * log(jnp.where(there, share, 1.0))
            parts.append(jnp.where(there, power, -jnp.inf))
        return -logsumexp(*parts)

    def log_loss(p: Params, *, log_N: Array, log_D: Array, h: Array) -> Array:
        log_A = p.gamma_A * log_weighed(p, "A", h) if joint else p.log_A
        log_B = p.gamma_B * log_weighed(p, "B", h) if joint else p.log_B
        return logsumexp(p.log_E, log_floor(p, h), log_A - p.alpha * log_N, log_B - p.beta * log_D)

    def of_a_share(name: str, variable: str, exponent: str) -> tuple[Parameter, ...]:
        """Of (sum_i c_i h_i)^gamma, which is a loss times a power of the variable."""
        gamma = f"gamma_{name}"
        dimension = {variable: lambda values: values[exponent] / values[gamma], "loss": f"1/{gamma}"}
        return (
            *(
                Parameter(f"{name}{i}", meaning=f"domain {i} in the {variable} term", dimension=dimension)
                for i in numbers
            ),
            Parameter(gamma, meaning=f"power of the {variable} term's sum over domains"),
        )

    def of_all(name: str, variable: str, exponent: str) -> tuple[Parameter, ...]:
        return (Parameter(name, meaning=f"{variable} term", dimension={variable: exponent, "loss": 1}),)

    terms = of_a_share if joint else of_all
    weighed = "(sum_i A_i h_i)^gamma_A / N^alpha + (sum_i B_i h_i)^gamma_B / D^beta"
    return Law(
        "shukor_mixture",
        log_loss,
        variables=(N, D, Variable("h", "", f"shares of {domains} domains, adding up to 1", "vector", shares=domains)),
        parameters=(
            Parameter("E", unit="nats per token", meaning="loss that no mixture removes", dimension={"loss": 1}),
            *(Parameter(f"C{i}", meaning=f"worth of domain {i}", dimension={"loss": -1}) for i in numbers),
            *(Parameter(f"gamma{i}", "identity", meaning=f"exponent of domain {i}'s share") for i in numbers),
            *terms("A", "N", "alpha"),
            *terms("B", "D", "beta"),
            Parameter("alpha", "identity", meaning="exponent of N"),
            Parameter("beta", "identity", meaning="exponent of D"),
        ),
        formula=f"L = E + 1 / sum_i C_i h_i^gamma_i + {weighed if joint else 'A / N^alpha + B / D^beta'}",
        serves="In which shares to mix domains, for a size and a number of tokens.",
        source=f"{_SHUKOR}, Equation {'2.5' if joint else '2.4'}",
        note=(
            "Form only: one fit for each domain or task that is to be done well. The paper finds the law of mixtures "
            "to be off by .3 to 4 % and searches from many starts, as there are too many parameters for a grid."
        ),
        options={"domains": domains, "joint": joint},
    )


# --- Families of languages ---


def _log_loss_of_family(p: Params, *, log_N: Array, log_D: Array, log_p: Array) -> Array:
    alone = logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D)
    return alone - p.gamma * log_p


def _best_shares(params: Mapping[str, Any], N: Any, D: Any, weights: Any = 1.0) -> Array:
    """Shares (families,) of least weighted loss where all families have one gamma: p_i ~ (w_i c_i)^(1 / (1 + gamma)),
    with c_i the loss alone. Each parameter is an array (families,), or a number for all of them."""
    p = Params(params)
    alone = jnp.exp(_log_loss_of_family(p, log_N=jnp.log(N), log_D=jnp.log(D), log_p=jnp.zeros(())))
    wanted = (jnp.asarray(weights) * alone) ** (1 / (1 + p.gamma))
    return wanted / jnp.sum(wanted)


he_multilingual = Law(
    "he_multilingual",
    _log_loss_of_family,
    variables=(N, D, Variable("p", "", "share of the family's languages in the training tokens")),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("A", unit="nats params^alpha", meaning="size term", dimension={"N": "alpha", "loss": 1}),
        Parameter("B", unit="nats tokens^beta", meaning="data term", dimension={"D": "beta", "loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of N"),
        Parameter("beta", "identity", meaning="exponent of D"),
        Parameter("gamma", meaning="exponent of 1 / p"),
    ),
    formula="L = (E + A / N^alpha + B / D^beta) / p^gamma",
    serves="Which shares of the training tokens families of languages should have.",
    seen_to="1.2B parameters with the shares found at 85M, 23 languages in five families",
    source="He et al. 2024 (arXiv 2410.12883)",
    note="Form only, as quoted in public notes: one fit for each family. The best shares of several are best_shares.",
    closed_forms={"best_shares": _best_shares},
)
