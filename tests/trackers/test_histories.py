"""What trackers logged at each step, read where checkpoints are asked for: the same curves from every tracker."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import summary_v2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from jaxscale._data.runs import read_quietly
from jaxscale._data.tables import read_frame

SIZES, STEPS, BATCH = (10**7, 3 * 10**7, 10**8), (100, 200, 300, 400, 500), 2**20


def loss(k: int, step: int) -> float:
    """A planted curve that ends above its lowest."""
    return 2 + 400 / SIZES[k] ** 0.34 + 400 / (step * BATCH) ** 0.28 + 0.2 * (step == 500)


def entries(k: int) -> list[dict[str, float]]:
    """Tokens and training loss at every step, the loss at every second, one after the counts of its step."""
    logged: list[dict[str, float]] = []
    for step in range(50, 501, 50):
        logged.append({"_step": step, "tokens": float(step * BATCH), "train/loss": 9.0})
        if step in STEPS:
            logged.append({"_step": step, "val/loss": loss(k, step)})
    return logged


def of_wandb(monkeypatch: pytest.MonkeyPatch, _: Path) -> str:
    def run(k: int) -> SimpleNamespace:
        last: dict[str, float] = {}
        for entry in entries(k):
            last |= entry
        gaps = [{"tokens": None, "val/loss": None, **entry} for entry in entries(k)]
        return SimpleNamespace(
            name=f"d{k}", id=f"id{k}", state="finished", created_at=f"2026-03-0{k + 1}", config={"n_params": SIZES[k]},
            summary_metrics=last, scan_history=lambda page_size: iter(gaps),
        )  # fmt: skip

    api = SimpleNamespace(runs=lambda path, **_: [run(k) for k in range(3)])
    module = ModuleType("wandb")
    module.Api = lambda timeout: api  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return "wandb:me/sweep"


def of_mlflow(monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    def series(run: str, metric: str) -> list[SimpleNamespace]:
        at = [(e["_step"], e[metric]) for e in entries(int(run[2:])) if metric in e]
        return [SimpleNamespace(step=step, value=value) for step, value in reversed(at)]

    class Page(list):
        token = None

    def run(k: int) -> SimpleNamespace:
        info = SimpleNamespace(run_name=f"d{k}", run_id=f"id{k}", status="FINISHED", start_time=1000 + k)
        metrics = {"val/loss": loss(k, 500), "tokens": 500.0 * BATCH, "train/loss": 9.0}
        return SimpleNamespace(info=info, data=SimpleNamespace(params={"n_params": SIZES[k]}, metrics=metrics, tags={}))

    client = SimpleNamespace(
        search_experiments=lambda: [SimpleNamespace(name="sweep", experiment_id="1")],
        search_runs=lambda ids, max_results, page_token=None: Page(run(k) for k in range(3)),
        get_metric_history=series,
    )
    module = ModuleType("mlflow")
    module.MlflowClient = lambda tracking_uri: client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return f"mlflow:{folder}"


def of_tensorboard(_: pytest.MonkeyPatch, folder: Path) -> str:
    for k in range(3):
        writer = EventFileWriter(str(folder / "logs" / f"d{k}"))
        writer.add_event(event_pb2.Event(step=0, wall_time=1.0, summary=summary_v2.hparams_pb({"n_params": SIZES[k]})))
        for entry in entries(k):
            values = [
                summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in entry.items() if tag != "_step"
            ]
            step = int(entry["_step"])
            summary = summary_pb2.Summary(value=values)
            writer.add_event(event_pb2.Event(step=step, wall_time=float(step), summary=summary))
        writer.close()
    return f"tensorboard:{folder / 'logs'}"


def of_trackio(monkeypatch: pytest.MonkeyPatch, _: Path) -> str:
    runs = [SimpleNamespace(name=f"d{k}", id=f"id{k}", config={"n_params": SIZES[k]}) for k in range(3)]
    trackio, store = ModuleType("trackio"), ModuleType("trackio.sqlite_storage")
    trackio.Api = lambda: SimpleNamespace(runs=lambda place: runs)  # type: ignore[attr-defined]
    store.SQLiteStorage = SimpleNamespace(  # type: ignore[attr-defined]
        get_projects=lambda: ["sweep"],
        get_logs=lambda place, run, run_id: [
            {"step" if name == "_step" else name: value for name, value in e.items()} | {"timestamp": f"{i:02}"}
            for i, e in enumerate(entries(int(run[1:])))
        ],
    )
    monkeypatch.setitem(sys.modules, "trackio", trackio)
    monkeypatch.setitem(sys.modules, "trackio.sqlite_storage", store)
    return "trackio:sweep"


@pytest.mark.parametrize("tracker", [of_wandb, of_mlflow, of_tensorboard, of_trackio])
def test_checkpoints_of_a_tracker_are_its_history(tracker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = tracker(monkeypatch, tmp_path)
    every = read_quietly(address, checkpoints="all")
    assert every.response == pytest.approx([loss(k, step) for k in range(3) for step in STEPS], rel=1e-6)
    assert every.variables["N"].tolist() == [float(size) for size in SIZES for _ in STEPS]
    assert every.variables["D"].tolist() == [float(step * BATCH) for _ in SIZES for step in STEPS]
    assert every.clusters == tuple(f"d{k}" for k in range(3) for _ in STEPS)
    for choice, step in (("best", 400), (None, 500), ("last", 500)):
        runs = read_quietly(address, checkpoints=choice) if choice else read_quietly(address)
        assert runs.response == pytest.approx([loss(k, step) for k in range(3)], rel=1e-6)
        assert runs.variables["D"].tolist() == [float(step * BATCH)] * 3


def test_the_rows_are_those_of_the_response_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = of_wandb(monkeypatch, tmp_path)
    frame = read_frame(address, None, {"checkpoints": "all", "loss": "train/loss"})
    assert len(frame) == 30 and set(frame["train/loss"]) == {9.0}
    assert np.isnan(frame["val/loss"].astype(float)).sum() == 6  # before the first of each run
    assert len(read_frame(address, None, {"checkpoints": "last"})) == 3
