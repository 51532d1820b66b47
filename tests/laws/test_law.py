"""What a law is: theta, laws of one's own, predictions, published constants, errors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations

from jaxscale import laws
from jaxscale._base.errors import InputError
from jaxscale.laws import Law, Published, Variable

BESIROGLU = laws.instance("chinchilla:besiroglu")


# --- Parameters ---


def test_theta_and_natural_are_inverse():
    theta = laws.chinchilla.theta(BESIROGLU.params)
    np.testing.assert_allclose(theta, [*np.log([482.01, 2085.43, 1.8172]), 0.3478, 0.3658], rtol=1e-15)
    back = laws.chinchilla.natural(theta)
    assert back == {k: pytest.approx(v, rel=1e-14) for k, v in BESIROGLU.params.items()}
    assert all(type(v) is float for v in back.values())


def test_theta_refuses_what_is_not_positive():
    with pytest.raises(InputError, match="parameter A must be positive, got -1"):
        laws.chinchilla.theta({**BESIROGLU.params, "A": -1.0})
    with pytest.raises(InputError, match="; for next to none of it give a small number, such as 1e-9"):
        laws.chinchilla.theta({**BESIROGLU.params, "A": 0.0})
    with pytest.raises(InputError, match="misses parameter beta"):
        laws.chinchilla.theta({k: v for k, v in BESIROGLU.params.items() if k != "beta"})


# --- Laws of one's own ---


def chinchilla_by_hand(E, A, B, alpha, beta, *, N, D):
    return E + A * N**-alpha + B * D**-beta


def test_from_loss_takes_names_from_the_signature():
    law = Law.from_loss(chinchilla_by_hand)
    assert law.name == "chinchilla_by_hand"
    assert law.parameter_names == ("E", "A", "B", "alpha", "beta")
    assert [(v.name, v.unit) for v in law.variables] == [("N", "parameters"), ("D", "tokens")]
    assert {p.transform for p in law.parameters} == {"log"}
    runs = {"N": np.geomspace(1e3, 1e15, 7), "D": np.geomspace(1e16, 1e6, 7)}
    np.testing.assert_allclose(law.predict(BESIROGLU.params, **runs), BESIROGLU.predict(**runs), rtol=1e-13)
    assert Law.from_loss(chinchilla_by_hand, name="mine", positive=("E",)).parameters[1].transform == "identity"
    assert Law.from_loss(lambda A, alpha, *, N: A * N**-alpha).name == "lambda"


def test_a_response_that_may_be_negative_is_not_logged():
    law = Law.from_loss(
        lambda slope, shift, *, epochs: slope * epochs + shift,
        variables=(Variable("epochs", domain="count"),),
        response=Variable("margin", domain="real"),
        positive=(),
    )
    assert law.variables[0].argument == "epochs"
    np.testing.assert_allclose(law.predict({"slope": -2.0, "shift": 1.0}, epochs=np.array([0, 1, 2])), [1, -1, -3])
    assert float(law.log_response((-2.0, 1.0), (3.0,))) == -5.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda E, A: E + A,
        lambda *, N: N,
        lambda E, *args, N: E,
        lambda E, *, N, **rest: E,
        lambda E, /, A, *, N: E,
    ],
)
def test_from_loss_says_how_to_write_the_formula(loss):
    with pytest.raises(InputError, match="parameters before the star"):
        Law.from_loss(loss)


@pytest.mark.parametrize(
    ("variables", "parameters", "response", "message"),
    [
        (("N",), ("A", "A"), "loss", "'A' twice"),
        (("N",), ("N",), "loss", "'N' twice"),
        (("loss",), ("A",), "loss", "'loss' twice"),
        (("N",), (), "loss", "no parameters"),
    ],
)
def test_names_must_differ(variables, parameters, response, message):
    with pytest.raises(InputError, match=message):
        Law("mine", lambda p, **logs: p.A, variables, parameters, response)


def test_names_become_variables_and_parameters():
    law = Law("mine", lambda p, *, log_N, log_width: p.A, ("N", "width"), ("A", "b"), positive=("A",))
    assert law.variables[0].unit == "parameters"
    assert law.variables[1] == Variable("width")
    assert [(p.name, p.transform) for p in law.parameters] == [("A", "log"), ("b", "identity")]
    assert law.response.name == "loss"
    assert repr(law) == "Law(mine: loss(N, width); A, b)"


def test_a_law_is_frozen_and_static():
    with pytest.raises(dataclasses.FrozenInstanceError):
        laws.chinchilla.name = "other"
    with pytest.raises(TypeError):
        laws.chinchilla.closed_forms["G"] = None
    assert laws.chinchilla in {laws.chinchilla}
    traced = []

    def loss(law, params, size):
        traced.append(law)
        return law(params, N=size, D=1e10)

    jitted = jax.jit(loss, static_argnums=0)
    for name in ("besiroglu", "hoffmann_tex"):
        jitted(laws.chinchilla, laws.chinchilla.published[name].params, 1e9)
    assert len(traced) == 1


# --- Predicting ---


def test_predict_gives_floats_and_float64_arrays():
    assert type(BESIROGLU.predict(N=1_000_000_000, D=20_000_000_000)) is float
    table = BESIROGLU.predict(N=np.geomspace(1e6, 1e12, 4)[:, None], D=np.geomspace(1e9, 1e13, 3))
    assert table.shape == (4, 3)
    assert table.dtype == np.float64
    assert table[1, 2] == BESIROGLU.predict(N=1e8, D=1e13)
    wide = BESIROGLU.predict(N=np.array([10**9], dtype=np.int32), D=[2e10])
    np.testing.assert_array_equal(wide, [BESIROGLU.predict(N=1e9, D=2e10)])


def test_predict_takes_any_number_of_runs_of_a_formula_for_one():
    """`jnp.stack` of numbers would not go with arrays; another number of runs compiles nothing."""
    law = Law.from_loss(lambda E, A, alpha, *, N: jnp.sum(jnp.stack([E, A * N**-alpha])), name="stacked")
    params, sizes = {"E": 1.8, "A": 480.0, "alpha": 0.35}, np.geomspace(1e6, 1e12, 24).reshape(2, 3, 4)
    np.testing.assert_allclose(law.predict(params, N=sizes), 1.8 + 480 * sizes**-0.35, rtol=1e-14)
    before = compilations()
    assert [law.predict(params, N=sizes.ravel()[:k]).shape for k in (20, 1)] == [(20,), (1,)]
    assert compilations() == before
    assert law.predict(params, N=np.empty((0, 3))).shape == (0, 3)
    with pytest.raises(InputError, match=r"do not go together: N \(2,\), D \(3,\)"):
        BESIROGLU.predict(N=[1e8, 1e9], D=[1e9, 1e10, 1e11])


def test_a_law_follows_the_callers_dtype():
    params = {k: jnp.float32(v) for k, v in BESIROGLU.params.items()}
    loss = jax.jit(laws.chinchilla)(params, N=jnp.float32(1e9), D=jnp.float32(2e10))
    assert loss.dtype == jnp.float32
    assert float(loss) == pytest.approx(2.530050, abs=1e-5)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"N": 1e9}, "misses variable D; it takes N, D"),
        ({"N": 1e9, "D": 1e10, "C": 1e20}, "has no variable C; it takes N, D"),
        ({"N": 0.0, "D": 1e10}, "N must be positive, got 0.0"),
        ({"N": 1e9, "D": [1e10, -1.0]}, "D must be positive"),
        ({"N": 1e9, "D": float("nan")}, "D must be positive, got nan"),
        ({"N": "many", "D": 1e10}, "N must be a number or numbers, got 'many'"),
        ({"N": [[1.0], [1.0, 2.0]], "D": 1e10}, "N must be a number or numbers"),
    ],
)
def test_predict_refuses(variables, message):
    with pytest.raises(InputError, match=message):
        BESIROGLU.predict(**variables)


@pytest.mark.parametrize("traced", ["N", "E"])
def test_predict_says_what_may_be_traced(traced):
    law, given = laws.chinchilla, {**BESIROGLU.params, "N": 1e9, "D": 1e11}

    def predicted(x):
        values = given | {traced: x}
        return law.predict({k: values[k] for k in law.parameter_names}, N=values["N"], D=values["D"])

    with pytest.raises(InputError, match=r"inside jit, grad or vmap call the law itself: law\(params, N=N, D=D\)"):
        jax.grad(predicted)(given[traced])


def test_predict_refuses_wrong_parameters():
    with pytest.raises(InputError, match="has no parameter delta; it takes A, B, E, alpha, beta"):
        laws.chinchilla.predict({**BESIROGLU.params, "delta": 1.0}, N=1e9, D=1e10)


def test_incomplete_constants_cannot_predict():
    with pytest.raises(InputError, match="chinchilla:minicpm_avg was published without A, B, E"):
        laws.instance("chinchilla:minicpm_avg").predict(N=1e9, D=1e10)
    exponents = laws.chinchilla.closed_forms["exponents"](laws.instance("chinchilla:minicpm_avg").params)
    assert exponents.a == pytest.approx(0.23 / 0.52)


def test_instances_carry_their_law():
    law = Law(
        "mine", lambda p, *, log_N: p.log_A - log_N, ("N",), ("A",), constants={"x": Published({"A": 2.0}, "a note")}
    )
    instance = law.published["x"]
    assert instance.law is law
    assert instance.label == "mine:x"
    assert instance.predict(N=4.0) == pytest.approx(0.5, rel=1e-15)
    assert repr(instance) == "Instance(mine:x: A=2; verified)"
    instance.params["A"] = 7.0
    assert law.published["x"].params == {"A": 2.0}
