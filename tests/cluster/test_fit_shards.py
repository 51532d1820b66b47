"""Shards: the bytes of one part whatever their number and order, written whole, and wrong use in words."""

import errno
import os

import pytest

import jaxscale as js
from jaxscale._cluster.parts import FitsWriter, locked
from jaxscale._cluster.shards import Shard
from jaxscale._fitting import blocks

COUNT = 36


def test_shards_in_any_order_have_the_bytes_of_one(job, source, options, tmp_path):
    js.fit_shards("chinchilla", source, out=tmp_path / "one", records=True, **options)
    js.merge_shards(tmp_path / "one", tmp_path / "one.parquet")
    fits = js.merge_shards(job, tmp_path / "three.parquet")
    for ending in ("parquet", "jsonl"):
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"three.{ending}").read_bytes()
    assert fits.to_frame(["corpus", "set"]).to_numpy().tolist() == [[f"set {k}", k] for k in range(COUNT)]


def test_a_set_is_fitted_as_it_would_be_alone(job, frame):
    alone = js.fit("chinchilla", frame[frame["corpus"] == "set 7"].drop(columns="corpus"), starts=8, intervals="quick")
    fits = js.read_fits(job)
    row = fits.to_frame().iloc[7]
    assert {name: row[name] for name in alone.params} == pytest.approx(alone.params, rel=1e-8)
    assert row["alpha_low"] == pytest.approx(alone.intervals.params["alpha"][0], rel=1e-6)
    assert list(row["codes"]) == list(dict.fromkeys(alone.verdict.codes))
    covariance = row["covariance"].reshape(5, 5)
    assert covariance == pytest.approx(alone.covariance.matrix, rel=1e-5)
    assert fits["set 7"].params == {name: row[name] for name in alone.params}


def test_a_part_that_is_whole_is_skipped_and_one_that_is_not_made_again(bad, tmp_path):
    call = {"shard": (2, 3), "out": tmp_path, "by": "corpus"}
    part = js.fit_shards("chinchilla", bad, **call).files[0]
    before = part.stat().st_mtime_ns
    seen = []
    js.fit_shards("chinchilla", bad, **call, progress=lambda *told: seen.append(told))
    assert part.stat().st_mtime_ns == before and seen == []
    whole = part.read_bytes()
    part.write_bytes(whole[:-9])
    with pytest.warns(js.DataWarning, match=r"shard 2/3 is made again: .*has [\d,]+ of [\d,]+ bytes"):
        js.fit_shards("chinchilla", bad, **call)
    assert part.read_bytes() == whole


def test_what_is_killed_leaves_no_part_and_is_done_by_the_same_call(bad, tmp_path):
    def stop(done, total, what):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        js.fit_shards("chinchilla", bad, out=tmp_path, by="corpus", progress=stop)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["job.json"]
    assert len(js.fit_shards("chinchilla", bad, out=tmp_path, by="corpus")) == COUNT


