"""Decimal commas and thousands: whole columns and whole tables decide, and what stays open is refused."""

import io
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError
from jaxscale._data.decimals import COMMA, POINT, SEPARATOR, SOME_COMMAS, UNSETTLED, is_open, table_marks
from jaxscale._data.quantities import parse_quantity
from jaxscale._data.runs import Runs, read_runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

PLAIN = {"params": ["100000000", "200000000", "400000000"], "tokens": ["2000000000", "4e9", "8e9"]}


def read(loss: list, separator: str = "", **others: list) -> Runs:
    frame = pd.DataFrame(PLAIN | others | {"loss": loss})
    frame.attrs[SEPARATOR] = separator
    return Runs.from_frame(frame)


SETTLED = [
    (["3,144", "2,9", "2,845"], {}, "", [3.144, 2.9, 2.845], "commas are decimal marks"),
    (["0,950", "0,845", "1,144"], {}, "", [0.95, 0.845, 1.144], "commas are decimal marks"),
    (["3,144", "2,933", "2,845"], {}, ";", [3.144, 2.933, 2.845], "commas are decimal marks"),
    (["3,144", "2,933", "2,845"], {"lr": ["0,01", "0,1", "1"]}, "", [3.144, 2.933, 2.845], "commas are decimal marks"),
    (["3,144", "2,933", "2,845"], {"n": ["1.000.000"] * 3}, "", [3.144, 2.933, 2.845], "commas are decimal marks"),
    (["3,144", "2,933", "2,845"], {"e": ["1 ± 0,003", "", ""]}, "", [3.144, 2.933, 2.845], "commas are decimal marks"),
    (
        ["1.234.567,5", "2,933", "2.845"],
        {},
        "",
        [1234567.5, 2.933, 2845],
        "commas are decimal marks, points separate thousands",
    ),
    (["1,000,000", "2,000", "3"], {}, "", [1e6, 2000, 3], ""),
    (["1,234.5", "2,000", "3"], {}, "", [1234.5, 2000, 3], ""),
    (["3.144", "2.933", "2.845"], {}, ";", [3.144, 2.933, 2.845], ""),
    (["1'234,5", "2,5", "3"], {}, "", [1234.5, 2.5, 3], "commas are decimal marks"),
]


@pytest.mark.parametrize(("loss", "others", "separator", "values", "said"), SETTLED)
def test_a_column_or_its_table_settles_the_mark(
    loss: list, others: dict, separator: str, values: list, said: str
) -> None:
    runs = read(loss, separator, **others)
    assert runs.response.tolist() == values
    assert runs.record.conventions.get("loss", "") == said


@pytest.mark.parametrize(
    ("loss", "others", "separator"),
    [
        (["3,144", "2,933", "2,845"], {}, ""),
        (["3,144", "2,933", "2"], {}, ","),
        (["-3,144 nats", "2,933", "2,845"], {}, ""),
        (["3,144 B", "2,933", "2,845"], {}, ""),
        (["3,144", "2,933", "2,845"], {"lr": ["0.1"] * 3}, ";"),
        (["3,144", "2,933", "2,845"], {"lr": ["0.1"] * 3, "wd": ["0,1"] * 3}, ""),
        (["3,144", "2.933", "2.845"], {}, ""),
        (["3,144", "2.9", "2.845"], {}, ""),
        (["3,144", 2.9, 2.8], {}, ""),
        (["3,144", "2,933", "2,845"], {"lr": [0.1, 0.2, 0.3]}, ""),
        (["3,144", "2,933", "2,845"], {"lr": ["0.1", "0.2", "0.3"]}, ""),
        (["3,144", "2,933", "2"], {"wd": ["1,234.5"] * 3, "n": ["1,000,000"] * 3}, ""),
        (["3,144", "2,933", "2,845"], {"n": pd.Series([1e8, 2e8, 1.5], dtype=object)}, ""),
        (["3,144", "2,933", "2,845"], {"n": pd.Series([1.5, "70B", None], dtype=object)}, ""),
        (pd.Categorical(["3,144", "2,933", "2,845"]), {}, ""),
        (["3.144", "2.933", "2.845"], {"lr": ["0.1"] * 3, "wd": ["0,1"] * 3}, ""),
    ],
)
def test_what_may_be_read_both_ways_is_refused(loss: list, others: dict, separator: str) -> None:
    mark = "point" if loss[0] == "3.144" else "comma"
    words = rf"column 'loss' .* row 1 holds '-?3.144.*', whose {mark} may be a decimal mark or separate thousands: "
    with pytest.raises(InputError, match=words + r"write -?3\.144.* or -?3144.*, in the whole column"):
        read(loss, separator, **others)


def test_one_decimal_comma_among_points_is_refused() -> None:
    with pytest.raises(InputError, match="row 2 holds '2,9', not a number"):
        read(["3.144", "2,9", "2.8"])


