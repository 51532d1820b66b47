"""What data is worth: filtering pools that lose value when repeated, and proportions of a mixture of domains."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from jaxscale._base.errors import InputError
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, Parameter, Params, Variable

_ERROR = Variable("error", "", "share of wrong answers", "unit")

# --- Pools that are repeated ---

_MOST_EPOCHS = 128  # the exponent of this pass holds for all later ones
_PASSES_BEFORE = np.arange(1.0, _MOST_EPOCHS)  # before the second pass, the third, ...


def goyal_filtering(pools: int = 1) -> Law:
    """Error after several passes over a pool of data whose worth halves every tau passes.

    Within a pass the error is a power of the samples seen; the exponent decays from pass to pass. With several equally
    large pools in one mixture the exponents are averaged, and each pool decays as much slower as it is repeated less.

    Args:
        pools: how many pools are mixed. The same number gives the same object.

    Raises:
        InputError: `pools` is not a whole number of at least 1.
    """
    if isinstance(pools, bool) or not isinstance(pools, int) or pools < 1:
        raise InputError(f"goyal_filtering takes pools=1, 2, ...; got {pools!r}")
    return _goyal_filtering(pools)


@cache
def _goyal_filtering(pools: int) -> Law:
    marks = [""] if pools == 1 else [f"_{i + 1}" for i in range(pools)]

    def error(p: Params, *, log_D: Array, log_U: Array) -> Array:
        passes = log_D - log_U
        before = jnp.asarray(_PASSES_BEFORE, passes.dtype)
        ends = jnp.append(jnp.log(before[1:]), jnp.inf)
        seen = jnp.clip(passes[..., None], jnp.log(before), ends) - jnp.log(before)  # in logs, one entry for each pass
        exponents = [jnp.asarray(p[f"b{m}"]) for m in marks]
        kept = [jnp.exp2(-before / (pools * jnp.asarray(p[f"tau{m}"])[..., None])) for m in marks]
        later = sum(b * jnp.sum(k * seen, axis=-1) for b, k in zip(exponents, kept, strict=True)) / pools
        first = sum(exponents) / pools * (p.log_a + log_U + jnp.minimum(passes, 0))
        return p.d + jnp.exp(first + later)

    return Law(
        "goyal_filtering",
        error,
        variables=(
            Variable("D", "samples", "samples seen, repeats counted"),
            Variable("U", "samples", "different samples in the pool, or in all pools together"),
        ),
        response=_ERROR,
        parameters=(
            Parameter("a", unit="1 / samples", meaning="worth of one sample", dimension={"D": -1}),
            *(Parameter(f"b{m}", "identity", meaning=f"exponent of the first pass{m}, negative") for m in marks),
            *(Parameter(f"tau{m}", unit="passes", meaning=f"half-life of the exponent{m}") for m in marks),
            Parameter("d", meaning="error that no data removes"),
        ),
        formula=(
            "error = d + (a n_1)^b_1 prod_j (n_j / n_(j-1))^b_j with n_j samples seen after pass j, "
            + (
                "b_j = b 2^(-(j-1) / tau)"
                if pools == 1
                else "b_j the mean over pools i of b_i 2^(-(j-1) / (pools tau_i))"
            )
        ),
        serves="How strictly to filter data, given how often what is left will be repeated.",
        source="Goyal et al. 2024 (arXiv 2404.07177)",
        note=(
            "Form only: constants belong to one pool. Repeats wear out the exponent, where muennighoff discounts the "
            "tokens. Here a multiplies samples inside the power, as in the authors' code."
        ),
        options={"pools": pools},
    )


# --- Mixtures ---


def ye_mixing(domains: int = 3) -> Law:
    """Loss on one validation set as the proportions of the training domains change.

    The proportions add up to 1, so a constant added to every t only rescales k: the t of the last domain is 0.

    Args:
        domains: length of the vector r of proportions. The same number gives the same object.

    Raises:
        InputError: `domains` is not a whole number of at least 2.
    """
    if isinstance(domains, bool) or not isinstance(domains, int) or domains < 2:
        raise InputError(f"ye_mixing takes domains=2, 3, ...; got {domains!r}")
    return _ye_mixing(domains)


@cache
def _ye_mixing(domains: int) -> Law:
    names = [f"t_{j + 1}" for j in range(domains - 1)]

    def log_loss(p: Params, *, r: Array) -> Array:
        return logsumexp(p.log_c, p.log_k + sum(p[name] * r[..., j] for j, name in enumerate(names)))

    def best_mixture(params: Mapping[str, Any], weights: Any = 1.0, steps: int = 4000) -> Array:
        """Proportions (domains,) of least weighted loss over several validation sets, by exponentiated gradient.

        Args:
            params: each parameter an array (validation sets,), or a number for all of them.
            weights: importance of each validation set, likewise.
            steps: of the iteration; the problem is convex.
        """
        p = Params(params)
        rows = jnp.broadcast_arrays(*(jnp.asarray(p[name]) for name in names))
        slopes = jnp.stack([*rows, jnp.zeros_like(rows[0])], axis=-1).reshape(-1, domains)
        log_scale = (p.log_k + jnp.log(jnp.asarray(weights))) * jnp.ones(slopes.shape[0], slopes.dtype)

        def step(_: int, log_r: Array) -> Array:
            terms = jnp.exp(log_scale + slopes @ jnp.exp(log_r))
            spread = jnp.max(slopes, axis=1) - jnp.min(slopes, axis=1)
            # A bound on the curvature near by; the step of a lone linear exponent may be longer.
            moved = log_r - (terms @ slopes) / jnp.sum(terms * jnp.maximum(spread, spread**2))
            return jax.nn.log_softmax(moved)

        return jnp.exp(lax.fori_loop(0, steps, step, jnp.full(domains, -jnp.log(domains), slopes.dtype)))

    return Law(
        "ye_mixing",
        log_loss,
        variables=(Variable("r", "", f"shares of the {domains} domains, adding up to 1", "vector", shares=domains),),
        parameters=(
            Parameter("c", unit=LOSS.unit, meaning="loss that no mixture removes", dimension={"loss": 1}),
            Parameter("k", unit=LOSS.unit, meaning="reducible loss on the last domain alone", dimension={"loss": 1}),
            *(
                Parameter(
                    name, "identity", meaning=f"effect of domain {j + 1} against the last one, negative if it helps"
                )
                for j, name in enumerate(names)
            ),
        ),
        formula=f"L = c + k exp({' + '.join(f'{name} r_{j + 1}' for j, name in enumerate(names))})",
        serves="In which proportions to mix domains of data.",
        seen_to="1B parameters, 100B tokens",
        source="Ye et al. 2024 (arXiv 2403.16952)",
        note="Form only: one fit for each validation set. The least weighted sum of several is best_mixture.",
        options={"domains": domains},
        closed_forms={"best_mixture": best_mixture},
    )
