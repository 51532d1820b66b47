"""Sets of Parquet, CSV and iterators: the rows that pandas would group, numbered by their first row."""

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

import jaxscale as js
from jaxscale._cluster import numbered_sets as numbering
from jaxscale._cluster import sets_in_parquet
from jaxscale._cluster.numbered_sets import numbered_sets
from jaxscale._cluster.sets_in_csv import SetsInCsv
from jaxscale._cluster.sets_in_parquet import SetsInParquet


@pytest.fixture
def table() -> pd.DataFrame:
    """400 rows of 37 sets, scattered, with a missing name and a missing width among them."""
    rng = np.random.default_rng(0)
    corpus = pd.Series(rng.integers(0, 37, 400)).map(lambda k: f"set {k}" if k else None)
    width = pd.array(np.where(rng.random(400) < 0.5, 64, 128), dtype="Int64")
    width[5] = pd.NA
    return pd.DataFrame({"corpus": corpus, "width": width, "loss": rng.random(400)})


def as_pandas_groups(table, by):
    """Names, numbers of rows and losses by another road."""
    groups = table.groupby(by, sort=False, dropna=False)
    return [(rows.index.to_numpy() + 1, rows["loss"].to_numpy()) for _, rows in groups]


@pytest.mark.parametrize("rows", [400, 64, 7])
@pytest.mark.parametrize("by", ["corpus", ("corpus", "width")])
def test_sets_are_those_of_pandas_whatever_the_row_groups(rows, by, table, tmp_path, monkeypatch):
    monkeypatch.setattr(sets_in_parquet, "_ROWS_AT_ONCE", 50)
    monkeypatch.setattr(sets_in_parquet, "_ROWS_IN_WINDOW", 90)
    table.to_parquet(tmp_path / "t.parquet", row_group_size=rows)
    sets = SetsInParquet(tmp_path / "t.parquet", by)
    expected = as_pandas_groups(table, [by] if isinstance(by, str) else list(by))
    assert len(sets) == len(expected)
    for first in (0, 11):
        for group, (numbers, losses) in zip(sets.read(range(first, len(sets))), expected[first:], strict=True):
            assert group.numbers.tolist() == numbers.tolist() and group.rows["loss"].tolist() == losses.tolist()
    names = [group.name for group in sets.read(range(len(sets)))]
    assert "nan" in names if by == "corpus" else "nan" in ", ".join(names) and names[0].endswith((", 64", ", 128"))


def test_a_folder_is_read_in_the_order_of_its_paths_with_its_partitions_as_columns(table, tmp_path):
    for corpus in ("b", "a"):
        (tmp_path / f"corpus={corpus}").mkdir()
        table.drop(columns="corpus").to_parquet(tmp_path / f"corpus={corpus}" / "t.parquet")
    sets = numbered_sets(tmp_path, "corpus")
    read = list(sets.read(range(2)))
    assert [group.name for group in read] == ["a", "b"] and read[1].numbers[0] == 401
    assert read[1].rows["loss"].tolist() == table["loss"].tolist() and set(read[1].rows["corpus"]) == {"b"}


def test_few_rows_are_read_for_few_sets(tmp_path, monkeypatch):
    """Of sets that lie together, only the row groups of those asked for."""
    frame = pd.DataFrame({"corpus": np.repeat([f"s{k}" for k in range(50)], 20), "loss": 1.0})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=20)
    sets = SetsInParquet(tmp_path / "t.parquet", "corpus")
    assert sets._order is None
    asked = []
    plain = pyarrow.parquet.ParquetFile.iter_batches
    monkeypatch.setattr(
        pyarrow.parquet.ParquetFile,
        "iter_batches",
        lambda self, *a, row_groups, **b: asked.extend(row_groups) or plain(self, *a, row_groups=row_groups, **b),
    )
    assert [group.name for group in sets.read(range(30, 33))] == ["s30", "s31", "s32"]
    assert sorted(set(asked)) == [0, 30, 31, 32]  # the first for the decimal marks, which hold for all


def test_the_hash_tells_other_contents(table, tmp_path):
    hashes = set()
    for k, changed in enumerate((table, table, table.assign(loss=table["loss"] * 2), table.iloc[::-1])):
        changed.to_parquet(tmp_path / "t.parquet")
        hashes.add((SetsInParquet(tmp_path / "t.parquet", "corpus").sha256, k))
    assert len({sha for sha, _ in hashes}) == 3


def test_csv_is_streamed_with_its_cells_as_written(table, tmp_path, monkeypatch):
    monkeypatch.setattr(numbering, "_LARGE_CSV", 0)
    path = tmp_path / "t.csv"
    table["loss"] = table["loss"].map("{:.4f}".format)
    table.to_csv(path, index=False)
    sets = numbered_sets(path, "width")
    assert isinstance(sets, SetsInCsv)
    for group, (numbers, losses) in zip(sets.read(range(len(sets))), as_pandas_groups(table, ["width"]), strict=True):
        assert group.numbers.tolist() == numbers.tolist() and group.rows["loss"].tolist() == losses.tolist()
    sets.close()


REFUSED = {
    "no column": ("t.parquet", "corpora", r"no column .corpora. to group by; the table has corpus, width, loss"),
    "a broken file": ("broken.parquet", "corpus", r"broken.parquet. cannot be read as Parquet"),
    "an empty folder": ("empty", "corpus", r"holds no .parquet files"),
    "columns that differ": ("differ", "corpus", r"files have different columns; .more. is not in all of them"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_is_told(kind, table, tmp_path):
    name, by, words = REFUSED[kind]
    table.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "broken.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-40])
    (tmp_path / "empty").mkdir()
    (tmp_path / "differ").mkdir()
    table.to_parquet(tmp_path / "differ" / "a.parquet")
    table.assign(more=1).to_parquet(tmp_path / "differ" / "b.parquet")
    with pytest.raises(js.InputError, match=words):
        numbered_sets(tmp_path / name, by)


def test_an_iterator_gives_pairs():
    with pytest.raises(js.InputError, match="pairs of a name and a table, got 3"):
        numbered_sets(iter([3]), "corpus")
    with pytest.raises(js.InputError, match="two groups are called 'a'"):
        numbered_sets(iter([("a", {"N": [1]}), ("a", {"N": [1]})]), "corpus")
