"""MLflow's client as it is documented; and, where MLflow is installed, a store made in the test."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly
from jaxscale._data.tables import read_frame

STATES = ("FINISHED", "FAILED", "FINISHED")


class Page(list):
    """What `search_runs` returns: a list with the token of the next page."""

    token: str | None = None


class Client:
    """Experiments by number: (name, runs)."""

    stores: dict[str, dict[str, tuple[str, list[SimpleNamespace]]]]

    def __init__(self, tracking_uri: str) -> None:
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"
        if tracking_uri not in self.stores:
            raise ConnectionError(f"no server at {tracking_uri}")
        self.store = self.stores[tracking_uri]

    def search_experiments(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name, experiment_id=number) for number, (name, _) in self.store.items()]

    def search_runs(self, experiment_ids: list[str], max_results: int, page_token: str | None = None) -> Page:
        start = int(page_token or 0)
        (number,) = experiment_ids
        runs = self.store[number][1]
        page = Page(runs[start : start + min(max_results, 2)])
        page.token = str(start + 2) if start + 2 < len(runs) else None
        return page


def run(k: int) -> SimpleNamespace:
    info = SimpleNamespace(run_name=f"d{k}", run_id=f"id{k}", status=STATES[k], start_time=1000 + k)
    data = SimpleNamespace(params={"n_params": str(10**7 * 2**k)}, metrics={"val/loss": 3.5 - k / 4, "tokens": 1e9})
    data.tags = {"mlflow.user": "me", "corpus": "c4"}
    return SimpleNamespace(info=info, data=data)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runs = [run(k) for k in range(3)]
    Client.stores = {
        tmp_path.as_uri(): {"0": ("Default", []), "1": ("sweep", runs)},
        f"sqlite:///{tmp_path}/mlflow.db": {"1": ("sweep", runs[:1])},
        "http://here": {"1": ("sweep", runs), "2": ("other", runs[:1])},
    }
    (tmp_path / "mlflow.db").touch()
    module = ModuleType("mlflow")
    module.MlflowClient, module.get_tracking_uri = Client, lambda: f"sqlite:///{tmp_path}/none.db"  # type: ignore
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return tmp_path


def test_an_experiment_becomes_one_row_for_each_run(server: Path) -> None:
    frame = read_frame(f"mlflow:{server}")
    assert frame.loc[2].to_dict() == {
        "name": "d2",
        "id": "id2",
        "state": "FINISHED",
        "created": 1002,
        "config.n_params": "40000000",
        "val/loss": 3.0,
        "tokens": 1e9,
        "tags.corpus": "c4",
    }
    runs = read_quietly(f"mlflow:{server}")
    assert runs.response.tolist() == [3.5, 3.0] and runs.variables["N"].tolist() == [1e7, 4e7]
    assert "'d1' (row 2) failed" in runs.record.notes[0].text
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


def test_places_and_experiments(server: Path) -> None:
    assert len(read_frame(f"mlflow:{server}/mlflow.db")) == 1
    assert len(read_frame("mlflow:http://here#sweep")) == len(read_frame("mlflow:http://here#1")) == 3
    for address, words in {
        "mlflow:http://here": "has several experiments, 'sweep', 'other'; choose one: 'mlflow:http://here#sweep'",
        "mlflow:http://here#swep": "there is no experiment 'swep'; there are 'sweep', 'other'",
        "mlflow:http://there": "'mlflow:http://there' cannot be read: no server at http://there",
        "mlflow:sweep": "there is no database .*, where MLflow looks by default; write mlflow:FOLDER",
        f"mlflow:sqlite:///{server}/no.db": "there is no database '.*/no.db'$",
        f"mlflow:{server}#Default": "there are no runs in",
    }.items():
        with pytest.raises(InputError, match=words):
            read_frame(address)


def test_a_real_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the extra `test`, which it would make slow to install: `.ci/run` brings it."""
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri())
    experiment = client.create_experiment("sweep")
    for k, state in enumerate(STATES):
        made = client.create_run(experiment, run_name=f"d{k}").info.run_id
        client.log_param(made, "n_params", 10**7 * 2**k)
        for step in (1, 2):
            client.log_metric(made, "val/loss", 4.0 - step / 2 - k / 4, step=step)
        client.set_terminated(made, state)
    runs = read_quietly(f"mlflow:{tmp_path}")
    assert sorted(runs.response.tolist()) == [2.5, 3.0] and sorted(runs.variables["N"].tolist()) == [1e7, 4e7]
