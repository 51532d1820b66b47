"""What an optimiser is worth, from groups of runs: against the groups' own law, and against planted factors."""

import numpy as np
import pandas as pd
import pytest
from helpers import TRUTH, respond

import jaxscale as js

RHO = {"rho_N": 1.4, "rho_D": 1.25}


def two_optimisers(noise: float = 0.003, seed: int = 0) -> pd.DataFrame:
    """Forty runs of each of two optimisers, in a table."""
    N, D = (a.ravel() for a in np.meshgrid(np.geomspace(5e7, 5e9, 8), np.geomspace(2e9, 2e11, 5)))
    rng, frames = np.random.default_rng(seed), []
    for new, name in enumerate(("adamw", "muon")):
        loss = respond(js.laws.rescaled_optimizer, {**TRUTH, **RHO}, N=N, D=D, new=float(new))
        loss = loss * np.exp(noise * rng.standard_normal(len(N)))
        frames.append(pd.DataFrame({"N": N, "D": D, "loss": loss, "optimizer": name}))
    return pd.concat(frames, ignore_index=True)


@pytest.mark.slow
def test_factors_are_those_of_the_groups_own_laws_and_their_intervals_hold_what_was_planted():
    common = ("E", "alpha", "beta")
    fits = js.fit_many("chinchilla", two_optimisers(), by="optimizer", share=common, intervals="quick")
    told = js.rescaling(fits, "adamw", intervals="quick")
    a, b = fits["adamw"].params, fits["muon"].params
    assert told.params["rho_N"] == pytest.approx((a["A"] / b["A"]) ** (1 / a["alpha"]), rel=1e-5)
    assert told.params["rho_D"] == pytest.approx((a["B"] / b["B"]) ** (1 / a["beta"]), rel=1e-5)
    assert told.value == pytest.approx(fits.sharing.value, rel=1e-9)
    for name, planted in RHO.items():
        low, high = told.intervals.params[name]
        assert low < planted < high and high / low < 1.5
    assert told.record.count == 80 and told.covariance is not None
    saved = js.multiplier(fits, between=("adamw", "muon"), at=1e22).to_frame().iloc[0]
    assert saved["multiplier"] == pytest.approx(told.params["rho_N"] * told.params["rho_D"], rel=1e-5)
    both = [told.law.parameter_names.index(name) for name in RHO]
    error = np.sqrt(told.covariance.matrix[np.ix_(both, both)].sum())  # of log rho_N + log rho_D
    assert np.log(saved["multiplier_high"] / saved["multiplier_low"]) == pytest.approx(2 * 1.645 * error, rel=0.05)
    assert saved["choice"] == "candidate"
    back = js.rescaling(fits, "muon", "adamw", intervals=None)
    assert back.params["rho_N"] == pytest.approx(1 / told.params["rho_N"], rel=1e-5)
    three = js.Fits("optimizer", (*fits.entries, ("soap", fits["muon"])))
    for arguments, words in (
        ((three, "adamw"), "say which group is compared with 'adamw'"),
        ((fits, "adamw", "adamw"), "both 'adamw'"),
        ((fits, "adamw", "lion"), "no group 'lion'"),
    ):
        with pytest.raises(js.InputError, match=words):
            js.rescaling(*arguments)
