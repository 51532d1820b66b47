"""Laws with many valleys along a budget, against a dense grid of it."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import jaxscale as js
from jaxscale._allocation import answers, scan
from jaxscale._allocation.answers import solve_many
from jaxscale._allocation.decide import decide
from jaxscale._allocation.per_draw import follow
from jaxscale._allocation.scan import spread
from jaxscale._planning.frontier import request_of
from jaxscale._planning.posed import Posed
from jaxscale.laws import Law
from studies import valleys

TRUTH = js.laws.chinchilla.published["besiroglu"].params
FLOOR = TRUTH["E"]


def sizes(N):
    return TRUTH["A"] * N ** -TRUTH["alpha"]


def tokens(D):
    return TRUTH["B"] * D ** -TRUTH["beta"]


KINDS = {
    "ripple": lambda a, w, p, *, N, D: FLOOR + sizes(N) + tokens(D) + a * jnp.sin(w * jnp.log(N) + p),
    "kinks": lambda a, w, p, *, N, D: FLOOR + sizes(N) + tokens(D) + a * jnp.abs(jnp.sin(w * jnp.log(D) + p)),
    "saturating": lambda a, w, p, *, N, D: (
        FLOOR + sizes(N) + jnp.maximum(tokens(D), a) + 0.2 * a * jnp.cos(w * jnp.log(N / D) + p)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("limits", [None, {"N_max": 2e10, "D_per_N": (5, 60)}], ids=["budget alone", "limits"])
def test_a_chain_has_the_valley_of_its_first_step_and_is_not_scanned(limits, monkeypatch):
    """Its plans are those that a scan finds, and those of the loss alone."""
    law = js.laws.chinchilla >> js.laws.gadre_err
    link = js.laws.gadre_err.published["rpj_17"].params
    params = {**TRUTH, **link}
    budgets = np.geomspace(1e19, 1e25, 7)
    posed = Posed.of(request_of(law.at(**params), budgets, limits=limits))
    assert posed.decision.one_valley and not posed.decision.convex
    givens = posed.givens(law.theta(params))
    scanned = solve_many(replace(posed.decision, one_valley=False), givens)
    monkeypatch.setattr(answers, "valleys_of", None)
    found = solve_many(posed.decision, givens)
    assert found.x.tobytes() == scanned.x.tobytes() and (found.status == scanned.status).all()
    plan = js.frontier(js.laws.chinchilla.at(**TRUTH), budgets, limits=limits)
    np.testing.assert_allclose(np.exp(found.x), [[row.N, row.D] for row in plan.rows], rtol=1e-7)


def on_a_grid(law: Law, params: dict, budget: float, largest: float) -> float:
    N = np.geomspace(1e6, largest, 60_001)
    return float(law.predict(params, N=N, D=budget / 6 / N).min())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limited", [False, True], ids=["budget alone", "with a largest size"])
def test_no_point_of_the_budget_is_better(kind, limited):
    """The ripple of .03 in ln N was planned at 733 billion parameters, with a loss 2 % above that of 40."""
    law = Law.from_loss(KINDS[kind])
    rng = np.random.default_rng(len(kind))
    for _ in range(25):
        params = {"a": rng.uniform(0.005, 0.05), "w": rng.uniform(0.5, 4.0), "p": rng.uniform(0, 6.0)}
        budget, largest = 10 ** rng.uniform(20, 26), 10 ** rng.uniform(9, 12)
        (row,) = js.frontier(law.at(**params), budget, limits={"N_max": largest} if limited else None).rows
        best = on_a_grid(law, params, budget, largest if limited else 1e15)
        assert row.status in ("ok", "flat"), (params, budget, largest, row.note)
        assert row.loss <= best * (1 + 1e-6), (params, budget, largest)
        assert not row.certificate["global"]
        assert row.cost <= budget * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "limit", "reach"),
    [("kinks in both", "circle", False), ("ripple in N", "ring", True), ("saturating", "equal ratio", False)],
)
def test_plans_of_the_study_are_no_worse_than_its_grid(kind, limit, reach):
    """Where limits leave a curve or less, and to reach a loss; `python -m studies.valleys` runs all kinds."""
    rng = np.random.default_rng(15)
    for _ in range(4):
        one = valleys.judge(valleys.Case.random(rng, kind, limit, reach))
        assert one.planned == one.possible, one
        assert not one.possible or one.above <= valleys.WORSE, one


def test_plans_of_the_study_that_are_written_are_no_worse_than_its_grid():
    """Those of `python -m studies.valleys` so far: none above the grid, and none failed where the grid has a point."""
    for name, (status, above, possible) in valleys.written().items():
        assert (status in valleys.PLANNED) == possible, name
        assert above is None or above <= valleys.WORSE, name


@pytest.mark.slow
def test_every_draw_is_planned_in_its_lowest_valley():
    law = Law.from_loss(KINDS["ripple"])
    decision, values = decide(law, js.costs.six_nd, ())
    rng = np.random.default_rng(3)
    truths = [{"a": rng.uniform(0.02, 0.05), "w": rng.uniform(1.9, 2.1), "p": rng.uniform(0.5, 1.5)} for _ in range(40)]
    draws = np.array([law.theta(params) for params in truths])
    wanted, rest = np.log([1e23]), np.log(list(values.natural.values()))
    point = solve_many(decision, np.concatenate([draws.mean(axis=0), wanted, rest])[None])
    found = follow(decision, draws, wanted, rest, point)
    assert found.sound.all()
    for params, value in zip(truths, found.value[0], strict=True):
        assert value <= np.log(on_a_grid(law, params, 1e23, 1e15)) + 1e-6


def test_points_are_spread_evenly_and_differ_in_every_coordinate():
    points = spread(2000, 3)
    assert all(len(np.unique(column)) == 2000 for column in points.T)
    counts, _ = np.histogramdd(points, bins=5, range=[(0, 1)] * 3)
    assert counts.min() > 10 and counts.max() < 22  # of 16 each


def test_valleys_do_not_depend_on_how_many_points_are_asked_for_their_neighbours_at_once(monkeypatch):
    rng = np.random.default_rng(5)
    x = np.round(5 * rng.random((3000, 3)), 1)  # copies too
    value, held = (x**2).sum(axis=1) + np.sin(9 * x).sum(axis=1), rng.integers(0, 4, x.shape).astype(float)
    found = []
    for at_once in (len(x), 500, 7):
        monkeypatch.setattr(scan, "_ASKED", at_once)
        found.append(scan._valleys(x, held, value, 4))
    assert np.isfinite(found[0][2]).all()  # as many as are looked for
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))
