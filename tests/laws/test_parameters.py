"""Parameters both ways: logs and natural values, what lies between 0 and 1, dimensions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logit

from jaxscale._base.errors import InputError
from jaxscale.laws import Law, Parameter, Params


def test_params_logs_and_naturals_agree():
    stored_logs = Params({"A": jnp.log(5.0), "alpha": 0.5}, ["A"])
    stored_naturals = Params({"A": 5.0, "alpha": 0.5})
    for p in (stored_logs, stored_naturals):
        assert float(p.A) == pytest.approx(5.0, rel=1e-6)
        assert float(p.log_A) == pytest.approx(np.log(5.0), rel=1e-6)
        assert float(p["log_alpha"]) == pytest.approx(np.log(0.5), rel=1e-6)
        assert p["alpha"] == 0.5
    with pytest.raises(AttributeError, match="no parameter 'B'; it has A, alpha"):
        _ = stored_logs.B
    with pytest.raises(KeyError, match="no parameter 'log_B'"):
        _ = stored_logs["log_B"]


def test_what_lies_between_0_and_1():
    law = Law.from_loss(lambda share, *, N: share * N, variables=("N",))
    share = Parameter("share", "logit")
    law = dataclasses.replace(law, parameters=(share,), function=lambda p, *, log_N: p.log_share + log_N)
    for value in (1e-9, 0.3, 0.999):
        theta = law.theta({"share": value})
        assert theta[0] == pytest.approx(logit(value), rel=1e-12)
        assert law.natural(theta) == {"share": pytest.approx(value, rel=1e-14)}
        with jax.enable_x64(True):
            p = law.params_of_theta({"share": theta[0]})
            assert float(p.share) == pytest.approx(value, rel=1e-14)
            assert float(p.log_share) == pytest.approx(np.log(value), rel=1e-13)
            assert float(law.log_response(theta, (0.0,))) == pytest.approx(np.log(value), rel=1e-13)
    assert share.to_natural(-800.0) == 0.0 and share.to_natural(800.0) == 1.0
    for wrong in (0.0, 1.0, -0.1, 1.2, np.nan):
        with pytest.raises(InputError, match="parameter share must lie between 0 and 1"):
            share.to_theta(wrong)


def test_growth_reads_every_way_of_writing_a_power():
    powers = {"N": 2, "D": "beta", "C": "-a", "loss": "1/alpha", "U": lambda v: v["beta"] - 1}
    values = {"beta": 0.25, "a": 0.5, "alpha": 0.25}
    parameter = Parameter("k", dimension=powers)
    assert [parameter.growth(name, values) for name in (*powers, "S")] == [2, 0.25, -0.5, 4.0, -0.75, 0]
