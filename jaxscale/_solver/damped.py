"""Steps of a damped Newton method in NumPy, for many small problems at once."""

import numpy as np


def solve_positive_many(matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Jordan solutions (..., n, m) without pivoting, and whether every pivot was positive, (...)."""
    n = matrix.shape[-1]
    work = np.concatenate([matrix, right], axis=-1)
    positive = np.ones(work.shape[:-2], bool)
    for k in range(n):
        pivot = work[..., k, k]
        positive &= pivot > 1e-14
        row = work[..., k, :] / pivot[..., None]
        work = work - work[..., :, k, None] * row[..., None, :]
        work[..., k, :] = row
    return work[..., n:], positive
