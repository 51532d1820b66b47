"""What an optimiser is worth: Moonlight's figures, and the law of two factors against one law for each optimiser."""

import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, random_params, respond, sizes_and_tokens

from jaxscale import laws
from jaxscale.laws import PF_DAY


def test_muon_needs_half_the_compute_of_adamw():
    """Compute at which AdamW's frontier has the loss of Muon's at 4.05 PF-days, over those: 1 / 0.50."""
    frontier = laws.moonlight_frontier
    muon, adamw = (frontier.constants[name].params for name in ("muon", "adamw"))
    loss = float(respond(frontier, muon, C=4.05 * PF_DAY))
    needed = (adamw["A"] / loss) ** (1 / adamw["alpha"])
    assert needed / 4.05 == as_printed("1.99")
    assert float(respond(frontier, adamw, C=needed * PF_DAY)) == pytest.approx(loss, rel=1e-12)


def test_the_law_of_two_factors_is_one_chinchilla_for_each_optimiser():
    p, at = random_params("rescaled_optimizer"), sizes_and_tokens()
    for new in (0.0, 1.0):
        own = closed("rescaled_optimizer", "as_chinchilla", p, new)
        np.testing.assert_allclose(
            respond("rescaled_optimizer", p, **at, new=new), respond("chinchilla", own, **at), rtol=1e-13
        )
    reference, new = (closed("rescaled_optimizer", "as_chinchilla", p, k) for k in (0.0, 1.0))
    rho = (reference["A"] / new["A"]) ** (1 / p["alpha"])
    assert rho.shape == (COUNT,)
    np.testing.assert_allclose(rho, p["rho_N"], rtol=1e-12)
