"""The card of a fit says what was done, in the fit's own numbers, and what was not."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW, table

import jaxscale as js


def frame(count: int = 30) -> dict[str, np.ndarray]:
    N, D, loss = table(noise=0.004).values()
    return {"n_par|ams": N[:count], "tokens": D[:count], "loss": loss[:count], "seed": np.arange(count)}


@pytest.fixture(scope="module")
def result() -> js.FitResult:
    runs = js.Runs.from_frame(frame(), N="n_par|ams", where="seed < 29")
    return js.fit(LAW, runs, tied=[("alpha", "beta")], fixed={"E": 1.8}, intervals="quick", bounds={"A": (1, None)})


def section(card, name: str) -> dict[str, str]:
    return dict(card.to_dict()["sections"][name])


def test_it_says_what_was_done(result):
    card = result.card()
    law, fit, runs = (section(card, name) for name in ("Law", "Fit", "Runs"))
    assert card.verdict == str(result.verdict) and law["formula"] == LAW.formula and law["source"] == LAW.source
    assert "fixed" in law["E"] and "tied: alpha = beta" in law["beta"] and law["bounds of A"] == "1.0 to None"
    assert fit["minimised"] == "Huber 0.001 on log loss, summed over runs" and fit["starts"] == str(result.starts)
    assert float(fit["objective"]) == pytest.approx(result.value, rel=1e-9) and "seed 0" in fit["solver"]
    assert "JAX 0." in fit["versions"] and "Python 3." in fit["versions"]
    assert runs["SHA-256"] == result.runs_sha256 and runs["filters"] == "seed < 29 (1 left out)"
    assert runs["count"] == "29" and runs["range of N"] == "100M to 10B"
    assert section(card, "Uncertainty")["degrees of freedom"] == str(29 - 3)
    assert "column n_par|ams" in section(card, "Definitions")["N"]
    assert "89 to 95 %" in section(card, "Uncertainty")["measured coverage"]
    assert "held-out runs" in section(card, "Not checked") and "independence" in section(card, "Not checked")


def test_markdown_is_inert_and_text_is_the_same(result):
    markdown = result.card().to_markdown()
    assert markdown.startswith("## chinchilla · 29 runs\n") and "column n\\_par\\|ams" in markdown
    assert all(f"### {name}" in markdown for name in result.card().sections)
    assert result.runs_sha256 in str(result.card()) and "<table>" in result.card()._repr_html_()


@pytest.mark.slow
def test_other_laws_and_other_data_say_what_is_not_known(result):
    other = replace(result, law=replace(LAW, name="mine", formula="", source=""))
    assert section(other.card(), "Law")["formula"] == "not given"
    assert "not measured for this law" in section(other.card(), "Uncertainty")["measured coverage"]
    resampled = section(js.fit(LAW, result.runs, draws=40, seed=3).card(), "Uncertainty")
    assert resampled["draws"] == "40 refits, seed 3" and "29 independent runs, 31 drawn" in resampled["why"]
    bare = js.fit(LAW, js.Runs.from_frame(frame(8), N="n_par|ams"), intervals=None)
    uncertainty = section(bare.card(), "Uncertainty")
    assert uncertainty["method"] == "none" and uncertainty["measured coverage"] == "not measured"
    codes = [label.partition(", ")[2] for label, _ in bare.card().to_dict()["sections"]["Findings"]]
    assert codes == [r.code for r in bare.verdict.reasons]
