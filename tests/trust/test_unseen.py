"""What the law fits away: by linear algebra, and beside the verdicts of tables that it names."""

import numpy as np
import pytest

from studies.unseen import EPOCH, FAULTS, SEEN, grid, law, rest, sweep, visible


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


def test_what_the_readme_says_can_be_seen():
    blind = [name for name in FAULTS if max(visible(name, sweep()), visible(name, grid())) < 0.6 * SEEN]
    assert [name.split(",")[0] for name in blind] == [
        "large models at too large a learning rate",
        "small models at too large a learning rate",
        "data that grow worse as more are taken",
        "data that grow better as more are taken",
    ]
    for name in list(FAULTS)[-3:]:
        assert min(visible(name, sweep()), visible(name, grid())) > SEEN
