"""`HfFileSystem` as it is documented, over files of the test."""

import sys
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import pytest

from jaxscale._base.errors import InputError
from jaxscale._data.tables import read_frame


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    class HfFileSystem:
        def isfile(self, path: str) -> bool:
            return (tmp_path / path).is_file()

        def find(self, path: str) -> list[str]:
            if not (tmp_path / path).exists():
                raise FileNotFoundError(path)
            return sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / path).rglob("*") if p.is_file())

        def info(self, path: str) -> dict[str, Any]:
            return {"size": (tmp_path / path).stat().st_size}

        def open(self, path: str, mode: str) -> IO[bytes]:
            return open(tmp_path / path, mode)

    module = ModuleType("huggingface_hub")
    module.HfFileSystem = HfFileSystem  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    folder = tmp_path / "datasets" / "me" / "runs"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("x")
    (folder / "a.jsonl").write_text('{"params": 1e7, "loss": 3}\n')
    return folder


def test_a_table_on_the_hub(hub: Path) -> None:
    for address in ("hf://datasets/me/runs/a.jsonl", "hf://datasets/me/runs"):
        assert read_frame(address).to_dict("list") == {"params": [1e7], "loss": [3]}
    (hub / "b.csv").write_text("params,loss\n2e7,3\n")
    assert read_frame("hf://datasets/me/runs/b.csv").to_dict("list") == {"params": ["2e7"], "loss": ["3"]}
    with pytest.raises(InputError, match=r"several tables, .*a.jsonl', .*; give one of them: 'hf://datasets/me/runs/a"):
        read_frame("hf://datasets/me/runs")
    with pytest.raises(InputError, match="there is no such file or data set, or it is private"):
        read_frame("hf://datasets/me/nope")
    (hub / "a.jsonl").unlink(), (hub / "b.csv").unlink()
    with pytest.raises(InputError, match="has no table"):
        read_frame("hf://datasets/me/runs")
