"""Questions to a finished fit from a shell: the answer is that of the Python function."""

import json

import pytest
from helpers import table_text

import jaxscale as js

QUANTITY = ("N", "--budget", "100 PF-days")
BUDGET = 1e17 * 86400  # the same in FLOPs


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A fit of the thirty runs, as a file, without intervals."""
    folder = tmp_path_factory.mktemp("fitted")
    (folder / "runs.csv").write_text(table_text())
    result = js.fit("chinchilla", str(folder / "runs.csv"), intervals=None)
    result.save(folder / "fit.json")
    return result, str(folder / "fit.json")


def test_show_prints_what_fit_printed(jaxscale, fitted):
    result, file = fitted
    status, out, err = jaxscale("show", file)
    assert (status, err) == (0, "") and out.startswith("chinchilla") and "Parameters" in out
    assert all(f"{value:.6g}" in out for value in result.params.values())
    status, _, err = jaxscale("show", "chinchilla:besiroglu")
    assert status == 2 and "jaxscale laws" in err


def test_card_prints_markdown_and_writes_data(jaxscale, fitted, folder):
    _, file = fitted
    expected = js.load(file).card()
    assert jaxscale("card", file) == (0, expected.to_markdown(), "")
    status, out, _ = jaxscale("card", file, "-o", "card.json", "--json")
    assert (status, json.loads(out)) == (0, expected.to_dict())
    assert json.loads((folder / "card.json").read_text()) == json.loads(out)
    assert jaxscale("card", file, "-o", "card.md") == (0, "", "wrote 'card.md'\n")
    assert (folder / "card.md").read_text() == expected.to_markdown()


def test_report_passes_what_it_is_given_on(jaxscale, fitted, folder, monkeypatch):
    asked = []

    def report(self, path=None, **told):
        asked.append((self.params, path and str(path), told))
        return "the report\n"

    monkeypatch.setattr(js.FitResult, "report_html", report)
    (folder / "plan.json").write_text("{}")
    told = {"plans": ["plan.json"], "compare": None, "title": "x"}
    status, out, err = jaxscale("report", fitted[1], "--plan", "plan.json", "--title", "x", "-o", "r.html")
    assert (status, out) == (0, "") and err.startswith("wrote 'r.html': ")
    assert jaxscale("report", fitted[1]) == (0, "the report\n", "")
    assert asked[0] == (fitted[0].params, "r.html", told)
    assert asked[1][1:] == (None, {"form": "md", "plans": (), "compare": None, "title": ""})


def test_profile_and_influence_pass_every_choice_on(jaxscale, fitted, monkeypatch):
    asked = []
    for name in ("profile", "influence"):
        monkeypatch.setattr(js, name, lambda of, **choices: asked.append((of.params, choices)) or js.laws.get("none"))
    jaxscale("profile", fitted[1], *QUANTITY, "--level", ".8")
    jaxscale("influence", fitted[1], "--at", "N=70B,D=1.4T", "--cost", "days:512,h100", "--together", "2", "--one-step")
    (params, first), (_, second) = asked
    assert params == fitted[0].params
    assert first == {"quantity": "N", "budget": BUDGET, "cost": js.costs.six_nd, "at": None, "level": 0.8}
    assert second.pop("cost").unit == "days"
    at = {"N": 70e9, "D": 1.4e12}
    assert second == {"quantity": None, "budget": None, "at": at, "together": 2, "exact": False}


@pytest.mark.slow
def test_profile(jaxscale, fitted):
    result, file = fitted
    status, out, _ = jaxscale("profile", file, *QUANTITY, "--level", ".8", "--json")
    found, expected = json.loads(out), js.profile(result, "N", budget=BUDGET, level=0.8)
    assert status == 0 and found["quantity"]["name"] == expected.quantity.name
    assert (found["estimate"], found["low"], found["high"]) == (expected.estimate, *expected.interval)
    assert found["rows"][0]["alpha"] == expected.to_frame()["alpha"].iloc[0]
    assert str(expected.quantity.shown(expected.low)) in jaxscale("profile", file, *QUANTITY, "--level", ".8")[1]


@pytest.mark.slow
def test_profile_of_a_prediction_and_of_a_parameter(jaxscale, fitted):
    result, file = fitted
    out = jaxscale("profile", file, "--at", "N=70B,D=1.4T", "--json")[1]
    assert json.loads(out)["low"] == js.profile(result, at={"N": 70e9, "D": 1.4e12}).low
    assert json.loads(jaxscale("profile", file, "beta", "--json")[1])["high"] == js.profile(result, "beta").high


@pytest.mark.slow
def test_influence(jaxscale, fitted):
    result, file = fitted
    status, out, _ = jaxscale("influence", file, "--budget", "100 PF-days", "--one-step", "--together", "2", "--json")
    found, expected = json.loads(out), js.influence(result, budget=BUDGET, exact=False, together=2)
    assert status == 0 and found["exact"] is False
    assert found["change"] == expected.change.tolist()
    assert [row["pull"] for row in found["rows"]] == expected.pull.tolist()
    assert [left["rows"] for left in found["together"]] == [list(left.rows) for left in expected.together]


def test_bootstrap_writes_draws_that_are_planned_with(jaxscale, fitted, folder):
    result, file = fitted
    status, out, err = jaxscale("bootstrap", file, "--draws", "20", "--seed", "3", "-o", "draws.json")
    assert (status, out) == (0, "") and err.startswith("wrote 'draws.json'")
    expected = js.bootstrap(result, draws=20, seed=3)
    assert json.loads((folder / "draws.json").read_text()) == expected.to_dict()


def test_multiverse_passes_every_choice_on(jaxscale, monkeypatch):
    asked = []
    monkeypatch.setattr(js, "multiverse", lambda runs, **choices: asked.append((runs, choices)) or js.laws.get("none"))
    words = ("--budget", "$2M", "--cost", "dollars:h100,price=2", "--laws", "chinchilla,kaplan_nd", "--seed", "4")
    jaxscale("multiverse", "runs.csv", *words, "--where", "tokens > 3B")
    [(runs, choices)] = asked
    assert (runs.count, choices["budget"], choices["cost"].unit, choices["seed"]) == (24, 2e6, "dollars", 4)
    assert choices["laws"] == [js.laws.chinchilla, js.laws.get("kaplan_nd")]


@pytest.mark.slow
def test_multiverse(jaxscale):
    status, out, _ = jaxscale("multiverse", "runs.csv", "--budget", "1e22", "--json")
    found, expected = json.loads(out), js.multiverse("runs.csv", budget=1e22)
    assert status == 0 and found["choices"]["objective"] == list(expected.choices["objective"])
    assert [row["N"] for row in found["rows"]] == expected.frame["N"].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("card", "chinchilla:besiroglu"), "is no fit, and this needs its runs"),
        (("profile", "missing.json", "alpha"), "'missing.json' is not a file that exists"),
        (("profile", "FILE", "gamma"), "no parameter 'gamma'"),
        (("profile", "FILE"), "name a quantity: a parameter (A, B, E, alpha, beta), N, D, loss"),
        (("bootstrap", "FILE", "--kind", "wild"), "--kind pairs"),
        (("profile", "FILE", "N", "--budget", "$2M"), "--budget: '$2M' is in dollars"),
        (("profile", "FILE", "alpha", "--level", "most"), "--level: 'most' is not a number"),
        (("influence", "FILE", "--together", "0"), "--together takes a whole number from 1 on"),
        (("influence", "FILE", "--at", "N=1B"), "wants N, D"),
        (("bootstrap", "FILE", "--draws", "few"), "--draws takes a whole number"),
        (("bootstrap", "FILE", "--kind", "odd"), "kind must be 'pairs', 'bayesian' or 'wild'"),
        (("report", "FILE", "-o", "r.pdf"), "give a name that ends in .html, .md or .json"),
        (("report", "FILE", "--plan", "FILE"), "not jaxscale.plan/1; make one by jaxscale frontier"),
        (("report", "FILE", "--compare", "no.json"), "cannot read no.json"),
        (("multiverse", "runs.csv"), "--budget"),
        (("multiverse", "runs.csv", "--budget", "1e22", "--laws", "chin"), "'chin'"),
    ],
)
def test_what_cannot_be_asked_of_a_fit(jaxscale, fitted, arguments, message):
    status, out, err = jaxscale(*(fitted[1] if word == "FILE" else word for word in arguments))
    assert (status, out) == (2, "")
    assert message in err
