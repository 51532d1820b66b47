"""Fits of which bounds hold every parameter: there is a verdict, and no interval of anything."""

import pytest

import jaxscale as js


@pytest.mark.parametrize("intervals", ["profile", "quick"])
def test_a_fit_that_bounds_hold_altogether_has_a_verdict(intervals):
    truth = {"E": 1.7, "A": 400.0, "B": 600.0, "alpha": 0.34, "beta": 0.3}
    fixed = {name: value for name, value in truth.items() if name != "alpha"}
    result = js.fit(
        "chinchilla", js.synthetic.demo_runs(), fixed=fixed, bounds={"alpha": (0.6, 1.0)}, intervals=intervals
    )
    assert result.params["alpha"] == pytest.approx(0.6) and "at_bound" in result.verdict.codes
    assert result.intervals.params == {}
