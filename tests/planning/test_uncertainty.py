"""Intervals of a plan: the delta method against draws, and sources of every kind."""

from types import SimpleNamespace

import numpy as np
import pytest
from sources import BESIROGLU, COVARIANCE, draws_like, fit_like

from jaxscale._allocation import batches, per_draw
from jaxscale._planning import uncertainty
from jaxscale._planning.frontier import frontier
from jaxscale._planning.plan_row import QUANTITIES
from jaxscale.laws import chinchilla


def test_delta_method_against_gaussian_draws_of_a_small_covariance():
    small = COVARIANCE / 400
    budgets = [1e21, 5.76e23, 1e26]
    delta = frontier(fit_like(small, level=0.8), budgets)
    drawn = frontier(draws_like(20_000, small, level=0.8), budgets)
    assert delta.method == "delta method, covariance by bootstrap"
    assert drawn.method == "percentiles of 20000 draws"
    for one, other in zip(delta.rows, drawn.rows, strict=True):
        assert one.N == other.N
        for name in QUANTITIES:
            low, high = np.log(one.intervals[name])
            assert low < np.log(getattr(one, name)) < high
            # A 10 % quantile of 20,000 draws has a standard error of 1 % of the half width.
            np.testing.assert_allclose(np.log(other.intervals[name]), [low, high], atol=0.03 * (high - low))


def test_intervals_of_the_240_epoch_runs():
    # Known: 80 % interval of D/N at 5.76e23 (11.0, 30.8) from Gaussian draws; the delta method is a little narrower.
    delta = frontier(fit_like(), 5.76e23, level=0.8).rows[0].intervals["tokens_per_param"]
    drawn = frontier(draws_like(20_000), 5.76e23, level=0.8).rows[0].intervals["tokens_per_param"]
    np.testing.assert_allclose(delta, [10.7, 29.9], rtol=0.01)
    np.testing.assert_allclose(drawn, [11.0, 30.8], rtol=0.05)


def test_level_comes_from_the_source_unless_given():
    assert frontier(BESIROGLU, 1e21).level == 0.9
    wide, narrow = (frontier(fit_like(level=0.5), 1e24, level=level) for level in (0.95, None))
    assert (wide.level, narrow.level) == (0.95, 0.5)
    widths = [np.diff(np.log(plan.rows[0].intervals["N"]))[0] for plan in (wide, narrow)]
    np.testing.assert_allclose(widths[0] / widths[1], 1.959963985 / 0.674489750, rtol=1e-8)  # normal quantiles


def test_parameters_without_a_row_in_the_covariance_are_exact():
    order = [3, 0]
    names = tuple(chinchilla.parameter_names[i] for i in order)
    part = COVARIANCE[np.ix_(order, order)]
    padded = np.zeros((5, 5))
    padded[np.ix_(order, order)] = part
    few, all_five = frontier(fit_like(part, names), 1e24), frontier(fit_like(padded), 1e24)
    np.testing.assert_allclose(few.rows[0].intervals["D"], all_five.rows[0].intervals["D"], rtol=1e-12)


def test_no_uncertainty_in_what_no_parameter_moves():
    only_E = frontier(fit_like(np.array([[0.01]]), ("E",)), 1e24).rows[0]
    np.testing.assert_allclose(only_E.intervals["N"], only_E.N, rtol=1e-9)
    low, high = only_E.intervals["loss"]
    share = BESIROGLU.params["E"] / only_E.loss
    np.testing.assert_allclose(np.log(high / low), 2 * 1.644853627 * 0.1 * share, rtol=1e-8)


@pytest.mark.parametrize("broken", [np.full((5, 5), np.nan), -COVARIANCE])
def test_a_broken_covariance_gives_no_interval(broken):
    assert frontier(fit_like(broken), 1e24).rows[0].intervals == {}


def test_draws_without_an_optimum_are_left_out_and_counted():
    source = draws_like(100)
    source.draws[:5, 3] = -0.1  # alpha
    source.draws[5, 0] = np.nan
    plan = frontier(source, 1e24)
    assert "6 of 100 draws have no best N and D" in plan.notes[0]
    kept = SimpleNamespace(**{**vars(source), "draws": source.draws[6:]})
    assert plan.rows[0].intervals == frontier(kept, 1e24).rows[0].intervals
    source.draws[:11, 3] = -0.1  # more than the tails hold
    assert frontier(source, 1e24).rows[0].intervals == {}


@pytest.mark.parametrize(("budgets", "faster"), [(2, False), (3, True)])
def test_plans_of_draws_choose_their_program_by_how_many_they_are_in_all(monkeypatch, budgets, faster):
    """Though they are made one budget at a time: 40 plans of draws, and 60, where 60 are many."""
    made, chosen = batches._compiled, []

    def noted(platform, function, static, lanes, often, once):
        chosen.extend([often] if function is per_draw._follow else [])
        return made(platform, function, static, lanes, False, once)  # the usual program, which others compile too

    monkeypatch.setattr(batches, "_compiled", noted)
    monkeypatch.setattr(batches, "_OFTEN", 60)
    monkeypatch.setattr(uncertainty, "_PROBLEMS_AT_ONCE", 20)
    frontier(draws_like(20), np.geomspace(1e22, 1e24, budgets), limits={"N_max": 1e11})
    assert chosen == [faster] * budgets


def test_theta_is_taken_from_the_source_where_it_has_one():
    # A floor that vanished in the fit: its log is -inf, its natural value 0.
    params = {**BESIROGLU.params, "E": 0.0}
    theta = chinchilla.theta(BESIROGLU.params)
    theta[2] = -np.inf
    source = fit_like(theta=theta)
    source.params = params
    (row,), (with_floor,) = frontier(source, 1e24).rows, frontier(BESIROGLU, 1e24).rows
    np.testing.assert_allclose(row.N, with_floor.N, rtol=1e-12)
    np.testing.assert_allclose(row.loss, with_floor.loss - BESIROGLU.params["E"], rtol=1e-12)
    assert set(row.intervals) == set(QUANTITIES)
