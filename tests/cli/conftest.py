"""What the tests of commands share: a folder to work in, and what a command asks of `fit`."""

import pytest
from helpers import table_text

import jaxscale as js
from jaxscale._base import progress


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A fresh folder with thirty runs, a terminal wide enough for any table, and no word of progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(progress, "_SLOW", 60)
    (tmp_path / "runs.csv").write_text(table_text())
    return tmp_path


@pytest.fixture
def asked(monkeypatch) -> list[tuple[js.Law, js.Runs, dict]]:
    """What `js.fit` is asked for: law, runs, options. The fit itself is not made."""
    asked = []

    def fit(law, runs, **options):
        asked.append((law, runs, options))
        raise js.InputError("not fitted")

    monkeypatch.setattr(js, "fit", fit)
    return asked
