"""What a law is: names, parameters both ways, laws of one's own, errors; and how shipped laws are found."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from scipy.special import logit

from jaxscale import laws
from jaxscale._base.errors import InputError
from jaxscale.laws import Law, Parameter, Params, Published, Variable

BESIROGLU = laws.instance("chinchilla:besiroglu")


# --- The registry ---


def test_names_and_get():
    assert laws.names() == (
        "chinchilla",
        "chinchilla_a1",
        "chinchilla_a2",
        "porian_alloc",
        "pearce_song",
        "kaplan_n",
        "kaplan_d",
        "kaplan_c",
        "kaplan_cmin",
        "kaplan_nd",
        "kaplan_ns",
        "kaplan_bcrit",
        "kaplan_alloc",
        "kaplan_frontier",
        "muennighoff",
        "gadre_overtrain",
        "llama3_dopt",
        "deepseek_alloc",
        "deepseek_hparams",
        "step_law",
        "porian_hparams",
        "minicpm",
        "clark_routed",
        "krajewski_granularity",
        "abnar_sparsity",
        "ludziejewski_joint_moe",
        "tissue_annealing",
        "multi_power_law",
        "farseer",
        "skaling",
        "hernandez_transfer",
        "henighan",
        "henighan_c",
        "henighan_text",
        "henighan_text_c",
        "henighan_alloc",
        "aghajanyan_mixed",
        "zhai_vit",
        "cherti_clip",
        "domain_alloc",
        "tao_vocab_size",
        "tao_alloc",
        "brown_passk",
        "snell_exchange",
        "jones_train_test",
        "sardana_flops",
        "sardana_dollar",
        "parscale",
        "busbridge_supervised",
        "busbridge_distill",
        "scalerl_sigmoid",
        "gadre_err",
        "task_accuracy",
        "llama3_task_loss",
        "llama3_two_step",
        "bhagia_two_step",
        "bhagia_one_step",
        "power_law",
        "goyal_filtering",
        "ye_mixing",
        "tao_vocab",
        "kumar_precision_train",
        "kumar_ptq",
        "bnsl",
        "alabdulmohsin_m1",
        "alabdulmohsin_m2",
        "alabdulmohsin_m3",
        "alabdulmohsin_m4",
    )
    for name in laws.names():
        law = laws.get(name)
        assert law.name == name
        assert laws.get(law.name, **law.options) is law
        attribute = getattr(laws, name)
        assert (attribute() if law.options else attribute) is law


def test_options_are_kept_and_give_one_object():
    law = laws.get("power_law", variable="C", floor=False)
    assert dict(law.options) == {"variable": "C", "floor": False}
    assert laws.power_law("C", floor=False) is law
    assert laws.get("power_law") is laws.power_law("N", True)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: laws.get("chincilla"), ("no law 'chincilla'; did you mean 'chinchilla'",)),
        (lambda: laws.get("zzz"), ("there are chinchilla", "power_law")),
        (lambda: laws.get("chinchilla", floor=True), ("takes no options", "floor")),
        (lambda: laws.get("power_law", variabel="N"), ("'variabel'", "variable, floor")),
        (lambda: laws.get("power_law", floor="yes"), ("floor=True", "'yes'")),
        (lambda: laws.get("power_law", variable="my column"), ("'my column'", "variable")),
        (lambda: laws.get("power_law", variable=3), ("3", "variable")),
        (lambda: laws.get("power_law", variable="alpha"), ("'alpha' twice",)),
        (lambda: laws.get("power_law", variable="loss"), ("'loss' twice",)),
        (lambda: laws.instance("chinchilla:besiroglou"), ("did you mean 'besiroglu' or 'besiroglu_converged'?",)),
        (lambda: laws.instance("chinchilla"), ("law:instance", "besiroglu")),
        (lambda: laws.instance("chinchilla:"), ("no instance ''", "besiroglu")),
        (lambda: laws.instance("chincilla:besiroglu"), ("did you mean 'chinchilla'",)),
        (lambda: laws.instance("power_law:x"), ("no published constants",)),
    ],
)
def test_registry_errors_say_what_there_is(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)


def test_importing_touches_no_device_and_no_setting():
    code = (
        "import jax, jax._src.xla_bridge as bridge; before = dict(jax.config.values); import jaxscale.laws;"
        "assert not bridge._backends and dict(jax.config.values) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# --- Parameters ---


def test_params_logs_and_naturals_agree():
    stored_logs = Params({"A": jnp.log(5.0), "alpha": 0.5}, ["A"])
    stored_naturals = Params({"A": 5.0, "alpha": 0.5})
    for p in (stored_logs, stored_naturals):
        assert float(p.A) == pytest.approx(5.0, rel=1e-6)
        assert float(p.log_A) == pytest.approx(np.log(5.0), rel=1e-6)
        assert float(p["log_alpha"]) == pytest.approx(np.log(0.5), rel=1e-6)
        assert p["alpha"] == 0.5
    with pytest.raises(AttributeError, match="no parameter 'B'; it has A, alpha"):
        _ = stored_logs.B
    with pytest.raises(KeyError, match="no parameter 'log_B'"):
        _ = stored_logs["log_B"]


def test_theta_and_natural_are_inverse():
    theta = laws.chinchilla.theta(BESIROGLU.params)
    np.testing.assert_allclose(theta, [*np.log([482.01, 2085.43, 1.8172]), 0.3478, 0.3658], rtol=1e-15)
    back = laws.chinchilla.natural(theta)
    assert back == {k: pytest.approx(v, rel=1e-14) for k, v in BESIROGLU.params.items()}
    assert all(type(v) is float for v in back.values())


def test_what_lies_between_0_and_1():
    law = Law.from_loss(lambda share, *, N: share * N, variables=("N",))
    share = Parameter("share", "logit")
    law = dataclasses.replace(law, parameters=(share,), function=lambda p, *, log_N: p.log_share + log_N)
    for value in (1e-9, 0.3, 0.999):
        theta = law.theta({"share": value})
        assert theta[0] == pytest.approx(logit(value), rel=1e-12)
        assert law.natural(theta) == {"share": pytest.approx(value, rel=1e-14)}
        with jax.enable_x64(True):
            p = law.params_of_theta({"share": theta[0]})
            assert float(p.share) == pytest.approx(value, rel=1e-14)
            assert float(p.log_share) == pytest.approx(np.log(value), rel=1e-13)
            assert float(law.log_response(theta, (0.0,))) == pytest.approx(np.log(value), rel=1e-13)
    assert share.to_natural(-800.0) == 0.0 and share.to_natural(800.0) == 1.0
    for wrong in (0.0, 1.0, -0.1, 1.2, np.nan):
        with pytest.raises(InputError, match="parameter share must lie between 0 and 1"):
            share.to_theta(wrong)


def test_theta_refuses_what_is_not_positive():
    with pytest.raises(InputError, match="parameter A must be positive, got -1"):
        laws.chinchilla.theta({**BESIROGLU.params, "A": -1.0})
    with pytest.raises(InputError, match="misses parameter beta"):
        laws.chinchilla.theta({k: v for k, v in BESIROGLU.params.items() if k != "beta"})


def test_growth_reads_every_way_of_writing_a_power():
    powers = {"N": 2, "D": "beta", "C": "-a", "loss": "1/alpha", "U": lambda v: v["beta"] - 1}
    values = {"beta": 0.25, "a": 0.5, "alpha": 0.25}
    parameter = Parameter("k", dimension=powers)
    assert [parameter.growth(name, values) for name in (*powers, "S")] == [2, 0.25, -0.5, 4.0, -0.75, 0]


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
    assert law.predict(params, N=sizes.ravel()[:20]).shape == (20,)
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


# --- The shared logarithm ---


def test_log_is_numpys_to_a_unit_in_the_last_place():
    rng = np.random.default_rng(0)
    x = np.concatenate([
        np.exp(rng.uniform(-700, 700, 50_000)),
        1 + rng.uniform(-0.3, 0.5, 50_000),
        1 + np.ldexp(rng.uniform(-1, 1, 5_000), rng.integers(-52, -1, 5_000)),
        [1.0, 2.0, 0.5, np.sqrt(0.5), np.nextafter(np.sqrt(0.5), 0), np.finfo(float).max, np.finfo(float).tiny],
    ])  # fmt: skip
    with jax.enable_x64(True):
        np.testing.assert_allclose(laws.log(x), np.log(x), rtol=3e-16, atol=0)
        special = np.array([0.0, -0.0, np.inf, np.nan, -1.0, -np.inf])
        np.testing.assert_array_equal(laws.log(special), [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan])
    with jax.enable_x64(False):
        single = laws.log(np.float32([0.5, 3e38]))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, np.log(np.float32([0.5, 3e38])), rtol=1e-6)


def test_log_differentiates():
    x = np.array([1e-200, 0.3, 1.0, 7.0, 1e300])
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.vmap(jax.grad(laws.log))(x), 1 / x, rtol=1e-15)
        np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(laws.log)))(x[1:4]), -1 / x[1:4] ** 2, rtol=1e-14)
        np.testing.assert_allclose(jax.vmap(jax.jacfwd(laws.log))(x), 1 / x, rtol=1e-15)
        assert np.isinf(jax.grad(laws.log)(0.0))


def test_logsumexp_of_far_and_absent_terms():
    with jax.enable_x64(True):
        terms = np.array([[1000.0, 999.0, -np.inf], [-1e4, -1e4, -np.inf], [0.0, -800.0, 3.0]]).T
        values = [laws.logsumexp(*t) for t in terms.T]
        np.testing.assert_allclose(values, np.logaddexp.reduce(terms, axis=0), rtol=1e-15)
        assert laws.logsumexp(-np.inf, -np.inf) == -np.inf
        weights = jax.grad(lambda t: laws.logsumexp(t[0], t[1], t[2]))(jnp.array([1.0, 2.0, -jnp.inf]))
    np.testing.assert_allclose(weights, [1 / (1 + np.e), np.e / (1 + np.e), 0], rtol=1e-15)
