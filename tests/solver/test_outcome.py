"""What a search found, as a record, in words and as a frame."""

import numpy as np
import pytest
from helpers import LAW, sweep

import jaxscale as js
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.problem import make_problem
from jaxscale._solver.outcome import Search, Starts, undiscovered
from jaxscale.optim import CONVERGED, NOT_FINITE, STEP_LIMIT


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


UNSEEN = {  # objectives of converged starts, of others, and w (w + 1) / (n (n - 1))
    "all agree": ([1.0] * 8, [], 2 / 56),
    "agree but for rounding": ([1.0, 1.0 + 1e-9] * 4, [], 2 / 56),
    "two optima": ([1.0] * 5 + [2.0] * 3, [], 6 / 56),
    "some did not converge": ([1.0] * 5, [3.0, 4.0, np.inf], 20 / 56),
    "one": ([1.0], [], 1.0),
}


@pytest.mark.parametrize("name", UNSEEN)
def test_how_much_is_expected_to_be_undiscovered(name):
    values, others, expected = UNSEEN[name]
    status = np.array([CONVERGED] * len(values) + [STEP_LIMIT] * len(others))
    value = np.array(values + others)
    assert undiscovered(Solutions(np.zeros((len(value), 1)), value, status, status)) == pytest.approx(expected)


def test_every_start_has_a_row_that_says_why_it_ended(runs):
    result = js.fit(LAW, runs, intervals=None)
    frame = result.starts.to_frame()
    assert list(frame.columns) == [*LAW.parameter_names, "objective", "steps", "ended"]
    assert len(frame) == result.starts.finished and frame["objective"].min() == pytest.approx(result.value, rel=1e-12)
    assert frame["steps"].between(1, 300).all()
    best = frame.loc[frame["objective"].idxmin()]
    np.testing.assert_allclose(best[list(LAW.parameter_names)].astype(float), result.theta, rtol=1e-7)
    assert result.starts.at_best == (frame["objective"] <= result.value * (1 + 1e-9)).sum()


def test_a_search_is_recorded_and_told():
    problem = make_problem(js.laws.chinchilla, js.synthetic.demo_runs(), js.Huber())
    ends = np.array([[0.5, 6.0, 6.0, 0.3, 0.3], [0.5, 6.0, 6.0, 0.3, 0.4], [9.0, 9.0, 9.0, 9.0, 9.0]])
    solutions = Solutions(
        free=ends,
        value=np.array([0.25, 0.125, np.inf]),
        status=np.array([CONVERGED, CONVERGED, NOT_FINITE]),
        steps=np.array([12, 13, 1]),
    )
    begun = ends + np.array([[0.1, 0.0, 0.2, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.1, 0.0]])
    search = Search(begun, solutions, 4096)
    assert search.best == 1 and search.lowest == 0.125
    assert search.still.tolist() == [False, True, False, False, True]
    starts = Starts.of("auto", search, problem)
    assert (starts.count, starts.screened, starts.finished, starts.at_best, starts.failed) == (4096, 4096, 3, 1, 1)
    assert str(starts) == (
        "4,096 points screened, 1 of 3 searches ended at this optimum, 1 ended where the law is not finite"
    )
    assert Starts.of("given", search, problem).screened == 0
