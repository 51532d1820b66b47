"""Comparing laws from a shell: the same numbers as in Python, laws with options, and what is refused."""

import json

import pytest

import jaxscale as js
from jaxscale._cli import printing


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A fresh folder with the demo table under other names, a wide terminal, and no word of progress."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(printing, "_SLOW", 600)
    frame = js.synthetic.demo_frame().rename(columns={"loss": "val"}).assign(recipe=["a", "b", "c"] * 18)
    frame.to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path


def test_the_file_is_that_of_the_same_call_in_python(jaxscale, folder):
    flags = ("--laws", "chinchilla", "--holdout", "flops > 1e20", "--leave-out", "recipe", "--loss", "val")
    status, out, err = jaxscale("compare", "runs.csv", *flags, "-o", "trial.json")
    assert (status, out) == (0, "")
    assert "Recommended: chinchilla" in err
    written = json.loads((folder / "trial.json").read_text())
    found = js.compare("runs.csv", "chinchilla", holdout="flops > 1e20", leave_out="recipe", loss="val")
    assert written == json.loads(json.dumps(found.to_dict()))
    assert [h["label"] for h in written["holdout"]] == ["flops > 1e20", "recipe == a", "recipe == b", "recipe == c"]


def test_the_report_begins_with_the_recommendation(jaxscale):
    status, out, _ = jaxscale(
        "compare", "runs.csv", "--laws", "chinchilla", "--rolling", "C", "--cuts", "2", "--loss", "val"
    )
    assert status == 0
    first, second, *_ = out.splitlines()
    assert first == "1 law · loss · 2 hold-outs · Huber 0.001 on logs"
    assert second == "Recommended: chinchilla"
    assert "(nearest run)" in out and "C > 2e20" in out


def test_laws_are_told_apart_by_commas_outside_brackets_and_take_options(monkeypatch, jaxscale):
    asked = []
    monkeypatch.setattr(js, "compare", lambda runs, laws, **_: asked.extend(laws) or js.laws.get("nothing"))
    jaxscale(
        "compare",
        "runs.csv",
        "--laws",
        "chinchilla, bnsl(breaks=2, variable=C),power_law(floor=false)",
        "--rolling",
        "D",
    )
    assert [js.laws.label_of(law) for law in asked] == [
        "chinchilla", "bnsl(breaks=2, variable=C)", "power_law(floor=False)",
    ]  # fmt: skip
    assert asked[1] is js.laws.bnsl(2, "C")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--laws", "chinchilla"), "say which runs to hold out"),
        (("--laws", "chinchilla,", "--rolling", "C"), "--laws takes names"),
        (("--laws", "bnsl(breaks=99)", "--rolling", "C"), "breaks from 0 to 9"),
        (("--laws", "bnsl(bends=1)", "--rolling", "C"), "has no option 'bends'"),
        (("--laws", "chinchilla", "--holdout", "size > 3"), "there is no column 'size' (hold-out"),
        (("--laws", "chinchilla", "--holdout", "flops"), "hold-out 'flops' must read COLUMN OP VALUE"),
        (("--laws", "chinchilla", "--holdout", "flops > 1", "--col", "E=recipe"), "has no variable 'E'"),
    ],
)
def test_what_is_wrong_is_said(jaxscale, flags, message):
    status, out, err = jaxscale("compare", "runs.csv", "--loss", "val", *flags)
    assert (status, out) == (2, "")
    assert message in err
