"""Plans that papers printed: serving costs of Sardana et al. 2024 (arXiv 2401.00448), in FLOPs and in dollars."""

from functools import cache

import numpy as np
import pytest

from jaxscale import costs
from jaxscale._planning.frontier import frontier
from jaxscale.laws import chinchilla

pytestmark = pytest.mark.slow

SARDANA = chinchilla.published["sardana"]


@cache
def quality(N):
    """(D, loss) of N parameters trained on the tokens for which N is best: alpha A N^-alpha = beta B D^-beta."""
    p = SARDANA.params
    D = (p["alpha"] * p["A"] / (p["beta"] * p["B"]) * N ** -p["alpha"]) ** (-1 / p["beta"])
    return D, p["E"] + p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]


def cheapest(cost, N):
    """The plan of least cost at the quality of the model of N parameters."""
    (row,) = frontier(SARDANA, reach_loss=quality(N)[1], cost=cost).rows
    assert row.status == "ok"
    return row


@pytest.mark.parametrize(
    ("size", "served", "N", "D", "saving"),
    [  # the digits that the paper prints, and those that follow from its constants
        (7e9, 1e11, (6e9, 5.9997e9), (1.18 * 2.7644e11, 1.1758 * 2.7644e11), 0.0085),
        (13e9, 2e12, (7e9, 6.9686e9), (2.1646 * 5.7649e11, 2.1646 * 5.7649e11), 0.1745),
        (30e9, 1e13, (13.6e9, 1.3613e10), (4.4262e12, 4.4262e12), 0.2798),
        (70e9, 1e13, (41.6e9, 4.1551e10), (7.92e12, 7.9225e12), 0.1195),
        (70e9, 2e12, (5.7922e10, 5.7922e10), (5.2028e12, 5.2028e12), 0.0131),
    ],
)
def test_the_table_of_savings(size, served, N, D, saving):
    row = cheapest(costs.six_nd.with_inference(tokens=served), size)
    for printed, ours, found in ((*N, row.N), (*D, row.D)):
        np.testing.assert_allclose(found, printed, rtol=5e-3)
        np.testing.assert_allclose(found, ours, rtol=6e-5)
    before = 6 * size * quality(size)[0] + 2 * size * served
    np.testing.assert_allclose(1 - row.cost / before, saving, atol=6e-5)
    # What is served makes each parameter dearer than each token by 1 + served / (3 D).
    p = SARDANA.params
    wedge = p["alpha"] * p["A"] * row.N ** -p["alpha"] / (p["beta"] * p["B"] * row.D ** -p["beta"])
    np.testing.assert_allclose(wedge, 1 + served / (3 * row.D), rtol=1e-9)


@pytest.mark.parametrize(
    ("factor", "size", "requests", "N", "D", "saving"),
    [
        # At the settings stated; the paper prints 16B, 3.35T, 17 %; 36 % (of the best); 21.5B, 27T, 54 %.
        (1.0, 30e9, 1.5e9, 15.67e9, 3.51e12, 0.190),
        (1.0, 70e9, 2e12 / 285, None, None, 1 - 1 / 1.395),
        (1.0, 70e9, 35.1e9, 20.97e9, 29.25e12, 0.553),
        # With serving a tenth cheaper, for reasons not known, all three come close to what is printed.
        (0.9, 30e9, 1.5e9, 16.11e9, 3.36e12, 0.173),
        (0.9, 70e9, 2e12 / 285, None, None, 1 - 1 / 1.359),
        (0.9, 70e9, 35.1e9, 21.49e9, 27.5e12, 0.538),
    ],
)
def test_the_cases_in_dollars(factor, size, requests, N, D, saving):
    def serving(tokens, mfu):
        return costs.inference(tokens).dollars("a100-40gb", mfu=mfu, price=1.1 * factor, peak=624e12)

    training = costs.six_nd.dollars("a100", mfu=0.5, price=1.5)
    total = training + serving(70 * requests, 0.5) + serving(215 * requests, 0.01)
    row = cheapest(total, size)
    if N is not None:
        np.testing.assert_allclose([row.N, row.D], [N, D], rtol=1.5e-3)
    before = 6 * size * quality(size)[0] / (0.5 * 312e12) * 1.5 / 3600
    before += 2 * size * requests * (70 / 0.5 + 215 / 0.01) / 624e12 * 1.1 * factor / 3600
    np.testing.assert_allclose(1 - row.cost / before, saving, atol=6e-4)
