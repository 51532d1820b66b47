"""What the law fits away: by linear algebra, and beside the verdicts of tables that it names."""

import numpy as np
import pytest

from studies.faults import EPOCH, FAULTS, grid, law, sweep
from studies.unseen import SEEN, rest, visible


@pytest.mark.parametrize("design", [sweep, grid])
def test_the_rest_is_what_lies_outside_the_slopes(design):
    """To first order in a small fault, the rest of a fit is its part outside the columns of the Jacobian."""
    N, D = design()
    loss, alpha, beta = law(N, D), EPOCH["alpha"], EPOCH["beta"]
    sizes, tokens = EPOCH["A"] * N**-alpha, EPOCH["B"] * D**-beta
    columns = [np.full(len(N), EPOCH["E"]), sizes, tokens, sizes * np.log(N), tokens * np.log(D)]
    basis, _ = np.linalg.qr(np.stack(columns, axis=1) / loss[:, None])
    fault = 1e-5 * np.log(N / N.min()) ** 2
    outside = fault - basis @ (basis.T @ fault)
    np.testing.assert_allclose(np.linalg.norm(rest(loss * np.exp(fault), N, D)), np.linalg.norm(outside), rtol=1e-2)


def seen(name: str, strength: float) -> list[float]:
    return [visible(name, design(), strength) for design in (sweep, grid)]


def test_what_the_readme_says_can_be_seen():
    for words, strength in (
        ("large models", 0.01), ("small models", 0.05), ("data that grow worse", 0.03), ("data that grow better", 0.02)
    ):  # fmt: skip
        assert max(seen(next(name for name in FAULTS if name.startswith(words)), strength)) < 0.6 * SEEN
    for words, strength in (("two corpora", 0.05), ("tokens of the warm-up", 0.1), ("runs tuned", 0.01)):
        assert min(seen(next(name for name in FAULTS if name.startswith(words)), strength)) > SEEN
