"""What is loaded, and what is not there."""

import pytest

import jaxscale as js


def test_a_file_that_is_not_there_and_one_of_another_kind(draws, tmp_path):
    with pytest.raises(js.InputError, match="cannot read"):
        js.load(tmp_path / "nothing.json")
    with pytest.raises(js.InputError, match="cannot read"):
        js.load(tmp_path)
    draws.save(tmp_path / "draws.json")
    with pytest.raises(js.InputError, match="holds Draws, not one fit"):
        js.FitResult.load(tmp_path / "draws.json")
