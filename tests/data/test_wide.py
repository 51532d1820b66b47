"""Tracker charts and pivots become one run in a row; what does not say what it is is refused with the cure."""

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs, read_runs
from jaxscale._data.tables import read_frame

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

TOKENS, SIZES = ["1e9", "4e9", "16e9"], ["2e7", "5e7"]
LOSSES = {(n, d): f"{4 - i / 10:.3f}" for i, (n, d) in enumerate(itertools.product(SIZES, TOKENS))}


def long() -> Runs:
    """The runs of the pivots, by rows."""
    order = sorted(LOSSES, key=lambda key: (TOKENS.index(key[1]), SIZES.index(key[0])))
    return Runs.from_frame(
        {"params": [n for n, _ in order], "tokens": [d for _, d in order], "loss": [LOSSES[k] for k in order]}
    )


def pivot(corner: str, unit: str = "", separator: str = ",") -> str:
    across = [f"{float(d) / 1e9:g}B{unit}" if unit else d for d in TOKENS]
    rows = [[corner, *across], *([n, *(LOSSES[n, d] for d in TOKENS)] for n in SIZES)]
    return "\n".join(map(separator.join, rows)) + "\n"


SAID = [("params \\ tokens", ""), ("params/tokens", ""), ("N by D", ""), ("n_params vs D", ""), ("params", " tokens")]


@given(st.sampled_from(SAID), st.sampled_from([",", ";", "\t", "|"]))
def test_a_pivot_that_says_what_it_is_gives_the_same_runs(said: tuple[str, str], separator: str) -> None:
    runs = read_runs(io.StringIO(pivot(*said, separator=separator)))
    assert runs.sha256 == long().sha256
    assert "a pivot, " in runs.record.conventions["layout"]
    assert "its cells taken for the loss" in runs.record.conventions["layout"]


def test_a_pivot_with_a_row_of_its_own_for_what_is_across() -> None:
    """As spreadsheets write it: the names in the first row, the numbers across in the second."""
    text = pivot("")
    assert read_runs(io.StringIO(f"params,tokens,,\n{text}")).sha256 == long().sha256
    with pytest.raises(InputError, match="is a pivot"):
        read_runs(io.StringIO(f"model,lr,,\n{text}"))


def test_empty_cells_of_a_pivot_are_left_out_and_counted() -> None:
    runs = read_runs(io.StringIO(pivot("params \\ tokens").replace("4.000", "")))
    assert runs.count == 5
    assert "1 empty cell left out" in runs.record.conventions["layout"]


@pytest.mark.parametrize("corner", ["params", "", "model", "params \\ lr", "params \\ params"])
def test_a_pivot_that_does_not_say_is_refused_with_the_cure(corner: str) -> None:
    with pytest.raises(
        InputError, match=r"is a pivot: columns '1e9', '4e9', '16e9' are numbers.*as in 'params \\ tok"
    ) as e:
        read_runs(io.StringIO(pivot(corner)))
    assert f"frame.melt(id_vars='{corner}', var_name='tokens', value_name='loss')" in str(e.value).replace("\\\\", "\\")


def chart(ends: bool, metrics: tuple[str, ...] = ("val/loss",), axis: str = "Step", runs: int = 3) -> str:
    tails = ("", "__MIN", "__MAX") if ends else ("",)
    names = [f"d{12 + 4 * i} - lr 1 - {metric}{tail}" for i in range(runs) for metric in metrics for tail in tails]
    lines = [",".join(f'"{name}"' for name in (axis, *names))]
    for step in (1000, 2000, 4000):
        cells = []
        for i in range(runs):
            there = not (i == runs - 1 and step == 4000)
            value = f"{4 - i / 10 - step / 1e4:.4f}" if there else ""
            cells += [value] * (len(names) // runs)
        lines.append(",".join([str(step), *cells]))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("metrics", [("val/loss",), ("val/loss", "train/loss")])
def test_a_chart_is_one_row_for_each_run_and_step(ends: bool, metrics: tuple[str, ...]) -> None:
    frame = read_frame(io.StringIO(chart(ends, metrics)))
    assert list(frame.columns) == ["run", "Step", *metrics]
    assert len(frame) == 8  # the last run stops before the last step
    assert list(frame["run"].unique()) == ["d12 - lr 1", "d16 - lr 1", "d20 - lr 1"]
    runs = read_runs(io.StringIO(chart(ends, metrics)), D="Step*524288")
    assert runs.response.tolist() == [
        pytest.approx(4 - i / 10 - step / 1e4)
        for i in range(3)
        for step in (1000, 2000, 4000)
        if (i, step) != (2, 4000)
    ]
    assert runs.record.conventions["layout"] == "a tracker's chart of 3 runs, one row for each run and Step"


def test_the_axis_of_a_chart_may_be_tokens() -> None:
    runs = read_runs(io.StringIO(chart(True, axis="data/tokens_seen")))
    assert runs.record.columns == {"D": "data/tokens_seen", "loss": "val/loss"} | (
        {"run": "run"} if "run" in runs.record.columns else {}
    )


@pytest.mark.parametrize(
    "header",
    [
        "Step,a - loss,loss",  # not all are of runs
        "Step,a - loss,b - acc",  # no two of one metric: names with a dash in them
        "params,tokens,loss - val",
    ],
)
def test_what_is_no_chart_stays_as_it_is(header: str) -> None:
    assert list(read_frame(io.StringIO(f"{header}\n1,2,3\n")).columns) == header.split(",")


@pytest.mark.parametrize("header", ["params,1e9", "params,tokens,3", "1e9,params,loss"])
def test_what_is_no_pivot_stays_as_it_is(header: str) -> None:
    assert list(read_frame(io.StringIO(f"{header}\n{'1,2,3'[: 2 * header.count(',') + 1]}\n")).columns) == header.split(
        ","
    )
