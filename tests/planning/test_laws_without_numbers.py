"""Laws of one's own that give no number in part of the plane: plans keep away from there, or say so in a sentence."""

import re
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TRUTH

import jaxscale as js

BUDGET = 1e23


def base(E, A, alpha, B, beta, N, D):
    return E + A * N**-alpha + B * D**-beta


def beyond_tokens(E, A, alpha, B, beta, *, N, D):
    return jnp.where(D > 3e11, jnp.nan, base(E, A, alpha, B, beta, N, D))


def at_the_best(E, A, alpha, B, beta, *, N, D):
    return jnp.where(jnp.abs(jnp.log(N / 3e10)) < 0.8, jnp.nan, base(E, A, alpha, B, beta, N, D))


def endless(E, A, alpha, B, beta, *, N, D):
    return jnp.where(N > 2e9, jnp.inf, base(E, A, alpha, B, beta, N, D))


def bottomless(E, A, alpha, B, beta, *, N, D):
    return jnp.where(N > 2e9, -jnp.inf, base(E, A, alpha, B, beta, N, D))


def nowhere(E, A, alpha, B, beta, *, N, D):
    return jnp.nan * base(E, A, alpha, B, beta, N, D)


IN_PART = {beyond_tokens: None, at_the_best: 8.0, endless: None, bottomless: None}  # and the least D / N of a plan


def least_on_a_grid(formula, ratio: float = 0.0) -> float:
    """Of 200,001 sizes along the budget; ratio: the least D / N."""
    with jax.enable_x64(True):
        N = jnp.geomspace(1e6, 1e14, 200_001)
        D = BUDGET / (6 * N)
        losses = np.asarray(formula(**TRUTH, N=N, D=D))
        kept = np.isfinite(losses) & np.asarray(ratio * N <= D)
    return float(losses[kept].min())


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.slow
@pytest.mark.parametrize("formula", IN_PART)
def test_plans_keep_to_where_the_law_gives_a_number(formula):
    law, ratio = js.Law.from_loss(formula), IN_PART[formula]
    (row,) = js.frontier(law.at(**TRUTH), [BUDGET], limits={"D_per_N": (ratio, None)} if ratio else None).rows
    assert row.status == "ok" and row.loss <= least_on_a_grid(formula, ratio or 0.0) + 1e-6
    assert not row.certificate["global"]
    if formula is not endless:
        assert f"at an edge: law {formula.__name__!r} gives no number (nan) at N = " in row.note


@pytest.mark.slow
def test_allocate_looks_where_the_law_gives_a_number():
    law = js.Law.from_loss(beyond_tokens)
    N, D = js.allocate(law, TRUTH, js.costs.six_nd, BUDGET)
    found = float(law.predict(TRUTH, N=float(N), D=0.9999 * float(D)))
    assert found == pytest.approx(least_on_a_grid(beyond_tokens), abs=1e-4)


@pytest.mark.slow
def test_a_law_that_gives_no_number_anywhere_is_named_with_a_point():
    law = js.Law.from_loss(nowhere)
    said = r"law 'nowhere' gives no number \(nan\) at N = [\d.]+[KMBT]?, D = [\d.]+[KMBT]?"
    (row,) = js.frontier(law.at(**TRUTH), [BUDGET], limits={"D_max": 1e12}).rows
    assert row.status == "failed" and re.search(said, row.note), row.note
    with pytest.raises(js.InputError, match=said):
        js.allocate(law, TRUTH, js.costs.six_nd, BUDGET)
