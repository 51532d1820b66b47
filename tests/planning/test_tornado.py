"""The tornado of a plan is sorted, and every bar a plan of its own."""

import numpy as np
import pytest
from sources import BESIROGLU, fit_like

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number
from jaxscale._planning.frontier import frontier
from jaxscale._planning.tornado import tornado
from jaxscale._planning.what_if import what_if


@pytest.fixture(scope="module")
def plan():
    return frontier(fit_like(), [1e22, 1e24], cost=costs.six_nd.with_inference(tokens=2e12), limits={"N_max": 7e10})


def test_tornado_is_sorted_and_re_optimised(plan):
    found = tornado(plan, "tokens_per_param")
    table, text = found.to_frame(), str(found)
    first = table[table["budget"] == 1e22]
    assert (np.diff(first["swing"]) <= 0).all()
    beta = first[first["assumption"] == "beta"].iloc[0]
    again = what_if(plan, set={"beta": "+1sigma"}).after.rows[0].tokens_per_param
    np.testing.assert_allclose(beta["high"], again, rtol=1e-10)
    assert beta["step"] == "1 sigma"
    assert abs(beta["first_order_high"] - again) / again < 0.1
    assert first[first["assumption"] == "inference_tokens"].iloc[0]["step"] == "10 %"
    assert text.startswith("what moves D/N most") and "budget 1e22 FLOPs" in text
    printed = next(line for line in text.splitlines() if line.split()[:1] == ["beta"])
    assert format_number(again) in printed and f"{100 * beta['swing']:.3g} %" in printed


def test_what_has_no_sigma_and_no_tornado():
    plan = frontier(BESIROGLU, 1e24)
    with pytest.raises(InputError, match="standard error of beta is not known"):
        what_if(plan, set={"beta": "+1sigma"})
    with pytest.raises(InputError, match="there is no quantity 'speed'"):
        tornado(plan, "speed")
