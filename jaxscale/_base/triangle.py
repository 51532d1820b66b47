"""Symmetric matrices by their lower triangles, row by row."""

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=16)
def lower_triangle(p: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of the triangle of (p, p), (p (p + 1) / 2,) each."""
    return np.tril_indices(p)


@lru_cache(maxsize=16)
def places_in_triangle(p: int) -> np.ndarray:
    """Where in the triangle each entry of the whole matrix is, (p, p)."""
    i, j = np.indices((p, p))
    return np.maximum(i, j) * (np.maximum(i, j) + 1) // 2 + np.minimum(i, j)
