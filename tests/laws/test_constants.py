"""Constants of one's own go where published ones go, give intervals where errors are known, and compile nothing."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers import compilations

import jaxscale as js
from jaxscale.laws import Law, Parameter

LAW = js.laws.chinchilla
BESIROGLU = LAW.published["besiroglu"]
ERRORS = {"E": 0.03, "A": 100.0, "B": 900.0, "alpha": 0.015, "beta": 0.02}


@pytest.mark.slow
def test_they_go_where_published_constants_go():
    own = LAW.at(**BESIROGLU.params)
    assert own.predict(N=70e9, D=1.4e12) == BESIROGLU.predict(N=70e9, D=1.4e12)
    mine, theirs = (js.frontier(source, [1e22, 1e24], limits={"N_max": 5e10}) for source in (own, BESIROGLU))
    pd.testing.assert_frame_equal(mine.to_frame(), theirs.to_frame())
    pd.testing.assert_frame_equal(
        js.what_if(mine, set={"beta": "x1.1"}).to_frame(), js.what_if(theirs, set={"beta": "x1.1"}).to_frame()
    )
    assert js.reference_models(own).rows[0].loss == js.reference_models(BESIROGLU).rows[0].loss
    assert "own" in str(mine) and own.label == "chinchilla:own"


@pytest.mark.slow
def test_a_hundred_constants_compile_once():
    rng = np.random.default_rng(0)
    options = {"cost": "six_nd", "limits": {"D_max": 5e12}}
    drawn = [{k: v * math.exp(0.05 * rng.standard_normal()) for k, v in BESIROGLU.params.items()} for _ in range(101)]
    js.frontier(LAW.at(**drawn[0]), 1e24, **options)
    before = compilations()
    sizes = {js.frontier(LAW.at(**params), 1e24, **options).rows[0].N for params in drawn[1:]}
    assert compilations() == before
    assert len(sizes) > 90


def test_standard_errors_and_covariance_agree_and_give_intervals():
    errors = LAW.at(**BESIROGLU.params, standard_errors=ERRORS)
    diagonal = np.diag([ERRORS[name] ** 2 for name in LAW.parameter_names])
    matrix = LAW.at(**BESIROGLU.params, covariance=diagonal)
    frame = pd.DataFrame(diagonal, LAW.parameter_names, LAW.parameter_names).loc[::-1, ::-1]
    named = LAW.at(**BESIROGLU.params, covariance=frame)
    plans = [js.frontier(source, 1e24) for source in (errors, matrix, named)]
    ends = [plan.rows[0].intervals["N"] for plan in plans]
    assert ends[0] == ends[1] == ends[2] and ends[0][0] < plans[0].rows[0].N < ends[0][1]
    assert plans[0].method == "delta method, covariance by given standard errors"
    # The loss by finite differences in natural units, one parameter at a time.
    at = {"N": 70e9, "D": 1.4e12}
    variance = 0.0
    for name, error in ERRORS.items():
        low, high = (
            math.log(LAW.predict({**BESIROGLU.params, name: BESIROGLU.params[name] + k * 1e-4 * error}, **at))
            for k in (-1, 1)
        )
        variance += ((high - low) / 2e-4) ** 2
    value, (low, high) = errors.predict_interval(level=0.9, **at)
    assert value == BESIROGLU.predict(**at)
    assert math.log(high / low) / 2 == pytest.approx(1.6448536 * math.sqrt(variance), rel=1e-6)
    assert LAW.at(**BESIROGLU.params).predict_interval(**at) == (value, None)


def test_the_error_of_a_share_is_its_own():
    law = Law("one_share", lambda p, *, log_N: p.s * 1.0 + 0 * log_N, variables=("N",),
              parameters=(Parameter("s", "logit"),), response=js.laws.Variable("x", domain="unit"))  # fmt: skip
    _, (low, high) = law.at(s=0.9, standard_errors={"s": 0.01}).predict_interval(N=1e9)
    assert (high - low) / 2 == pytest.approx(0.01 * 1.6448536, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"E": 1.9}, "misses parameter A, B, alpha, beta"),
        ({**BESIROGLU.params, "gamma": 1.0}, "has no parameter gamma"),
        ({**BESIROGLU.params, "A": -1.0}, "A must be positive, got -1.0"),
        ({**BESIROGLU.params, "standard_errors": {"C": 1.0}}, "no parameter 'C' to have a standard error"),
        ({**BESIROGLU.params, "standard_errors": {"A": -1.0}}, "standard error of A must be a number from 0 on"),
        ({**BESIROGLU.params, "covariance": np.eye(3)}, "a row and a column for each of A, B, E, alpha, beta"),
        ({**BESIROGLU.params, "covariance": -np.eye(5)}, "no negative variance"),
        ({**BESIROGLU.params, "covariance": np.eye(5), "standard_errors": {}}, "one of the two"),
    ],
)
def test_what_are_no_constants(given, message):
    with pytest.raises(js.InputError, match=message):
        LAW.at(**given)