OTHERS = {
    "law": ({"law": "kaplan_nd"}, r"fits of law 'chinchilla', and this is of 'kaplan_nd'; give another folder"),
    "option": ({"seed": 1}, r"fits with option seed 0, and this is with 1; say the same again"),
    "reading": ({"loss_unit": "bits"}, r"fits with option loss_unit null, and this is with .bits."),
    "records": ({"records": True}, r"records false, and this is with true"),
    "shards": ({"shard": (1, 7)}, r"parts of 3 shards, and this is one of 7.*name the shard as in 3/3"),
    "no such shard": ({"shard": "8/7"}, r"there is no shard 8/7: shards are counted from 1 to 7"),
    "words": ({"shard": "8 of 7"}, r"a shard is given as 3/7.*got 8 of 7"),
    "no column": ({"by": "corpora"}, r"no column .corpora. to group by"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_wrong_use_is_told_and_changes_nothing(kind, bad, tmp_path):
    other, words = OTHERS[kind]
    call = {"law": "chinchilla", "source": bad, "by": "corpus", "shard": (1, 3), "out": tmp_path}
    js.fit_shards(**call)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(js.InputError, match=words):
        js.fit_shards(**call | other)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_other_sets_and_other_versions_are_told(bad, tmp_path, monkeypatch):
    js.fit_shards("chinchilla", bad, by="corpus", shard=(1, 3), out=tmp_path)
    with pytest.raises(js.InputError, match=r"fits of other sets \(36 of 'DataFrame', SHA-256 \w+; these are 36"):
        js.fit_shards("chinchilla", bad.assign(loss=-2.0), by="corpus", shard=(2, 3), out=tmp_path)
    monkeypatch.setattr("jaxscale._cluster.job.__version__", "9.9")
    with pytest.raises(js.InputError, match=r'version jaxscale ".*", and this is with "9.9"'):
        js.fit_shards("chinchilla", bad, by="corpus", shard=(2, 3), out=tmp_path)


def test_two_processes_at_one_shard_are_told(bad, tmp_path):
    with (
        locked(tmp_path, Shard(2, 3)),
        pytest.raises(js.InputError, match=r"at work on shard 2/3 .*\(host .*, process \d+\); if two arrays"),
    ):
        js.fit_shards("chinchilla", bad, by="corpus", shard=(2, 3), out=tmp_path)


def test_no_space_is_told_and_leaves_no_part(bad, tmp_path, monkeypatch):
    def full(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FitsWriter, "finish", full)
    with pytest.raises(js.InputError, match=r"no space is left; shard 1/1 was not written.*make room"):
        js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path)
    assert not [*tmp_path.glob("*.parquet")] and not [*tmp_path.glob("*.tmp")]


def test_a_file_that_may_grow_no_more_is_told_and_the_same_call_goes_on(bad, tmp_path):
    """By a limit of the operating system, which the part exceeds and the description of the job does not."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(js.InputError, match=r"no space is left; shard 1/1 was not written.*make room"):
            js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not [*tmp_path.glob("*.parquet")] and not [*tmp_path.glob(".*.tmp")]
    assert len(js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path)) == COUNT


def test_a_set_that_fails_each_time_is_a_row_with_its_reason(bad, tmp_path, monkeypatch):
    """The sets around it are fitted as a block of their own."""
    tries = []
    plain = blocks.fit_groups

    def failing(groups, reading, how):
        tries.append([group.name for group in groups])
        if any(group.name == "set 5" for group in groups):
            raise MemoryError("too large")
        return plain(groups, reading, how)

    monkeypatch.setattr(blocks, "fit_groups", failing)
    failures = js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path).failures
    assert failures["error_code"].value_counts().to_dict() == {"bad_input": COUNT - 1, "fit_failed": 1}
    assert failures["error"][5] == "fitting it failed 3 times: MemoryError: too large"
    assert tries.count(["set 5"]) == 3 and [name for name in tries[-1] if name == "set 5"] == []


def test_any_source_of_the_same_sets_gives_the_same_rows(bad, tmp_path):
    """A frame, a mapping and an iterator; only the hash of what was read differs."""
    parts = {name: rows.drop(columns="corpus") for name, rows in bad.groupby("corpus", sort=False)}
    errors = [
        js.fit_shards("chinchilla", source, by="corpus", shard=(2, 3), out=tmp_path / str(k)).to_frame(
            ["corpus", "set"]
        )
        for k, source in enumerate((bad, parts, iter(parts.items())))
    ]
    assert errors[0].equals(errors[1]) and errors[0].equals(errors[2])


class Deadly:
    """A table that ends any process but this one when it is read."""

    def __init__(self, rows):
        self.rows, self.home = rows, os.getpid()

    def to_pandas(self):
        if os.getpid() != self.home:
            os._exit(9)
        return self.rows


@pytest.mark.slow
def test_a_set_that_kills_its_process_is_a_row_after_three_deaths(bad, tmp_path):
    """A process that dies at a block three times leaves a note of it; the fourth tries each set in a child."""
    frames = {"a set": Deadly(bad.head(20)), "another": bad.tail(20)}
    note = tmp_path / ".part-00001-of-00001.begun"
    note.write_text('{"0": 3}')
    fits = js.fit_shards("chinchilla", frames.items(), by="corpus", out=tmp_path)
    assert fits.failures["error_code"].tolist() == ["worker_died", "bad_input"]
    assert fits.failures["error"][0] == "the process that fitted it died 3 times, last with status 9"
    assert not note.exists()


def test_what_is_said_and_holds_unsaid_makes_the_same_job(bad, tmp_path):
    """The command line says all its options; Python and it may share a folder, and their bytes are the same."""
    told = {"loss_unit": None, "on_bad": "raise", "where": ()}
    for folder, more in (("one", {}), ("other", told)):
        js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path / folder, **more)
    one, other = (next((tmp_path / k).glob("*.parquet")).read_bytes() for k in ("one", "other"))
    assert one == other
    with pytest.raises(js.InputError, match="loss_unit"):
        js.fit_shards("chinchilla", bad, by="corpus", out=tmp_path / "one", loss_unit="bits")
