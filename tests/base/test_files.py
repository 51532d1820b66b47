"""Plain JSON: what is not finite is None, and a reader refuses every kind but its own."""

import json

import numpy as np
import pytest

from jaxscale._base import files
from jaxscale._base.errors import InputError


class Record(files.Saved):
    """A record with everything that JSON does not know."""

    _format = "jaxscale.example/1"

    def to_dict(self):
        odd = {"b": (np.int64(2), np.nan), "c": {"d": -np.inf, "e": None}}
        return self._document({"a": np.float64(1.5), **odd, "f": True})


def test_a_record_is_written_with_its_format_and_without_what_is_not_finite(tmp_path):
    Record().save(tmp_path / "example.json")
    held = json.loads((tmp_path / "example.json").read_text())
    assert list(held) == ["format", "jaxscale_version", "a", "b", "c", "f"] and held["format"] == "jaxscale.example/1"
    assert [held[k] for k in "abcf"] == [1.5, [2, None], {"d": None, "e": None}, True]


@pytest.mark.parametrize(
    ("reader", "sound", "odd"),
    [
        (files.number, [1, -2.5], [None, True, "1", np.inf, []]),
        (files.number_or_none, [None, 1.5], [True, "1"]),
        (files.level, [0.9], [0, 1, -0.5, None]),
        (lambda x: files.typed(x, int), [3], [True, 3.0, "3", None]),
        (lambda x: files.typed(x, str), ["a"], [3, None, b"a"]),
        (lambda x: files.list_of(x, int), [[], [1, 2]], [[1, True], [1.0], "12", None]),
        (lambda x: files.rows_of_numbers("loss", x), [[1, 2.5], [[1], [2.0]]], [[True], ["1"], [[None]], {}]),
    ],
)
def test_a_reader_takes_its_kind_and_refuses_others(reader, sound, odd):
    for value in sound:
        assert reader(value) == value
    for value in odd:
        with pytest.raises(InputError):
            reader(value)
