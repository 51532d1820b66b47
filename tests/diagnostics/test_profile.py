"""Profile intervals by second routes: exact t intervals, SciPy's constrained optima on either side of an end."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import LAW, TRUTH, sweep
from oracles import minimise, table_of
from scipy.optimize import brentq, minimize
from scipy.stats import norm, t

import jaxscale as js
from jaxscale._fitting.result import problem_of
from jaxscale._trust import profile_curves as curves_module
from jaxscale._trust.constrained_optima import Engine, Profiled, entry
from jaxscale._trust.linearization import linearize
from jaxscale._trust.profile_curves import profile_curve, profile_curves

LINE = js.laws.power_law("C", floor=False)


def narrow(times: float) -> js.Runs:
    """Twenty-five runs whose sizes and tokens differ by that factor only."""
    N, D = (a.ravel() for a in np.meshgrid(*(np.geomspace(x, times * x, 5) for x in (1e9, 2e10))))
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.003, seed=0)


@pytest.fixture(scope="module")
def few() -> js.FitResult:
    return js.fit(LAW, sweep(3, 4))


@pytest.fixture(scope="module")
def line() -> js.FitResult:
    C = np.geomspace(1e18, 1e22, 15)
    noise = 0.02 * np.random.default_rng(3).standard_normal(15)
    runs = js.Runs({"C": C}, 30 * C**-0.05 * np.exp(noise))
    return js.fit(LINE, runs, objective=js.SquaredError(), intervals="profile")


@pytest.mark.slow
def test_tables_side_by_side_have_the_profiles_of_each_alone(few):
    other = js.fit(LAW, sweep(3, 4, seed=5), intervals=None)
    with jax.enable_x64(True):
        tables = []
        for result in (few, other, few):
            problem = problem_of(result, result.runs)
            free = problem.reduce(result.theta)
            tables.append(Profiled(problem, free, linearize(problem, free), np.eye(len(free))))
        together = profile_curves(tables, entry, 0.9)
        for mine, table in zip(together, tables, strict=True):
            alone = profile_curve(table.problem, table.best, table.at, entry, table.given, 0.9)
            assert [(c.low, c.high) for c in mine] == [(c.low, c.high) for c in alone]
            np.testing.assert_array_equal(mine[3].values, alone[3].values)
    assert [(c.low, c.high) for c in together[0]] != [(c.low, c.high) for c in together[1]]


@pytest.mark.slow
def test_ends_are_those_of_twice_the_searches(few, monkeypatch):
    """Where neighbours of a scan rise as their slopes say, no point is looked for again; else each is."""
    problem, searches, solve = problem_of(few, few.runs), [], Engine.solve
    free = problem.reduce(few.theta)

    def counted(self, asked):
        searches[-1] += sum(len(wanted.target) for _, (wanted, _) in asked)
        return solve(self, asked)

    monkeypatch.setattr(Engine, "solve", counted)
    ends = []
    for doubted in (False, True):
        if doubted:
            monkeypatch.setattr(
                curves_module, "_rises_as_said", lambda inner, *_: np.zeros(np.shape(inner.value), bool)
            )
        searches.append(0)
        with jax.enable_x64(True):
            curves = profile_curve(problem, free, linearize(problem, free), entry, np.eye(len(free)), 0.9)
        ends.append([(c.low, c.high) for c in curves])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-8)
    assert searches[0] < 0.6 * searches[1]


def straight(result: js.FitResult) -> tuple[np.ndarray, np.ndarray]:
    """Least squares of the log of a power law: theta and its covariance, from the normal equations."""
    logs = np.log(result.runs.variables["C"])
    X = np.stack([np.ones_like(logs), -logs], axis=1)
    theta, rest, *_ = np.linalg.lstsq(X, np.log(result.runs.response), rcond=None)
    return theta, rest[0] / (len(logs) - 2) * np.linalg.inv(X.T @ X)


def test_a_straight_line_has_its_t_interval(line):
    theta, covariance = straight(line)
    half = t.ppf(0.95, 13) * np.sqrt(np.diag(covariance))
    assert line.intervals.method == "profile"
    assert line.intervals.params["A"] == pytest.approx(
        tuple(np.exp([theta[0] - half[0], theta[0] + half[0]])), rel=1e-6
    )
    assert line.intervals.params["alpha"] == pytest.approx((theta[1] - half[1], theta[1] + half[1]), rel=1e-6)


@pytest.mark.slow
def test_a_prediction_of_a_straight_line_has_its_t_interval(line):
    theta, covariance = straight(line)
    x = np.array([1.0, -np.log(1e24)])
    half = t.ppf(0.975, 13) * np.sqrt(x @ covariance @ x)
    found = js.profile(line, at={"C": 1e24}, level=0.95)
    assert found.interval == pytest.approx(tuple(np.exp([x @ theta - half, x @ theta + half])), rel=1e-6)
    assert found.quantity.name == "loss at C = 1e24" and found.bounded and "nats per token" in str(found)


def rise_by_hand(result: js.FitResult, level: float) -> float:
    """How much the objective may rise, from the formulas of the study."""
    table = table_of(result.runs)
    r, psi = table.residuals(result.theta), table.scores(result.theta)
    n, p, delta = len(r), 5, 1e-3
    sigma = 1.4826 * np.median(np.sort(np.abs(r))[p:])
    h = n ** (-1 / 3) * norm.ppf(0.975) ** (2 / 3) * (1.5 * norm.pdf(0) ** 2) ** (1 / 3)
    band = max(delta, 1.4826 * np.median(np.abs(r)) * norm.ppf(0.5 + h))
    counted = (np.sum(np.abs(r) < band) - p) / (n - p) * delta / band
    m1 = np.sqrt(counted * (norm.cdf(delta / sigma) - norm.cdf(-delta / sigma)))
    return 0.5 * t.ppf((1 + level) / 2, n - p) ** 2 * np.sum(psi**2) / (n - p) / m1


def test_the_rise_is_that_of_the_study(few):
    problem = problem_of(few)
    with jax.enable_x64(True):
        linear = linearize(problem, few.theta)
    assert linear.scatter.rise(0.8) == pytest.approx(rise_by_hand(few, 0.8), rel=1e-9)
    delta, sigma = 1e-3, few.sigma  # the Gaussian value is near the study's 2 delta .3989 / sigma while delta is small
    assert 2 * norm.cdf(delta / sigma) - 1 == pytest.approx(2 * delta * 0.3989 / sigma, rel=0.03)


def lowest(table, k: int, value: float, *near: np.ndarray) -> float:
    """SciPy's least objective with parameter k held at a value."""
    starts = [np.where(np.arange(5) == k, value, theta) for theta in near]
    return min(table.value(minimise(table, s, free=[j for j in range(5) if j != k])) for s in starts)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "k"), [("E", 2), ("alpha", 3)])
