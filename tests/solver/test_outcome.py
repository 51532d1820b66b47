"""What a search found, as a record and in words."""

import numpy as np

import jaxscale as js
from jaxscale._problem.arrays import Solutions
from jaxscale._problem.problem import make_problem
from jaxscale._solver.outcome import Search, Starts
from jaxscale.optim import CONVERGED, NOT_FINITE


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
        "4,096 points screened, 3 run to the end, 1 of them reached this optimum, 1 ended where the law is not finite"
    )
    assert Starts.of("given", search, problem).screened == 0
