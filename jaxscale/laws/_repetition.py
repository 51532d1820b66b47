"""What repeated tokens are worth (Muennighoff et al. 2023, arXiv 2305.16264), and Chinchilla's law in epochs."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import Params

# How many repetitions of data, and of parameters beyond those best for it, until another is worth 1/e of a fresh one:
# C4, authors' repository.
REPETITIONS = {"R_D_star": 15.387756, "R_N_star": 5.309743}


def log_worth(log_fresh: Array, log_all: Array, star: Any) -> Array:
    """Log of what `all` is worth when it exceeds `fresh`: fresh (1 + star (1 - exp(-(all / fresh - 1) / star))).

    Never less than fresh; smooth where both are equal, since its slope there is that of `all` itself.
    """
    excess = jnp.expm1(log_all - log_fresh)
    return log_fresh + jnp.log1p(-star * jnp.expm1(-excess / star))


def in_epochs(p: Params, log_N: Any, log_D: Any, log_epochs: Any) -> Any:
    """Log loss where each token is seen `epochs` >= 1 times: law `muennighoff` with U = D / epochs.

    The law itself takes the smaller of U and D, which has a corner where they are equal. Here that corner is an end of
    the range of epochs, and the loss is smooth in it.
    """
    log_fresh = log_D - log_epochs
    # Fewer than one epoch is visited on the way: D' is continued as a mirror image, smoothly since it is level there.
    log_shown = log_fresh + jnp.where(log_epochs >= 0, log_epochs, -log_epochs)
    log_G = (jnp.log(p.alpha / p.beta) + p.log_A - p.log_B) / (p.alpha + p.beta)
    log_N_fresh = jnp.minimum(log_N, log_G + (p.beta / p.alpha) * (log_G + log_fresh))
    worth_N, worth_D = (
        log_worth(log_N_fresh, log_N, p.R_N_star),
        log_worth(log_fresh, log_shown, p.R_D_star) + log_D - log_shown,
    )
    return logsumexp(p.log_E, p.log_A - p.alpha * worth_N, p.log_B - p.beta * worth_D)