def test_ends_are_where_scipys_profile_crosses(few, name, k):
    """Chosen for nine to nineteen runs without being asked."""
    assert few.intervals.method == "profile" and "12 runs are too few" in few.intervals.why
    table, top = table_of(few.runs), few.value + rise_by_hand(few, 0.9)
    found = js.profile(few, name)
    assert found.interval == pytest.approx(few.intervals.params[name], rel=1e-9)
    for end in found.interval:
        inner = np.log(end) if name == "E" else end
        near = found.theta[np.argmin(np.abs(found.values - end))]
        step = 1e-4 * inner
        below, above = (lowest(table, k, inner + s, near, few.theta) - top for s in (-step, step))
        assert below * above < 0  # the crossing lies within 1e-4


@pytest.mark.slow
def test_ends_of_a_decision_are_where_scipys_profile_crosses(few):
    """N* is held by solving its closed form for A; SciPy refits the other four."""
    table, top, budget = table_of(few.runs), few.value + rise_by_hand(few, 0.9), 1e23
    found = js.profile(few, "N", budget=budget)

    def theta_at(log_N, x):
        b, _, alpha, beta = x
        return np.array([(alpha + beta) * log_N - beta * np.log(budget / 6) + np.log(beta / alpha) + b, *x])

    def slope(log_N, x):
        g = table.gradient(theta_at(log_N, x))
        alpha, beta = x[2:]
        in_alpha, in_beta = log_N - 1 / alpha, log_N - np.log(budget / 6) + 1 / beta
        return np.array([g[1] + g[0], g[2], g[3] + g[0] * in_alpha, g[4] + g[0] * in_beta]) / top

    def held(log_N, start):
        x = start[1:]
        for _ in range(3):
            x = minimize(
                lambda x: table.value(theta_at(log_N, x)) / top, x, jac=lambda x: slope(log_N, x), method="L-BFGS-B",
                bounds=[(None, None), (None, None), (0.1, 1), (0.1, 1)],
                options={"ftol": 1e-16, "gtol": 1e-13, "maxiter": 2000, "maxcor": 20},
            ).x  # fmt: skip
        return table.value(theta_at(log_N, x))

    assert found.estimate == pytest.approx(js.frontier(few, budget).rows[0].N, rel=1e-9)
    for end in found.interval:
        near = found.theta[np.argmin(np.abs(found.values - end))]
        root = brentq(lambda x, near=near: held(x, near) - top, np.log(end) - 0.01, np.log(end) + 0.01, xtol=1e-7)
        assert np.log(end) == pytest.approx(root, abs=1e-4)
    ratio = js.profile(few, lambda p: p["beta"] / (p["alpha"] + p.beta))
    exponent = few.params["beta"] / (few.params["alpha"] + few.params["beta"])
    assert ratio.low < ratio.estimate < ratio.high and ratio.estimate == pytest.approx(exponent, rel=1e-12)
    rows = found.to_frame()
    assert list(rows) == ["value", "rise", *few.law.parameter_names] and rows["rise"].min() == 0
    A, B, alpha, beta = (rows[name] for name in ("A", "B", "alpha", "beta"))
    closed = np.exp((np.log(alpha * A / (beta * B)) + beta * np.log(budget / 6)) / (alpha + beta))
    np.testing.assert_allclose(closed, rows["value"], rtol=1e-6)  # each row's parameters have its best N


