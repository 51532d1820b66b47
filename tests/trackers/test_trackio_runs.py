"""Trackio's `Api` and its store as they are; and, where Trackio is installed, a project made in the test."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly
from jaxscale._data.tables import read_frame


def logs(k: int) -> list[dict[str, object]]:
    return [
        {"val/loss": 3.0 - k / 4, "step": 20, "timestamp": "2026-03-01T00:00:20"},
        {"val/loss": 4.0, "tokens": 1e9, "note": None, "step": 10, "timestamp": "2026-03-01T00:00:10"},
    ]


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {f"d{k}": k for k in range(3)}
    runs = [
        SimpleNamespace(name=name, id=f"id{k}", config={"n_params": 10**7 * 2**k, "_Created": f"2026-03-0{k + 1}"})
        for name, k in names.items()
    ]
    storage = SimpleNamespace(get_projects=lambda: ["sweep"], get_logs=lambda place, run, run_id: logs(names[run]))
    trackio, store = ModuleType("trackio"), ModuleType("trackio.sqlite_storage")
    trackio.Api = lambda: SimpleNamespace(runs=lambda place: runs)  # type: ignore[attr-defined]
    store.SQLiteStorage = storage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    monkeypatch.setitem(sys.modules, "trackio.sqlite_storage", store)


def test_a_project_becomes_one_row_for_each_run(project: None) -> None:
    assert read_frame("trackio:sweep").loc[1].to_dict() == {
        "name": "d1",
        "id": "id1",
        "created": "2026-03-02",
        "config.n_params": 2 * 10**7,
        "val/loss": 2.75,
        "tokens": 1e9,
        "_step": 20,
        "_timestamp": "2026-03-01T00:00:20",
    }
    assert read_quietly("trackio:sweep").response.tolist() == [3.0, 2.75, 2.5]
    with pytest.raises(InputError, match="there is no project 'swep'; there are 'sweep'"):
        read_frame("trackio:swep")


def test_a_real_project(tmp_path: Path) -> None:
    """Not in the extra `test`, which it would make slow to install: `.ci/run` brings it."""
    trackio = pytest.importorskip("trackio", reason="the extra trackio is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("trackio.utils", "trackio.sqlite_storage"):
            patch.setattr(f"{module}.TRACKIO_DIR", tmp_path)
        for k in range(2):
            trackio.init(project="sweep", name=f"d{k}", config={"n_params": 10**7 * 2**k})
            for entry in reversed(logs(k)):
                trackio.log({name: entry[name] for name in ("val/loss", "tokens") if name in entry}, step=entry["step"])
            trackio.finish()
        runs = read_quietly("trackio:sweep")
    assert sorted(runs.response.tolist()) == [2.75, 3.0] and sorted(runs.variables["N"].tolist()) == [1e7, 2e7]
