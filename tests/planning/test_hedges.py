"""What plans over a doubt save, as the study behind their defaults found: see `studies.hedges`."""

import pytest

from studies import hedges as study


def test_what_hedges_save_is_what_the_earlier_study_found():
    """Over laws, within two standard errors of what lies around the earlier figures; it costs next to nothing where the
    law is right; and the worst tenth of regrets begins at half or less."""
    laws, earlier = study.written()["laws"], study.EARLIER["laws"]
    for truth, one in laws.items():
        low, high = earlier[truth]["saves"]
        for cell in one.values():
            for saves, error in zip(cell["saves"], cell["error"], strict=True):
                assert low - 2 * error <= saves <= high + 2 * error, (truth, cell)
            assert cell["not_hedged"] == 0
    few = laws["skaling"]["12"]
    assert all(after < 0.5 * before for before, after in zip(few["point_90"], few["hedge_90"], strict=True))
    assert few["weight_of_chinchilla"] < 0.1 < 0.8 < laws["chinchilla"]["12"]["weight_of_chinchilla"]


@pytest.mark.slow
@pytest.mark.data
def test_over_draws_of_one_law_a_hedge_gains_next_to_nothing():
    found, earlier = study.over_draws(), study.EARLIER["draws"]
    assert found == pytest.approx(study.written()["draws"], abs=2e-4)
    assert found["size"] == pytest.approx(earlier["size"], abs=0.005)
    assert found["saves"] == pytest.approx(earlier["saves"], abs=0.002)
    assert found["cvar_saves"] == pytest.approx(earlier["cvar_saves"], abs=0.02)
