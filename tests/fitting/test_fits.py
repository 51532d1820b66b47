"""The record of many fits: names of groups, files, frames, reports."""

import csv

import pandas as pd
import pytest

import jaxscale as js
from jaxscale._fitting.fits import Failure, group_name


@pytest.mark.parametrize("values", [("a, b", "c"), ("a", "b, c"), ("", "a"), (" a", "b"), ('say "a"', "b"), ("a", "b")])
def test_no_two_groups_are_called_alike(values):
    """The name of a group is a line of a CSV file, and read as one it gives the values back."""
    (read,) = csv.reader([group_name(values)], skipinitialspace=True)
    assert tuple(read) == values


def test_fits_come_back_from_their_file(fits, tmp_path):
    fits.save(tmp_path / "fits.json")
    loaded = js.load(tmp_path / "fits.json")
    loaded.save(tmp_path / "again.json")
    assert loaded.to_dict() == fits.to_dict()
    assert (tmp_path / "fits.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    assert isinstance(dict(loaded)["<b>bad</b>"], Failure)


def test_text_from_the_table_is_inert_in_a_report(fits):
    html = fits._repr_html_()
    assert "<b>bad</b>" not in html and "&lt;b&gt;bad&lt;/b&gt;" in html
    assert "1 failed" in str(fits)


def test_a_frame_of_groups(fits):
    frame = fits.to_frame()
    assert frame["ok"].tolist() == [True, False] and len(fits) == 2
    assert frame.loc[0, "alpha"] == fits["good"].params["alpha"]
    assert frame.loc[1, "error"].startswith("bad_input: ") and pd.isna(frame.loc[1, "alpha"])
    with pytest.raises(js.InputError, match="has no fit"):
        fits["<b>bad</b>"]
    with pytest.raises(js.InputError, match="no group 'other'"):
        fits["other"]
