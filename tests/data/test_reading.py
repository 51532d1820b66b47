"""Options of reading a table: units of the loss, weights, vectors, clusters, domains, row numbers."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs

from jaxscale._base.errors import DataWarning, InputError, PrecisionWarning
from jaxscale._data.runs import Runs, read_quietly, read_runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests below.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


def test_loss_in_bits_becomes_nats() -> None:
    runs = Runs.from_frame(four_runs(), loss_unit="bits")
    np.testing.assert_allclose(runs.response, np.array(LOSS) * math.log(2), rtol=1e-15)
    assert runs.record.conventions["loss_unit"] == "bits, times ln 2"
    as_variable = Runs.from_frame(four_runs(acc=[1, 2, 3, 4]), response="acc", loss="loss", loss_unit="bits")
    np.testing.assert_allclose(as_variable.variables["loss"], runs.response, rtol=1e-15)
    assert as_variable.response.tolist() == [1, 2, 3, 4]


def test_weights_vectors_clusters_and_domains() -> None:
    frame = four_runs(w=[0, 1, 2, 3], seed=[1, 1, 2, 2], x=[-1, 0, 1, 2], y=[1, 2, 3, 4], acc=[0, 0.5, 1, True])
    runs = Runs.from_frame(
        frame,
        response="acc",
        weights="w",
        run="seed",
        mix=["x", "y"],
        domains={"acc": "unit", "mix": "real"},
    )
    assert (runs.response_name, runs.clusters) == ("acc", ("1", "1", "2", "2"))
    assert runs.weights is not None and runs.weights.tolist() == [0, 1, 2, 3]
    assert runs.variables["mix"].tolist() == [[-1, 1], [0, 2], [1, 3], [2, 4]]
    assert list(runs.to_frame()) == ["N", "D", "mix[0]", "mix[1]", "acc", "weights", "run"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_bad": "ignore"}, "on_bad must be one of raise, drop; not 'ignore'"),
        (
            {"loss_unit": "hartleys"},
            r"loss_unit \(--loss-unit\) must be one of nats, bits, perplexity, .* or bpb:4.3 .*; not 'hartleys'",
        ),
        ({"domains": {"N": "big"}}, "the domain of 'N' must be one of positive, real, unit, count; not 'big'"),
        ({"row_numbers": [1, 2]}, "row_numbers has 2 values for 4 rows"),
        ({"weights": "zero"}, "every weight is 0"),
    ],
)
def test_options_that_cannot_be_used(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(four_runs(zero=[0] * 4), **options)


def test_row_numbers_of_a_part_are_those_of_the_whole() -> None:
    frame = pd.DataFrame(four_runs(group=list("abab")))
    part = frame[frame["group"] == "b"]
    runs = Runs.from_frame(part, row_numbers=np.flatnonzero(frame["group"] == "b") + 1, where="loss < 3")
    assert runs.rows.tolist() == [4]


def test_a_doubtful_table_warns_once_at_the_line_that_reads_it() -> None:
    doubtful = pd.DataFrame(four_runs(params=[0.1, 0.3, 1, 3], tokens=[*D[:3], ""]))
    for read in (Runs.from_frame, read_runs):
        with pytest.warns(DataWarning) as caught:
            read(doubtful, on_bad="drop")
        (warning,) = caught
        assert warning.filename == __file__
        first, second, *_ = str(warning.message).split(". ")
        assert first == "look at the table: dropped 1 row with a bad cell, first row 4: 'tokens' missing"
        assert second.startswith("N has a median of 0.3 parameters: if column 'params' is in larger units")


def test_what_is_said_elsewhere_does_not_warn() -> None:
    """By the verdict of each group of `fit_many`, say."""
    frame = {"params": [0.1, 0.3, 1, 3], "loss": LOSS}
    with pytest.warns(DataWarning):
        noted = read_runs(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quiet = read_quietly(frame)
    assert quiet.record == noted.record and quiet.sha256 == noted.sha256
    assert read_quietly(quiet) is quiet


def test_float16_is_read_with_a_warning() -> None:
    frame = pd.DataFrame(four_runs()).astype({"loss": np.float16})
    with pytest.warns(PrecisionWarning, match="column 'loss': float16 rounds by up to 0.05 %"):
        runs = Runs.from_frame(frame)
    assert runs.response.tolist() == [float(np.float16(x)) for x in LOSS]
    assert Runs.from_frame(frame.astype({"loss": np.float32})).count == 4
