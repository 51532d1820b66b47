"""The best allocation against closed forms, SciPy, finite differences and published figures."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import compilations
from scipy.optimize import minimize_scalar

from jaxscale import costs, frontier
from jaxscale._allocation.allocate import allocate
from jaxscale._base.errors import InputError
from jaxscale.laws import Law, chinchilla, logsumexp

BUDGETS = np.array([1e18, 1e21, 5.76e23, 1e24, 1e27])
NAMES = chinchilla.parameter_names
COMPLETE = [name for name, i in chinchilla.published.items() if set(i.params) == set(NAMES)]


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def closed_form(p, C, kappa=6.0, n_power=1.0, d_power=1.0):
    """(log N*, log D*) for kappa N^n D^d = C, from alpha A N^-alpha / n = beta B D^-beta / d."""
    log_ratio = jnp.log(p["alpha"] * p["A"] * d_power / (p["beta"] * p["B"] * n_power))
    total = p["alpha"] * d_power + p["beta"] * n_power
    log_N = (d_power * log_ratio + p["beta"] * jnp.log(C / kappa)) / total
    return log_N, (jnp.log(C / kappa) - n_power * log_N) / d_power


_jitted = jax.jit(allocate, static_argnums=(0, 2))


def best_of(law, params, cost, budget):
    """Compiled once for each law and cost."""
    return _jitted(law, {name: np.float64(value) for name, value in params.items()}, cost, np.float64(budget))


def random_params(count, seed):
    rng = np.random.default_rng(seed)
    return {
        "A": np.exp(rng.uniform(-3, 12, count)),
        "B": np.exp(rng.uniform(-3, 12, count)),
        "E": np.exp(rng.uniform(-5, 2, count)),
        "alpha": rng.uniform(0.05, 1.2, count),
        "beta": rng.uniform(0.05, 1.2, count),
    }


def power_cost(kappa, n_power, d_power):
    return costs.CostModel("power", lambda log_N, log_D: np.log(kappa) + n_power * log_N + d_power * log_D)


# --- against the closed form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance", "a", "gamma", "budget", "N", "D", "ratio"),
    [
        ("hoffmann_rounded", 0.451613, 0.153548, 1e21, 1.824218e9, 9.136336e10, 50.08),
        ("hoffmann_rounded", 0.451613, 0.153548, 5.76e23, 3.218986e10, 2.982306e12, 92.65),
        ("hoffmann_rounded", 0.451613, 0.153548, 1e24, 4.129670e10, 4.035835e12, 97.73),
        ("hoffmann_tex", 0.456526, 0.154840, 1e21, 2.216955e9, 7.517819e10, 33.91),
        ("hoffmann_tex", 0.456526, 0.154840, 5.76e23, 4.036094e10, 2.378537e12, 58.93),
        ("hoffmann_tex", 0.456526, 0.154840, 1e24, 5.191999e10, 3.210067e12, 61.83),
        ("besiroglu", 0.512612, 0.178286, 1e21, 2.778459e9, 5.998528e10, 21.59),
        ("besiroglu", 0.512612, 0.178286, 5.76e23, 7.224870e10, 1.328744e12, 18.39),
        ("besiroglu", 0.512612, 0.178286, 1e24, 9.586065e10, 1.738635e12, 18.14),
        ("muennighoff_c4", 0.5, 0.176330, 1e21, 2.915091e9, 5.717375e10, 19.613),
        ("muennighoff_c4", 0.5, 0.176330, 5.76e23, 6.996217e10, 1.372170e12, 19.613),
        ("muennighoff_c4", 0.5, 0.176330, 1e24, 9.218326e10, 1.807993e12, 19.613),
    ],
)
def test_figures_of_published_constants(instance, a, gamma, budget, N, D, ratio):
    params = chinchilla.published[instance].params
    values, slopes = _log_outputs(params, np.log(budget))
    np.testing.assert_allclose(np.exp(values[:2]), [N, D], rtol=5e-7)
    np.testing.assert_allclose(np.exp(values[1] - values[0]), ratio, rtol=2e-4)
    np.testing.assert_allclose(slopes, [a, 1 - a, -gamma], atol=6e-7)


@jax.jit
def _log_outputs(params, log_budget):
    """log N*, log D*, log of the reducible loss there, and their derivatives in log C."""

    def outputs(log_budget):
        best = allocate(chinchilla, params, costs.six_nd, jnp.exp(log_budget))
        values = jnp.stack([*map(jnp.log, best), jnp.log(chinchilla(params, N=best.N, D=best.D) - params["E"])])
        return values, values

    slopes, values = jax.jacfwd(outputs, has_aux=True)(log_budget)
    return values, slopes


def log_N(params, C):
    return jnp.log(allocate(chinchilla, params, costs.six_nd, C).N)


def exact_log_N(params, C):
    return closed_form(params, C)[0]


@cache
def of_every_instance(function):
    """`function(params, C)`, compiled, for every complete instance and budget."""
    stacked = {p: np.array([chinchilla.published[name].params[p] for name in COMPLETE]) for p in NAMES}
    return jax.jit(jax.vmap(jax.vmap(function, (None, 0)), (0, None)))(stacked, BUDGETS), stacked


def test_every_complete_instance_is_among_the_cases():
    assert {"hoffmann_tex", "hoffmann_rounded", "besiroglu", "besiroglu_converged", "muennighoff_c4"} <= set(COMPLETE)


def backward(function):
    """Value and slopes in parameters and budget, in reverse mode."""
    return jax.value_and_grad(function, (0, 1))


def forward(function):
    """The same in forward mode."""
    slopes = jax.jacfwd(lambda *at: (function(*at),) * 2, (0, 1), has_aux=True)
    return lambda *at: slopes(*at)[::-1]


LOG_N = {mode: mode(log_N) for mode in (backward, forward)}
EXACT = backward(exact_log_N)
each_mode = pytest.mark.parametrize("mode", [backward, forward])


@each_mode
def test_value_of_every_complete_instance(mode):
    (mine, _), _ = of_every_instance(LOG_N[mode])
    (exact, _), _ = of_every_instance(EXACT)
    np.testing.assert_allclose(np.exp(np.asarray(mine) - exact), 1, rtol=1e-12)


@each_mode
def test_gradient_of_every_complete_instance(mode):
    (_, (mine, mine_C)), stacked = of_every_instance(LOG_N[mode])
    (_, (exact, exact_C)), _ = jax.tree.map(np.asarray, of_every_instance(EXACT))
    np.testing.assert_allclose(mine_C * BUDGETS, exact_C * BUDGETS, rtol=1e-12)
    for name in NAMES:  # in logs of the parameters, where derivatives are of order one
        unit = stacked[name][:, None]
        np.testing.assert_allclose(mine[name] * unit, exact[name] * unit, rtol=1e-10, atol=1e-11)


@pytest.mark.slow
def test_hessian_of_every_complete_instance():
    mine, stacked = of_every_instance(jax.hessian(log_N))
    exact, _ = of_every_instance(jax.hessian(exact_log_N))
    for i in NAMES:
        for j in NAMES:
            unit = (stacked[i] * stacked[j])[:, None]
            np.testing.assert_allclose(
                mine[i][j] * unit, exact[i][j] * unit, rtol=1e-10, atol=1e-10, err_msg=f"{i} {j}"
            )


def test_closed_form_at_random_parameters_in_one_batch():
    params, budgets = random_params(3000, seed=1), 10 ** np.random.default_rng(2).uniform(15, 30, 3000)
    best = jax.jit(jax.vmap(lambda p, C: allocate(chinchilla, p, costs.six_nd, C)))(params, budgets)
    log_N, log_D = closed_form(params, budgets)
    np.testing.assert_allclose(jnp.log(best.N), log_N, atol=1e-11)  # absolute in a log: relative in N
    np.testing.assert_allclose(jnp.log(best.D), log_D, atol=1e-11)
    np.testing.assert_allclose(6 * best.N * best.D, budgets, rtol=1e-12)
    gain_N = params["alpha"] * params["A"] * best.N ** -params["alpha"]
    gain_D = params["beta"] * params["B"] * best.D ** -params["beta"]
    np.testing.assert_allclose(gain_N, gain_D, rtol=1e-11)


@pytest.mark.parametrize(("kappa", "n_power", "d_power"), [(6, 1, 1), (2.5, 1.3, 0.7), (1e-3, 0.5, 2.0)])
def test_other_powers_of_N_and_D_in_the_cost(kappa, n_power, d_power):
    params = chinchilla.published["besiroglu"].params
    cost = power_cost(kappa, n_power, d_power)
    for budget in BUDGETS:
        best = best_of(chinchilla, params, cost, budget)
        exact = closed_form(params, budget, kappa, n_power, d_power)
        np.testing.assert_allclose([jnp.log(best.N), jnp.log(best.D)], exact, atol=1e-11)


# --- identities -----------------------------------------------------------------------------------------------------


def test_envelope_theorem():
    # dL*/dlogC = -gamma (L* - E) with gamma = alpha beta / (alpha + beta).
    p = chinchilla.published["besiroglu"].params

    def best_loss(log_C):
        return chinchilla(p, **allocate(chinchilla, p, costs.six_nd, jnp.exp(log_C))._asdict())

    gamma = p["alpha"] * p["beta"] / (p["alpha"] + p["beta"])
    losses, slopes = jax.jit(jax.vmap(jax.value_and_grad(best_loss)))(np.log(BUDGETS))
    np.testing.assert_allclose(slopes, -gamma * (losses - p["E"]), rtol=1e-10)


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_another_size_at_the_same_cost_is_worse(factor):
    p = chinchilla.published["hoffmann_tex"].params
    best = best_of(chinchilla, p, costs.six_nd, 1e24)
    assert chinchilla(p, N=best.N * factor, D=best.D / factor) > chinchilla(p, N=best.N, D=best.D)


@pytest.mark.parametrize("E", [0.0, 1e-300, 1.69, 1e12])
def test_irreducible_loss_never_changes_the_allocation(E):
    # At E = 1e12 the loss itself is flat to machine precision in N and D.
    p = chinchilla.published["besiroglu"].params
    best = best_of(chinchilla, {**p, "E": E}, costs.six_nd, 1e24)
    np.testing.assert_allclose(jnp.log(best.N), closed_form(p, 1e24)[0], atol=1e-12)


def test_swapping_the_roles_of_N_and_D_swaps_the_answer():
    p = chinchilla.published["hoffmann_tex"].params
    swapped = {"A": p["B"], "B": p["A"], "E": p["E"], "alpha": p["beta"], "beta": p["alpha"]}
    one, other = (best_of(chinchilla, x, costs.six_nd, 1e23) for x in (p, swapped))
    np.testing.assert_allclose([one.N, one.D], [other.D, other.N], rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-3, 1e9])
def test_counting_tokens_in_other_units(unit):
    p = chinchilla.published["besiroglu"].params
    plain = best_of(chinchilla, p, costs.six_nd, 1e24)
    scaled = best_of(chinchilla, {**p, "B": p["B"] * unit ** -p["beta"]}, costs.six_nd, 1e24 / unit)
    np.testing.assert_allclose([scaled.N, scaled.D * unit], [plain.N, plain.D], rtol=1e-11)


# --- laws and costs without a closed form ---------------------------------------------------------------------------


def _coupled(E, A, B, alpha, beta, k, *, N, D):
    return E + (A * N**-alpha + B * D**-beta) ** k


COUPLED = Law.from_loss(_coupled, name="coupled")
KAPLAN_ND = Law(
    "kaplan_nd_like",
    lambda p, log_N, log_D: p.alpha_D * logsumexp(p.alpha_N / p.alpha_D * (p.log_N_c - log_N), p.log_D_c - log_D),
    parameters=("N_c", "D_c", "alpha_N", "alpha_D"),
)
SERVED = costs.six_nd + costs.CostModel("served", lambda log_N, log_D: np.log(2 * 1e12) + log_N)  # 1e12 tokens served
CASES = [
    (COUPLED, {"E": 1.7, "A": 300.0, "B": 900.0, "alpha": 0.33, "beta": 0.36, "k": 0.9}, costs.six_nd),
    (KAPLAN_ND, {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103}, costs.six_nd),
    (chinchilla, chinchilla.published["besiroglu"].params, SERVED),
]


def _tokens(cost, log_N, budget):
    """log D that spends the budget."""
    return np.log(budget / np.exp(log_N) - (2e12 if cost is SERVED else 0)) - np.log(6)


@pytest.mark.parametrize("budget", [1e20, 1e24])
@pytest.mark.parametrize(("law", "params", "cost"), CASES, ids=lambda x: getattr(x, "name", ""))
def test_no_loss_below_the_one_scipy_finds(law, params, cost, budget):
    def loss(log_N):
        return law.predict(params, N=np.exp(log_N), D=np.exp(_tokens(cost, log_N, budget)))

    # With 1e12 tokens to serve, N cannot exceed budget / 2e12.
    largest = np.log(budget / 2e12) - 1e-9 if cost is SERVED else np.log(budget) - np.log(6)
    theirs = minimize_scalar(loss, bounds=(np.log(1e3), largest), method="bounded", options={"xatol": 1e-10})
    best = best_of(law, params, cost, budget)
    np.testing.assert_allclose(jnp.log(best.N), theirs.x, atol=3e-7)  # a minimum is flat: SciPy can see no closer
    assert loss(float(jnp.log(best.N))) <= theirs.fun * (1 + 1e-15)
    np.testing.assert_allclose(cost.compute(*best), budget, rtol=1e-12)


def test_gradient_against_finite_differences():
    log_size, at = log_size_of_logs(*CASES[0])
    both = jax.jit(jax.value_and_grad(log_size))
    np.testing.assert_allclose(both(at)[1], differences(lambda x: both(x)[0], at), rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_hessian_against_finite_differences():
    law, params, _ = CASES[1]
    log_size, at = log_size_of_logs(law, params, SERVED)
    gradient = jax.jit(jax.grad(log_size))
    np.testing.assert_allclose(jax.jit(jax.hessian(log_size))(at), differences(gradient, at), rtol=1e-7, atol=1e-7)


def log_size_of_logs(law, params, cost):
    """log N* as a function of the logs of all parameters and the budget, and where to look at it."""

    def log_size(logs):
        values = dict(zip(params, jnp.exp(logs[:-1]), strict=True))
        return jnp.log(allocate(law, values, cost, jnp.exp(logs[-1])).N)

    return log_size, np.log([*params.values(), 1e23])


def differences(function, at):
    """Derivatives by central differences of fourth order."""
    steps = 1e-4 * np.eye(len(at))
    near, far = (np.array([np.subtract(function(at + k * h), function(at - k * h)) for h in steps]) for k in (1, 2))
    return (8 * near - far) / 12e-4


# --- edges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"alpha": 0.0}, {"alpha": -0.1}, {"beta": 0.0}, {"alpha": -0.1, "beta": -0.2}, {"A": 0.0}]
)
def test_nan_where_there_is_no_best_size(change):
    p = {**chinchilla.published["besiroglu"].params, **change}
    best = best_of(chinchilla, p, costs.six_nd, 1e24)
    assert jnp.isnan(best.N)
    assert jnp.isnan(best.D)


@pytest.mark.parametrize("budget", [-1.0, 0.0, np.inf, np.nan])
def test_nan_for_budgets_that_are_none(budget):
    best = best_of(chinchilla, chinchilla.published["besiroglu"].params, costs.six_nd, budget)
    assert jnp.isnan(best.N)


def test_a_fixed_cost_above_the_budget_leaves_nothing():
    fixed = costs.CostModel("fixed", lambda log_N, log_D: np.log(1e22) + 0 * log_N)
    p, cost = chinchilla.published["besiroglu"].params, costs.six_nd + fixed
    assert jnp.isnan(best_of(chinchilla, p, cost, 0.9e22).N)
    np.testing.assert_allclose(
        best_of(chinchilla, p, cost, 3e22).N, best_of(chinchilla, p, costs.six_nd, 2e22).N, rtol=1e-11
    )


@pytest.mark.parametrize(("alpha", "beta"), [(0.02, 0.9), (0.9, 0.02)])
def test_optimum_far_from_the_usual(alpha, beta):
    p = {"A": 3.0, "B": 5.0, "E": 1.0, "alpha": alpha, "beta": beta}
    best = best_of(chinchilla, p, costs.six_nd, 1e27)
    assert max(best) > 1e20
    np.testing.assert_allclose([jnp.log(best.N), jnp.log(best.D)], closed_form(p, 1e27), atol=1e-11)


def test_the_best_corner_of_a_law_with_a_kink():
    # Tokens beyond 1e11 gain nothing, so the best plan stops there.
    capped = Law.from_loss(lambda E, A, B, a, b, *, N, D: E + A * N**-a + B * jnp.minimum(D, 1e11) ** -b, name="capped")
    best = best_of(capped, {"E": 1.8, "A": 480.0, "B": 2085.0, "a": 0.35, "b": 0.37}, costs.six_nd, 1e24)
    np.testing.assert_allclose([best.N, best.D], [1e24 / 6e11, 1e11], rtol=1e-12)


RIPPLE = Law.from_loss(
    lambda E, A, B, alpha, beta, a, w, *, N, D: E + A * N**-alpha + B * D**-beta + a * jnp.sin(w * jnp.log(N) + 1),
    name="ripple",
)


@pytest.mark.slow
def test_the_lowest_of_many_valleys():
    """Against a dense grid of the budget, and its slope in the budget against finite differences."""
    params = {**chinchilla.published["besiroglu"].params, "a": 0.03, "w": 2.0}
    budget, N = 1e24, np.geomspace(1e8, 1e15, 200_001)
    with jax.enable_x64(True):
        losses = RIPPLE.predict(params, N=N, D=budget / 6 / N)
        best = allocate(RIPPLE, params, costs.six_nd, budget)
        assert RIPPLE.predict(params, N=best.N, D=best.D) <= losses.min() * (1 + 1e-12)
        np.testing.assert_allclose(best.N, N[np.argmin(losses)], rtol=1e-3)

        def log_N(log_budget):
            return jnp.log(allocate(RIPPLE, params, costs.six_nd, jnp.exp(log_budget)).N)

        x = np.log(budget)
        by_steps = (log_N(x + 1e-4) - log_N(x - 1e-4)) / 2e-4
        np.testing.assert_allclose(jax.grad(log_N)(x), by_steps, rtol=1e-6)


@pytest.mark.slow
def test_within_limits_the_lowest_of_many_valleys_is_that_of_a_plan():
    params = {**chinchilla.published["besiroglu"].params, "a": 0.03, "w": 2.0}
    for limits in ({"N_max": 2e10, "D_max": 1e13}, {"D_per_N": (20, 20)}):
        (row,) = frontier(RIPPLE.at(**params), 1e24, limits=limits).rows
        with jax.enable_x64(True):
            best = allocate(RIPPLE, params, costs.six_nd, 1e24, limits)

            def log_N(x, limits=limits):
                return jnp.log(allocate(RIPPLE, params, costs.six_nd, jnp.exp(x), limits).N)

            slope = jax.grad(log_N)(np.log(1e24))
        np.testing.assert_allclose([best.N, best.D], [row.N, row.D], rtol=1e-9)
        np.testing.assert_allclose(slope, row.sensitivities["N"]["budget"], rtol=1e-6, atol=1e-12)


def test_follows_the_callers_precision():
    p = chinchilla.published["besiroglu"].params
    narrow = {name: jnp.float32(value) for name, value in p.items()}
    best = allocate(chinchilla, narrow, costs.six_nd, 1e24)
    assert best.N.dtype == jnp.float32
    np.testing.assert_allclose(jnp.log(best.N), closed_form(p, 1e24)[0], atol=2e-5)
    with jax.enable_x64(False):
        assert allocate(chinchilla, p, costs.six_nd, 10**24).N.dtype == jnp.float32


@pytest.mark.parametrize(
    "more",
    [
        {"budget": 1e24, "limits": {"N_max": 7e10}},
        pytest.param({"reach_loss": 2.2}, marks=pytest.mark.slow),
        pytest.param({"budget": 1e24, "fixed": {"N": 1e10}}, marks=pytest.mark.slow),
    ],
)
def test_in_float32_answers_are_those_of_float64(more):
    """They were nan, in silence."""
    p = chinchilla.published["besiroglu"].params
    found = []
    for wide in (False, True):
        with jax.enable_x64(wide):
            answer = allocate(chinchilla, p, costs.six_nd, **more)
            assert {x.dtype for x in answer} == {np.dtype("float64" if wide else "float32")}
            found.append([float(x) for x in answer])
    np.testing.assert_allclose(*found, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: allocate(chinchilla, {"A": 1.0}, costs.six_nd, 1e21), "misses parameter B, E, alpha, beta"),
        (lambda p: allocate(chinchilla, {**p, "gamma": 1.0}, costs.six_nd, 1e21), "has no parameter gamma"),
        (lambda p: allocate(chinchilla, p, costs.six_nd, jnp.ones(3)), r"budget has shape \(3,\); use jax.vmap"),
        (lambda p: allocate(chinchilla, {**p, "E": jnp.ones(2)}, costs.six_nd, 1e21), r"E has shape \(2,\)"),
        (lambda p: allocate(chinchilla, p, costs.six_nd, 1e21, limits={"N": 1e9}), "there is no limit 'N'"),
        (lambda p: allocate(chinchilla, p, costs.six_nd), "give a budget or the loss to reach"),
        (
            lambda p: allocate(Law.from_loss(lambda A, a, *, N: A * N**-a), p, costs.six_nd, 1e21),
            "misses parameter a|is one of N, D",
        ),
    ],
)
def test_what_cannot_be_allocated(call, message):
    with pytest.raises(InputError, match=message):
        call(chinchilla.published["besiroglu"].params)


@pytest.mark.parametrize("limits", [None, {"N_max": 7e10}], ids=["budget", "limit"])
def test_another_budget_compiles_nothing(limits):
    """Outside `jit` each operation was dispatched by itself: seconds for each answer."""
    p = chinchilla.published["besiroglu"].params
    allocate(chinchilla, p, costs.six_nd, 1e24, limits)
    before = compilations()
    sizes = [float(allocate(chinchilla, p, costs.six_nd, budget, limits).N) for budget in (2e24, 4e24)]
    assert compilations() == before
    np.testing.assert_allclose(sizes, [7e10] * 2 if limits else np.exp([closed_form(p, b)[0] for b in (2e24, 4e24)]))
