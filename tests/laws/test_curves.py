"""Broken and saturating curves: stated values, reductions, and the equation of M4."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import COUNT, LAW_CASES, as_printed, random_params, respond, sizes_and_tokens
from scipy.optimize import brentq

from jaxscale import laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

_ONE_BREAK = {"a": 0.0, "b": 1.0, "c0": 0.2, "c1": 0.5, "d1": 1e3, "f1": 0.3}


_FIGURE_1 = {
    **{"a": 1e-3, "b": 4660.0, "c0": 0.05},
    **{"c1": 0.49, "c2": -0.811, "c3": 2.1, "d1": 3e6, "d2": 1e14, "d3": 2e20, "f1": 1.1, "f2": 1.425, "f3": 0.05},
}


_M4 = {"eps_inf": 0.1, "eps_0": 0.9, "alpha": 1.0, "beta": 10.0, "c": -0.5}


_NO_BEND = {**_M4, "alpha": 0.0}


AT_PARAMETERS: list[tuple[laws.Law, dict[str, float], dict[float, str]]] = [
    (laws.bnsl(0, "x"), {"a": 0.5, "b": 10.0, "c0": 0.3}, {1e6: "0.658489"}),
    (laws.bnsl(1, "x"), _ONE_BREAK, {1e3: ".226383881"}),
    (
        laws.bnsl(3, "x"),
        _FIGURE_1,
        {1.0: "4659.997752", 3e6: "1521.519808", 1e10: "27.722113"}
        | {1e14: ".427646", 2e20: "9.082662", 1e22: ".008626751"},
    ),
    (laws.alabdulmohsin_m4("x"), _M4, {1.0: ".8272727273", 1e2: ".5", 1e4: ".1727272727", 1e6: ".1079207921"}),
    (laws.alabdulmohsin_m4("x"), _NO_BEND, {1e4: ".2000000000", 1e6: ".1100000000"}),
]  # fmt: skip


@pytest.mark.parametrize(("law", "params", "values"), AT_PARAMETERS, ids=lambda x: getattr(x, "name", ""))
def test_stated_value(law, params, values):
    assert list(law.predict(params, x=np.array(list(values)))) == [as_printed(printed) for printed in values.values()]


# --- Laws that are other laws at some values of their parameters or variables ---


def _unbroken() -> tuple:
    p, x = random_params("bnsl"), sizes_and_tokens()["D"]
    return respond(laws.bnsl(0), p, D=x), respond(
        laws.power_law("D"), {"A": p["b"], "E": p["a"], "alpha": p["c0"]}, D=x
    )


def _break_of_no_strength() -> tuple:
    p, x = random_params("bnsl"), sizes_and_tokens()["D"]
    flat = {"c1": 0.0, "d1": 1e10, "f1": 0.02}
    return respond(laws.bnsl(1), {**p, **flat}, D=x), respond(laws.bnsl(0), p, D=x)


def _bent(name: str, other: str, **special: float) -> tuple:
    p = {**random_params("alabdulmohsin_m2"), "x_s": 1e9, "alpha": 0.5, "eps_0": 50.0, **special}
    ours, theirs = (laws.get(x) for x in (name, other))
    x = 10 ** np.random.default_rng(5).uniform(6, 14, COUNT)
    first, second = ({k: p[k] for k in law.parameter_names} for law in (ours, theirs))
    return respond(ours, first, D=x), respond(theirs, second, D=x)


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("bnsl without breaks is a power law", _unbroken, 1e-13),
    ("a break of no strength is none", _break_of_no_strength, 1e-13),
    ("M4 with alpha = 0 is M2", lambda: _bent("alabdulmohsin_m4", "alabdulmohsin_m2", alpha=0.0), 1e-12),
    ("M2 without a floor is M1", lambda: _bent("alabdulmohsin_m2", "alabdulmohsin_m1", eps_inf=0.0), 1e-13),
    ("M3 that never saturates is M1", lambda: _bent("alabdulmohsin_m3", "alabdulmohsin_m1", x_s=np.inf), 1e-13),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def test_m4_solves_its_equation():
    """The loss against bisection of the equation as printed, for alpha on both sides of one."""
    law = laws.alabdulmohsin_m4("x")
    rng = np.random.default_rng(8)
    count = 60
    p = {
        "beta": 10 ** rng.uniform(-2, 3, count), "c": -rng.uniform(0.05, 1.5, count),
        "alpha": 10 ** rng.uniform(-2, 1, count), "eps_inf": rng.uniform(0.01, 1, count),
        "eps_0": rng.uniform(1.1, 10, count),
    }  # fmt: skip
    x = 10 ** rng.uniform(-6, 12, count)
    ours = respond(law, p, x=x)
    for k in range(count):
        beta, c, alpha, low, high = (p[name][k] for name in ("beta", "c", "alpha", "eps_inf", "eps_0"))

        def residual(z: float, k=k, beta=beta, c=c, alpha=alpha, low=low, high=high) -> float:
            above, below = (high - low) / (1 + np.exp(-z)), (high - low) / (1 + np.exp(z))
            return np.log(above) - alpha * np.log(below) - np.log(beta) - c * np.log(x[k])

        z = brentq(residual, -600, 600, xtol=1e-13, rtol=1e-14)
        assert ours[k] == pytest.approx(low + (high - low) / (1 + np.exp(-z)), rel=1e-11)


def test_m4_has_second_derivatives():
    """Curvature through the equation, against differences of the gradient: a fit's Hessian depends on it."""
    case = next(case for case in LAW_CASES if case.law.name == "alabdulmohsin_m4")
    theta = case.law.theta(case.truth)
    with jax.enable_x64(True):
        gradient = jax.jit(jax.vmap(jax.grad(lambda t: case.law.log_response(tuple(t), (jnp.log(1e5),)))))
        hessian = jax.jit(jax.hessian(lambda t: case.law.log_response(tuple(t), (jnp.log(1e5),))))(theta)
        step = 1e-5 * np.eye(len(theta))
        numeric = (gradient(theta + step) - gradient(theta - step)) / 2e-5
    np.testing.assert_allclose(hessian, numeric, rtol=1e-6, atol=1e-9)


