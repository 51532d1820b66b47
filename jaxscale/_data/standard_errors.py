"""Runs whose losses are known with different errors."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted, some
from jaxscale._data.quantities import split_error

_ROUNDING = 1e-12


def standard_errors(
    column: str,
    cells: np.ndarray,
    errors: np.ndarray,
    convert: Callable[[np.ndarray], np.ndarray],
    rows: np.ndarray,
    logged: bool,
) -> np.ndarray:
    """Standard errors, (n_rows,): of the log of the response where it is `logged`, as laws of positive responses are
    fitted, else of the response itself.

    cells, errors: the response and its standard errors in the unit of the table, which `convert` turns into that of
    the response. Raises InputError for an error that is not above 0, or not below a cell that is logged.
    """
    with np.errstate(all="ignore"):  # one standard error to both sides, so that any unit is converted alike
        above, below = convert(cells + errors), convert(cells - errors)
        found = np.abs(np.log(above / below) if logged else above - below) / 2
    bad = ~(errors > 0) | (logged & (errors >= cells)) | ~(np.isfinite(found) & (found > 0))
    if bad.any():
        raise InputError(
            f"column {quoted(column)} (loss_se): a standard error lies between 0 and the loss, which is not so in row"
            f"{'s' * (int(bad.sum()) > 1)} {some(rows[bad].tolist())}; mend the cells, or filter the rows out"
        )
    return found


def with_errors_apart(frame: pd.DataFrame, column: str) -> tuple[pd.DataFrame, str]:
    """The table, and which column holds standard errors where this one is asked for them: itself, or, where its cells
    are written as `4.283 \u00b1 0.003`, one more of what stands behind the sign (nothing where there is none)."""
    if column not in frame.columns or not any(len(split_error(str(cell))) > 1 for cell in frame[column]):
        return frame, column
    made = f"{column}, after \u00b1"
    apart = frame.assign(**{made: [[*split_error(str(cell)), ""][1] for cell in frame[column]]})
    apart.attrs = frame.attrs
    return apart, made


def over_typical(errors: np.ndarray) -> np.ndarray:
    """Standard errors over the typical one, (n_runs,): the mean of 1 / errors^2 is one; errors that are equal but for
    rounding are exactly one."""
    ratio = errors / errors.min()
    return np.ones_like(ratio) if ratio.max() < 1 + _ROUNDING else ratio * np.sqrt(np.mean(ratio**-2))
