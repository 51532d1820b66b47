"""From the loss on one corpus or test to that on another: one sweep then serves for all of them."""

from dataclasses import replace

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import LOSS, Parameter, Params


def _log_loss(p: Params, *, log_loss: Array) -> Array:
    gap = jnp.exp(log_loss) - p.E_1
    above = gap > 0  # at the floor of the first nothing of the second is reducible
    reducible = p.log_K + p.kappa * log(jnp.where(above, gap, 1.0))
    return logsumexp(p.log_E_2, jnp.where(above, reducible, -jnp.inf))


loss_to_loss = Law(
    "loss_to_loss",
    _log_loss,
    variables=(replace(LOSS, meaning="loss on the first corpus", fixed_unit=True),),
    response=replace(
        LOSS, name="loss_2", meaning="loss on the second corpus or test", stands_for="loss", fixed_unit=True
    ),
    parameters=(
        Parameter("K", meaning="reducible loss on the second where that on the first is one nat"),
        Parameter("kappa", meaning="exponent: 1 where both fall alike"),
        Parameter("E_1", unit="nats per token", meaning="irreducible loss on the first; of its own law, and fixed"),
        Parameter("E_2", unit="nats per token", meaning="irreducible loss on the second; of its own law, and fixed"),
    ),
    formula="L_2 = K (L - E_1)^kappa + E_2",
    serves="What a model planned on one corpus will reach on another, from one or two runs there.",
    seen_to="20 times the largest budget fitted to, on six corpora",
    source="Brandfonbrener et al. 2024 (arXiv 2411.12925)",
    note=(
        "Form only: constants belong to two corpora. From training loss to training loss it is tightest, to test loss "
        "loosest. Take E_1 and E_2 from laws of each corpus: fixed={'E_1': ..., 'E_2': ...} (--fix E_1=... --fix "
        "E_2=...). As a step of a chain: chinchilla >> loss_to_loss >> gadre_err."
    ),
)
