"""Where fits start: the published grid, starts in the units of the table, and starts for laws nothing is known of."""

import itertools

import jax
import numpy as np
import pytest
from oracles import PAPER_GRID, table_of

import jaxscale as js
from jaxscale._objective import Huber
from jaxscale._problem import make_problem
from jaxscale._starts import candidates, drawn, ranked

TRUTH = js.laws.chinchilla.published["besiroglu"].params
LAW = js.laws.chinchilla


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.005, seed=1)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def in_units(runs: js.Runs, **units: float) -> js.Runs:
    variables = {name: values / units.get(name, 1.0) for name, values in runs.variables.items()}
    return js.Runs(variables, runs.response / units.get("loss", 1.0))


def test_paper_is_the_grid_of_hoffmann_et_al(runs):
    """alpha, beta in {0, .5, ..., 2}, e in {-1, -.5, ..., 1}, a, b in {0, 5, ..., 25}: their appendix D.3."""
    free = candidates(make_problem(LAW, runs, Huber()), "paper", 0)
    assert free.shape == (4500, 5) and set(map(tuple, free)) == set(map(tuple, PAPER_GRID))


def test_auto_adds_finer_exponents_to_the_grid(runs):
    free = candidates(make_problem(LAW, runs, Huber()), "auto", 0)
    assert set(map(tuple, free)) > set(map(tuple, PAPER_GRID))
    assert 0.35 in free[:, 3] and 0.35 in free[:, 4]


def test_starts_move_with_the_units_of_the_table(runs):
    """N in millions, D in billions, loss in thousandths: every start has the objective it has in plain counts."""
    units = {"N": 1e6, "D": 1e9, "loss": 1e-3}
    plain, scaled = (make_problem(LAW, r, Huber()) for r in (runs, in_units(runs, **units)))
    theta, moved = (candidates(p, "paper", 0) for p in (plain, scaled))
    a, b, e = (moved - theta)[:, :3].T
    np.testing.assert_allclose(a, -theta[:, 3] * np.log(1e6) + np.log(1e3), atol=1e-9)
    np.testing.assert_allclose(b, -theta[:, 4] * np.log(1e9) + np.log(1e3), atol=1e-9)
    np.testing.assert_allclose(e, np.log(1e3), atol=1e-9)
    some = np.random.default_rng(0).choice(4500, 50, replace=False)
    values = [[table_of(r).value(x) for x in t[some]] for r, t in ((runs, theta), (in_units(runs, **units), moved))]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)


def test_plain_counts_take_the_grid_as_published(runs):
    problem = make_problem(LAW, in_units(runs, N=3.0, D=0.2), Huber())
    np.testing.assert_array_equal(
        candidates(problem, "paper", 0), candidates(make_problem(LAW, runs, Huber()), "paper", 0)
    )


