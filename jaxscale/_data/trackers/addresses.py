"""Addresses of runs, `SCHEME:PLACE`: which reader has the scheme, and what is wrong with an address that none has."""

import os
import re
from collections.abc import Callable

import pandas as pd

from jaxscale._base.errors import InputError, JaxscaleError, MissingExtraError
from jaxscale._base.progress import listening, tell
from jaxscale._base.text import PATH_LIMIT, inert, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.trackers.hub_files import HUB, file_at
from jaxscale._data.trackers.mlflow_runs import mlflow_runs
from jaxscale._data.trackers.run_rows import Evaluated, frame_of
from jaxscale._data.trackers.tensorboard_runs import tensorboard_runs
from jaxscale._data.trackers.trackio_runs import trackio_runs
from jaxscale._data.trackers.wandb_runs import wandb_runs

_READERS = {"wandb": wandb_runs, "mlflow": mlflow_runs, "tensorboard": tensorboard_runs, "trackio": trackio_runs}
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<slashes>//)?(?P<place>.*)", re.DOTALL)
_READ = "a file, wandb:ENTITY/PROJECT, mlflow:FOLDER, tensorboard:FOLDER, trackio:PROJECT or hf://datasets/NAME/FILE"


def is_address(source: str) -> bool:
    """Whether a text is the address of runs and no file. Raises InputError for an address of another kind."""
    match = _SCHEME.fullmatch(source)
    if match is None or os.path.exists(source):
        return False
    if match["scheme"].lower() in (*_READERS, HUB):
        return True
    if match["slashes"]:
        raise InputError(
            f"{quoted(source, PATH_LIMIT)} is an address of a kind ({inert(match['scheme'], 20)}://) that is not read; "
            f"copy the table here and give the file: runs are read from {_READ}"
        )
    return False


def read_address(
    address: str,
    table: Callable[[bytes, str], pd.DataFrame],
    progress: Progress | bool | None = None,
    evaluated: Evaluated | None = None,
) -> pd.DataFrame:
    """The runs at an address as a data frame; `table` reads the bytes of a file by its name.

    With `evaluated`, which chooses metrics among all names, each of their evaluations is a row.

    `progress` is called as progress(done, total, what), or is True for a line on standard error. Raises InputError for
    what is not there or cannot be reached, and MissingExtraError where the package of the tracker is not installed.
    """
    match = _SCHEME.fullmatch(address)
    assert match is not None
    scheme, place = match["scheme"].lower(), match["place"].strip()
    shown = quoted(address, PATH_LIMIT)
    try:
        if scheme == HUB:
            return table(*file_at(place, shown))
        with listening(progress, "reading"):
            return frame_of(_READERS[scheme](place, shown, tell, evaluated is not None), shown, evaluated)
    except ImportError as error:
        if isinstance(error, JaxscaleError):
            raise
        extra = "hub" if scheme == HUB else scheme
        raise MissingExtraError(
            f"{shown} needs the package {inert(error.name or extra, 40)}: pip install 'jaxscale[{extra}]'"
        ) from None
    except JaxscaleError:
        raise
    except Exception as error:  # each package has its own, and those of its network below
        words = " ".join(f"{error}".split()) or type(error).__name__
        raise InputError(f"{shown} cannot be read: {inert(words, 300)}") from None
