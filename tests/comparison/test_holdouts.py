"""Hold-outs of all kinds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from helpers import sweep

import jaxscale as js


def table() -> pd.DataFrame:
    frame = js.synthetic.demo_frame().drop(index=[2]).assign(corpus=list(itertools.islice(itertools.cycle("abc"), 53)))
    return frame.reset_index(drop=True)


HOLDOUTS = {
    "column": ({"holdout": "flops > 8e19"}, ["flops > 8e19"], [18]),
    "symbol": ({"holdout": "C > 8e19"}, ["C > 8e19"], [18]),
    "word": ({"holdout": "corpus == b"}, ["corpus == b"], [18]),
    "several": ({"holdout": ["C > 8e19", "N > 2B"]}, ["C > 8e19", "N > 2B"], [18, 10]),
    "rolling": ({"rolling": "C", "cuts": 2}, ["C > 6e18", "C > 2e20"], [36, 9]),
    "groups": ({"leave_out": "corpus"}, ["corpus == a", "corpus == b", "corpus == c"], [18, 18, 17]),
    "mask": ({"holdout": np.arange(53) % 2 == 0}, ["mask 1"], [27]),
}


@pytest.mark.parametrize("name", HOLDOUTS)
def test_every_kind_of_holdout(name):
    given, labels, counts = HOLDOUTS[name]
    found = js.compare(table(), "chinchilla", **given)
    assert [h.label for h in found.holdouts] == labels
    assert [len(h.rows) for h in found.holdouts] == counts
    assert all(h.trained + len(h.rows) == 53 for h in found.holdouts)


def test_budgets_that_differ_by_rounding_are_one():
    """Of four there are two cuts, as of four that are exact; three are refused with the count of budgets; all values
    count where they differ by more."""
    few = sweep(4, 7, noise=0.004, seed=1).to_frame()[["N", "D", "loss"]]
    off = few.assign(D=few["D"] * np.exp(1e-10 * np.random.default_rng(0).standard_normal(len(few))))
    for table in (few, off):
        assert [h.trained for h in js.compare(table, "chinchilla", rolling="C").holdouts] == [14, 21]
        for cuts in (3, 5):
            with pytest.raises(js.InputError, match=rf"C takes 4 distinct values, .* of {cuts} cuts; ask for cuts="):
                js.compare(table, "chinchilla", rolling="C", cuts=cuts)
    far = few.assign(D=few["D"] * np.exp(1e-3 * np.random.default_rng(0).standard_normal(len(few))))
    assert len(js.compare(far, "chinchilla", rolling="C", cuts=5).holdouts) == 5


def test_rows_are_those_of_the_table_after_filters():
    found = js.compare(table(), "chinchilla", holdout="params > 2B", where="corpus != a")
    frame = table()
    expected = frame.index[(frame.params > 2e9) & (frame.corpus != "a")] + 1
    assert found.holdouts[0].rows == tuple(expected)
    assert found.predictions().query("law == 'chinchilla'").observed.tolist() == frame.loss[expected - 1].tolist()
