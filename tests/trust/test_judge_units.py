"""Impossible values are found in tables of text, never in sound ones or in those of other things."""

from types import SimpleNamespace

import numpy as np
import pytest

import jaxscale as js
from jaxscale._data.runs import Runs
from jaxscale._trust.judge_units import unit_checks

pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
LAW = js.laws.chinchilla
TRUTHS = [LAW.published[name].params for name in ("besiroglu", "hoffmann_tex")]


def table(seed: int) -> dict[str, np.ndarray]:
    """A sound table: 6 to 60 runs around 2 to 2,000 tokens per parameter, with up to 5 % of noise."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(6, 61))
    N = np.exp(rng.uniform(np.log(1e5), np.log(10 ** rng.uniform(8, 12)), count))
    D = N * np.exp(rng.uniform(np.log(2), np.log(10 ** rng.uniform(1, 3.3)), count))
    loss = LAW.predict(TRUTHS[seed % 2], N=N, D=D) * np.exp(10 ** rng.uniform(-3, -1.3) * rng.standard_normal(count))
    return {"params": N, "tokens": np.maximum(D, 2e6), "loss": loss}


def found(data: dict, law: js.Law = LAW, **options) -> list[tuple[str, str]]:
    runs = Runs.from_frame(data, **options)
    used = np.ones(runs.count, dtype=bool)
    evidence = SimpleNamespace(problem=SimpleNamespace(law=law), runs=runs, at=SimpleNamespace(used=used))
    return [(r.severity, r.text) for r in unit_checks(evidence) if r.code in ("suspicious_units", "mixed_conventions")]  # pyright: ignore


def fatal(notes: list[tuple[str, str]]) -> str:
    return "; ".join(text for severity, text in notes if severity == "fatal")


def renamed(data: dict, **names: str) -> dict:
    return {names.get(k, k): v for k, v in data.items()}


@pytest.mark.parametrize("seed", range(100))
def test_sound_tables_raise_no_alarm(seed):
    assert fatal(found(table(seed))) == ""


FAULTS = {
    "tokens in billions": (lambda t: t | {"tokens": t["tokens"] / 1e9}, {}, "tokens"),
    "both in billions": (lambda t: {k: v / 1e9 if k != "loss" else v for k, v in t.items()}, {}, "* 1e9"),
    "parameters in millions": (lambda t: t | {"params": t["params"] / 1e6}, {}, "parameters, fewer than any run"),
    "swapped": (lambda t: t | {"params": 5 * t["tokens"], "tokens": t["params"]}, {}, "tokens per parameter"),
    "GFLOPs, no tokens": (
        lambda t: {"params": t["params"], "flops": 6e-9 * t["params"] * t["tokens"], "loss": t["loss"]},
        {},
        "column 'flops' for C",
    ),
    "FLOPs ten times off": (lambda t: t | {"flops": 66 * t["params"] * t["tokens"]}, {}, "C is 11 times 6 N D"),
    "optimiser steps": (lambda t: renamed(t, tokens="train_steps"), {"D": "train_steps"}, "counts optimiser steps"),
    "accuracy in per cent": (
        lambda t: renamed(t | {"loss": 90 * np.exp(-t["loss"] / 10)}, loss="acc"),
        {"loss": "acc"},
        "an accuracy in per cent",
    ),
    "perplexity": (lambda t: t | {"loss": np.exp(t["loss"] + 1)}, {}, 'loss_unit="perplexity"'),
    "one row of tokens a thousand times too many": (
        lambda t: t | {"tokens": np.where(np.arange(len(t["tokens"])) == 2, 6.27e14, t["tokens"])},
        {},
        "row 3 of column 'tokens' has 627T tokens, more than any run",
    ),
    "a reward": (lambda t: t | {"loss": 20 / t["loss"]}, {}, "has the higher loss"),
}


@pytest.mark.parametrize("seed", [3, 14, 15])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_fatal_with_its_cure(fault, seed):
    spoil, options, words = FAULTS[fault]
    assert words in fatal(found(spoil(table(seed)), **options))


@pytest.mark.parametrize("thing", ["images", "hours of speech", "n_games", "graphs"])
def test_other_data_than_text_may_have_any_values(thing):
    data = renamed(table(1), tokens=thing)
    data |= {thing: data[thing] / 1e9, "loss": 40 * data["loss"]}
    assert fatal(found(data, D=thing)) == ""


def test_laws_of_other_things_are_never_refused_for_units():
    """A law whose D counts something else, one of a score, and one that does not read D."""
    data = table(1) | {"tokens": table(1)["tokens"] / 1e9}
    images = js.Law(
        "vision", lambda params, log_N, log_D: params["A"], ("N", js.laws.Variable("D", "images")), ("A",), "error"
    )
    for law in (images, js.laws.power_law(), js.laws.log_law()):
        assert fatal(found(data, law)) == ""
    assert fatal(found(renamed(data, loss="elo"), response="elo")) == ""


@pytest.mark.parametrize("count", [40, 150])
def test_losses_that_rise_are_counted_in_all_runs_and_others_known_by_a_few(count):
    rng = np.random.default_rng(count)
    N, D = np.exp(rng.uniform(16, 24, (2, count)))
    loss = LAW.predict(TRUTHS[0], N=N, D=D) * np.exp(0.01 * rng.standard_normal(count))
    assert found({"params": N, "tokens": D, "loss": loss}) == []
    scores = 10 / loss
    worse = [
        scores[i] > scores[j]
        for i in range(count)
        for j in range(count)
        if N[i] >= N[j] and D[i] >= D[j] and N[i] * D[i] > 2 * N[j] * D[j]
    ]
    ((_, text),) = found({"params": N, "tokens": D, "loss": scores})
    assert f"in {100 * np.mean(worse):.0f} % of pairs" in text and np.mean(worse) > 0.9
