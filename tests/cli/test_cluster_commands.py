"""Shards from a shell: a part, the merged file, and what is refused."""

import re
import sys

import pytest
from helpers import table_text

from jaxscale._cli.app import run


@pytest.fixture
def sets(folder):
    """Two groups, neither of which can be fitted, so that nothing is compiled."""
    text = table_text(group="a") + table_text(group="b", header=False)
    (folder / "sets.csv").write_text(text)
    return folder


def call(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["jaxscale", *words])
    status = run(words)
    return status, *capsys.readouterr()


FIT = ["fit", "sets.csv", "--by", "corpus", "--where", "loss < 0", "--shard"]


def test_shards_and_merge(sets, monkeypatch, capsys):
    status, out, err = call([*FIT, "1/2", "-o", "fits/"], monkeypatch, capsys)
    assert status == 0 and "part-00001-of-00002.parquet' is there" in err
    assert call(["merge", "fits/", "-o", "x.parquet"], monkeypatch, capsys) == (
        2, "", "error: 1 part of 2 not there: 2/2. To make the first: jaxscale fit sets.csv --by corpus --where "
        "'loss < 0' --shard 2/2 -o fits/\n",
    )  # fmt: skip
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    assert call([*FIT, "slurm", "-o", "fits/"], monkeypatch, capsys)[0] == 0
    status, out, err = call(["merge", "fits/", "-o", "x.parquet"], monkeypatch, capsys)
    assert status == 0 and "2 sets by corpus" in out and "0 trustworthy, 0 not, 2 failed" in out
    assert (sets / "x.parquet").is_file() and err == "wrote 'x.parquet'\n"
    assert call([*FIT, "2/2", "-o", "fits/", "--strict"], monkeypatch, capsys)[0] == 1


REFUSED = {
    "no groups": (["fit", "sets.csv", "--shard", "1/2", "-o", "fits/"], "--shard is about groups.*with --by"),
    "shared": ([*FIT, "1/2", "-o", "fits/", "--share", "alpha"], "no --share"),
    "no folder": ([*FIT, "1/2"], "name it with -o fits/"),
    "a file": ([*FIT, "1/2", "-o", "sets.csv"], "name it with -o fits/"),
    "standard input": (["fit", "-", "--by", "corpus", "--shard", "1/2", "-o", "fits/"], "instead of -"),
    "records alone": (["fit", "sets.csv", "--by", "corpus", "--records"], "--records goes with --shard"),
    "no such shard": ([*FIT, "8/7", "-o", "fits/"], "there is no shard 8/7"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_wrong_use_is_told(kind, sets, monkeypatch, capsys):
    words, expected = REFUSED[kind]
    status, out, err = call(words, monkeypatch, capsys)
    assert (status, out) == (2, "")
    assert re.search(expected, err)
