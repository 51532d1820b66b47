"""The constrained solver against an exact scan in one dimension, SciPy, finite differences and hand-made problems."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from jaxscale import costs, limits
from jaxscale._allocate import allocate
from jaxscale._constrained import FAILED, FLAT, INFEASIBLE, OK, solve
from jaxscale._decision import decide
from jaxscale._planning import conflict, expand, solve_many
from jaxscale.laws import Law, chinchilla, muennighoff

pytestmark = pytest.mark.slow  # the oracles scan every problem

BOUNDS = ("N_max", "N_min", "D_max", "D_min", "D_per_N_min", "D_per_N_max")
INFINITE = np.array([90.0, 0, 90, 0, -90, 90])


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


# --- Random problems and an exact oracle ------------------------------------------------------------------------------


@dataclass
class Problems:
    """Random plans of law theta = (log A, log B, log E, alpha, beta); all else logs. `bounds` is (n, 6), see BOUNDS."""

    theta: np.ndarray
    budget: np.ndarray
    bounds: np.ndarray
    served: np.ndarray
    unique: np.ndarray
    stars: np.ndarray

    @classmethod
    def random(cls, n: int, seed: int) -> "Problems":
        """Budgets of 1e17 to 1e28 FLOPs and up to six limits around the best size, so that some contradict."""
        rng = np.random.default_rng(seed)
        low, high = [3, 4, -1, 0.2, 0.2], [9, 10, 1, 0.6, 0.6]
        theta = rng.uniform(low, high, (n, 5))
        budget = rng.uniform(17, 28, n) * np.log(10)
        a, b, _, alpha, beta = theta.T
        x = (np.log(alpha / beta) + a - b + beta * (budget - np.log(6))) / (alpha + beta)
        y = budget - np.log(6) - x
        centre = np.column_stack([x + 0.5, x - 1.5, y + 0.5, y - 1.5, y - x - 1.5, y - x + 1.5])
        bounds = centre + rng.normal(0, [2, 2, 2, 2, 3, 3], (n, 6))
        bounds = np.clip(bounds, [0, 0, 0, 0, -89, -89], 89)
        bounds = np.where(rng.random((n, 6)) < rng.random(n)[:, None], bounds, INFINITE * np.log(1e39) / 90)
        served = np.where(rng.random(n) < 0.5, rng.uniform(10, 14, n) * np.log(10), np.log(1e3))
        unique = np.clip(y + rng.normal(-1, 2, n), 1, 80)
        return cls(theta, budget, bounds, served, unique, rng.uniform(0.5, [40, 20], (n, 2)))

    def givens(self, decision, values):
        """What the solver is given, (n, k)."""
        columns = dict(zip(chinchilla.parameter_names, self.theta.T, strict=True))
        columns |= dict(zip(BOUNDS, self.bounds.T, strict=True))
        columns |= {"budget": self.budget, "inference_tokens": self.served, "U": self.unique}
        columns |= dict(zip(("R_D_star", "R_N_star"), np.log(self.stars).T, strict=True))
        n = len(self.budget)
        return np.column_stack([columns.get(k, np.full(n, np.log(values.get(k, 1.0)))) for k in decision.names])


def log_sum(*terms):
    largest = np.maximum.reduce(terms)
    return largest + np.log(sum(np.exp(t - largest) for t in terms))


def worth(fresh, shown, star):
    """Muennighoff et al.: log of what `shown` is worth of which `fresh` is new."""
    return fresh + np.log1p(-star * np.expm1(-np.expm1(np.maximum(shown - fresh, 0)) / star))


def scan(problems: Problems, i: int, kind: str):
    """(least log loss, log N there): D as large as all limits allow, N on a grid, then golden section, then slopes.

    The loss falls with D, so along each N the largest D is best; every limit bounds D from above or below.
    """
    a, b, e, alpha, beta = problems.theta[i]
    N_max, N_min, D_max, D_min, least_ratio, most_ratio = problems.bounds[i]
    budget, served = problems.budget[i], problems.served[i] if kind == "served" else -np.inf

    def top(x):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            spare = np.log1p(-np.exp(np.minimum(np.log(2) + served + x - budget, 700)))
            tokens = budget - np.log(6) - x + np.where(np.isnan(spare), -np.inf, spare)
        return np.minimum(np.minimum(tokens, D_max), x + most_ratio)

    def gap(x):
        return top(x) - np.maximum(D_min, x + least_ratio)

    def loss(x):
        y = top(x)
        effective = x, y
        if kind == "repeated":
            fresh = np.minimum(problems.unique[i], y)
            log_G = (np.log(alpha / beta) + a - b) / (alpha + beta)
            fresh_N = np.minimum(x, log_G + beta / alpha * (log_G + fresh))
            effective = worth(fresh_N, x, problems.stars[i, 1]), worth(fresh, y, problems.stars[i, 0])
        return np.where(gap(x) >= -1e-12, log_sum(e + 0 * x, a - alpha * effective[0], b - beta * effective[1]), np.inf)

    def golden(function, low, high, steps=120):
        for _ in range(steps):
            left, right = low + 0.381966 * (high - low), high - 0.381966 * (high - low)
            low, high = (low, right) if function(left) <= function(right) else (left, high)
        return (low + high) / 2

    if N_min > N_max:
        return np.inf, np.nan
    grid = np.linspace(N_min, N_max, 801)
    k = int(np.argmax(gap(grid)))
    inside = golden(lambda x: -gap(x), grid[max(k - 1, 0)], grid[min(k + 1, 800)])
    inside = max((inside, grid[k]), key=gap)
    if gap(inside) < -1e-11:
        return np.inf, np.nan

    def edge(kept, lost):
        if gap(lost) >= 0:
            return lost
        for _ in range(200):
            middle = (kept + lost) / 2
            kept, lost = (middle, lost) if gap(middle) >= 0 else (kept, middle)
        return kept

    ends = edge(inside, N_min), edge(inside, N_max)
    grid = np.linspace(*ends, 4001)
    k = int(np.argmin(loss(grid)))
    x = golden(loss, grid[max(k - 1, 0)], grid[min(k + 1, 4000)])
    step = 1e-5
    if ends[0] + 2e-4 < x < ends[1] - 2e-4:  # golden section sees the minimum to 1e-8 in loss, slopes see it better
        low, high = x - 1e-4, x + 1e-4
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if loss(middle + step) < loss(middle - step) else (low, middle)
        x = min((low + high) / 2, x, key=loss)
    x = min(x, *ends, grid[k], key=loss)
    return float(loss(x)), float(x)


KINDS = {
    "plain": (chinchilla, costs.six_nd, {"N_max": 1e10}),
    "served": (chinchilla, costs.six_nd.with_inference(1e12), {"N_max": 1e10}),
    "repeated": (muennighoff, costs.six_nd, {"N_max": 1e10, "U": 1e11}),
}


def compare(kind: str, count: int, seed: int):
    """Every random problem by the solver and by the scan; fails at the first rule that one of them breaks."""
    law, cost, asked = KINDS[kind]
    decision, values, _ = decide(law, cost, *limits.read(asked))
    problems = Problems.random(count, seed)
    givens = problems.givens(decision, values)
    answers = solve_many(decision, givens)
    exact = np.array([scan(problems, i, kind) for i in range(count)])
    feasible, sound = np.isfinite(exact[:, 0]), np.isin(answers.status, (OK, FLAT))
    np.testing.assert_array_equal(answers.status == INFEASIBLE, ~feasible)
    np.testing.assert_array_equal(sound, feasible)
    difference = answers.value[sound] - exact[sound, 0]
    np.testing.assert_allclose(difference, 0, atol=1e-10)
    assert answers.kkt[sound].max() < 1e-9
    assert answers.violation[sound].max() < 1e-9
    certain = sound & (answers.status == OK)
    size = answers.x[certain, decision.variables.index("N")]
    # Where two sizes differ in loss by less than rounding, the scan cannot say which is best.
    equal = np.abs(answers.value[certain] - exact[certain, 0]) < 1e-15
    np.testing.assert_allclose(np.where(equal, 0, size - exact[certain, 1]), 0, atol=1e-6)
    close = np.abs(size - exact[certain, 1]) < 1e-6
    assert close.mean() > 0.95  # few are excused so: a saturated law is flat in N
    return decision, givens, answers


@pytest.mark.parametrize("kind", ["plain", "repeated"])
def test_random_problems(kind):
    compare(kind, 60, seed=101)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "count"), [("plain", 1000), ("served", 1000), ("repeated", 600)])
def test_many_random_problems(kind, count):
    compare(kind, count, seed=7001)


def test_conflicts_of_random_problems_are_minimal():
    decision, givens, answers = compare("plain", 60, seed=101)
    found = 0
    for i in np.flatnonzero(answers.status == INFEASIBLE)[:6]:
        names = conflict(decision, givens[i], answers.blame[i])
        rows = {"budget": (1, 1, givens[i, decision.names.index("budget")] - np.log(6))}  # p x + q y <= r
        for name, (p, q) in zip(BOUNDS, [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1), (-1, 1)], strict=True):
            value = givens[i, decision.names.index(name)]
            rows[name] = (p, q, value if name.endswith("max") else -value)

        def impossible(chosen, rows=rows):
            p = np.array([rows[name] for name in chosen])
            start = np.array([20.0, 20.0, 100.0])
            terms = [{"type": "ineq", "fun": lambda z, p=p: p[:, 2] + z[2] - p[:, :2] @ z[:2]}]
            best = minimize(lambda z: z[2], start, constraints=terms, method="SLSQP", options={"ftol": 1e-12})
            return best.fun > 1e-7

        assert impossible(names)
        for name in names:
            rest = [other for other in names if other != name]
            assert not rest or not impossible(rest)
        found += len(names) > 1
    assert found


# --- Laws of three and more variables, and other shapes --------------------------------------------------------------


def _many(A, B, F, a, b, c, *, N, D, F_):
    return 1.5 + A * N**-a + B * D**-b + F * F_**-c


THREE = Law.from_loss(_many, name="three")


def test_three_variables_against_slsqp():
    params = {"A": 400.0, "B": 1500.0, "F": 2.0, "a": 0.34, "b": 0.35, "c": 0.4}
    cost = costs.CostModel("three", lambda n, d, f: jnp.log(6.0) + n + d + 0.3 * f, variables=("N", "D", "F_"))
    asked = {"F__max": 50.0, "D_per_N": (None, 15)}
    with pytest.raises(Exception, match="F"):
        decide(THREE, costs.deepseek, ())
    decision, values, _ = decide(THREE, cost, *limits.read(asked))
    names = dict(values) | {"budget": 1e22}
    given = np.array([*THREE.theta(params), *(np.log(names[k]) for k in decision.names[len(params) :])])
    answers = solve_many(decision, given[None])
    assert answers.status[0] == OK

    def loss(x):
        return float(np.log(1.5 + 400 * np.exp(-0.34 * x[0]) + 1500 * np.exp(-0.35 * x[1]) + 2 * np.exp(-0.4 * x[2])))

    rows = [
        lambda x: np.log(1e22) - np.log(6) - x[0] - x[1] - 0.3 * x[2],
        lambda x: np.log(50) - x[2],
        lambda x: np.log(15) + x[0] - x[1],
    ]
    theirs = minimize(
        loss,
        [22.0, 24.0, 1.0],
        method="SLSQP",
        constraints=[{"type": "ineq", "fun": r} for r in rows],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert answers.value[0] <= theirs.fun + 1e-12
    np.testing.assert_allclose(answers.x[0], theirs.x, atol=1e-4)


def test_a_vertex_at_the_kink_of_repetition():
    # More parameters than are best for the data there is, and just enough tokens to use it once: a true corner.
    U = 1e9
    decision, values, _ = decide(muennighoff, costs.six_nd, *limits.read({"U": U, "N_min": 1e10, "D_max": U}))
    params = muennighoff.published["muennighoff_c4"].params
    given = np.array([*muennighoff.theta(params), *(np.log({**values, "budget": 1e22}[k]) for k in decision.names[7:])])
    answers = solve_many(decision, given[None])
    assert answers.status[0] == OK
    at = dict(zip(decision.variables, np.exp(answers.x[0]), strict=True))
    np.testing.assert_allclose([at["D"], at["epochs"]], [U, 1], rtol=1e-9)
    grid = np.geomspace(1e10, 1e22 / 6 / U, 20_001)
    dense = muennighoff.predict(params, N=grid, D=np.full_like(grid, U), U=np.full_like(grid, U))
    assert np.exp(answers.value[0]) <= dense.min() + 1e-12


def test_authors_optimum_under_repetition():
    # Their grid: D 2.37337e11, N 7.02236e9 at a step of 0.4 %; the exact one by dense search is N 7.026159e9.
    params = muennighoff.published["muennighoff_c4"].params
    best = jax.jit(lambda p, C: allocate(muennighoff, p, costs.six_nd, C, limits={"U": 25e9}))(params, 1e22)
    np.testing.assert_allclose([best.N, best.D], [7.02236e9, 2.37337e11], rtol=2e-3)
    np.testing.assert_allclose([best.N, best.D], [7.026159e9, 2.372088e11], rtol=2e-7)
    loss = muennighoff.predict(params, N=float(best.N), D=float(best.D), U=25e9)
    np.testing.assert_allclose(loss, 2.2221292749, rtol=1e-10)
    grid = np.geomspace(1e9, 1e11, 20_001)
    assert loss <= muennighoff.predict(params, N=grid, D=1e22 / 6 / grid, U=np.full_like(grid, 25e9)).min()


# --- Derivatives -----------------------------------------------------------------------------------------------------

CASES = {
    "nothing but the budget binds": {"N_max": 1e12},
    "the largest size binds": {"N_max": 1e10},
    "budget and ratio bind": {"D_per_N": (60, None)},
    "two limits without the budget": {"N_max": 1e9, "D_max": 1e10},
}


def _outputs(logs, asked):
    """log N, log D and log loss at logs of (A, B, E, alpha, beta, budget, tokens served, limits...)."""
    params = dict(zip(chinchilla.parameter_names, jnp.exp(logs[:5]), strict=True))
    cost = costs.six_nd.with_inference(tokens=jnp.exp(logs[6]))
    given, rest = {}, iter(jnp.exp(logs[7:]))
    for name, value in asked.items():
        given[name] = tuple(None if v is None else next(rest) for v in value) if name == "D_per_N" else next(rest)
    best = allocate(chinchilla, params, cost, jnp.exp(logs[5]), limits=given)
    loss = chinchilla(params, N=best.N, D=best.D)
    return jnp.log(jnp.stack([best.N, best.D, loss]))


@pytest.mark.parametrize("case", CASES)
def test_derivatives_against_finite_differences(case):
    asked = CASES[case]
    numbers = [v for value in asked.values() for v in (value if isinstance(value, tuple) else (value,)) if v]
    p = chinchilla.published["besiroglu"].params
    at = jnp.log(jnp.array([*(p[k] for k in chinchilla.parameter_names), 1e24, 1e12, *numbers]))

    @jax.jit
    def both(at):
        return _outputs(at, asked), jax.jacfwd(_outputs)(at, asked)

    _, mine = both(at)
    near, far = ([both(at + k * h)[0] - both(at - k * h)[0] for h in 1e-4 * jnp.eye(len(at))] for k in (1, 2))
    theirs = (8 * jnp.stack(near) - jnp.stack(far)).T / 12e-4
    np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8)


def test_reverse_mode_and_second_order():
    asked = {"D_per_N": (60, None)}
    p = chinchilla.published["besiroglu"].params
    at = jnp.log(jnp.array([*(p[k] for k in chinchilla.parameter_names), 1e24, 1e12, 60.0]))

    def loss(at):
        return _outputs(at, asked)[2]

    gradient = jax.jit(jax.grad(loss))
    hessian = jax.jit(jax.hessian(loss))(at)
    near, far = ([gradient(at + k * h) - gradient(at - k * h) for h in 1e-4 * jnp.eye(len(at))] for k in (1, 2))
    theirs = (8 * jnp.stack(near) - jnp.stack(far)) / 12e-4
    np.testing.assert_allclose(hessian, theirs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-10)
    many = jax.jit(jax.vmap(jax.grad(loss)))(jnp.stack([at, at]))
    np.testing.assert_allclose(many[1], gradient(at), rtol=1e-12)


def test_one_sided_derivatives_where_a_limit_is_just_touched():
    # N_max exactly at the best size: less of it binds, more of it does not.
    p = chinchilla.published["besiroglu"].params
    best = chinchilla.closed_forms["allocation"](p, 1e24)
    decision, values, _ = decide(chinchilla, costs.six_nd, *limits.read({"N_max": float(best.N)}))
    given = np.array([*chinchilla.theta(p), *(np.log({**values, "budget": 1e24}[k]) for k in decision.names[5:])])
    answers = solve_many(decision, given[None])
    (expansion,) = expand(decision, answers, given[None])
    assert expansion is not None
    assert expansion.one_sided is not None
    left, held = (slopes[0, decision.names.index("N_max")] for slopes in expansion.one_sided)
    np.testing.assert_allclose([left, held], [0, 1], atol=1e-9)


# --- What cannot be ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flat:
    """A loss that does not depend on x at all."""

    def objective(self, x, given):
        return given[0] + 0 * x[0]

    def rows(self, x, given):
        return x[0] - 3, -x[0], x[1] - 3, -x[1]


def test_a_loss_without_slope_is_called_flat_or_certified_anywhere():
    found = solve(Flat(), jnp.array([1.0]), jnp.array([[1.0, 1.0]]), jnp.ones(4))
    assert found.status in (OK, FLAT)
    assert found.value == 1


@dataclass(frozen=True)
class Corner:
    """The least of |x - 1| + (y - 2)^2: a corner, which no smooth solver certifies."""

    def objective(self, x, given):
        return given[0] * jnp.abs(x[0] - 1) + (x[1] - 2) ** 2

    def rows(self, x, given):
        return x[0] - 30, -30 - x[0], x[1] - 30, -30 - x[1]


def test_a_corner_is_not_certified_by_mistake():
    found = solve(Corner(), jnp.array([1.0]), jnp.array([[4.0, 4.0]]), jnp.ones(4))
    assert found.status == FAILED


def test_nan_where_limits_contradict():
    p = chinchilla.published["besiroglu"].params
    best = allocate(chinchilla, p, costs.six_nd, 1e20, limits={"N_min": 1e12, "D_min": 1e12})
    assert jnp.isnan(best.N)


def test_least_cost_inverts_least_loss():
    p = chinchilla.published["besiroglu"].params
    loss = float(chinchilla(p, **chinchilla.closed_forms["allocation"](p, 1e23)._asdict()))
    best = allocate(chinchilla, p, costs.six_nd, reach_loss=loss)
    np.testing.assert_allclose(6 * best.N * best.D, 1e23, rtol=1e-9)
