"""Draws: files, frames and intervals."""

import numpy as np
import pytest
from helpers import LAW

import jaxscale as js


def test_draws_come_back_from_their_file(draws, tmp_path):
    draws.save(tmp_path / "draws.json")
    loaded = js.load(tmp_path / "draws.json")
    loaded.save(tmp_path / "again.json")
    assert loaded.to_dict() == draws.to_dict()
    assert (tmp_path / "draws.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    np.testing.assert_array_equal(loaded.draws, draws.draws)
    assert loaded.interval("alpha") == draws.interval("alpha")


def test_a_frame_of_draws_and_their_intervals(draws):
    frame = draws.to_frame()
    assert list(frame.columns) == list(LAW.parameter_names) and len(frame) == 40
    np.testing.assert_allclose(np.log(frame["A"]), draws.draws[:, 0])
    np.testing.assert_array_equal(frame["alpha"], draws.draws[:, 3])
    assert draws.interval("A", 0.8) == pytest.approx(tuple(np.quantile(frame["A"], [0.1, 0.9])))
    with pytest.raises(js.InputError, match="no parameter 'gamma'"):
        draws.interval("gamma")
    assert str(draws).splitlines()[1].startswith(("trustworthy", "NOT TRUSTWORTHY"))
