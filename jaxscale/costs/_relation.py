"""What the compute of a table's own column grows as: C = k N^a D^b."""

import math
from typing import NamedTuple

import numpy as np

SAME_COMPUTE = 0.02  # logs of C / (N D) that differ by less are one convention, and so is C from 6 N D


class Relation(NamedTuple):
    """log C = log_k + a log N + b log D; `off` is by how much, in logs, the run that fits worst is missed."""

    log_k: float
    a: float
    b: float
    off: float


def relation(log_n: np.ndarray, log_d: np.ndarray, log_c: np.ndarray) -> Relation | None:
    """The relation of runs, (n_runs,) each, by least squares; None where they do not tell N from D, or C falls in one.

    Where C is one multiple of N D, a = b = 1 just so.
    """
    ratio = log_c - log_n - log_d
    if np.ptp(ratio) < SAME_COMPUTE:
        return Relation(float(np.median(ratio)), 1.0, 1.0, float(np.ptp(ratio)))
    columns = np.stack([np.ones_like(log_n), log_n - log_n.mean(), log_d - log_d.mean()], axis=1)
    found, _, rank, sizes = np.linalg.lstsq(columns, log_c, rcond=None)
    if rank < 3 or sizes[-1] < 1e-3 * math.sqrt(len(log_n)) or min(found[1:]) <= 0:
        return None
    level, a, b = map(float, found)
    off = float(np.abs(columns @ found - log_c).max())
    return Relation(level - a * float(log_n.mean()) - b * float(log_d.mean()), a, b, off)
