"""Columns that a caller writes as a formula: the same runs as with the column in the table, and what is said."""

import numpy as np
import pandas as pd
import pytest
from helpers import FOUR, four_runs

from jaxscale._base.errors import InputError, PrecisionWarning
from jaxscale._data.model_names import size_in
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


def logged(**changes: list) -> pd.DataFrame:
    """The four runs as a tracker logs them."""
    columns = {
        "millions": [n / 1e6 for n in N],
        "steps": [d / 2**19 for d in D],
        "batch": [2**9] * 4,
        "length": [1024] * 4,
        "val_ppl": [float(np.exp(x)) for x in LOSS],
        "acc": [0.2, 0.4, 0.5, 0.6],
        "se": [0.1, 0.2, 0.1, 0.2],
    }
    return pd.DataFrame(columns | changes)


def test_a_computed_column_is_read_like_one_of_the_table() -> None:
    runs = Runs.from_frame(
        logged(), N="millions*1e6", D="steps*batch*length", loss="ln(val_ppl)", weights="1/se^2", acc="1 - acc"
    )
    wanted = Runs.from_frame(
        four_runs(w=[100.0, 25.0, 100.0, 25.0], miss=[0.8, 0.6, 0.5, 0.4]), weights="w", acc="miss"
    )
    for name, values in wanted.variables.items():
        np.testing.assert_allclose(runs.variables[name], values, rtol=1e-14)
    np.testing.assert_allclose(runs.response, wanted.response, rtol=1e-14)
    assert runs.weights is not None
    np.testing.assert_allclose(runs.weights, wanted.weights, rtol=1e-14)
    assert runs.record.columns["D"] == "steps*batch*length"
    assert runs.record.conventions["D"] == "computed"
    assert runs.record.notes == () and runs.record.guessed == ()
    assert "steps" not in runs.record.unused


@pytest.mark.parametrize("formula", ["ln(val_ppl)", "bits*0.6931471805599453", "ln(2)*bits"])
def test_a_computed_loss_is_in_nats_whatever_it_was_computed_from(formula: str) -> None:
    frame = logged(bits=[x / np.log(2) for x in LOSS])
    runs = Runs.from_frame(frame, N="millions*1e6", D="steps*batch*length", loss=formula)
    assert str(runs.record.measure) == str(Runs.from_frame(four_runs()).record.measure)
    assert "nats per token" in str(runs)


NAMES = ["pythia-70m", "OPT 125M", "Qwen1.5-0.5B", "llama-2-7b-hf"]


def test_sizes_in_the_names_of_models_are_offered_and_taken_where_asked_for() -> None:
    frame = four_runs(params=None, **{"model name": NAMES, "note": ["a", "b", "7B", "d"]})
    with pytest.raises(InputError, match=r"The names in column 'model name' have sizes: .*-N 'size\(`model name`\)'"):
        Runs.from_frame(frame).variable("N")
    runs = Runs.from_frame(frame, N="size(`model name`)")
    assert runs.variables["N"].tolist() == [7e7, 1.25e8, 5e8, 7e9]
    assert [(note.code, note.severity) for note in runs.record.notes] == [("nominal_sizes", "warning")]
    np.testing.assert_allclose(Runs.from_frame(frame, N="2*size('model name')").variables["N"], 2 * runs.variables["N"])
    with pytest.raises(InputError, match="row 1 of column 'note' holds 'a', which says no size, or several"):
        Runs.from_frame(frame, N="size(note)")
    with pytest.raises(InputError, match=r"expected a column of names in size\( \)"):
        Runs.from_frame(frame, N="size(2*note)")
    with pytest.raises(InputError, match="takes column 'note' for numbers and for names"):
        Runs.from_frame(frame, N="size(note)*note")
    assert not Runs.from_frame(four_runs(model=NAMES)).record.notes  # the table has sizes of its own


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("gpt2-350M", 3.5e8),
        ("TinyLlama_1.1B_Chat", 1.1e9),
        ("TinyLlama-1.1B-Chat", 1.1e9),
        ("cerebras-1p3b", 1.3e9),
        ("OLMo-1B-step1000-tokens4B", 1e9),
        ("350M-10B-tokens", 3.5e8),
        ("Mixtral-8x7B", None),
        ("llama-3", None),
        ("d12", None),
        ("7B vs 13B", None),
        ("1bit", None),
    ],
)
def test_the_one_size_that_a_name_says(name: str, size: float | None) -> None:
    assert size_in(name) == size


def test_a_column_of_that_name_comes_first() -> None:
    frame = logged(**{"steps*2": D})
    assert Runs.from_frame(frame, N="millions*1e6", D="steps*2", loss="val_ppl").variables["D"].tolist() == D


def test_units_of_headers_are_not_applied_inside_a_formula_and_that_is_said() -> None:
    runs = Runs.from_frame({"params (M)": [n / 1e6 for n in N], "loss": LOSS}, N="params (M)*1e6")
    assert runs.variables["N"].tolist() == N
    assert runs.record.conventions["N"] == "computed with the cells of 'params (M)' as they are"


def test_cells_are_read_as_everywhere() -> None:
    frame = logged(millions=["100", "1e2", "1,000", "1_000"], acc=["20%", "40 %", "50%", "60%"], wd=["1,000,000"] * 4)
    runs = Runs.from_frame(frame, N="millions*1e6", loss="1 - acc", D=False)
    assert runs.variables["N"].tolist() == [1e8, 1e8, 1e9, 1e9]
    np.testing.assert_allclose(runs.response, [0.8, 0.6, 0.5, 0.4], rtol=1e-14)


def test_rows_without_a_number_are_named_or_dropped() -> None:
    frame = logged(steps=[1e3, "", "many", 4e3], millions=[0, 1, 2, 3])
    with pytest.raises(InputError, match=r"'steps\*batch' \(D\): 2 of 4 .* row 2 holds 'no number, steps = '"):
        Runs.from_frame(frame, D="steps*batch", N=False, loss="val_ppl")
    assert Runs.from_frame(frame, D="steps*batch", loss="val_ppl", on_bad="drop").rows.tolist() == [1, 4]
    with pytest.raises(InputError, match=r"row 1 holds 'no number, millions = 0'"):
        Runs.from_frame(frame, N="1/millions", loss="val_ppl")
    with pytest.raises(InputError, match="row 1 of column 'steps' holds '3,144', whose comma may be"):
        Runs.from_frame(logged(steps=["3,144", "2,933", "1,200", "1"]), D="steps*batch", loss="val_ppl")


def test_a_slip_in_a_name_is_no_formula() -> None:
    with pytest.raises(InputError, match=r"no column 'val-ppl' \(loss\); did you mean 'val_ppl'"):
        Runs.from_frame(logged(), loss="val-ppl", N="millions")
    runs = Runs.from_frame(logged(), loss="val_ppl", N="val_ppl*2")  # as like a name as it is, it is none
    np.testing.assert_allclose(runs.variables["N"], 2 * np.exp(runs.response), rtol=1e-14)
    with pytest.raises(InputError, match=r"the formula 'steps\*bach': there is no column 'bach'; did you mean 'batch'"):
        Runs.from_frame(logged(), loss="val_ppl", D="steps*bach")


def test_narrow_columns_of_the_table_are_still_warned_of() -> None:
    frame = pd.DataFrame(four_runs(e=[1, 2, 3, 4])).astype({"loss": np.float16})
    with pytest.warns(PrecisionWarning, match="column 'loss': float16"):
        Runs.from_frame(frame, E="e*2")
