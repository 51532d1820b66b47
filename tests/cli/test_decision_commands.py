"""Commands that decide: they call one public function with what was written."""

import json

import pytest

import jaxscale as js

TWO = ("old=chinchilla:besiroglu", "new=chinchilla:sardana")


def test_multiplier(jaxscale, folder):
    status, out, _ = jaxscale("multiplier", *TWO, "--budget", "1e22", "--between", "new,old", "--json")
    published = js.laws.chinchilla.published
    expected = js.multiplier({"new": published["sardana"], "old": published["besiroglu"]}, at=1e22)
    assert (status, json.loads(out)) == (0, expected.to_dict())
    status, out, _ = jaxscale("multiplier", *TWO, "--reach", "2.1", "--max-tokens", "1e13")
    assert status == 0 and "new reaches the loss that old reaches at" in " ".join(out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (TWO, "give --budget or --reach"),
        ((TWO[0], "--budget", "1e22"), "name two recipes or more, the baseline first; got 'old'"),
        ((*TWO, "--budget", "1e22", "--between", "old,newer"), "there is no recipe 'newer'; there are 'old', 'new'"),
        ((TWO[0], "old=chinchilla:sardana", "--budget", "1e22"), "two recipes are called 'old'"),
        ((*TWO, "--budget", "1e22", "--threshold", "2"), "threshold is a share of compute"),
        ((*TWO, "missing.json", "--budget", "1e22"), "'missing.json' is not a file that exists"),
        ((*TWO, "--reach", "1.5"), "the baseline old reaches no loss of 1.5"),
    ],
)
def test_recipes_that_cannot_be_compared(jaxscale, words, message):
    status, out, err = jaxscale("multiplier", *words)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())


def test_forecast_and_score(jaxscale, folder):
    fit = js.fit("chinchilla", js.read_runs("runs.csv"), intervals="quick")
    fit.save("fit.json")
    assert jaxscale("forecast", "fit.json", "--at", "N=1B,D=20B", "--at", "N=2B,D=20B", "-o", "said.json")[0] == 0
    expected = js.forecast(fit, [{"N": 1e9, "D": 2e10}, {"N": 2e9, "D": 2e10}])
    assert js.read_forecast("said.json").to_dict() == expected.to_dict()
    (folder / "new.csv").write_text("N,D,loss\n1e9,2e10,2.9\n")
    status, out, _ = jaxscale("score", "new.csv", "said.json", "--json")
    assert (status, json.loads(out)) == (0, js.score("said.json", "new.csv").to_dict())
    assert "give --at or --budget, one of the two" in jaxscale("forecast", "fit.json")[2]
    assert "is no file that jaxscale wrote" in jaxscale("score", "new.csv", "runs.csv")[2]