def test_pinned_and_tied_parameters_leave_no_starts_twice(runs):
    fixed = candidates(make_problem(LAW, runs, Huber(), fixed={"E": 1.8}), "paper", 0)
    tied = candidates(make_problem(LAW, runs, Huber(), tied=[("alpha", "beta")]), "paper", 0)
    assert fixed.shape == (4500 // 5, 4) and tied.shape == (4500 // 5, 4)
    assert len(np.unique(fixed, axis=0)) == 900 == len(np.unique(tied, axis=0))


def test_starts_lie_within_bounds(runs):
    problem = make_problem(LAW, runs, Huber(), bounds={"alpha": (0.1, 0.7), "E": (None, 1.9)})
    free = candidates(problem, "auto", 0)
    assert np.all(free >= problem.lower) and np.all(free <= problem.upper)


def test_the_most_promising_come_first_and_some_by_chance(runs):
    problem, table = make_problem(LAW, runs, Huber()), table_of(runs)
    free = candidates(problem, "auto", 0)
    order = ranked(problem, free, 0, 1e-3)
    assert len(set(order)) == len(order) <= len(free)
    values = np.array([table.value(x) for x in free[order]])
    assert values[0] == pytest.approx(min(table.value(x) for x in free), rel=1e-12)
    best = np.sort(values)
    by_rank = np.array([values[k] for k in range(40) if k % 4 != 3])
    assert np.all(by_rank <= best[45]) and np.median(values[3:200:4]) > best[400]
    np.testing.assert_array_equal(order, ranked(problem, free, 0, 1e-3))
    assert not np.array_equal(order, ranked(problem, free, 1, 1e-3))


def test_starts_that_are_not_finite_are_left_out(runs):
    problem = make_problem(LAW, runs, Huber())
    free = np.array([LAW.theta(TRUTH), [np.nan, 0, 0, 0, 0], [0.0, 0.0, 0.0, -np.inf, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    assert ranked(problem, free, 0, 1e-3).tolist() == [0, 3]


def test_an_unknown_laws_linear_parameters_are_solved_for(runs):
    """E, A and B enter linearly: for the exponents drawn they are the least-squares values, by NumPy's own solver."""
    law = js.Law.from_loss(lambda A, alpha, E, B, beta, *, N, D: E + A * N**-alpha + B * D**-beta, name="mine")
    problem = make_problem(law, runs, Huber())
    theta = drawn(problem, 0)
    assert len(theta) > 1000 and np.isfinite(theta).all()
    N, D, loss = runs.variables["N"], runs.variables["D"], runs.response
    checked = 0
    for row in theta[:400]:
        A, alpha, E, B, beta = np.exp(row)
        if not (alpha < 1 and beta < 1):
            continue
        design = np.stack([N**-alpha, np.ones_like(N), D**-beta], axis=1) / loss[:, None]
        exact = np.linalg.lstsq(design, np.ones_like(loss), rcond=1e-12)[0]
        if np.all(exact > 0) and np.linalg.cond(design / np.linalg.norm(design, axis=0)) < 100:
            np.testing.assert_allclose([A, E, B], exact, rtol=1e-3)
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize("units", [{}, {"N": 1e9, "D": 1e12}, {"N": 1e-6, "loss": 1e6}])
def test_an_unknown_laws_starts_fit_the_units(units, runs):
    law = js.Law.from_loss(lambda A, alpha, E, B, beta, *, N, D: E + A * N**-alpha + B * D**-beta, name="mine")
    result = js.fit(law, in_units(runs, **units), intervals=None)
    assert result.value == pytest.approx(js.fit(LAW, runs, intervals=None).value, rel=1e-8)
    assert result.starts.at_best >= 5


@pytest.mark.parametrize("count", [1, 7, 64])
def test_a_number_finishes_that_many(count, runs):
    starts = js.fit(LAW, runs, starts=count, intervals=None).starts
    assert (starts.mode, starts.finished, len(starts.value), starts.theta.shape) == ("number", count, count, (count, 5))
    assert starts.screened == starts.count == 6120


def test_given_starts_are_run_as_given(runs):
    given = [TRUTH, {"A": 1.0, "B": 1.0, "E": 1.0, "alpha": 0.5, "beta": 0.5}]
    result = js.fit(LAW, runs, starts=given, intervals=None)
    assert (result.starts.mode, result.starts.finished, result.starts.screened) == ("given", 2, 0)
    assert result.value == pytest.approx(js.fit(LAW, runs, intervals=None).value, rel=1e-9)
    pinned = js.fit(LAW, runs, starts=[{k: v for k, v in TRUTH.items() if k != "E"}], fixed={"E": 1.8}, intervals=None)
    assert pinned.params["E"] == 1.8


def test_every_start_has_a_row_that_says_why_it_ended(runs):
    result = js.fit(LAW, runs, intervals=None)
    frame = result.starts.to_frame()
    assert list(frame.columns) == [*LAW.parameter_names, "objective", "steps", "ended"]
    assert len(frame) == result.starts.finished and frame["objective"].min() == pytest.approx(result.value, rel=1e-12)
    assert frame["steps"].between(1, 300).all()
    best = frame.loc[frame["objective"].idxmin()]
    np.testing.assert_allclose(best[list(LAW.parameter_names)].astype(float), result.theta, rtol=1e-7)
    assert result.starts.at_best == (frame["objective"] <= result.value * (1 + 1e-9)).sum()


CASES = {
    "paper without a grid": (js.laws.power_law(), {"starts": "paper"}, "no published grid"),
    "an unknown word": (LAW, {"starts": "grid"}, "starts must be 'auto', 'paper'"),
    "none": (LAW, {"starts": 0}, "at least 1"),
    "an empty list": (LAW, {"starts": []}, "starts is empty"),
    "a missing parameter": (LAW, {"starts": [{"A": 1.0}]}, "misses parameter B, E, alpha, beta"),
    "a parameter that must be positive": (LAW, {"starts": [{**TRUTH, "A": -1.0}]}, "A must be positive"),
    "too many": (LAW, {"starts": 100_000}, "distinct starts are known"),
}


@pytest.mark.parametrize("name", CASES)
def test_starts_that_cannot_be_used_are_refused(name, runs):
    law, options, message = CASES[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(law, runs, intervals=None, **options)


def test_the_oracles_grid_is_the_laws():
    assert list(itertools.product(*(p.grid for p in LAW.parameters))) == list(map(tuple, PAPER_GRID))
