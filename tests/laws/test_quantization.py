"""Models in few bits: what is added to the loss, and how many tokens are too many."""

import numpy as np
import pytest
from helpers import closed, of, respond

from jaxscale import laws

AT = {"N": 5e8, "D": 1e11, "G": 128.0}


def test_bits_order_as_they_should():
    """Fewer bits cost more, larger groups cost more, and eight bits into one layer save some of it."""
    rise = {name: float(of(f"chen_qat:{name}", "loss_rise", *AT.values())) for name in laws.chen_qat.constants}
    assert rise["w4a4"] > rise["w16a4"] > rise["w4a16"] > 0
    assert rise["w4a4_fc2_8"] < rise["w4a4"] and rise["w16a4_fc2_8"] < rise["w16a4"]
    assert float(of("chen_qat:w4a4", "loss_rise", 5e8, 1e11, 32.0)) < rise["w4a4"]


def test_what_quantisation_adds_is_the_rest_of_the_loss():
    params = laws.chen_qat.constants["w4a4"].params
    full = {name: params[name] for name in ("A", "B", "E", "alpha", "beta")}
    without = respond("chinchilla", full, N=AT["N"], D=AT["D"])
    assert float(respond("chen_qat", params, **AT) - without) == pytest.approx(
        float(closed("chen_qat", "loss_rise", params, *AT.values())), rel=1e-9
    )


def test_tokens_that_are_too_many_come_back():
    tokens = of("ouyang_ptq:pythia", "tokens_for_rise", 0.2, np.array([1e9, 7e9]), 4.0)
    params = laws.ouyang_ptq.constants["pythia"].params
    np.testing.assert_allclose(respond("ouyang_ptq", params, N=np.array([1e9, 7e9]), D=tokens, P=4.0), 0.2, rtol=1e-12)


def test_two_laws_of_quantising_afterwards_agree_in_direction_and_size():
    """kumar_ptq and ouyang_ptq, from other models and data, within a factor of eight at three and four bits."""
    ours, theirs = laws.ouyang_ptq.constants["pythia"].params, laws.kumar_ptq().constants["kumar"].params
    N, D = np.array([4e8, 1e9]), np.array([1e10, 3e10])
    for P in (3.0, 4.0):
        ratio = respond("ouyang_ptq", ours, N=N, D=D, P=P) / respond(laws.kumar_ptq(), theirs, N=N, D=D, P=P)
        assert np.all((ratio > 1 / 8) & (ratio < 8))
