"""States of sliders that cannot be are refused with words."""

import math

import pytest

from jaxscale._base.errors import InputError
from jaxscale._pages.app.asked_plan import AskedPlan


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "there is no budget"),
        ({"target": "time", "budget": 1e22}, "target is one of"),
        ({"target": "loss"}, "there is no loss"),
        ({"target": "size", "budget": 1e22}, "there is no size"),
        ({"budget": "many"}, "budget is not a number"),
        ({"budget": math.nan}, "budget must lie"),
        ({"budget": True}, "budget must lie"),
        ({"budget": [1e22]}, "budget is not a number"),
        ({"budget": 1e22, "sigmas": 99}, "sigmas must lie"),
        ({"budget": 1e22, "price": 0}, "price must lie"),
        ({"budget": 1e22, "cap": -1}, "cap must lie"),
    ],
)
def test_states_that_cannot_be_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        AskedPlan.of(given)
