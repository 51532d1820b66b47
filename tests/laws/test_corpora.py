"""From loss to loss, and as a step of a chain."""

import pickle

import numpy as np
import pytest
from helpers import respond

import jaxscale as js

PARAMS = {"K": 1.1, "kappa": 0.95, "E_1": 1.5, "E_2": 1.2}
CHINCHILLA, ERROR = (js.laws.instance(label).params for label in ("chinchilla:besiroglu", "gadre_err:c4_17"))
CHAIN = js.laws.chinchilla >> js.laws.loss_to_loss >> js.laws.gadre_err


def test_at_the_floor_of_the_first_corpus_the_second_has_its_own():
    assert float(respond("loss_to_loss", PARAMS, loss=1.5)) == pytest.approx(1.2, rel=1e-15)
    assert float(respond("loss_to_loss", PARAMS, loss=1.4)) == pytest.approx(1.2, rel=1e-15)
    assert float(respond("loss_to_loss", PARAMS, loss=2.5)) == pytest.approx(2.3, rel=1e-15)


def test_a_chain_of_three_is_one_after_the_other():
    params = {**CHINCHILLA, **PARAMS, **ERROR}
    N, D = np.array([1e9, 7e9]), np.array([1e11, 1e12])
    loss = respond("chinchilla", CHINCHILLA, N=N, D=D)
    other = respond("loss_to_loss", PARAMS, loss=loss)
    np.testing.assert_allclose(respond(CHAIN, params, N=N, D=D), respond("gadre_err", ERROR, loss=other), rtol=1e-12)
    assert CHAIN.response.name == "error"


def test_the_same_chain_is_one_object_wherever_it_comes_from():
    assert js.laws.get("chinchilla >> loss_to_loss >> gadre_err") is CHAIN
    assert pickle.loads(pickle.dumps(CHAIN)) is CHAIN


def test_a_rise_of_loss_is_no_loss():
    with pytest.raises(js.InputError, match="predicts loss_rise, gadre_err takes loss"):
        _ = js.laws.kumar_ptq() >> js.laws.gadre_err


@pytest.mark.slow
def test_a_planted_chain_is_recovered_from_runs_that_show_every_step():
    rng = np.random.default_rng(3)
    N, D = np.exp(rng.uniform(np.log(1e8), np.log(1e10), 60)), np.exp(rng.uniform(np.log(1e9), np.log(1e12), 60))
    loss = respond("chinchilla", CHINCHILLA, N=N, D=D) * np.exp(0.002 * rng.standard_normal(60))
    loss_2 = respond("loss_to_loss", PARAMS, loss=loss) * np.exp(0.002 * rng.standard_normal(60))
    chain = js.laws.chinchilla >> js.laws.loss_to_loss
    runs = js.Runs({"N": N, "D": D, "loss": loss}, loss_2, "loss_2")
    told = {"E_1": PARAMS["E_1"], "E_2": PARAMS["E_2"]}
    result = js.fit_chain(chain, runs, fixed=told, intervals=None, objective=js.SquaredError())
    truth = respond(chain, {**CHINCHILLA, **PARAMS}, N=1e11, D=1e13)
    assert result.predict(N=1e11, D=1e13) == pytest.approx(float(truth), rel=0.01)
    assert result.params["kappa"] == pytest.approx(0.95, abs=0.02)
