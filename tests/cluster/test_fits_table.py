"""Questions to files of fits: what the records themselves say, by another road."""

from collections import Counter

import pandas as pd
import pytest

import jaxscale as js


@pytest.fixture(scope="module")
def fits(job):
    return js.read_fits(job)


def test_counts_are_those_of_the_records(fits):
    records = {f"set {k}": fits[f"set {k}"] for k in range(1, 36)}
    codes = Counter(code for fit in records.values() for code in set(fit.verdict.codes))
    assert fits.codes == dict(codes) and len(fits) == 36
    trusted = sum(fit.verdict.trustworthy for fit in records.values())
    assert fits.summary == f"{trusted} trustworthy, {35 - trusted} not, 1 failed" and fits.untrustworthy == 36 - trusted
    assert fits.to_dict()["codes"] == dict(codes) and fits.to_dict()["trustworthy"] == trusted
    expected = [[name, *(x for p in fit.params for x in (fit.params[p], *fit.intervals.params[p]))]
                for name, fit in records.items()]  # fmt: skip
    assert fits.parameters.to_numpy().tolist() == expected


def test_a_failure_has_its_number_and_its_reason(fits):
    (row,) = fits.failures.to_dict("records")
    assert (row["corpus"], row["set"], row["error_code"]) == ("set 0", 0, "bad_input") and "-1.0" in row["error"]
    with pytest.raises(js.InputError, match=r"set .set 0. has no fit: column 'loss'"):
        fits["set 0"]


def test_the_report_says_how_many_and_why(fits):
    text = str(fits)
    assert text.startswith("chinchilla · 36 sets by corpus") and fits.summary in text and "bad_input: " in text
    for code in fits.codes:
        assert code in text


def test_what_is_not_there_is_told(fits, bad, tmp_path):
    with pytest.raises(js.InputError, match=r"there is no set .set 99.$"):
        fits["set 99"]
    part = js.fit_shards("chinchilla", bad, by=["corpus", "N"], shard=(1, 9), out=tmp_path / "some")
    with pytest.raises(js.InputError, match=r"no set .x, 1.; 8 parts not there: 2, 3, 4"):
        js.read_fits(tmp_path / "some")["x, 1"]
    with pytest.raises(js.InputError, match="a value for each of corpus, N"):
        part["x"]
    with pytest.raises(js.InputError, match="there is no file or folder"):
        js.read_fits(tmp_path / "nothing")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(js.InputError, match="is no file of fits that fit_shards or merge_shards wrote"):
        js.read_fits(tmp_path / "other.parquet")


def test_without_records_the_numbers_are_there_and_the_fit_is_not(job, tmp_path):
    fits = js.merge_shards(job, tmp_path / "fits.parquet")
    (tmp_path / "fits.jsonl").unlink()
    with pytest.raises(js.InputError, match=r"are not there: 'fits.jsonl' is missing.*Fit with records=True"):
        fits["set 3"]


def test_a_set_of_several_columns_is_found_by_its_values(bad, tmp_path):
    fits = js.fit_shards("chinchilla", bad.assign(width=64, ok="a, b"), by=["corpus", "width", "ok"], out=tmp_path)
    assert list(fits.to_frame().columns[:4]) == ["corpus", "width", "by_ok", "set"]
    for group in (("set 3", 64, "a, b"), 'set 3, 64, "a, b"'):
        with pytest.raises(js.InputError, match=r"has no fit: column 'loss'"):
            fits[group]
