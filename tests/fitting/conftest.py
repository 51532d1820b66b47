"""Fits of one sweep, made once for all tests of the records and of the verbs that make them."""

import numpy as np
import pandas as pd
import pytest
from helpers import sweep, swept_frame

import jaxscale as js


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    return swept_frame()


@pytest.fixture(scope="session")
def result(frame) -> js.FitResult:
    return js.fit("chinchilla", frame)


@pytest.fixture(scope="session")
def groups() -> pd.DataFrame:
    """Three sweeps in one table, shuffled."""
    tables = [swept_frame(seed, 60).assign(corpus=f"set {seed}") for seed in range(3)]
    return pd.concat(tables).sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="session")
def full() -> js.FitResult:
    """A fit of a table that was read, so that the record has something to say."""
    frame = sweep().to_frame().rename(columns={"N": "params", "D": "tokens"})
    frame.loc[3, "loss"] = np.nan
    with pytest.warns(js.DataWarning, match="dropped 1 row with a bad cell, first row 3: 'loss' missing"):
        runs = js.Runs.from_frame(frame, on_bad="drop", where="params > 1e6")
    return js.fit("chinchilla", runs)


@pytest.fixture(scope="session")
def fits() -> js.Fits:
    """A group that was fitted, and one that could not be, whose name is markup."""
    tables = {"good": sweep(), "<b>bad</b>": sweep().to_frame().assign(loss=-1.0)}
    return js.fit_many("chinchilla", tables, intervals=None)


@pytest.fixture(scope="session")
def draws(full) -> js.Draws:
    return js.bootstrap(full, draws=40, seed=3)