@pytest.mark.slow
def test_what_the_runs_do_not_bound_is_open(tmp_path):
    """Three times in size says nothing about the floor: the interval of E is open, in words and in the file."""
    result = js.fit(LAW, narrow(3))
    assert result.intervals.method == "profile" and "weakly identified" in result.intervals.why
    low, high = result.intervals.params["E"]
    assert low == -np.inf and np.log(high) > np.log(result.params["E"])
    assert "these runs do not bound E below" in result.intervals.why and "open to" in str(result)
    result.save(tmp_path / "fit.json")
    assert '"E": [\n    null,' in (tmp_path / "fit.json").read_text("utf-8")
    assert js.load(tmp_path / "fit.json").intervals.params == result.intervals.params
    alone = js.profile(result, "E")
    assert alone.low == -np.inf and not alone.bounded and "do not bound E below" in str(alone)


@pytest.mark.slow
def test_held_parameters_have_no_profile_and_tied_ones_share_it():
    runs = sweep(3, 4)
    tied = js.fit(LAW, runs, tied=[("alpha", "beta")], fixed={"E": 1.8}, intervals="profile")
    assert set(tied.intervals.params) == {"A", "B", "alpha", "beta"}
    assert tied.intervals.params["alpha"] == tied.intervals.params["beta"]


@pytest.mark.slow
def test_clusters_and_few_runs_are_named(few):
    runs = replace(few.runs, clusters=tuple("ab" * 6))
    result = js.fit(LAW, runs, intervals="profile")
    assert "counted as if they were independent" in result.intervals.why
    assert any("7 degrees of freedom" in note for note in js.profile(result, "beta").notes)


