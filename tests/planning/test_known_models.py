"""Known models beside the best use of their compute, against the closed form."""

import numpy as np
import pytest

from jaxscale._base.errors import InputError
from jaxscale._planning.known_models import reference_models
from jaxscale.laws import chinchilla, muennighoff


@pytest.fixture(scope="module")
def table():
    return reference_models().to_frame().set_index("model")


@pytest.mark.parametrize(
    ("model", "ratio", "loss", "N_best", "D_best", "gap", "short"),
    [
        ("GPT-3", 1.714, 2.0085, 5.302e10, 9.901e11, 0.0162, 3.30),
        ("Gopher", 1.071, 1.9996, 6.747e10, 1.245e12, 0.0214, 4.15),
        ("Megatron-Turing NLG", 0.5094, 1.9948, 8.865e10, 1.614e12, 0.0311, 5.98),
    ],
)
def test_short_of_tokens_for_its_size_and_for_its_compute_are_two_numbers(
    table, model, ratio, loss, N_best, D_best, gap, short
):
    row = table.loc[model]
    np.testing.assert_allclose(
        [row["tokens_per_param"], row["loss"], row["N_for_compute"], row["D_for_compute"]],
        [ratio, loss, N_best, D_best],
        rtol=5e-4,
    )
    np.testing.assert_allclose(row["loss_gap"], gap, atol=5e-5)
    np.testing.assert_allclose(row["D_for_compute"] / row["D"], short, rtol=2e-3)
    assert row["tokens_short"] > 2.5 * short


def test_against_the_closed_form(table):
    p = chinchilla.published["besiroglu"].params
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    for _, row in table.iterrows():
        budget = 6 * (row["N"] / G) ** ((p["alpha"] + p["beta"]) / p["beta"])  # at which N is best
        np.testing.assert_allclose(row["D_for_size"], budget / (6 * row["N"]), rtol=1e-6)
        power = p["alpha"] * p["beta"] / (p["alpha"] + p["beta"])
        height = p["A"] * G ** -p["alpha"] + p["B"] * G ** p["beta"]
        enough = 6 * (height / (row["loss"] - p["E"])) ** (1 / power)  # with which its loss is reached
        np.testing.assert_allclose(row["wasted"], 1 - enough / row["compute"], atol=1e-8)
    assert (table["loss_gap"] > -1e-12).all()


def test_what_is_compared_with_what_is_said(table):
    text = str(reference_models())
    assert "answer different questions" in text
    assert "GPT-3" in text
    assert not table.loc["PaLM", "verified"]
    assert table.loc["Chinchilla", "verified"]
    assert "active" in table.loc["DeepSeek-V3", "note"]


def test_a_law_of_other_variables_is_refused():
    with pytest.raises(InputError, match="by a law of N and D"):
        reference_models(muennighoff.published["muennighoff_c4"])
