"""What leaving runs out does, by second routes: textbook formulas for a straight line, SciPy's refits and our own."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import LAW, sweep
from oracles import minimise, table_of

import jaxscale as js


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep()


@pytest.fixture(scope="module")
def result(runs) -> js.FitResult:
    return js.fit(LAW, runs, intervals=None)


@pytest.fixture(scope="module")
def found(result) -> js.Influence:
    return js.influence(result, budget=1e23, by=np.repeat(["low", "high"], 30))


@pytest.mark.parametrize("exact", [False, True])
def test_a_straight_line_follows_the_textbook(exact):
    """Leverage h, prediction y - e / (1 - h) and DFBETA (Belsley, Kuh & Welsch 1980, chapter 2)."""
    C = np.geomspace(1e18, 1e22, 15)
    runs = js.Runs({"C": C}, 30 * C**-0.05 * np.exp(0.02 * np.random.default_rng(3).standard_normal(15)))
    fitted = js.fit(js.laws.power_law("C", floor=False), runs, objective=js.SquaredError(), intervals=None)
    line = js.influence(fitted, at={"C": 1e24}, exact=exact)
    X, y = np.stack([np.ones(15), -np.log(C)], axis=1), np.log(runs.response)
    inverse = np.linalg.inv(X.T @ X)
    residuals, h = y - X @ fitted.theta, np.einsum("ni,ij,nj->n", X, inverse, X)
    moved = -(inverse @ X.T).T * (residuals / (1 - h))[:, None]
    np.testing.assert_allclose(line.leverage, h, rtol=1e-7)
    np.testing.assert_allclose(line.theta, moved, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(np.log(line.predicted), y - residuals / (1 - h), rtol=1e-8)
    np.testing.assert_allclose(line.change, moved @ [1, -np.log(1e24)], rtol=1e-6, atol=1e-9)
    sigma = 1.4826 * np.median(np.sort(np.abs(residuals))[2:])
    np.testing.assert_allclose(line.outlier, residuals / sigma, rtol=1e-6)


def test_refits_are_scipys(runs, result, found):
    assert found.exact and found.names == LAW.parameter_names
    for k in found.order[:2]:
        table = table_of(runs, weights=np.where(np.arange(60) == k, 0.0, 1.0))
        theirs, ours = minimise(table, result.theta), result.theta + found.theta[k]
        assert table.value(ours) <= table.value(theirs) * (1 + 1e-9)
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
        params = LAW.natural(ours)
        assert found.predicted[k] == pytest.approx(
            LAW.predict(params, N=runs.variables["N"][k], D=runs.variables["D"][k]), rel=1e-12
        )
        best = js.frontier(replace(result, params=params, theta=ours, covariance=None), 1e23).rows[0].N
        here = js.frontier(result, 1e23).rows[0].N
        assert found.change[k] == pytest.approx(np.log(best / here), rel=1e-6)


@pytest.mark.slow
def test_steps_are_near_refits(result, found):
    steps = js.influence(result, budget=1e23, exact=False)
    assert not steps.exact and "one Newton step" in str(steps)
    for a, b in ((steps.change, found.change), *zip(steps.theta.T, found.theta.T, strict=True)):
        assert np.corrcoef(a, b)[0, 1] > 0.97
    np.testing.assert_array_equal(steps.leverage, found.leverage)


@pytest.mark.slow
def test_groups_and_sets_are_left_out_whole(runs, result, found):
    assert [g.label for g in found.groups] == ["low", "high"] and found.groups[1].rows == tuple(range(31, 61))
    for left in (*found.groups, *found.together):
        rest = js.fit(LAW, runs.subset([r - 1 for r in range(1, 61) if r not in left.rows]), intervals=None)
        np.testing.assert_allclose(list(left.theta.values()), rest.theta - result.theta, atol=1e-6)
    clustered = replace(result, runs=replace(runs, clusters=tuple("ab" * 30)))
    again = js.influence(replace(clustered, runs_sha256=clustered.runs.sha256), "alpha", together=1)
    assert [g.label for g in again.groups] == ["a", "b"] and all(len(left.rows) == 1 for left in again.together)


def test_planted_runs_are_named(runs):
    loss = np.array(runs.response)
    loss[[7, 8, 9]] *= 1.08
    odd = js.influence(js.fit(LAW, js.Runs(runs.variables, loss), intervals=None), budget=1e23)
    assert any(set(left.rows) == {8, 9, 10} for left in odd.together)
    assert any("Without 3 runs 8, 9, 10, best N for 1e23 FLOPs moves by" in text for text in odd.sentences())
    assert set(np.argsort(-np.abs(odd.outlier))[:3]) == {7, 8, 9}
    frame = odd.to_frame()
    assert list(frame.columns[:4]) == ["change", "pull", "leverage", "outlier"] and frame.index.name == "row"
    assert "look into a run before leaving it out" in str(odd)


@pytest.mark.slow
def test_runs_of_weight_zero_do_nothing(runs):
    weights = np.ones(60)
    weights[5] = 0
    fitted = js.fit(LAW, replace(runs, weights=weights), fixed={"E": 1.8}, intervals=None)
    plain = js.influence(fitted)
    assert np.isnan(plain.pull[5]) and np.isnan(plain.predicted[5]) and np.isfinite(np.delete(plain.pull, 5)).all()
    assert (np.delete(plain.theta, 5, axis=0)[:, 2] == 0).all() and plain.change is None
    assert "theta moves by" in plain.sentences()[0] and " E " not in plain.sentences()[0]


@pytest.mark.slow
def test_least_absolute_deviations_want_refits(runs):
    fitted = js.fit(LAW, runs, objective=js.AbsoluteError(), intervals=None)
    with pytest.raises(js.InputError, match="use exact=True"):
        js.influence(fitted, exact=False)


WRONG = {
    "labels": ({"by": ["a"] * 59}, "59 labels for 60 runs"),
    "together": ({"together": 60}, "from 1 to 59"),
    "quantity": ({"quantity": "gamma"}, "has no parameter 'gamma'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_say_how_to_mend_them(result, name):
    options, text = WRONG[name]
    with pytest.raises(js.InputError, match=text):
        js.influence(result, **options)


@pytest.mark.data
def test_steps_against_refits_on_the_epoch_runs(data_folder):
    result = js.fit("chinchilla", js.datasets.load("chinchilla_epoch"), intervals=None)
    steps, refits = (js.influence(result, budget=1e24, exact=exact) for exact in (False, True))
    pairs = [(steps.change, refits.change), *zip(steps.theta.T, refits.theta.T, strict=True)]
    pairs.append((steps.predicted / steps.observed, refits.predicted / refits.observed))
    assert min(np.corrcoef(a, b)[0, 1] for a, b in pairs) > 0.99
    up, down = refits.together
    assert up.rows == (60, 105, 111) and np.expm1(up.change) == pytest.approx(0.18, abs=0.01) and down.change < -0.05
