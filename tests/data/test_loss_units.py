"""The unit of the loss: the same runs whatever it is written in, and cells that cannot be in it are refused."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()

# For each unit: a column name, cells of a loss in nats (or of an error, a share of one), and what is said.
UNITS = {
    "nats": ("loss", lambda x: x, "nats"),
    "bits": ("bits per token", lambda x: x / math.log(2), "bits, times ln 2"),
    "bpb:4.5": ("val_bpb", lambda x: x / math.log(2) / 4.5, "bits per byte, times ln 2 and 4.5 bytes per token"),
    "perplexity": ("eval/ppl/c4_en", math.exp, "perplexity, whose natural logarithm is the loss"),
    "accuracy": ("lambada_acc", lambda x: 1 - x, "accuracy; the loss is 1 - accuracy, a share of one"),
    "error": ("top1 error", lambda x: x, "error, a share of one"),
}


@given(
    st.sampled_from(list(UNITS)),
    st.lists(st.floats(0.1, 0.9), min_size=3, max_size=5),
    st.sampled_from(["plain", "text", "sign", "header", "hundred"]),
)
def test_every_unit_gives_the_same_loss(unit: str, losses: list[float], written: str) -> None:
    """Cells made from the loss by the definition of the unit come back as that loss."""
    name, cell, said = UNITS[unit]
    cells: list = [cell(x) for x in losses]
    share = unit in ("accuracy", "error")
    if written == "header" and share:
        cells, name = [100 * x for x in cells], f"{name} (%)"
    elif written == "hundred" and share:
        cells = [100 * x for x in cells]
    elif written == "sign" and share:
        cells = [f"{100 * x!r}%" for x in cells]
    elif written == "text":
        cells = [repr(x) for x in cells]
    frame = pd.DataFrame({"params": np.geomspace(1e8, 1e9, len(cells)), name: cells, "train_loss": 9.0})
    runs = Runs.from_frame(frame, loss_unit=unit, **({"loss": name} if unit == "nats" else {}))
    np.testing.assert_allclose(runs.response, losses, rtol=1e-12)
    assert runs.record.columns["loss"] == name
    assert runs.record.conventions["loss_unit"] == said
    in_per_cent = share and written in ("header", "hundred", "sign")
    assert ("per cent, divided by 100" in runs.record.conventions.get("loss", "")) is in_per_cent
    assert runs.record.notes == ()


@pytest.mark.parametrize(
    ("unit", "cells", "message"),
    [
        ("perplexity", [30, 20, 0.9, 11], "row 3 holds '0.9', not above 1, as a perplexity is"),
        ("accuracy", [0.3, 0.4, 1.0, 0.6], "row 3 holds '1.0', not a share from 0 to below 1"),
        ("accuracy", [0.3, 0.4, 45, 0.6], "row 3 holds '45.0', not a share"),
        ("accuracy", [30, 40, 145, 60], "row 3 holds '145', not a share"),
        ("accuracy", ["30%", "40%", "0.5x", "60%"], "row 3 holds '0.5x', not a number"),
        ("error", [0.3, 0.4, 0.0, 0.6], "row 3 holds '0.0', not a share above 0 and up to 1"),
        ("error", ["30%", "40%", "45", "60%"], "row 3 holds '45', not a share"),
        ("nats", ["30%", "40%", "45%", "60%"], r'row 1 holds \'30%\', in per cent, .* or say loss_unit="error"'),
        ("bits", ["3 nats", 2, 3, 4], "say nats: leave --loss-unit bits out"),
        ("perplexity", ["3 nats", 2, 3, 4], "say nats: leave --loss-unit perplexity out"),
    ],
)
def test_cells_that_are_not_in_the_unit_are_refused(unit: str, cells: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(four_runs(loss=cells), loss_unit=unit)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("bpb", r'say how many, loss_unit="bpb:4.3" \(--loss-unit bpb:4.3\) for 4.3; or loss_unit="bits"'),
        ("bpb:", "is not a number"),
        ("bpb:0", "no token has '0' bytes"),
        ("bpb:many", "'many' is not a number"),
        ("bpc", r"must be one of nats, bits, perplexity, accuracy, error or bpb:4.3 .*; not 'bpc'"),
    ],
)
def test_units_that_are_not_there(unit: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(four_runs(), loss_unit=unit)


def test_columns_in_the_unit_come_before_other_losses() -> None:
    frame = four_runs(
        val_bpb=[1.1, 1.0, 0.9, 0.8], c4_ppl=[30, 20, 15, 11], acc_norm=[0.1] * 4, acc=[0.1, 0.2, 0.3, 0.4]
    )
    columns = {"nats": "loss", "bits": "val_bpb", "bpb:4": "val_bpb", "ppl": "c4_ppl", "acc": "acc"}
    for unit, column in columns.items():
        assert Runs.from_frame(frame, loss_unit=unit).record.columns["loss"] == column
    with pytest.raises(InputError, match=r"'a_ppl', 'b_ppl' could each be loss; .* --loss a_ppl or --loss b_ppl"):
        Runs.from_frame(four_runs(a_ppl=[30, 20, 15, 11], b_ppl=[31, 20, 15, 11]), loss_unit="perplexity")


def test_what_a_bare_column_is_called_is_said_with_the_option() -> None:
    record = Runs.from_frame(four_runs(loss=None, c4_bpb=LOSS), loss="c4_bpb").record
    assert 'loss_unit="bpb:4.3" (--loss-unit bpb:4.3) into nats per token of 4.3 bytes' in record.notes[0].text


@pytest.mark.parametrize(
    ("name", "asked", "factor"),
    [
        ("loss (bits)", {}, math.log(2)),
        ("loss_bits", {}, math.log(2)),
        ("eval/loss [bits/token]", {}, math.log(2)),
        ("val_bits_per_token", {}, math.log(2)),
        ("val_bpt", {}, math.log(2)),
        ("loss (bits)", {"loss_unit": "nats"}, 1.0),
        ("loss (bits)", {"loss_unit": "bits"}, math.log(2)),
        ("val_bpb", {}, 1.0),
        ("val_bits_per_byte", {}, 1.0),
        ("bits_per_char", {}, 1.0),
        ("loss (nats)", {}, 1.0),
        ("log_ppl", {"loss": "log_ppl"}, 1.0),
    ],
)
def test_the_unit_of_a_loss_in_its_header_is_applied_and_said(name: str, asked: dict, factor: float) -> None:
    """Bits of a token become nats; what is of a byte, a character or a word stays, since a token has several."""
    runs = Runs.from_frame(four_runs(loss=None, **{name: LOSS}), **asked)
    np.testing.assert_allclose(runs.response, np.array(LOSS) * factor, rtol=1e-15)
    by_name = 'bits, times ln 2, by its name; loss_unit="nats" (--loss-unit nats) takes the cells as they are'
    assert (runs.record.conventions["loss_unit"] == by_name) == (factor != 1 and not asked)
    assert runs.record.measure.given_unit == ("bits" if factor != 1 else runs.record.measure.unit)


def test_shares_of_any_response_are_read_in_per_cent_where_the_header_says_so() -> None:
    frame = four_runs(**{"WER (%)": [12.5, 10, 9, 8]})
    runs = Runs.from_frame(frame, response="WER (%)", domains={"response": "unit"})
    assert runs.response.tolist() == [0.125, 0.1, 0.09, 0.08]
    assert runs.record.conventions["WER (%)"] == "per cent, divided by 100"
    with pytest.raises(InputError, match="not between 0 and 1"):
        Runs.from_frame(four_runs(wer=[12.5, 10, 9, 8]), response="wer", domains={"response": "unit"})
