"""The root of a function of one unknown that falls."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

_MAX_ITERATIONS = 200  # bisection alone needs about 60
_FIRST_REACH = 16.0  # longest first step in log N or log D while no bracket is known


def decreasing_root(
    function: Callable[[Array], tuple[Array, Array]],
    start: Array,
    noise: Array,
    limit: float,
    between: tuple[Array, Array] | None = None,
) -> Array:
    """Where a function falls through zero, by Newton's method kept inside a bracket; nan if not within +-`limit`.

    `between`: a bracket that is known, either end infinite where it is not. `function(t)` gives value and slope. Values
    below `noise` count as zero. Of infinite values only the sign is used.
    """
    eps = jnp.finfo(start.dtype).eps

    class _Bracket(NamedTuple):
        t: Array
        low: Array  # largest t seen with a positive value
        high: Array  # smallest t seen with a negative value
        step: Array  # length of the last step inside the bracket
        reach: Array  # longest step allowed while there is no bracket
        iterations: Array
        done: Array

    def advance(state: _Bracket) -> _Bracket:
        t = state.t
        value, slope = function(t)
        low, high = jnp.where(value > 0, t, state.low), jnp.where(value < 0, t, state.high)
        newton = t - value / slope
        sound = (slope < 0) & jnp.isfinite(newton)
        bracketed = jnp.isfinite(low) & jnp.isfinite(high)
        # Inside the bracket Newton must stay there and halve its step each time; otherwise bisect.
        fast = sound & (newton > low) & (newton < high) & (jnp.abs(newton - t) <= state.step / 2)
        inside = jnp.where(fast, newton, low / 2 + high / 2)
        wanted = jnp.where(sound, newton - t, jnp.sign(value) * state.reach)
        outside = jnp.clip(t + jnp.clip(wanted, -state.reach, state.reach), -limit, limit)
        zero = jnp.abs(value) <= noise
        narrow = bracketed & (high - low <= 2 * eps * jnp.maximum(1, jnp.abs(t)))
        stuck = jnp.isnan(value) | (~bracketed & (outside == t) & ~zero)
        following = jnp.where(bracketed, inside, outside)
        following = jnp.where(zero, jnp.where(sound, newton, t), jnp.where(narrow, t, following))
        return _Bracket(
            t=jnp.where(stuck, jnp.nan, following),
            low=low,
            high=high,
            step=jnp.where(bracketed, jnp.abs(following - t), state.step),
            reach=2 * state.reach,
            iterations=state.iterations + 1,
            done=zero | narrow | stuck,
        )

    infinity = jnp.full_like(start, jnp.inf)
    low, high = (-infinity, infinity) if between is None else between
    if between is not None:
        start = jnp.clip(jnp.where(jnp.isfinite(low + high), (low + high) / 2, start), low, high)
    first = _Bracket(
        start,
        low,
        high,
        high - low,
        jnp.full_like(start, _FIRST_REACH),
        jnp.zeros((), jnp.int32),
        jnp.isnan(start),
    )
    last = lax.while_loop(lambda state: ~state.done & (state.iterations < _MAX_ITERATIONS), advance, first)
    return jnp.where(last.done, last.t, jnp.nan)
