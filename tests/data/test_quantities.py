"""Cells of text: numbers with units, errors, per cent signs and separators of thousands."""

from decimal import Decimal

import pytest
from helpers import four_runs
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.quantities import ReadCell, parse_quantity
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("1.4T tokens", ReadCell(1.4e12, "tokens")),
        ("1B token", ReadCell(1e9, "tokens")),
        ("70 bn params", ReadCell(70e9, "parameters")),
        ("70bn", ReadCell(70e9)),
        ("7B Parameters", ReadCell(7e9, "parameters")),
        ("5.76×10^23 FLOPs", ReadCell(5.76e23, "FLOPs")),
        ("10²¹ FLOPs", ReadCell(1e21, "FLOPs")),
        ("5 GFLOPs", ReadCell(5e9, "FLOPs")),
        ("3.144nats", ReadCell(3.144, "nats")),
        ("4.283 ± 0.003", ReadCell(4.283, has_error=True)),
        ("4.283±0.003 nats", ReadCell(4.283, "nats", has_error=True)),
        ("4.283 +/- 0.003", ReadCell(4.283, has_error=True)),
        ("4.283 +- .003", ReadCell(4.283, has_error=True)),
        ("4.283(3)", ReadCell(4.283, has_error=True)),
        ("4.2831(12) nats", ReadCell(4.2831, "nats", has_error=True)),
        (r"$5.76 \times 10^{23}$", ReadCell(5.76e23)),
        (r"$4.283 \pm 0.003$", ReadCell(4.283, has_error=True)),
        (r"2.1\cdot 10^{7}", ReadCell(2.1e7)),
        ("$1{,}234$", ReadCell(1234.0)),
        ("72.8\\%", ReadCell(72.8, percent=True)),
        ("72.8%", ReadCell(72.8, percent=True)),
        ("72.8 % ± 0.3 %", ReadCell(72.8, percent=True, has_error=True)),
        ("1 000 000 000", ReadCell(1e9)),
        ("1 000 000.5", ReadCell(1000000.5)),
        ("20\u202f000\u202f000", ReadCell(20e6)),
        ("20'000'000 tokens", ReadCell(20e6, "tokens")),
    ],
)
def test_a_cell_is_read(text: str, quantity: ReadCell) -> None:
    assert parse_quantity(text) == quantity


@pytest.mark.parametrize(
    "text",
    [
        *("tokens", "1.4T apples", "5 PFLOPs", "4 ± 3 ± 2", "4 ±", "± 3", "4 ± -3", "4 ± x", "1 000", "1 00 000"),
        *("512 512", "12 % tokens", "%", "~0.4", "1B-token"),
        *("$5", "3(4)", "2.5 (3)", "(3)", "$$", r"\times"),
    ],
)
def test_a_cell_that_is_no_quantity(text: str) -> None:
    with pytest.raises(InputError):
        parse_quantity(text)


@given(st.text(alphabet="0123456789.,±+-/%eExX×^²³¹ '\u202f kMBTbn tokensparamFLOP", max_size=24))
def test_no_cell_makes_anything_but_a_quantity_or_an_error_of_ours(text: str) -> None:
    try:
        assert isinstance(parse_quantity(text).value, float)
    except InputError as error:
        assert str(error)  # noqa: PT017 - a quantity may also come out


def test_units_and_errors_in_a_table() -> None:
    runs = Runs.from_frame(
        four_runs(
            tokens=["1B tokens", "4B tokens", "16B", "64bn tokens"], loss=["3 ± 0.1", "2.5 +/- .1", 2.2, "2 nats"]
        )
    )
    assert runs.variables["D"].tolist() == [1e9, 4e9, 16e9, 64e9]
    assert runs.response.tolist() == [3, 2.5, 2.2, 2]
    assert (
        runs.record.conventions["loss"] == "the error after ± is left to loss_se= (--loss-se) of this column (2 cells)"
    )


def test_a_unit_that_is_not_the_one_of_the_symbol_is_refused() -> None:
    with pytest.raises(InputError, match=r"row 2 holds '4B tokens', which is in tokens, not in parameters"):
        Runs.from_frame(four_runs(params=["1B", "4B tokens", "16B", "64B"]))
    with pytest.raises(InputError, match=r"row 3 holds '1 nats', which is in nats, not in tokens"):
        Runs.from_frame(four_runs(x=["1 token", "2", "1 nats", "3 tokens"]), E="x")
    with pytest.raises(InputError, match="cells of column 'loss' say nats: leave --loss-unit bits out"):
        Runs.from_frame(four_runs(loss=["3 nats", 2, 2, 2]), loss_unit="bits")


def test_per_cent_is_a_share_where_a_share_is_meant() -> None:
    cells = {"acc": ["72.8%", "50 %", "0.25", "100%"]}
    runs = Runs.from_frame(four_runs(**cells), response="acc", domains={"acc": "unit"})
    assert runs.response.tolist() == pytest.approx([0.728, 0.5, 0.25, 1.0], rel=1e-15)
    assert runs.record.conventions["acc"] == "per cent, divided by 100"
    with pytest.raises(InputError, match=r"row 1 holds '72.8%', in per cent, and no share is meant here: write 0.728"):
        Runs.from_frame(four_runs(**cells), response="acc")
    with pytest.raises(InputError, match=r"row 1 holds '120%', not between 0 and 1"):
        Runs.from_frame(four_runs(acc=["120%", 0, 0, 0]), response="acc", domains={"acc": "unit"})


def test_per_cent_is_not_compared_with_a_number() -> None:
    cells = four_runs(acc=["72.8%", "50%", "25%", "100%"])
    with pytest.raises(InputError, match=r"> needs numbers, but column 'acc' holds '72.8%' in row 1"):
        Runs.from_frame(cells, where="acc > 0.5")
    assert Runs.from_frame(cells, where="acc != 50%").count == 3


@given(
    st.sampled_from(
        [("thousand", 1e3), ("million", 1e6), ("Mio.", 1e6), ("mln", 1e6), ("billion", 1e9), ("Mrd.", 1e9)]
    ),
    st.sampled_from(["", " ", "\u00a0"]),
    st.sampled_from(["", " params", " tok", " tokens"]),
    st.decimals("0.1", "999", places=1),
)
def test_factors_in_words_are_factors(factor: tuple[str, float], space: str, unit: str, number: Decimal) -> None:
    read = parse_quantity(f"{number}{space}{factor[0]}{unit}")
    assert read.value == pytest.approx(float(number) * factor[1], rel=1e-15)
