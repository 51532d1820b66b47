"""Merging: every part there and what was written, or the call that makes it."""

import json
import shutil
from importlib.resources import files

import jsonschema
import pytest

import jaxscale as js


@pytest.fixture
def copy(job, tmp_path):
    return shutil.copytree(job, tmp_path / "fits")


def test_a_missing_part_is_named_with_the_call_that_makes_it(bad, tmp_path):
    for k in (1, 4):
        js.fit_shards(
            "chinchilla", bad, by="corpus", shard=(k, 5), out=tmp_path, command="jaxscale fit x --shard {shard} -o y"
        )
    words = r"3 parts of 5 not there: 2/5, 3/5, 5/5. To make the first: jaxscale fit x --shard 2/5 -o y$"
    with pytest.raises(js.InputError, match=words):
        js.merge_shards(tmp_path, tmp_path / "fits.parquet")
    assert [shard.index for shard in js.read_fits(tmp_path).missing] == [2, 3, 5]


def edit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def other_job(path):
    path = path.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"job_sha256": "0" * 64}))


def as_another(path):
    for ending in ("parquet", "json", "jsonl"):
        shutil.copy(path.with_suffix(f".{ending}"), path.parent / f"part-00002-of-00004.{ending}")


def twice(path):
    first = path.with_name("part-00001-of-00003.json")
    told = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(told | {"first": json.loads(first.read_text())["first"]}))


BROKEN = {
    "edited": (edit, r"part 2/3 cannot be used: .* was changed after it was written; delete part-00002-of-00003"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:100]), r"has 100 of [\d,]+ bytes"),
    "gone": (lambda path: path.unlink(), r"part-00002-of-00003.parquet. is not there"),
    "no records": (lambda path: path.with_suffix(".jsonl").unlink(), r"part-00002-of-00003.jsonl. is not there"),
    "of another job": (other_job, r"part 2/3 is of other options, sets or versions"),
    "one too many": (as_another, r"part-00002-of-00004.parquet. is no part of this job"),
    "sets of another": (twice, r"part 2/3 holds sets of another"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_part_that_is_not_what_was_written_is_told(kind, copy):
    breaking, words = BROKEN[kind]
    breaking(copy / "part-00002-of-00003.parquet")
    with pytest.raises(js.InputError, match=words):
        js.merge_shards(copy, copy.parent / "fits.parquet")
    assert not (copy.parent / "fits.parquet").exists()


def test_job_and_manifest_are_what_their_schemas_say(job):
    for schema, file in (("job", "job.json"), ("part", "part-00002-of-00003.json")):
        document = json.loads((job / file).read_text())
        text = (files("jaxscale") / "schemas" / f"{schema}.json").read_text("utf-8")
        validator = jsonschema.Draft202012Validator(json.loads(text))
        validator.validate(document)
        for name in document:
            assert not validator.is_valid({key: value for key, value in document.items() if key != name})


def test_what_is_no_folder_of_fits_is_told(tmp_path):
    with pytest.raises(js.InputError, match=r"there is no folder"):
        js.merge_shards(tmp_path / "fits")
    with pytest.raises(js.InputError, match=r"is no folder of fits: it has no job.json"):
        js.merge_shards(tmp_path)


def test_without_a_file_parts_are_only_checked(job, tmp_path):
    assert len(js.merge_shards(job)) == 36
    with pytest.raises(js.InputError, match=r"is a folder; name a file in it"):
        js.merge_shards(job, tmp_path)
