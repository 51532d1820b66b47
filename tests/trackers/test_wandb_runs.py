"""The public API of W&B as it is documented, without a network: `Api(timeout=).runs(path, per_page=, lazy=)`."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly
from jaxscale._data.tables import read_frame


def run(k: int, state: str = "finished", **summary: object) -> SimpleNamespace:
    """A run as `wandb.apis.public.Run` shows it: plain dicts, numbers that are none as texts."""
    config = {"model": {"n_params": 10**7 * 2**k, "act": "gelu"}, "lr": 1e-3, "layers": [1, 2]}
    values = {"val/loss": 3.5 - k / 4, "tokens": 10**9, "_step": 500, "_timestamp": 1.7e9 + k, "_wandb": {"runtime": 9}}
    values |= {"val/acc": {"max": 0.5}, "sample": {"_type": "image-file", "size": 3}} | summary
    created = f"2026-03-0{k + 1}T00:00:00Z"
    return SimpleNamespace(
        name=f"d{k}", id=f"id{k}", state=state, created_at=created, config=config, summary_metrics=values
    )


def install(monkeypatch: pytest.MonkeyPatch, runs: object, lazy: bool = True) -> list[dict[str, object]]:
    """A module `wandb` whose projects have these runs, or raise; what it was asked for."""
    asked: list[dict[str, object]] = []

    class Api:
        def __init__(self, timeout: int) -> None:
            assert timeout > 0

        def runs(self, path: str, **options: object) -> object:
            if "lazy" in options and not lazy:
                raise TypeError("Api.runs() got an unexpected keyword argument 'lazy'")
            asked.append({"path": path, **options})
            if isinstance(runs, Exception):
                raise runs
            return runs

    module = ModuleType("wandb")
    monkeypatch.setattr(module, "Api", Api, raising=False)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return asked


@pytest.mark.parametrize("lazy", [True, False])
def test_a_project_becomes_one_row_for_each_run(monkeypatch: pytest.MonkeyPatch, lazy: bool) -> None:
    asked = install(monkeypatch, [run(0), run(1), run(2, "crashed"), run(3, **{"val/loss": "NaN"})], lazy)
    heard: list[tuple[int, int, str]] = []
    frame = read_frame("wandb:me/sweep", progress=lambda *said: heard.append(said))
    assert asked == [{"path": "me/sweep", "per_page": 200, **({"lazy": False} if lazy else {})}]
    assert heard == [(k, 4, "reading runs") for k in (1, 2, 3, 4)]
    assert frame.loc[1].to_dict() == {
        "name": "d1",
        "id": "id1",
        "state": "finished",
        "created": "2026-03-02T00:00:00Z",
        "config.model.n_params": 2 * 10**7,
        "config.model.act": "gelu",
        "config.lr": 1e-3,
        "val/loss": 3.25,
        "tokens": 10**9,
        "_step": 500,
        "_timestamp": 1.7e9 + 1,
        "val/acc.max": 0.5,
    }
    runs = read_quietly("wandb://me/sweep/")
    assert runs.response.tolist() == [3.5, 3.25] and runs.variables["N"].tolist() == [1e7, 2e7]
    assert "'d2' (row 3) crashed, 'd3' (row 4) has 'val/loss' NaN" in runs.record.notes[0].text


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([], "there are no runs in 'wandb:me/sweep'"),
        (ValueError("Could not find project sweep"), "cannot be read: Could not find project sweep. Is the name right"),
        (ConnectionError("Name or service\nnot known"), "cannot be read: Name or service not known. Is the name right"),
        (TimeoutError(), "cannot be read: TimeoutError. Is the name right"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, runs: object, words: str) -> None:
    install(monkeypatch, runs)
    with pytest.raises(InputError) as error:
        read_frame("wandb:me/sweep")
    assert words in str(error.value) and "\n" not in str(error.value)
