"""Files that jaxscale wrote, read again."""

from pathlib import Path

from jaxscale._base.files import DRAWS_FORMAT, FIT_FORMAT, FITS_FORMAT
from jaxscale._fitting.draws import Draws, draws_from
from jaxscale._fitting.fits import Fits, fits_from
from jaxscale._fitting.read_file import read_file
from jaxscale._fitting.result import FitResult, fit_from
from jaxscale.laws import Law


def load(path: str | Path, law: Law | None = None) -> FitResult | Fits | Draws:
    """Read a file that jaxscale wrote: a fit, fits of many groups, or draws.

    Args:
        path: the file.
        law: the law, if it is one of your own; jaxscale's are found by name.

    Raises:
        InputError: there is no such file, or it is not one that this version of jaxscale knows how to read.
    """
    return read_file(path, law, {FIT_FORMAT: fit_from, FITS_FORMAT: fits_from, DRAWS_FORMAT: draws_from})
