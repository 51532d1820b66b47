"""Convexity read off a formula: what is claimed holds at random points, and what does not hold is not claimed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import each_program

import jaxscale as js
from jaxscale.laws import Law

# Formulas of N and D, and whether the log of what they give is convex in log N and log D whatever the (positive)
# parameters. By hand: sums, products, quotients by and positive powers of sums of powers, and maxima of such.
FORMULAS = {
    "sum of powers": (lambda E, A, B, a, b, *, N, D: E + A * N**-a + B * D**-b, True),
    "quotients": (lambda E, A, B, a, b, *, N, D: E + A / N**a + B / D**b, True),
    "numbers": (lambda E, A, B, *, N, D: 2.0 * E + 3 * A * jnp.sqrt(1 / N) + B * D**-0.5, True),
    "stacked": (lambda E, A, B, a, b, *, N, D: jnp.sum(jnp.stack([E, A * N**-a, B * D**-b])), True),
    "logsumexp of logs": (
        lambda E, A, B, a, b, *, N, D: jnp.exp(
            jax.nn.logsumexp(jnp.stack([jnp.log(E), jnp.log(A) - a * jnp.log(N), jnp.log(B) - b * jnp.log(D)]))
        ),
        True,
    ),
    "logaddexp": (
        lambda A, B, a, b, *, N, D: jnp.exp(jnp.logaddexp(jnp.log(A) - a * jnp.log(N), jnp.log(B) - b * jnp.log(D))),
        True,
    ),
    "power of a sum": (lambda E, A, B, a, b, k, *, N, D: E + (A * N**-a + B * D**-b) ** k, True),
    "product of sums": (lambda E, A, B, a, b, *, N, D: (E + A * N**-a) * (E + B * D**-b), True),
    "cross term": (lambda E, A, B, a, b, c, *, N, D: E + A * N**-a + B * D**-b + c * (N * D) ** -0.1, True),
    "difference": (lambda E, A, B, a, b, *, N, D: E + A * N**-a - B * D**-b, False),
    "ripple": (lambda E, A, a, b, *, N, D: E + A * N**-a * (1 + 0.1 * jnp.sin(jnp.log(N))) + D**-b, False),
    "saturating": (lambda E, A, B, a, b, *, N, D: E + 1 / (1 + A * N**a) + B * D**-b, False),
    "concave": (lambda A, B, a, b, *, N, D: 1 / (A * N**a + B * D**b), False),
    "the smaller": (lambda E, A, B, a, b, *, N, D: jnp.minimum(E + A * N**-a, E + B * D**-b), False),
    "indefinite": (lambda E, A, B, b, *, N, D: E * jnp.exp(-A * jnp.log(N) * jnp.log(D)) + B * D**-b, False),
    "ratio of sums": (lambda E, A, B, a, b, *, N, D: (E + A * N**-a) / (E + B * D**-b), False),
    "two maxima that differ": (
        lambda E, A, a, b, *, N, D: jnp.exp(jnp.maximum(-a * jnp.log(N), E) - jnp.maximum(-b * jnp.log(D), A)),
        False,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_of_ones_own(name):
    formula, convex = FORMULAS[name]
    assert Law.from_loss(formula).convex == convex


ONE_VALLEY = {  # rising functions of what is convex, and what looks like one
    "power of a sigmoid": (lambda E, A, a, k, g, *, N, D: k * jax.nn.sigmoid(g * (E + A * N**-a + D**-a)) ** 0.5, True),
    "of unknown sign": (lambda E, A, B, a, b, k, g, *, N, D: 1 - k * jnp.exp(-g * (E + A * N**-a + B * D**-b)), False),
    "sigmoid": (lambda E, A, a, k, g, *, N, D: k * jax.nn.sigmoid(g * (E + A * N**-a + D**-a)), True),
    "what falls with it": (lambda E, A, B, a, b, g, *, N, D: jnp.exp(-g * (E + A * N**-a + B * D**-b)), False),
    "two of them": (lambda E, A, B, a, b, k, *, N, D: 1 - k * jnp.exp(-A * N**-a) - E * jnp.exp(-B * D**-b), False),
    "an unknown sign": (lambda E, A, B, a, b, k, *, N, D: (E - k) * (E + A * N**-a + B * D**-b), False),
}


@pytest.mark.parametrize("name", ONE_VALLEY)
def test_a_formula_that_rises_with_a_convex_one(name):
    formula, one_valley = ONE_VALLEY[name]
    law = Law.from_loss(formula)
    assert (law.convex, law.one_valley) == (False, one_valley)


def test_the_error_of_a_chain_has_the_valley_of_its_loss():
    for law in (js.laws.chinchilla >> js.laws.gadre_err, js.laws.chinchilla, js.laws.gadre_err):
        assert law.one_valley
    assert not (js.laws.muennighoff.one_valley or js.laws.farseer.one_valley or js.laws.bhagia_two_step.one_valley)


@each_program
def test_what_is_claimed_of_a_law_holds_between_random_points(case):
    """f((x + y) / 2) <= (f(x) + f(y)) / 2 on 40 segments for each of 8 random parameter sets; no more than the larger
    of f(x) and f(y) where it is said to have one valley alone."""
    law = case.law
    if not law.one_valley:
        return
    sign = -1.0 if law.response.better == "higher" else 1.0
    rng = np.random.default_rng(3)
    params = case.random_params(8, seed=5)
    for k in range(8):
        theta = law.theta({name: float(values[k]) for name, values in params.items()})
        ends = [case.logs(case.random_variables(40, seed=int(rng.integers(1e6)))) for _ in range(2)]
        held = [v.logged for v in law.variables]
        ends[1] = tuple(y if logged else x for x, y, logged in zip(*ends, held, strict=True))
        middle = tuple((x + y) / 2 for x, y in zip(*ends, strict=True))
        with jax.enable_x64(True):
            f = jax.vmap(lambda *logs, theta=theta: law.log_response(tuple(theta), logs))
            low, high, between = (sign * np.asarray(f(*map(jnp.asarray, x))) for x in (*ends, middle))
        size = np.abs(low) + np.abs(high)
        bound = (low + high) / 2 if law.convex else np.maximum(low, high)
        assert np.all(between <= bound + 1e-12 * size)


def test_sums_of_powers_among_the_laws_are_found():
    laws = ("chinchilla", "gadre_overtrain", "kaplan_nd", "skaling", "krajewski_granularity", "busbridge_supervised")
    assert all(js.laws.get(name).convex for name in laws)
    not_convex = ("muennighoff", "farseer", "pearce_song", "abnar_sparsity", "bhagia_two_step", "tissue_annealing")
    assert not any(js.laws.get(name).convex for name in not_convex)


@pytest.mark.slow
def test_a_users_sum_of_powers_is_planned_globally_and_a_mixed_law_is_not():
    chinchilla = js.laws.chinchilla.published["besiroglu"]
    mine = Law.from_loss(lambda A, B, E, alpha, beta, *, N, D: E + A * N**-alpha + B * D**-beta)
    limits = {"N_max": 5e10}
    (own,) = js.frontier(mine.at(**chinchilla.params), 1e24, limits=limits).rows
    (shipped,) = js.frontier(chinchilla, 1e24, limits=limits).rows
    assert own.certificate["global"] and shipped.certificate["global"]
    assert (own.N, own.D, own.loss) == pytest.approx((shipped.N, shipped.D, shipped.loss), rel=1e-9)
    mixed = Law.from_loss(lambda E, A, a, b, *, N, D: E + A * N**-a * (1 + 0.01 * jnp.cos(jnp.log(N))) + D**-b)
    (row,) = js.frontier(mixed.at(E=1.7, A=400.0, a=0.34, b=0.2), 1e22, limits={"N_max": 1e11}).rows
    assert not row.certificate["global"]


def test_what_jax_cannot_trace_is_not_convex():
    assert not Law.from_loss(lambda E, A, *, N: E if N > 1 else A).convex
