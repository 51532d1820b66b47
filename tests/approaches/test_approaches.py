"""Approaches 1, 2 and 3 side by side: on planted runs where the answer is known, and where they cannot be taken."""

import math

import numpy as np
import pytest

import jaxscale as js
from jaxscale.synthetic import isoflop_design, observe

LAW = js.laws.chinchilla
HOFFMANN = LAW.published["hoffmann_rounded"].params
EPOCH = LAW.published["besiroglu"].params


def share(params) -> float:
    """Exponent of the best size."""
    return params["beta"] / (params["alpha"] + params["beta"])


@pytest.fixture(scope="module")
def wide() -> js.Runs:
    """Sizes over a factor of 16 around the optimum at five budgets, with little noise."""
    sizes, tokens = isoflop_design(np.geomspace(1e17, 1e21, 5), 15, 16.0, HOFFMANN)
    return observe(LAW, HOFFMANN, {"N": sizes, "D": tokens}, noise=0.0005)


@pytest.fixture(scope="module")
def compared(wide) -> js.approaches:
    return js.approaches(wide, budgets=[1e21, 1e24], non_embedding=47491.0, draws=100)


@pytest.mark.slow
def test_each_approach_has_its_row_and_its_own_bias(compared):
    rows = {row.code: row for row in compared.rows}
    assert list(rows) == ["envelope", "parabola", "akima", "unbiased", "fit"]
    assert "training curves" in rows["envelope"].missing
    a = share(HOFFMANN)
    for code in ("unbiased", "fit"):
        low, high = rows[code].a_interval
        assert low < a < high
        assert rows[code].a + rows[code].b == pytest.approx(1)
    # what the planted-truth study finds for the parabola: tokens 5.1 % low, exponent exact
    assert rows["parabola"].bias_D == pytest.approx(-0.051, abs=0.003)
    assert abs(rows["parabola"].bias_a) < 1e-4
    assert abs(rows["unbiased"].bias_D) < 1e-6
    assert math.isnan(rows["fit"].bias_a)
    assert rows["fit"].decades_beyond == pytest.approx((0, 3), abs=1e-6)


@pytest.mark.slow
def test_they_disagree_and_it_says_why(compared):
    assert not compared.agree
    codes = [reason.code for reason in compared.reasons]
    assert {"disagree", "parabola_bias", "extrapolation"} <= set(codes)
    assert "off_centre" not in codes
    text = str(compared)
    assert "THE APPROACHES DISAGREE" in compared._repr_html_()
    assert text.splitlines()[1].startswith("THE APPROACHES DISAGREE")
    assert "D at 1e24 FLOPs by -5." in text
    frame = compared.to_frame()
    assert frame.loc["3: fit of the law", "N(1e+24)"] == compared.rows[-1].N[1][0]
    assert frame.loc["1: envelope of training curves", "missing"]


@pytest.mark.slow
def test_the_same_runs_counted_as_kaplan_did(compared):
    """Second route to the recounted exponent: optima found on a grid, counted again by Newton's method, and a line."""
    counted = {(c.convention, c.how): c.a for c in compared.counting}
    assert counted["all parameters", "fit of the law"] == compared.rows[-1].a
    assert counted["without embeddings", "fit of the law"] > counted["all parameters", "fit of the law"] + 0.1
    p = compared.fit.params
    size = np.geomspace(1e5, 1e11, 60_000)  # without embeddings
    total = size + 47491.0 * np.cbrt(size)
    log_c, log_n = [], []
    for budget in np.geomspace(1e15, 1e22, 200):  # of that count
        best = np.argmin(p["A"] * total ** -p["alpha"] + p["B"] * (budget / (6 * size)) ** -p["beta"])
        log_c.append(math.log(budget))
        log_n.append(math.log(size[best]))
    ratio = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    ends = ratio * (np.array([1e17, 1e21]) / 6) ** share(p)
    first, last = (math.log(np.interp(end, total, size)) for end in ends)
    grid = np.linspace(first, last, 100)
    slope = np.polyfit(np.interp(grid, log_n, log_c), grid, 1)[0]
    assert counted["without embeddings", "the fitted law's own optima, recounted"] == pytest.approx(slope, abs=2e-3)


@pytest.mark.slow
def test_training_curves_allow_all_three():
    """Curves of one law: every approach finds its exponent, and says the same of a table that names the sizes twice."""
    omega, sizes, checkpoints = 47491.0, np.geomspace(1e6, 3e9, 24), 24
    N = np.repeat(sizes, checkpoints)
    small = np.array([np.roots([1, 0, omega, -n])[2].real ** 3 for n in N])  # N = M + omega M^(1/3)
    C = np.tile(np.geomspace(1e16, 1e22, 24), 24)
    near = (C / (6 * N) > 0.5 * N) & (C / (6 * N) < 2000 * N)
    loss = LAW.predict(EPOCH, N=N[near], D=C[near] / (6 * N[near]))
    loss = loss * np.exp(0.001 * np.random.default_rng(0).standard_normal(len(loss)))
    runs = js.Runs({"N": N[near], "D": C[near] / (6 * N[near]), "M": small[near]}, loss)
    found = js.approaches(runs, non_embedding="M", draws=100)
    assert not [row.code for row in found.rows if row.missing]
    for row in found.rows:
        assert row.a == pytest.approx(share(EPOCH), abs=0.03), row.code
    counted = {(c.convention, c.how): c.a for c in found.counting}
    assert counted["without embeddings", "envelope"] > counted["all parameters", "envelope"] + 0.1
    same = js.approaches(runs, non_embedding=omega, draws=100)
    assert [c.a for c in same.counting] == pytest.approx([c.a for c in found.counting])
    with pytest.raises(js.InputError, match="below N"):
        js.approaches(runs, non_embedding="D", draws=100)


@pytest.mark.slow
def test_runs_that_allow_nothing_say_so():
    sizes = np.geomspace(1e7, 1e9, 12)
    found = js.approaches(js.Runs({"N": sizes, "D": 20 * sizes}, 2 + 100 * sizes**-0.3), draws=20)
    assert str(found).splitlines()[1].startswith("NOTHING TO COMPARE")
    assert all(row.missing for row in found.rows)
    assert "Not taken" in str(found)


@pytest.mark.slow
def test_compute_that_is_not_six_n_d_is_said(wide):
    """Half the compute in the column: the same exponents, and no bias, since the fit goes by another compute."""
    named = dict(wide.variables) | {"C": 3 * wide.variable("N") * wide.variable("D")}
    found = js.approaches(js.Runs(named, wide.response), budgets=[1e21], draws=20)
    assert "compute" in [reason.code for reason in found.reasons]
    assert "compute is 0.5 times 6 N D" in str(found)
    assert all(math.isnan(row.bias_a) for row in found.rows)


@pytest.mark.parametrize(
    ("options", "words"), [({"budgets": [0.0]}, "budgets"), ({"level": 0}, "level"), ({"draws": 1}, "draws")]
)
def test_what_cannot_be_used_says_so(wide, options, words):
    with pytest.raises(js.InputError, match=words):
        js.approaches(wide, **options)