def test_bnsl_slopes():
    """Far from its breaks the law is a power law: -c0 before them, -(c0 + sum c_i) beyond."""
    p = {"a": 0.0, "b": 5.0, "c0": 0.2, "c1": 0.3, "d1": 1e4, "f1": 0.5, "c2": -0.1, "d2": 1e8, "f2": 0.3}
    x = np.array([1e-6, 1e-5, 1e18, 1e19])
    logs = np.log10(laws.bnsl(2, "x").predict(p, x=x))
    np.testing.assert_allclose((logs[1] - logs[0], logs[3] - logs[2]), (-0.2, -0.4), atol=1e-9)
    swapped = {**p, "c1": p["c2"], "d1": p["d2"], "f1": p["f2"], "c2": p["c1"], "d2": p["d1"], "f2": p["f1"]}
    np.testing.assert_allclose(laws.bnsl(2, "x").predict(swapped, x=x), laws.bnsl(2, "x").predict(p, x=x), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bnsl_with_sharp_breaks(dtype):
    """A break of width 0.02, where (x / d)^(1 / f) would overflow: finite, and a kink between two power laws."""
    p = {"a": 1e-3, "b": 100.0, "c0": 0.2, "c1": 0.4, "d1": 1e10, "f1": 0.02}
    law, log_x = laws.bnsl(1, "x"), np.log(np.geomspace(1e-10, 1e30, 41)).astype(dtype)
    theta = tuple(dtype(t) for t in law.theta(p))
    with jax.enable_x64(dtype == np.float64):
        one_run = jax.value_and_grad(law.log_response, argnums=(0, 1))
        value, gradient = jax.jit(jax.vmap(one_run, in_axes=(None, 0)))(theta, (log_x,))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    x = np.exp(log_x.astype(np.float64))
    kink = p["a"] + p["b"] * x**-0.2 * np.maximum(1, x / 1e10) ** -0.4
    np.testing.assert_allclose(np.exp(value), kink, rtol=0.006)  # the corner is rounded by 2^(0.4 x 0.02)


OPTIONS = [
    (lambda: laws.bnsl(-1), ("breaks from 0 to 9", "-1")),
    (lambda: laws.bnsl(breaks=1.5), ("breaks from 0 to 9", "1.5")),
    (lambda: laws.bnsl(variable="my column"), ("'my column'", "variable")),
    (lambda: laws.get("bnsl", variable="a"), ("'a' twice",)),
    (lambda: laws.alabdulmohsin_m2("2x"), ("alabdulmohsin_m2", "'2x'")),
]


@pytest.mark.parametrize(("call", "words"), OPTIONS)
def test_options_are_checked(call, words):
    with pytest.raises(InputError) as error:
        call()
    assert all(word in str(error.value) for word in words), str(error.value)