WRONG = {
    "no such parameter": ({"quantity": "gamma"}, "has no parameter 'gamma'; it has A, B"),
    "N without a budget": ({"quantity": "N"}, "N, D and loss want a budget"),
    "nothing of that name at a budget": ({"quantity": "alpha", "budget": 1e22}, "at a budget there is N, D"),
    "two at once": ({"budget": 1e22, "at": {"N": 1e9, "D": 1e10}}, "one of them"),
    "a run without tokens": ({"at": {"N": 1e9}}, "wants N, D"),
    "a negative size": ({"at": {"N": -1, "D": 1e10}}, "N must be one positive number"),
    "level": ({"quantity": "E", "level": 95}, "between 0 and 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_what_can_be_asked(few, name):
    options, text = WRONG[name]
    with pytest.raises(js.InputError, match=text):
        js.profile(few, **options)
    with pytest.raises(js.InputError, match="does not carry its runs"):
        js.profile(replace(few, runs=None), "alpha")


@pytest.mark.data
def test_profiles_on_the_epoch_runs(data_folder):
    """Near the resampled intervals of the study: N* 72B to 142B, a .487 to .549."""
    result = js.fit("chinchilla", js.datasets.load("chinchilla_epoch"), intervals=None)
    size, exponent = js.profile(result, "N", budget=1e24), js.profile(result, lambda p: p.beta / (p.alpha + p.beta))
    assert size.interval == pytest.approx((77.5e9, 123.2e9), rel=2e-3)
    assert exponent.interval == pytest.approx((0.4942, 0.5351), abs=2e-4)
    floor = js.ratio_test(result, fixed={"E": 1.69})  # as Hoffmann et al. printed it
    assert floor.p_value < 1e-6 and js.ratio_test(result, tied=[("alpha", "beta")]).p_value > 0.05


@pytest.mark.slow
def test_a_floor_that_ran_to_zero_is_bounded_from_above_as_scipy_bounds_it():
    """Losses whose floor would lie a little below zero. The interval was of no length: where a bound holds a value, its
    slopes say nothing."""
    grid = sweep()
    N, D = grid.variables["N"], grid.variables["D"]
    noise = 0.005 * np.random.default_rng(1).standard_normal(len(N))
    runs = js.Runs({"N": N, "D": D}, (400 * N**-0.3 + 1200 * D**-0.32 - 0.01) * np.exp(noise))
    result = js.fit(LAW, runs, intervals="profile")
    (finding,) = [r for r in result.verdict.reasons if r.code == "at_bound"]
    assert "profile(result, 'E')" in finding.text and "--response-domain real" in finding.text
    low, high = js.profile(result, "E").interval
    assert result.intervals.params["E"] == pytest.approx((low, high))
    assert low == -np.inf or low == 0
    assert 1e-4 < high < 0.1
    table = table_of(result.runs)
    held = minimise(table, LAW.theta(result.params | {"E": high}), free=[0, 1, 3, 4])
    assert table.value(held) - result.value == pytest.approx(rise_by_hand(result, 0.9), rel=1e-4)


@pytest.mark.slow
def test_a_law_of_ones_own_may_have_a_floor_below_zero():
    """A score that falls below zero: SciPy's least squares of the same curve, and its profile at both ends."""

    def score(p, *, log_N):
        return p.E + jax.numpy.exp(p.log_A - p.alpha * log_N)

    parts = (js.laws.Parameter("E", "identity", dimension={"score": 1}), js.laws.Parameter("A"))
    own = js.Law(
        "score", score, variables=("N",), parameters=(*parts, js.laws.Parameter("alpha", "identity")),
        response=js.laws.Variable("score", domain="real"),
    )  # fmt: skip
    N = np.geomspace(1e6, 1e9, 30)
    seen = -0.8 + 60 * N**-0.25 + 0.01 * np.random.default_rng(4).standard_normal(30)
    runs = js.Runs({"N": N}, seen, response_name="score")
    result = js.fit(own, runs, objective=js.SquaredError(), intervals="profile")
    low, high = result.intervals.params["E"]
    assert result.params["E"] < 0 and low < -0.8 < high and result.verdict.trustworthy

    def least(E):
        def left(x):
            return E + np.exp(x[0] - x[1] * np.log(N)) - seen

        return minimize(lambda x: np.sum(left(x) ** 2), [np.log(60), 0.25], method="Nelder-Mead",
                        options={"xatol": 1e-10, "fatol": 1e-16, "maxiter": 4000}).fun  # fmt: skip

    best = least(result.params["E"])
    for end in (low, high):
        assert (least(end) / best - 1) * 27 == pytest.approx(t.ppf(0.95, 27) ** 2, rel=1e-3)
