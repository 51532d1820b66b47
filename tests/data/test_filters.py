"""Filters: which rows they keep, and what is said of those that cannot be used."""

import math

import pytest
from helpers import four_runs

from jaxscale._base.errors import InputError
from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("params > 300M", [3, 4]),
        ("params>=300M", [2, 3, 4]),
        ("tokens < 10B", [1]),
        ("tokens <= 1e10", [1, 2]),
        ("loss == 2.7", [3]),
        ("loss != 2.7", [1, 2, 4]),
        ("corpus == web", [1, 2]),
        ("corpus == 'web'", [1, 2]),
        ('corpus != "web"', [3, 4]),
        ("corpus == a > b", [3]),
        ("learning rate > 0.1", [2, 3, 4]),
        ("'learning rate' > 0.1", [2, 3, 4]),
        ("a<b < 3", [1, 2]),
        ("text == 3M", [1]),
        ("text == 'x y'", [2]),
        ("text != 3M", [2, 3, 4]),
        ('text == ""', [4]),
        ("text != na", [1, 2, 3]),
        ("gap > 0", [1, 3]),
        ("gap == ''", [2, 4]),
        ("gap != ''", [1, 3]),
        ("gap != 1", [2, 3, 4]),
        ("done == true", [1, 3]),
        ("done == 0", [2, 4]),
        ("word == True", [1, 3]),
        (["params > 1e8", "corpus == web"], [2]),
        ([], [1, 2, 3, 4]),
    ],
)
def test_filters(rule: str | list[str], rows: list[int]) -> None:
    frame = four_runs(
        **{
            "corpus": ["web", "web ", "a > b", "books"],
            "learning rate": [0.1, 0.2, 0.3, 0.4],
            "a<b": [1, 2, 3, 4],
            "text": ["3M", "x y", "07", ""],
            "gap": [1, None, 2, math.nan],
            "done": [True, False, True, False],
            "word": ["True", "False", "True", "no"],
        }
    )
    runs = Runs.from_frame(frame, where=rule)
    assert runs.rows.tolist() == rows
    assert runs.record.filters == ((rule,) if isinstance(rule, str) else tuple(rule))
    assert runs.record.filtered == 4 - len(rows)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("loss", "must read COLUMN OP VALUE"),
        ("loss = 3", "must read COLUMN OP VALUE"),
        ("loss >", "must read COLUMN OP VALUE"),
        ("> 3", "must read COLUMN OP VALUE"),
        ("", "must read COLUMN OP VALUE"),
        ("los > 3", "no column 'los'.*did you mean 'loss'"),
        ("loss =< 3", "no column 'loss ='"),
        ("__import__('os').system('x') == 1", "no column '__import__"),
        ("text < 3", "< needs numbers, but column 'text' holds 'x' in row 1"),
        ("text < x", "needs a number on the right, not 'x'"),
        ("loss > 1,5", "needs a number on the right"),
        ("loss == low", "column 'loss' holds numbers, and 'low' is none"),
        ("loss > 99", "no row is left by the filter 'loss > 99'"),
    ],
)
def test_filters_that_cannot_be_used(rule: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Runs.from_frame(four_runs(text=["x", "y", "1", "2"]), where=rule)
