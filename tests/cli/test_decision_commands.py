"""Commands that decide: they call one public function with what was written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from studies import under_way

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


def test_watch(jaxscale, folder):
    p, loss, _ = under_way.curves("cosine", "Gaussian", 6, np.random.default_rng(0))
    runs = under_way.table(p, loss, 0.4)
    frame = runs.to_frame().rename(columns={"D": "tokens"})
    frame.assign(tokens=1e9 * frame["tokens"]).to_csv(folder / "curves.csv", index=False)
    words = ("watch", "curves.csv", "new", "--until", "1B")
    status, out, _ = jaxscale(*words, "--goal", "2.0", "--without", "run 1", "--json")
    assert (status, json.loads(out)) == (
        0, js.watch("curves.csv", "new", 1e9, goal=2.0, without=["run 1"]).to_dict()
    )  # fmt: skip
    assert "Stop it: it ends at" in jaxscale(*words, "--goal", "1.5")[1]
    assert "no run 'old'; there are" in jaxscale("watch", "curves.csv", "old")[2]
    p, loss, _ = under_way.curves("decay", "Gaussian", 6, np.random.default_rng(0), "cosine", "constant")
    frame = under_way.crossed(p, loss, 0.4, "decay", ("cosine", "constant")).to_frame().rename(columns={"D": "tokens"})
    frame.assign(tokens=1e9 * frame["tokens"]).to_csv(folder / "crossed.csv", index=False)
    words = ("watch", "crossed.csv", "new", "--until", "1B", "--lr", "lr")
    status, out, _ = jaxscale(*words, "--ahead", ".8=1,1=.1", "--json")
    expected = js.watch("crossed.csv", "new", 1e9, lr="lr", ahead={0.8: 1, 1: 0.1}).to_dict()
    assert (status, json.loads(out)) == (0, expected)
    assert jaxscale(*words, "--ahead", "run 0")[0] == 0
    assert "--ahead takes SHARE=RATE" in jaxscale(*words, "--ahead", "1=")[2]
    assert "no finished run 'lr=3'" in jaxscale(*words, "--ahead", "lr=3")[2]


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


@pytest.fixture
def models(folder) -> dict:
    """A table of nine models of three families, and what `js.skills` is called with for it."""
    N = [1e9, 7e9, 7e10, 2e9, 9e9, 3e10, 5e8, 3e9, 1.3e10]
    D = [1e12] * 3 + [2e12] * 3 + [3e11] * 3
    x = np.log(np.array(N) * np.array(D)) - 50
    columns = {"family": list("aaabbbccc"), "params": N, "tokens": D}
    scores = {"mmlu": 0.25 + 0.75 / (1 + np.exp(-0.4 * x)), "gsm8k": 1 / (1 + np.exp(1 - 0.6 * x))}
    pd.DataFrame(columns | scores).to_csv("models.csv", index=False)
    return {"scores": ["mmlu", "gsm8k"], "N": "params", "D": "tokens", "family": "family"}


def test_skills(jaxscale, models):
    options = ("--scores", "mmlu,gsm8k", "-N", "params", "-D", "tokens", "--chance", "mmlu=.25", "--number", "1")
    at = ("--at", "N=70B,D=15T,family=b")
    expected = js.skills("models.csv", **models, chance={"mmlu": 0.25}, number=1)
    told = expected.foretell([{"N": 7e10, "D": 1.5e13, "family": "b"}])
    status, out, _ = jaxscale("skills", "models.csv", *options, *at, "--json")
    assert (status, json.loads(out)) == (0, told.to_dict())
    assert jaxscale("skills", "models.csv", *options, "-o", "skills.json", "--plot", "skills.png")[0] == 0
    assert js.Skills.load("skills.json").to_dict() == expected.to_dict()
    assert Path("skills.png").read_bytes()[:4] == b"\x89PNG"
    status, out, _ = jaxscale("skills", "skills.json", *at, "--way", "skills")
    assert status == 0 and "b, N 70B, D 15T" in out
    assert f"{expected.predict(N=7e10, D=1.5e13, family='b', by='skills')['mmlu']:.3f}" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("models.csv",), "give --scores"),
        (("models.csv", "--scores", "mmlu,gsm8k"), "no column 'N'"),
        (("models.csv", "--scores", "mmlu,gsm8k", "--chance", "mmlu"), "--chance takes COL=SHARE"),
        (("skills.json", "--at", "N=70B"), "--at takes N=X,D=X,family=NAME, got 'N=70B'"),
        (("skills.json", "--at", "N=70B,D=x,family=a"), "--at D"),
        (("skills.json", "--at", "N=70B,D=1T,family=z"), "there is no family 'z'; there are 'a', 'b', 'c'"),
        (("skills.json", "--at", "N=70B,D=1T,family=a", "--way", "luck"), "(--way) is one of"),
    ],
)
def test_skills_that_cannot_be_told(jaxscale, models, words, message):
    js.skills("models.csv", **models, number=1).save("skills.json")
    status, out, err = jaxscale("skills", *words)
    assert (status, out) == (2, "")
    assert message in " ".join(err.split())
