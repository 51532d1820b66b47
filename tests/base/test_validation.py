"""What a user asks for, refused in the same words by every verb."""

import math

import numpy as np
import pytest

import jaxscale as js
from jaxscale._base.validation import check_draws, check_level, enough_of
from jaxscale.costs import as_cost
from jaxscale.laws._registry import as_law


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, math.nan, "0.9", None, True])
def test_a_level_that_is_none_is_refused(level):
    with pytest.raises(js.InputError, match=r"level must lie between 0 and 1 \(0.9 is 90 %\), got "):
        check_level(level)
    assert check_level(np.float32(0.5)) == 0.5


def test_fewer_draws_than_an_interval_needs_are_refused():
    check_draws(20)
    check_draws(0, optional=True)
    with pytest.raises(js.InputError, match="draws must be at least 20, got 0"):
        check_draws(0)
    with pytest.raises(js.InputError, match=r"draws must be 0 \(no intervals\) or at least 20, got 19"):
        check_draws(19, optional=True)


def test_laws_and_costs_go_by_name_or_as_they_are():
    assert as_law("chinchilla") is as_law(js.laws.chinchilla) is js.laws.chinchilla
    assert as_cost(js.costs.six_nd) is js.costs.six_nd and as_cost("six_nd").name == "six_nd"
    runs = js.synthetic.demo_runs()
    for law, hint in ((42, "got '42'"), (js.laws.bnsl, "call it")):
        with pytest.raises(js.InputError, match=f"law must be a Law or the name of one, .*{hint}"):
            js.fit(law, runs)
    for verb in (js.profile, js.influence):
        with pytest.raises(js.InputError, match="cost must be a CostModel or one of six_nd"):
            verb(js.fit("chinchilla", runs, intervals=None), "N", budget=1e24, cost=6)


def test_an_interval_is_read_from_nine_tenths_of_the_draws_and_twenty_at_least():
    assert [enough_of(count, 1000) for count in (899, 900, 1000)] == [False, True, True]
    assert [enough_of(count, 20) for count in (18, 19, 20)] == [False, False, True]
