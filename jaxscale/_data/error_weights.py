"""Weights of runs whose losses are known with different errors."""

from collections.abc import Callable

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted, some


def inverse_variances(
    column: str,
    cells: np.ndarray,
    errors: np.ndarray,
    convert: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    logged: bool,
) -> np.ndarray:
    """Weights by inverse variance, one in the mean, (n_rows,): of the log of the response where it is `logged`, as laws
    of positive responses are fitted, else of the response itself.

    cells, errors: the response and its standard errors in the unit of the table, which `convert` turns into that of
    the response. Raises InputError for an error that is not above 0, or not below a cell that is logged.
    """
    bad = ~(errors > 0) | (logged & (errors >= cells))
    if bad.any():
        raise InputError(
            f"column {quoted(column)} (loss_se): a standard error lies between 0 and the loss, which is not so in row"
            f"{'s' * (int(bad.sum()) > 1)} {some(rows[bad].tolist())}; mend the cells, or filter the rows out"
        )
    # One standard error to both sides, so that any unit is converted alike.
    above, below = convert(cells + errors), convert(cells - errors)
    log_variances = 2 * np.log(np.abs(np.log(above / below) if logged else above - below))
    weights = np.exp(log_variances.min() - log_variances)
    return weights / weights.mean()
