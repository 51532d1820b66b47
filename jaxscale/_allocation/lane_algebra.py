"""Small algebra over lanes: of few variables apart, of many as one array.

Written out over variables, a program grows with the cube of their number. Where there are many, one array with a first
axis of variables takes the place of each tuple, and loops that of what is written out: `for_each` works on both.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

_LOST_PIVOT = 1e-7  # in place of a pivot that rounding took
_WRITTEN_OUT = 4  # variables up to which all is written out, which is faster to run and longer to compile

Scalars = tuple[Array, ...]
Listed = Sequence[Any] | Array  # one thing for each variable (or chosen row): apart, or as one array


def listed(values: Array) -> Listed:
    """Values (n, lanes) of the variables as all here take them: apart where they are few."""
    return tuple(values) if len(values) <= _WRITTEN_OUT else jnp.asarray(values)


def stacked(values: Listed) -> Array:
    return jnp.stack(values) if isinstance(values, tuple) else jnp.asarray(values)


def for_each(function: Callable[..., Any], *values: Listed) -> Any:
    """What the function makes of each, listed as they are."""
    if isinstance(values[0], Array):
        return jax.vmap(function)(*values)
    return tuple(function(*some) for some in zip(*values, strict=True))


def joined(values: Listed, last: Array) -> Listed:
    return jnp.concatenate([values, last[None]]) if isinstance(values, Array) else (*values, last)


def turned(matrix: Listed) -> Listed:
    return matrix.swapaxes(0, 1) if isinstance(matrix, Array) else tuple(zip(*matrix, strict=True))


def diagonal(values: Listed) -> Listed:
    """A matrix, as `cholesky` reads it."""
    if isinstance(values, Array):
        return jnp.eye(len(values), dtype=values.dtype)[..., None] * values
    return [[*[0.0] * i, v] for i, v in enumerate(values)]


def added(matrix: Listed, function: Callable[..., Array], a: Listed, b: Listed) -> Listed:
    """A matrix and function(a[i], b[j]), as `cholesky` reads it."""
    if isinstance(matrix, Array):
        return matrix + jax.vmap(lambda u: jax.vmap(lambda v: function(u, v))(b))(a)
    return [[matrix[i][j] + function(a[i], b[j]) for j in range(i + 1)] for i in range(len(matrix))]


def bordered(matrix: Listed, border: Listed) -> Listed:
    """A matrix with one row more, as `cholesky` reads it."""
    if isinstance(matrix, Array):
        return jnp.concatenate([jnp.pad(matrix, ((0, 0), (0, 1), (0, 0))), jnp.asarray(border)[None]])
    return [*matrix, border]


def summed(values: Any) -> Array:
    return values.sum(axis=0) if isinstance(values, Array) else reduce(lambda a, b: a + b, values)


def dot(a: Listed, b: Listed) -> Array:
    return summed(for_each(lambda u, v: u * v, a, b))


def over_rows(a: Array, b: Array) -> Array:
    return (a * b).sum(axis=0)


def largest(values: Any) -> Array:
    return values.max(axis=0) if isinstance(values, Array) else reduce(jnp.maximum, values)


def least(values: Any) -> Array:
    return values.min(axis=0) if isinstance(values, Array) else reduce(jnp.minimum, values)


def select(condition: Array, new: Any, old: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), new, old)


def cholesky(matrix: Listed, safe: bool) -> tuple[Callable[[Listed], Listed], Listed]:
    """Solver for a symmetric matrix, of which the lower part is read, as L diag(d) L'; and d, its pivots.

    If `safe`, pivots that are negative or lost become positive, so that a step goes downhill.
    """
    n = len(matrix)

    def usable(pivot: Array, diagonal: Array) -> Array:
        if not safe:
            return jnp.where(jnp.abs(pivot) > 1e-30, pivot, 1e-30)
        least = 1e-12 + 4e-16 * jnp.abs(diagonal)
        return jnp.where(pivot > least, pivot, jnp.maximum(jnp.abs(pivot), jnp.maximum(least, _LOST_PIVOT)))

    if isinstance(matrix, Array):
        return _cholesky_in_loops(matrix, usable)
    lower: list[list[Any]] = [[None] * n for _ in range(n)]
    inverse: list[Any] = [None] * n
    pivots: list[Any] = [None] * n
    for j in range(n):
        pivot = reduce(lambda a, k: a - lower[j][k] ** 2 * pivots[k], range(j), matrix[j][j])
        pivot = usable(pivot, matrix[j][j])
        pivots[j], inverse[j] = pivot, 1 / pivot
        for i in range(j + 1, n):
            part = reduce(lambda a, k: a - lower[i][k] * lower[j][k] * pivots[k], range(j), matrix[i][j])
            lower[i][j] = part * inverse[j]

    def back(b: Listed) -> Listed:
        y: list[Any] = []
        for i in range(n):
            y.append(reduce(lambda a, k: a - lower[i][k] * y[k], range(i), b[i]))
        x: list[Any] = [None] * n
        for i in reversed(range(n)):
            x[i] = reduce(lambda a, k: a - lower[k][i] * x[k], range(i + 1, n), y[i] * inverse[i])
        return tuple(x)

    return back, pivots


def _cholesky_in_loops(
    matrix: Array, usable: Callable[[Array, Array], Array]
) -> tuple[Callable[[Listed], Listed], Array]:
    """The same of one array (n, n, lanes)."""
    n = len(matrix)
    below = jnp.arange(n)[:, None]

    def eliminate(work: Array, j: Array) -> tuple[Array, tuple[Array, Array]]:
        column = work[:, j]
        pivot = usable(column[j], matrix[j, j])
        column = jnp.where(below > j, column * (1 / pivot), 0.0)
        return work - column[:, None] * column * pivot, (column, pivot)

    _, (columns, pivots) = lax.scan(eliminate, matrix, jnp.arange(n))
    rows = columns.swapaxes(0, 1)

    def back(b: Any) -> Array:
        y = lax.fori_loop(0, n, lambda i, y: y - columns[i] * y[i], b)
        return lax.fori_loop(0, n, lambda k, x: x - rows[n - 1 - k] * x[n - 1 - k], y * (1 / pivots))

    return back, pivots
