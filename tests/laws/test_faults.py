"""A formula of one's own that cannot be used is refused in a sentence, with what it raised as the cause."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LAW, LAW_CASES, TRUTH, sweep

import jaxscale as js

POINTS = np.linspace(0, 1, 3)
PARAMS = {"E": 1.7, "A": 300.0, "alpha": 0.3}


def raises(E, A, alpha, *, N):
    raise KeyError("oops")


def looped(E, A, alpha, *, N):
    while N > 1:
        N = N / 10
    return E + A * N


def called_back(E, A, alpha, *, N):
    shape = jax.ShapeDtypeStruct((), np.float64)
    return E + jax.pure_callback(lambda a, n, p: np.float64(a * n**-p), shape, A, N, alpha)


FORMULAS = {
    r"'raises' raises KeyError: 'oops' \(test_faults.py, line \d+: raise KeyError\(": raises,
    "returns None; end it with `return`": lambda E, A, alpha, *, N: None,
    r"returns an array of shape \(3,\) for one run; return one number": lambda E, A, alpha, *, N: E + A * jnp.ones(3),
    r"of shape \(3,\) .* arrays from outside the formula": lambda E, A, alpha, *, N: E + A * N**-alpha * POINTS,
    "returns a list; return one number": lambda E, A, alpha, *, N: [E + A],
    "returns numbers of type int64; return real ones": lambda E, A, alpha, *, N: jnp.int64(E),
    "returns numbers of type complex128": lambda E, A, alpha, *, N: E + 1j,
    "gives its values to NumPy; write jnp.exp for np.exp": lambda E, A, alpha, *, N: E + A * np.exp(-alpha * N),
    r"branches on a value \(if, while, .*write jnp.where\(": lambda E, A, alpha, *, N: E + A if N > 1e9 else E,
    r"'looped' branches on a value .*: while N > 1:\)": looped,
    r"takes a plain number out of a value \(float": lambda E, A, alpha, *, N: E + A * math.exp(-N),
    "'called_back' calls back into Python, which has no derivative": called_back,
}


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


@pytest.mark.parametrize("message", FORMULAS)
def test_a_law_is_refused_in_a_sentence_wherever_it_is_used(message, runs):
    law = js.Law.from_loss(FORMULAS[message])
    for use in (
        lambda: law.predict(PARAMS, N=1e9),
        lambda: js.fit(law, runs, intervals=None),
        lambda: js.frontier(law.at(**PARAMS), budgets=[1e22], cost=SIZE),
        lambda: js.allocate(law, PARAMS, SIZE, 1e22),
    ):
        with pytest.raises(js.InputError, match=rf"^law '\w+' .*{message}|^law {message}") as caught:
            use()
        assert caught.value.__cause__ is not None
        assert "Tracer" not in str(caught.value)


def of_size(log_N):
    return log_N


SIZE = js.CostModel("size", of_size, variables=("N",))


def test_a_law_in_logs_is_refused_alike():
    law = js.Law("mine", lambda params, *, log_N: params.E + params.B, variables=("N",), parameters=("E", "A"))
    with pytest.raises(
        js.InputError, match="law 'mine' raises AttributeError: this law has no parameter 'B'; it has A, E"
    ):
        law.predict({"E": 1.0, "A": 2.0}, N=1e9)
    chain = js.Law("step", lambda params, *, log_N: POINTS, variables=("N",), parameters=("A",)) >> js.laws.gadre_err
    with pytest.raises(js.InputError, match=r"^law 'step' returns an array of shape \(3,\)"):
        chain.predict({"A": 1.0, **js.laws.gadre_err.published["c4_17"].params}, N=1e9)


def test_a_law_that_is_no_number_says_where():
    law = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * jnp.sqrt(1e9 - N) * N**-alpha)
    with pytest.raises(
        js.InputError, match=r"^law '<?lambda>?' is not a number \(nan\) for all 2 runs, the first at N = 1e\+10"
    ):
        law.predict(PARAMS, N=np.array([1e10, 1e11]))
    with pytest.raises(js.InputError, match=r"\(nan\) at N = 1e\+10; look in its formula"):
        law.predict(PARAMS, N=1e10)
    assert np.isnan(law.predict(PARAMS, N=np.array([1e8, 1e10]))).tolist() == [False, True]
    assert np.isnan(law.predict({**PARAMS, "E": np.nan}, N=1e8))


def test_what_is_constant_or_broadcasts_is_a_number():
    assert js.Law.from_loss(lambda E, *, N: 3).predict({"E": 1.0}, N=1e9) == pytest.approx(3)
    assert js.Law.from_loss(lambda E, *, N: np.float64(3)).predict({"E": 1.0}, N=1e9) == pytest.approx(3)
    law = js.Law.from_loss(lambda E, A, *, N, D: E + A / (N * D))
    assert law({"E": 1.0, "A": 2.0}, N=np.ones((3, 1)), D=np.ones(2)).shape == (3, 2)
    assert law({"E": np.ones(2), "A": 2.0}, N=1.0, D=1.0).shape == (2,)


def test_laws_of_vectors_broadcast_over_runs():
    case = next(case for case in LAW_CASES if case.law is js.laws.tissue_annealing)
    assert jax.eval_shape(lambda: case.law(case.truth, **case.random_variables(3, seed=0))).shape == (3,)


def test_limits_costs_and_quantities_of_ones_own_are_refused_alike():
    plan = {"budgets": [1e22]}
    source = LAW.at(**TRUTH)
    with pytest.raises(js.InputError, match=r"^limit 'ratio' branches on a value .*jnp.where"):
        js.frontier(source, **plan, limits=js.Limit(lambda N, D: D if D > N else N, name="ratio"))
    with pytest.raises(js.InputError, match=r"^limit 'ratio' returns an array of shape \(3,\)"):
        js.allocate(LAW, TRUTH, js.costs.six_nd, 1e22, limits=js.Limit(lambda N, D: D / N - POINTS, name="ratio"))
    with pytest.raises(js.InputError, match=r"^cost 'rent' gives its values to NumPy"):
        js.frontier(source, **plan, cost=js.CostModel("rent", lambda log_N, log_D: np.exp(log_N)))
    with pytest.raises(js.InputError, match=r"^cost 'rent' returns None"):
        js.allocate(LAW, TRUTH, js.CostModel("rent", lambda log_N, log_D: None), 1e22)
