"""Which texts are addresses, what is said of those that are not read, and of packages that are not there."""

import os
import sys
from pathlib import Path

import pytest

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._data.tables import read_frame
from jaxscale._data.trackers.addresses import is_address


@pytest.mark.parametrize(
    "address", ["wandb:a/b", "wandb://a/b", "WANDB:a/b", "mlflow:", "tensorboard:x", "trackio:x", "hf://datasets/a/b"]
)
def test_addresses(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "source", ["runs.csv", "C:/runs.csv", "C:\\runs.csv", "a:b.csv", "-", "", "wandb", "wandb/a:b"]
)
def test_other_texts_are_files(source: str) -> None:
    assert not is_address(source)


def test_a_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("trackio:x").write_text("params,loss\n1e7,3\n")
    assert read_frame("trackio:x").shape == (1, 2)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://bucket/runs.csv", "an address of a kind (s3://) that is not read; copy the table"),
        ("https://wandb.ai/me/sweep", "runs are read from a file, wandb:ENTITY/PROJECT"),
        ("wandb:", "'wandb:' names no project; write wandb:ENTITY/PROJECT"),
        ("wandb:sweep", "names no project"),
        ("wandb:me/sweep/abc123", "names no project"),
        ("wandb:me/ ", "names no project"),
        ("trackio:", "names no project; write trackio:PROJECT"),
        ("mlflow:./nowhere", "there is no folder or file './nowhere'"),
        ("hf://models/a/b", "names no data set; write hf://datasets/USER/NAME/FILE"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_address(address: str, words: str, jaxscale) -> None:
    with pytest.raises(InputError) as error:
        read_frame(address)
    assert words in str(error.value) and "\n" not in str(error.value)
    status, _, said = jaxscale("fit", address)
    assert status == 2 and words in " ".join(said.split())


PACKAGES = {"wandb": "wandb:a/b", "mlflow": f"mlflow:{os.curdir}", "trackio": "trackio:a", "hub": "hf://datasets/a/b"}
PACKAGES |= {"tensorboard": "tensorboard:logs"}


@pytest.mark.parametrize("extra", PACKAGES)
def test_a_package_that_is_not_there_is_named_with_its_extra(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("logs").mkdir()
    Path("logs/events.out.tfevents.1").write_bytes(b"")
    package = "huggingface_hub" if extra == "hub" else extra
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"needs the package {package}.*: pip install 'jaxscale\[{extra}\]'"):
        read_frame(PACKAGES[extra])