def test_a_part_of_a_table_is_read_like_the_whole() -> None:
    frame = pd.DataFrame(PLAIN | {"loss": ["3,1", "2,933", "2,845"]})
    assert Runs.from_frame(frame, where="loss < 3").response.tolist() == [2.933, 2.845]
    assert table_marks(frame) == {"loss": COMMA}


def test_numbers_of_json_say_nothing_of_its_text() -> None:
    rows = [{"params": 1e8, "lr": 0.1, "loss": "3,144"}, {"params": 2e8, "lr": 0.2, "loss": "2,933"}]
    with pytest.raises(InputError, match="whose comma may be a decimal mark"):
        read_runs(io.StringIO(json.dumps(rows)))


def test_counts_in_thousands_are_settled_by_other_counts_and_by_nothing_else() -> None:
    counts = {"params": ["125,000", "350,000", "774,000"], "loss": ["3.2", "3.1", "2.9"]}
    with pytest.raises(InputError, match=r"'params' .* '125,000', whose comma may be .* write 125.000 or 125000"):
        Runs.from_frame(counts)
    runs = Runs.from_frame(counts | {"tokens": ["2,000,000", "4,000,000", "9,000,000"]})
    assert runs.variables["N"].tolist() == [125e3, 350e3, 774e3]
    assert runs.record.conventions["N"] == "commas separate thousands"


def test_who_says_which_mark_is_decimal_settles_it() -> None:
    loss = ["3,144", "2,933", "2,845"]
    frame = pd.DataFrame(PLAIN | {"loss": loss, "lr": ["0.1"] * 3})
    comma = Runs.from_frame(frame, decimal=",", where="loss < 3")
    assert comma.response.tolist() == [2.933, 2.845]
    assert comma.record.conventions["loss"] == "commas are decimal marks"
    point = Runs.from_frame(frame, decimal=".")
    assert point.response.tolist() == [3144, 2933, 2845]
    assert point.record.conventions["loss"] == "commas separate thousands"
    assert "N" not in point.record.conventions
    with pytest.raises(InputError, match=r"""decimal=","  ?\(--decimal ,\) or decimal="."  ?\(--decimal \.\)"""):
        Runs.from_frame(frame)
    with pytest.raises(InputError, match="decimal must be"):
        Runs.from_frame(frame, decimal=";")  # type: ignore[arg-type]


def test_marks_of_columns() -> None:
    frame = pd.DataFrame({"a": ["1,5", "2"], "b": ["1,000,000", "2"], "c": ["1,234", "2"], "d": ["1.234", "2"]})
    assert table_marks(frame) == {"a": COMMA, "c": UNSETTLED, "d": UNSETTLED}
    assert table_marks(frame[["a", "d"]]) == {"a": COMMA, "d": COMMA}
    assert table_marks(frame[["b", "c"]]) == {"c": POINT}
    assert table_marks(frame[["c", "d"]]) == {"c": UNSETTLED}
    assert table_marks(frame[["d"]]) == {}
    assert table_marks(pd.DataFrame({"a": ["1,5", "2.5"]})) == {"a": SOME_COMMAS}


_UNITS = st.sampled_from(["", " B", "bn", "k", " tokens", "T tokens", "M params", "%", " nats", " ± 3", "±2,5 nats"])


@given(st.sampled_from(["", "+", "-", "−"]), st.integers(1, 999), st.integers(0, 999), _UNITS)
def test_every_number_with_one_comma_before_three_digits_is_open(sign: str, head: int, tail: int, unit: str) -> None:
    """Whatever is written beside it: nothing that would be read as thousands slips past."""
    text = f" {sign}{head},{tail:03}{unit} "
    assert is_open(text, UNSETTLED)
    assert is_open(text, SOME_COMMAS)


@given(st.text(alphabet="0123456789,.+-−eE±%^x×10kMB tokens'", max_size=14))
def test_a_comma_that_is_read_is_a_comma_that_was_seen(text: str) -> None:
    """Any text that is read as a number and has a comma shows something of the marks of its column."""
    try:
        value = parse_quantity(text)
    except InputError:
        return
    if "," in text:
        assert any(is_open(t, UNSETTLED) for t in (text,)) or table_marks(pd.DataFrame({"a": [text, "1,5"]})), value


_MARKS = st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (".", "\u202f"), (",", "'")])


def written(value: float, decimal: str, thousands: str, digits: int) -> str:
    return f"{value:,.{digits}f}".replace(",", "t").replace(".", decimal).replace("t", thousands)


@given(
    st.lists(st.floats(0.5, 9e9).map(lambda x: round(x, 4)), min_size=3, max_size=6),
    _MARKS,
    st.sampled_from(["", " nats", "nats", " ± 0{}5", " +/- 0{}05 nats"]),
)
def test_every_mark_and_unit_gives_the_same_numbers(values: list[float], marks: tuple[str, str], unit: str) -> None:
    cells = [written(x, *marks, 4) + unit.format(marks[0]) for x in values]
    frame = pd.DataFrame({"params": ["1e9"] * len(values), "loss": cells})
    assert Runs.from_frame(frame).response.tolist() == values
