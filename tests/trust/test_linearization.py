"""The linearization of a fit is the oracle's."""

import jax
import numpy as np
import pytest
from helpers import LAW
from oracles import table_of

from jaxscale._problem.problem import make_problem
from jaxscale._trust.linearization import linearize


def test_linearization_is_the_oracles(runs, quick):
    with jax.enable_x64(True):
        at = linearize(make_problem(LAW, runs, quick.objective), quick.theta)
    table = table_of(runs)
    np.testing.assert_allclose(at.residuals, table.residuals(quick.theta), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(at.jacobian, table.jacobian(quick.theta), rtol=1e-10)
    np.testing.assert_allclose(at.psi, table.scores(quick.theta), rtol=1e-9, atol=1e-13)
    J, psi = table.jacobian(quick.theta), table.scores(quick.theta)
    by_hand = max(abs(J.T @ psi) / np.linalg.norm(J, axis=0) / np.linalg.norm(psi))
    assert at.gradient_norm == pytest.approx(by_hand, abs=1e-10) and at.freedom == 55
    unit = J / np.linalg.norm(J, axis=0)
    assert quick.identification.condition_number == pytest.approx(np.linalg.cond(unit.T @ unit), rel=1e-5)
    inverse = np.linalg.inv(J.T @ J)
    for pair, value in quick.identification.correlations.items():
        i, j = (LAW.parameter_names.index(n) for n in pair.split(","))
        assert value == pytest.approx(inverse[i, j] / np.sqrt(inverse[i, i] * inverse[j, j]), rel=1e-6)
    sloppy = np.array([quick.identification.sloppiest[n] for n in LAW.parameter_names])
    assert np.linalg.norm(sloppy) == pytest.approx(1) and np.linalg.norm(unit @ sloppy) ** 2 == pytest.approx(
        np.linalg.eigvalsh(unit.T @ unit)[0], rel=1e-6
    )
