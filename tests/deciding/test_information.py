"""What runs tell: against closed forms, plain conditioning and derivatives, in arrays."""

import numpy as np
import pytest

from jaxscale._analyses.deciding.information import Knowing, Surroundings, believe, choose


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def line(x: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(x), x], axis=1)


def test_runs_to_extrapolate_a_line_lie_at_the_ends():
    # Hoel & Levine 1964, Ann. Math. Statist. 35: for a line at x0 > 1, shares (x0 + 1) / (2 x0) at 1, the rest at -1,
    # and then the variance is x0^2 / n.
    x, x0, n = np.linspace(-1, 1, 41), 3.0, 300
    start = line(np.array([-0.1, 0.0, 0.05, 0.1]))
    belief = believe(start, np.full(4, 1e4), line(x), 1.0, np.array([1.0, x0]))
    chosen, variance = choose([belief], np.ones(41), float(n), repeats=True, most=n)
    places, counts = np.unique(x[chosen], return_counts=True)
    np.testing.assert_array_equal(places, [-1, 1])
    np.testing.assert_allclose(counts / n, [1 / 3, 2 / 3], atol=0.01)
    assert variance == pytest.approx(x0**2 / n, rel=1e-3)


def test_runs_to_know_a_line_are_shared_by_its_ends():
    # D-optimal for a line: half at either end.
    start = line(np.array([-0.5, 0.0, 0.5]))
    belief = believe(start, np.full(3, 1e4), line(np.linspace(-1, 1, 21)), 1.0, np.array([1.0, 0.0]))
    chosen, _ = choose([belief], np.ones(21), 40.0, criterion="d", repeats=True)
    assert sorted(np.bincount(chosen, minlength=21)[[0, 20]]) == [20, 20]


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_added_runs_are_conditioned_on(scale, rng):
    made, offered, slopes = rng.normal(size=(12, 5)), rng.normal(size=(30, 5)), rng.normal(size=5)
    logs_made, logs = 3 * rng.normal(size=(12, 2)), 3 * rng.normal(size=(30, 2))
    around = Surroundings(logs_made, logs, scale, np.array([5.0, 4.0]), 0.3, np.array([2.0, -2.0]))
    state = Knowing(believe(made, np.full(12, 0.04), offered, 0.04, slopes, None, around if scale else None))
    added = [3, 7, 3]
    for i in added:
        state.add(i)
    rows, where = np.concatenate([made, offered[added]]), np.concatenate([logs_made, logs[added]])
    inner = rows @ rows.T * 1e7 + around.between(where, where) + 0.04 * np.eye(15)
    shared = rows @ slopes * 1e7 + around.with_decision(where)
    decision = slopes @ slopes * 1e7 + around.of_decision - shared @ np.linalg.solve(inner, shared)
    assert state.decision == pytest.approx(decision, rel=2e-3)
    every = offered[9] @ rows.T * 1e7 + around.between(logs[9:10], where)[0]
    variance = offered[9] @ offered[9] * 1e7 + scale**2 - every @ np.linalg.solve(inner, every)
    assert state.variance[9] == pytest.approx(variance, rel=2e-3)


def test_a_misfit_answers_as_its_covariance_says(rng):
    # The derivative of the process along a direction, by differences of its covariance.
    around = Surroundings(np.zeros((1, 2)), np.zeros((1, 2)), 0.7, np.array([1.0, 2.0]), 0.5, np.array([1.5, -0.5]))
    here, h = rng.normal(size=(6, 2)), 1e-5
    ends = [around.between(here, (around.at + s * h * around.slope)[None])[:, 0] for s in (1, -1)]
    expected = 0.5 * around.between(here, around.at[None])[:, 0] + (ends[0] - ends[1]) / (2 * h)
    np.testing.assert_allclose(around.with_decision(here), expected, rtol=1e-6, atol=1e-9)


def test_gains_are_derivatives_of_the_covariance(rng):
    made, offered, slopes = rng.normal(size=(12, 4)), rng.normal(size=(9, 4)), rng.normal(size=4)
    known, little = made.T @ made / 0.04, 1e-4
    rare = believe(made, np.full(12, 0.04), offered, 0.04 / little, slopes)  # little of a run
    for criterion, of in (
        ("c", lambda m: -slopes @ np.linalg.solve(m, slopes)),
        ("d", lambda m: np.linalg.slogdet(m)[1]),
    ):
        gains = Knowing(rare).gains(criterion) / little
        ends = [[of(known + s * 1e-4 * np.outer(j, j) / 0.04) for j in offered] for s in (1, -1)]
        np.testing.assert_allclose(gains, (np.array(ends[0]) - ends[1]) / 2e-4, rtol=2e-3)


def test_order_does_not_matter_and_twins_share(rng):
    made, offered, slopes = rng.normal(size=(12, 4)), rng.normal(size=(40, 4)), rng.normal(size=4)
    cost, order = rng.uniform(1, 3, 40), rng.permutation(40)

    def chosen(rows, price):
        return choose([believe(made, np.full(12, 0.04), rows, 0.04, slopes)], price, 12.0)

    here, there = chosen(offered, cost), chosen(offered[order], cost[order])
    assert list(order[there[0]]) == here[0] and there[1] == pytest.approx(here[1])
    # Every run twice: no run is chosen a second time before its twin has told what it can.
    twice = chosen(np.repeat(offered, 2, axis=0), np.repeat(cost, 2))
    again = choose([believe(made, np.full(12, 0.04), offered, 0.04, slopes)], cost, 12.0, repeats=True)
    assert twice[1] <= here[1] * (1 + 1e-12) and again[1] <= twice[1] * (1 + 1e-12)


def test_what_is_paid_for_counts_and_costs_nothing_more(rng):
    made, offered, slopes = rng.normal(size=(12, 4)), rng.normal(size=(10, 4)), rng.normal(size=4)
    belief = believe(made, np.full(12, 0.04), offered, 0.04, slopes)
    state = Knowing(belief)
    state.add(4)
    chosen, value = choose([belief], np.ones(10), 0.5, first=[4])
    assert chosen == [] and value == pytest.approx(state.decision)


def test_a_hedged_choice_weighs_the_decision_and_all_parameters_alike():
    """log of the variance of the decision less the log determinant by parameter, by inverses and determinants."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        made, offered, slopes = rng.standard_normal((8, 3)), rng.standard_normal((30, 3)), rng.standard_normal(3)
        slopes[rng.integers(3)] *= 10
        belief = believe(made, np.full(8, 0.04), offered, 0.04, slopes)
        chosen, value = choose([belief], np.ones(30), 1.0, hedge=belief, parameters=3)
        known = made.T @ made / 0.04
        after = known + offered[:, :, None] * offered[:, None, :] / 0.04
        gained = np.linalg.slogdet(after)[1] - np.linalg.slogdet(known)[1]
        left = np.log(np.einsum("i,mij,j->m", slopes, np.linalg.inv(after), slopes)) - gained / 3
        assert chosen == [int(np.argmin(left))]
        assert value == pytest.approx(left.min(), rel=1e-6, abs=1e-6)
