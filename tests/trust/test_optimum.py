"""One optimum and what follows from it: worked out once."""

import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import jaxscale as js
from jaxscale._trust.covariance import powell_covariances
from jaxscale._trust.dispersion import Scatter
from jaxscale._trust.identification import identify_all
from jaxscale._trust.linearization import Linearization


def calls_in(work) -> Counter:
    """How often functions were called in this thread, by their code, whatever module calls them under whatever name."""
    seen = Counter()

    def look(frame, event, _):
        if event == "call":
            seen[frame.f_code] += 1

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.parametrize("intervals", ["auto", "quick", None])
def test_nothing_is_worked_out_twice_in_one_fit(intervals):
    runs = js.synthetic.demo_runs()
    seen = calls_in(lambda: js.fit("chinchilla", runs, intervals=intervals, draws=50))
    made = seen[Linearization.__init__.__code__]
    assert made >= 1
    assert seen[identify_all.__code__] == 1
    assert seen[powell_covariances.__code__] == 1
    kept = [(Scatter, ("used", "sigma", "moments")), (Linearization, ("scatter", "leverage", "gradient_norm"))]
    for owner, names in kept:
        for name in names:
            assert seen[vars(owner)[name].func.__code__] <= made, name
    assert seen[vars(Scatter)["sigma"].func.__code__] >= 1


def test_what_is_kept_does_not_follow_a_changed_copy():

    at = Linearization(
        names=("a",),
        residuals=np.array([0.1, -0.2, 0.4]),
        jacobian=np.ones((3, 1)),
        psi=np.zeros(3),
        weights=np.ones(3),
        loss=js.Huber(1e-3).losses(1.0)[-1],
        held=np.zeros(1, bool),
    )
    assert at.sigma == at.sigma == pytest.approx(1.4826 * 0.3)
    assert replace(at, residuals=2 * at.residuals).sigma == pytest.approx(1.4826 * 0.6)
