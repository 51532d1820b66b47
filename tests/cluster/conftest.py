"""A small job, fitted once: three blocks of sets in one Parquet file, of which one cannot be fitted."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import swept_frame

import jaxscale as js

COUNT = 36


@pytest.fixture(scope="session")
def options() -> dict:
    return {"by": "corpus", "intervals": "quick", "starts": 8}


@pytest.fixture(scope="session")
def frame() -> pd.DataFrame:
    """36 sets of 30 runs, one after the other; the fourth row cannot be used."""
    tables = [swept_frame(seed, 30).assign(corpus=f"set {seed}") for seed in range(COUNT)]
    frame = pd.concat(tables, ignore_index=True)
    frame.loc[3, "loss"] = -1.0
    return frame


@pytest.fixture(scope="session")
def source(frame, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("source") / "runs.parquet"
    frame.to_parquet(path, row_group_size=130)
    return path


@pytest.fixture(scope="session")
def job(source, options, tmp_path_factory) -> Path:
    """The folder of three shards, made in another order than theirs."""
    folder = tmp_path_factory.mktemp("job") / "fits"
    for k in (3, 1, 2):
        js.fit_shards("chinchilla", source, shard=(k, 3), out=folder, records=True, **options)
    return folder


@pytest.fixture
def bad(frame) -> pd.DataFrame:
    """Sets none of which can be fitted, so that nothing is: for all that is not about fits."""
    return frame.assign(loss=-1.0)
