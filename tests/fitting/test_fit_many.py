"""Many fits: groups from columns, mappings and streams, each as alone."""

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale._fitting import fit_groups

BROKEN = {
    "a bad cell": {"N": 1e8, "D": 1e10, "loss": -1.0, "corpus": "broken"},
    "a lone run": {"N": 1e8, "D": 1e10, "loss": 3.0, "corpus": "broken"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_group_disturbs_no_other(kind, groups):
    clean = js.fit_many("chinchilla", groups, by="corpus", intervals="quick")
    more = pd.concat([groups, pd.DataFrame([BROKEN[kind]])], ignore_index=True)
    fits = js.fit_many("chinchilla", more, by="corpus", intervals="quick")
    assert len(fits) == len(clean) + 1 == 4
    assert fits.to_dict()["fits"][:3] == clean.to_dict()["fits"]
    name, item = list(fits)[3]
    assert name == "broken"
    if isinstance(item, js.FitResult):
        assert not item.verdict.trustworthy and "too_few_runs" in item.verdict.codes
    else:
        assert "loss" in item.text and "181" in item.text  # the row number of the whole table


def test_each_group_is_the_fit_of_its_rows_alone(groups):
    fits = js.fit_many("chinchilla", groups, by="corpus", intervals=None)
    for name, item in fits:
        alone = js.fit("chinchilla", groups[groups["corpus"] == name].drop(columns="corpus"), intervals=None)
        assert item.params == pytest.approx(alone.params, rel=1e-10)
        assert fits[name] is item


STACKED = {
    "a few short ones": ({40: 3, 150: 20}, [(23, 256)]),
    "many short ones": ({40: 17, 150: 2}, [(17, 64), (2, 256)]),
    "few of each size": ({40: 1, 100: 1, 150: 1}, [(3, 256)]),
    "long ones": ({600: 2, 1100: 2}, [(2, 1024), (2, 2048)]),
    "very short ones": ({9: 2, 16: 3}, [(5, 16)]),
    "very short ones among others": ({9: 40, 17: 1}, [(41, 64)]),
    "one too many": ({40: 257}, [(128, 64), (129, 64)]),
}


@pytest.mark.parametrize(("sizes", "expected"), STACKED.values(), ids=list(STACKED))
def test_few_shapes_are_compiled_for_tables_of_all_sizes(sizes, expected, monkeypatch):
    """How many tables stand side by side, and the rows that they are padded to."""
    met = []

    def noted(stack, runs, how):
        met.append((len(runs), stack.stages[-1].points.response.shape[-1]))
        return [js.InputError("not fitted")] * len(runs)

    monkeypatch.setattr(fit_groups, "fit_stack", noted)
    N = np.geomspace(1e7, 1e10, 1100)
    runs = {n: js.Runs({"N": N[:n], "D": 20 * N[:n]}, 3 - 0.1 * np.log10(N[:n])) for n in sizes}
    tables = {f"{n} {k}": runs[n] for n, count in sizes.items() for k in range(count)}
    fits = js.fit_many("chinchilla", tables, intervals=None)
    assert sorted(met) == sorted(expected) and [name for name, _ in fits] == list(tables)


def test_a_stream_of_groups_gives_the_same_rows_and_holds_few(groups):
    """An iterator in, frames out: no group is read before its chunk is asked for."""
    parts = {name: js.Runs.from_frame(part.drop(columns="corpus")) for name, part in groups.groupby("corpus")}
    asked = []

    def pairs():
        for name, runs in [*parts.items(), ("broken", groups.head(0))]:
            asked.append(name)
            yield name, runs

    stream = js.fit_stream("chinchilla", pairs(), by="corpus", intervals=None)
    assert asked == []
    frame = pd.concat(stream, ignore_index=True)
    assert asked == [*parts, "broken"] and frame["ok"].tolist() == [True] * 3 + [False]
    pd.testing.assert_frame_equal(
        frame.iloc[:3], js.fit_many("chinchilla", iter(parts.items()), by="corpus", intervals=None).to_frame(),
        check_dtype=False,
    )  # fmt: skip


def test_groups_may_come_as_a_mapping(groups):
    parts = {name: js.Runs.from_frame(part.drop(columns="corpus")) for name, part in groups.groupby("corpus")}
    together = js.fit_many("chinchilla", parts, intervals=None)
    assert [name for name, _ in together] == list(parts)
    by_column = js.fit_many("chinchilla", groups, by="corpus", intervals=None)
    for name in parts:
        assert together[name].params == pytest.approx(by_column[name].params, rel=1e-10)


def test_a_table_without_the_column_to_group_by_is_refused(frame):
    with pytest.raises(js.InputError, match=r"no column .corpus. to group by; the table has N, D, loss"):
        js.fit_many("chinchilla", frame, by="corpus")


def test_groups_may_be_of_several_columns(groups, tmp_path):
    """Each combination that occurs is the fit of its rows alone; the frame and the file have its values."""
    more = groups.assign(width=np.where(np.arange(len(groups)) % 2, 64, 128))
    more.loc[more["corpus"] == "set 1", "width"] = 64
    fits = js.fit_many("chinchilla", more, by=["corpus", "width"], intervals=None)
    kinds = list(dict.fromkeys(zip(more["corpus"], more["width"].tolist(), strict=True)))
    assert fits.by == fits.by_columns == ("corpus", "width") and fits.values == tuple(kinds) and len(kinds) == 5
    assert [name for name, _ in fits] == [f"{corpus}, {width}" for corpus, width in kinds]
    for corpus, width in kinds:
        rows = more[(more["corpus"] == corpus) & (more["width"] == width)].drop(columns=["corpus", "width"])
        alone = js.fit("chinchilla", rows, intervals=None)
        assert fits[corpus, width].params == pytest.approx(alone.params, rel=1e-10)
        assert fits[f"{corpus}, {width}"] is fits[corpus, width]
    frame = fits.to_frame()
    assert list(frame[["corpus", "width"]].itertuples(index=False, name=None)) == kinds
    assert (
        frame.merge(more.groupby(["corpus", "width"]).size().rename("count"), on=["corpus", "width"])
        .eval("runs == count")
        .all()
    )
    assert "corpus, width" in str(fits) and "5 groups by corpus, width" in repr(fits)
    fits.save(tmp_path / "fits.json")
    loaded = js.load(tmp_path / "fits.json")
    pd.testing.assert_frame_equal(loaded.to_frame(), frame)
    assert loaded.to_dict() == fits.to_dict() and loaded.by == fits.by and loaded.values == fits.values
    stream = pd.concat(js.fit_stream("chinchilla", more, by=["corpus", "width"], intervals=None))
    pd.testing.assert_frame_equal(stream, frame)
    pairs = {kind: more[(more["corpus"] == kind[0]) & (more["width"] == kind[1])] for kind in kinds}
    mapped = js.fit_many("chinchilla", pairs, by=["corpus", "width"], intervals=None)
    pd.testing.assert_frame_equal(mapped.to_frame(), frame)


def test_groups_of_one_column_in_a_list_are_those_of_the_column(groups):
    one, listed = (js.fit_many("chinchilla", groups, by=by, intervals=None) for by in ("corpus", ["corpus"]))
    assert one.to_dict() == listed.to_dict() and listed.by == "corpus"


def test_groups_of_several_columns_share_parameters(groups):
    more = groups.assign(width=np.where(np.arange(len(groups)) % 2, 64, 128))
    fits = js.fit_many("chinchilla", more, by=["corpus", "width"], share="alpha", intervals=None)
    assert len({item.params["alpha"] for _, item in fits}) == 1 and len(fits) == 6
    assert sorted(fits.to_frame()["width"]) == [64] * 3 + [128] * 3


def test_a_missing_value_is_a_group_of_its_own(groups):
    more = groups.assign(width=[None, 1.5] * (len(groups) // 2))
    frame = js.fit_many("chinchilla", more, by=["corpus", "width"], intervals=None).to_frame()
    assert len(frame) == 6 and frame["width"].isna().sum() == 3 and frame["ok"].all()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (["corpus", "depth"], r"no column 'depth' to group by; the table has N, D, loss, corpus"),
        ([], "by takes a column"),
        (["corpus", "corpus"], "by takes a column, or several that differ"),
    ],
)
def test_columns_that_cannot_be_grouped_by_are_refused(by, message, groups):
    with pytest.raises(js.InputError, match=message):
        js.fit_many("chinchilla", groups, by=by)


@pytest.mark.parametrize("share", [(), "alpha"])
@pytest.mark.parametrize("kind", ["a table", "a mapping", "an iterator"])
def test_two_groups_of_one_name_are_refused(kind, share, groups):
    """1 and "1" are two values of a column and two keys of a mapping, but one name."""
    part = groups[groups["corpus"] == "set 0"].drop(columns="corpus")
    several = [(1, part), ("two", part), ("1", part)]
    data = {
        "a table": pd.concat(
            [rows.assign(group=pd.Series([name] * len(rows), rows.index, object)) for name, rows in several]
        ),
        "a mapping": dict(several),
        "an iterator": iter(several),
    }[kind]
    with pytest.raises(js.InputError, match=r"two groups are called '1'; give each a name of its own"):
        js.fit_many("chinchilla", data, share=share, intervals=None)


def test_a_stream_stops_at_a_second_group_of_one_name(groups):
    stream = js.fit_stream("chinchilla", iter([("a", groups), ("a", groups)]), intervals=None)
    with pytest.raises(js.InputError, match="two groups are called 'a'"):
        next(stream)


def test_a_mapping_of_groups_of_several_columns_has_tuples_for_keys(groups):
    with pytest.raises(js.InputError, match=r"group 'c4' needs a tuple of 2 values.*\['corpus', 'width'\]"):
        js.fit_many("chinchilla", {"c4": groups}, by=["corpus", "width"])


def test_an_unknown_option_of_fit_many_is_refused(groups):
    with pytest.raises((TypeError, js.InputError), match="huber_delta"):
        js.fit_many("chinchilla", groups, by="corpus", huber_delta=1e-3)
