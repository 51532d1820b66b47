"""Starts that meet go on as one."""

import numpy as np

from jaxscale._problem.arrays import Solutions
from jaxscale._solver.search import meeting
from jaxscale.optim import CONVERGED, STEP_LIMIT


def test_starts_meet_only_where_they_converge_to_one_point_of_one_table():
    table = np.array([0, 0, 0, 0, 1, 0])
    free = np.array([[1.0, 2.0], [1.5, 2.0], [1.0, 2.0 + 1e-7], [1.0, 2.0], [1.0, 2.0], [np.nan, np.nan]])
    status = np.array([CONVERGED, CONVERGED, CONVERGED, STEP_LIMIT, CONVERGED, STEP_LIMIT])
    distinct, end_of = meeting(table, Solutions(free, np.zeros(6), status, np.ones(6)))
    assert sorted(distinct.tolist()) == [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(distinct[end_of], [0, 1, 0, 3, 4, 5])
