"""Plans over draws and laws: certified, never worse over the doubt than the point plan, and refused in words."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers import sweep
from scipy.optimize import minimize_scalar
from sources import BESIROGLU, COVARIANCE, draws_like, fit_like

import jaxscale as js
from jaxscale._planning.doubt import doubt_of
from jaxscale._planning.rival_laws import rivals_tried
from jaxscale._planning.source import source_of
from jaxscale._planning.under_doubt import tail_mean

LAW = js.laws.chinchilla
HOFFMANN = LAW.published["hoffmann_tex"]
BUDGETS = [1e21, 3e24]


def losses(draws: np.ndarray, N: float, D: float) -> np.ndarray:
    """Of every draw (count, 5) of theta, in NumPy."""
    at = dict(zip(LAW.parameter_names, LAW.naturals(draws).T, strict=True))
    return at["E"] + at["A"] * N ** -at["alpha"] + at["B"] * D ** -at["beta"]


def regrets(draws: np.ndarray, N: float, budget: float) -> np.ndarray:
    """In logs of compute, by the closed form: extra log loss over the price of the budget at each draw's best N."""
    A, B, E, a, b = (
        dict(zip(LAW.parameter_names, LAW.naturals(draws).T, strict=True))[k] for k in ("A", "B", "E", "alpha", "beta")
    )
    best = (a * A / (b * B)) ** (1 / (a + b)) * (budget / 6) ** (b / (a + b))
    least = E + A * best**-a + B * (budget / 6 / best) ** -b
    price = a * A * best**-a / least
    return np.log(losses(draws, N, budget / 6 / N) / least) / price


def least(draws: np.ndarray, budget: float, of) -> float:
    """The best log N on the budget, by SciPy, of a function of losses or regrets."""
    found = minimize_scalar(
        of, bounds=(np.log(budget / 6) / 2 - 6, np.log(budget / 6) / 2 + 6), method="bounded", options={"xatol": 1e-10}
    )
    return float(found.fun)


def pairs(plan: js.Plan) -> list[tuple[Any, Any]]:
    """Rows with what is beside them."""
    return list(zip(plan.rows, plan.beside, strict=True))


@pytest.fixture(scope="module")
def source():
    return draws_like(16, seed=3)  # as many as one program is made for


@pytest.fixture(scope="module")
def expected(source):
    return js.frontier(source, BUDGETS, under="draws")


def test_the_mean_loss_is_the_least_there_is(source, expected):
    for row, beside in pairs(expected):
        best = least(
            source.draws, row.budget, lambda x, c=row.budget: losses(source.draws, np.exp(x), c / 6 / np.exp(x)).mean()
        )
        assert row.loss == pytest.approx(losses(source.draws, row.N, row.D).mean(), rel=1e-12)
        assert row.loss <= best * (1 + 1e-12)
        assert row.status == "ok" and row.certificate["global"] and row.certificate["kkt"] < 1e-9
        at_point = losses(source.draws, beside.point.N, beside.point.D).mean()
        assert row.loss < at_point and beside.saves >= 0
        price = -row.shadow_price["budget"].value / np.log(2) / row.loss
        assert beside.saves == pytest.approx(-np.expm1(-np.log(at_point / row.loss) / price), rel=1e-6)


@pytest.mark.slow
def test_mean_regret_and_worst_regrets_are_the_least_there_are(source):
    draws, weight = source.draws, np.full(16, 1 / 16)
    means = js.frontier(source, BUDGETS, under="draws", minimise="regret")
    worst = js.frontier(source, BUDGETS, under="draws", minimise="cvar:0.8")
    for row, beside in pairs(means):
        best = least(draws, row.budget, lambda x, c=row.budget: regrets(draws, np.exp(x), c).mean())
        assert regrets(draws, row.N, row.budget).mean() <= best * (1 + 1e-10)
        wasted = -np.expm1(-regrets(draws, row.N, row.budget))
        assert beside.regret == pytest.approx(wasted.mean(), rel=1e-8)
        assert beside.costs == pytest.approx(
            -np.expm1(-regrets(LAW.theta(BESIROGLU.params)[None], row.N, row.budget))[0], rel=1e-5
        )
    for row, beside in pairs(worst):

        def of(x, c=row.budget):
            return tail_mean(regrets(draws, np.exp(x), c)[None], weight, 0.8)[0]

        best, mine = least(draws, row.budget, of), of(np.log(row.N))
        assert mine <= best + beside.gap + 1e-12
        assert beside.gap < 0.02 * best
        assert row.status == "ok" and pytest.approx(row.budget) == row.N * row.D * 6


def test_it_is_the_point_plan_where_draws_collapse():
    """To the last digits the solver keeps, by every aim; and a covariance of nothing."""
    one = draws_like(3, covariance=0 * COVARIANCE)
    point = js.frontier(BESIROGLU, BUDGETS)
    plans = [js.frontier(one, BUDGETS, under="draws", minimise=m) for m in ("expected", "regret", "cvar:0.9")]
    plans.append(js.frontier(fit_like(0 * COVARIANCE), BUDGETS, under="draws"))
    for plan in plans:
        for row, alone in zip(plan.rows, point.rows, strict=True):
            assert (row.N, row.D, row.loss) == pytest.approx((alone.N, alone.D, alone.loss), rel=1e-6)


def agrees_with_plans_a_step_away(source: Any, name: str, limits: dict[str, Any], **asked: Any) -> js.Plan:
    """Slopes of N, D, loss in the budget or a limit, against differences of two plans; the plan between them."""
    step = 1e-5

    def moved(by: float) -> js.Plan:
        budgets = np.multiply(BUDGETS, np.exp(by)) if name == "budget" else BUDGETS
        kept = limits if name == "budget" else limits | {name: limits[name] * np.exp(by)}
        return js.frontier(source, list(budgets), limits=kept, **asked)

    low, middle, high = (moved(by) for by in (-step, 0.0, step))
    for a, row, b in zip(low.rows, middle.rows, high.rows, strict=True):
        for q in ("N", "D", "loss"):
            slope = np.log(getattr(b, q) / getattr(a, q)) / (2 * step)
            assert row.sensitivities[q][name] == pytest.approx(slope, abs=2e-6)
    return middle


@pytest.mark.parametrize("minimise", ["regret", "cvar:0.8"])
def test_slopes_of_regrets_follow_what_each_draw_would_do(source, minimise):
    plan = agrees_with_plans_a_step_away(source, "budget", {}, under="draws", minimise=minimise)
    price = plan.rows[0].shadow_price["budget"].value
    assert price == pytest.approx(np.log(2) * plan.rows[0].loss * plan.rows[0].sensitivities["loss"]["budget"])


@pytest.mark.slow
@pytest.mark.parametrize("limits", [{"N_max": 5e10}, {"D_per_N": (10, 25)}, {"D_max": 2e12, "N_max": 1e12}])
@pytest.mark.parametrize("minimise", ["regret", "cvar:0.8"])
def test_slopes_of_regrets_within_limits(source, minimise, limits):
    """Limits that hold for the plan, for what single draws would do, or for neither."""
    for name in ("budget", *(n for n in limits if n.endswith("max"))):
        agrees_with_plans_a_step_away(source, name, limits, under="draws", minimise=minimise)


def test_slopes_in_budget_and_limits_are_those_of_plans_a_step_away(source):
    for name in ("budget", "N_max"):
        middle = agrees_with_plans_a_step_away(source, name, {"N_max": 5e10}, under="draws")
    assert [row.binding for row in middle.rows] == [("budget",), ("budget", "N_max")]


def test_limits_bind_for_a_hedge_as_for_a_plan(source):
    """Where they leave money unspent there is no regret in compute, and the mean loss is least all the same."""
    limits = {"D_max": 2e11, "D_per_N": (10, 40)}
    plan = js.frontier(source, BUDGETS, under="draws", limits=limits)
    assert "budget" not in plan.rows[1].binding and np.isnan(pairs(plan)[1][1].regret) and plan.rows[1].regret == {}
    with pytest.raises(js.InputError, match="more than 3e24 buys nothing by some draws"):
        js.frontier(source, BUDGETS, under="draws", limits=limits, minimise="regret")
    for row, beside in pairs(plan):
        assert row.D <= 2e11 * (1 + 1e-9) and 10 * (1 - 1e-9) <= row.D / row.N <= 40 * (1 + 1e-9)
        assert row.loss <= losses(source.draws, beside.point.N, beside.point.D).mean() * (1 + 1e-12)
    none = js.frontier(source, 1e21, under="draws", limits={"N_min": 1e15, "D_min": 1e15})
    assert none.rows[0].status == "infeasible" and none.beside == (None,)
    assert "-" in str(none)


def test_points_of_a_covariance_have_the_mean_regret_of_many_draws():
    """What is quadratic in theta has its exact mean; 20,000 draws agree within their error."""
    small = 0.01 * COVARIANCE
    by_points = pairs(js.frontier(fit_like(small), 1e24, under="draws", minimise="regret"))[0][1]
    many = np.random.default_rng(1).multivariate_normal(
        LAW.theta(BESIROGLU.params), small, size=20_000, check_valid="ignore"
    )
    sampled = -np.expm1(-regrets(many, by_points.point.N, 1e24))
    assert by_points.point_regret == pytest.approx(sampled.mean(), abs=4 * sampled.std() / np.sqrt(len(many)))


def test_what_no_residual_shows_is_said_of_the_point(source):
    drifts = {"N": dict(zip(LAW.parameter_names, (0.1, 0.2, -0.3, 0.01, 0.02), strict=True))}
    plan = js.frontier(SimpleNamespace(**vars(source), drifts=drifts), BUDGETS, under="draws")
    alone = js.frontier(SimpleNamespace(law=LAW, params=source.params, drifts=drifts), BUDGETS)
    assert [row.drift for row in plan.rows] == [row.drift for row in alone.rows] and plan.rows[0].drift["N"]["N"]
    assert "0.1 % too high per decade of N moves the point's N by" in " ".join(str(plan).split())


def test_laws_are_weighed_as_told():
    """All weight on one law is that law's plan; between them N moves from one to the other."""
    alone = [js.frontier(law, 1e24).rows[0].N for law in (BESIROGLU, HOFFMANN)]
    found = [
        js.frontier(BESIROGLU, 1e24, under=[BESIROGLU, HOFFMANN], weights=w).rows[0].N
        for w in ([1, 0], [3, 1], [1, 3], [0, 2])
    ]
    assert found[0] == pytest.approx(alone[0], rel=1e-6) and found[3] == pytest.approx(alone[1], rel=1e-6)
    assert found == sorted(found, reverse=alone[0] > alone[1]) and len(set(found)) == 4
    told = js.frontier(BESIROGLU, 1e24, under=[BESIROGLU, HOFFMANN], weights=[3, 1])
    assert "chinchilla:hoffmann_tex (25 %, its point estimate)" in str(told)
    assert [p["weight"] for p in told.to_dict()["doubt"]["over"]] == [0.75, 0.25]


def test_weights_come_from_what_a_comparison_held_out():
    tried = SimpleNamespace(stacking_weights=lambda: {"chinchilla": 0.25, "kaplan_nd": 0.75})
    kaplan, source = js.laws.kaplan_nd.published["kaplan"], source_of(BESIROGLU)
    doubt = doubt_of(source, [BESIROGLU, kaplan], tried, "regret")
    assert [p.weight for p in doubt.possibilities] == [0.25, 0.75] and doubt.aim == "regret"
    with pytest.raises(js.InputError, match="no law 'muennighoff'; it has chinchilla, kaplan_nd"):
        doubt_of(source, [js.laws.muennighoff.published["muennighoff_c4"]], tried, "expected")
    fitted = [SimpleNamespace(label=k.law.name, law=k.law, params=k.params) for k in (BESIROGLU, kaplan)]
    tried.contenders = [*fitted, SimpleNamespace(label="(nearest run)", law=None, params={})]
    assert [p.weight for p in doubt_of(source, tried, None, "expected").possibilities] == [0.25, 0.75]


def test_a_plan_is_made_again_over_the_same_doubt(source, expected):
    change = js.what_if(expected, set={"budget": "x2"})
    for row, again in zip(expected.rows, change.after.rows, strict=True):
        assert pytest.approx(row.N * 2 ** row.sensitivities["N"]["budget"], rel=0.02) == again.N
    with pytest.raises(js.InputError, match="over 16 draws, which do not move with one parameter"):
        js.what_if(expected, set={"beta": 0.3})


def test_what_moves_a_plan_over_a_doubt_is_all_but_the_parameters():
    """Each bar is the plan of `what_if`, over the same draws, and its slope foretells it."""
    plan = js.frontier(draws_like(16, seed=3), BUDGETS, under="draws", cost="six_nd", limits={"N_max": 3e10})
    found = js.tornado(plan)
    frame = found.to_frame()
    assert set(frame["assumption"]) == {"budget", "N_max"}
    for end, factor in (("low", "x0.9"), ("high", "x1.1")):
        for name in ("budget", "N_max"):
            again = js.what_if(plan, set={name: factor}).after.rows
            mine = frame[frame["assumption"] == name].sort_values("budget")
            np.testing.assert_allclose(mine[end], [row.N for row in again], rtol=1e-6)
            np.testing.assert_allclose(mine[f"first_order_{end}"], mine[end], rtol=1e-2)
    assert "Parameters of the law stay: the plan is over 16 draws." in str(found)


def test_draws_that_are_missing_are_asked_for_with_what_to_type(fitted):
    """And what is typed so plans."""
    with pytest.raises(js.InputError) as refused:
        js.frontier(fitted, 1e24, under="draws", minimise="cvar:0.8")
    assert 'in its place: js.frontier(js.bootstrap(fit), ..., under="draws", minimise="cvar:0.8")' in str(refused.value)
    assert "`jaxscale bootstrap FIT -o draws.json`" in str(refused.value)
    assert "`jaxscale frontier draws.json ... --under draws --minimise cvar:0.8`" in str(refused.value)
    plan = js.frontier(js.bootstrap(fitted, draws=20), 1e24, under="draws", minimise="cvar:0.8")
    assert plan.doubt.over == "20 draws"
    with pytest.raises(js.InputError, match=r"in its place: js.frontier\(..., under=\[js.bootstrap\(fit, runs=...\), "):
        js.frontier(BESIROGLU, 1e24, under=[fit_like()], weights=[1], minimise="cvar:0.9")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"under": "covariance"}, "under is 'draws', 'laws'"),
        ({"under": "laws"}, "tries laws on the runs behind a fit, and .* brings none"),
        ({"under": "laws", "weights": [1]}, "weighs laws by how they predict runs held out"),
        ({"under": "draws"}, "neither draws nor a covariance; make draws with bootstrap"),
        ({"under": "draws", "minimise": "median"}, "minimise is 'expected'"),
        ({"under": "draws", "minimise": "cvar:2"}, "between 0 and 1"),
        ({"under": "draws", "weights": [1]}, "the draws of one weigh the same"),
        ({"under": [BESIROGLU, HOFFMANN]}, "give weights= of the laws.*never by how well they fit"),
        ({"under": [BESIROGLU, HOFFMANN], "weights": [1, -1]}, "weights are 2 numbers from 0 on"),
        ({"under": [], "weights": []}, "a list of fits of several laws"),
        ({"minimise": "regret"}, "give under="),
        ({"under": [fit_like()], "weights": [1], "minimise": "cvar:0.9"}, "need draws, and it has a covariance"),
    ],
)
def test_what_is_no_doubt_is_refused_in_words(options, said):
    with pytest.raises(js.InputError, match=said):
        js.frontier(BESIROGLU, 1e24, **options)


@pytest.fixture(scope="module")
def fitted():
    """A fit that laws are tried on."""
    return js.fit("chinchilla", js.synthetic.demo_runs(), intervals="quick")


@pytest.mark.slow
def test_laws_tried_on_the_runs_are_the_doubt_that_is_meant_by_laws(fitted):
    plan = js.frontier(fitted, BUDGETS, under="laws")
    tried = js.compare(fitted.runs, ["chinchilla", "skaling", "kaplan_nd"], rolling="C", objective=fitted.objective)
    shares = {name: share for name, share in tried.stacking_weights().items() if share > 1e-4}
    whole = sum(shares.values())
    assert {p.source.label: p.weight for p in plan.doubt.possibilities} == pytest.approx(
        {name: share / whole for name, share in shares.items()}
    )
    laws = [c.result for c in tried.contenders if c.label in shares]
    other = js.frontier(fitted, BUDGETS, under=laws, weights=[shares[one.label] for one in laws])
    for row, again in zip(plan.rows, other.rows, strict=True):
        assert (row.N, row.D, row.loss) == pytest.approx((again.N, again.D, again.loss), rel=1e-9)
        low, high = row.intervals["loss"]
        assert low < high
    one = js.fit(js.laws.power_law("N"), fitted.runs, intervals=None)
    with pytest.raises(js.InputError, match=r"\(--under laws\) knows laws of N and D, and .* is one of N;"):
        js.frontier(one, reach_loss=None, budgets=1e10, cost="six_nd", under="laws")


@pytest.mark.slow
def test_the_worst_regrets_over_laws_are_over_draws_of_each(fitted, tmp_path):
    """Of draws, also from their file, and of a fit; by NumPy over the draws that `bootstrap` makes of each law's fit,
    whose losses are their own law's, with the laws' weights."""
    drawn = js.bootstrap(fitted, draws=100)
    drawn.save(tmp_path / "draws.json")
    again = js.load(tmp_path / "draws.json")
    plan = js.frontier(again, 1e24, under="laws", minimise="cvar:0.9")
    assert [p.way for p in plan.doubt.possibilities] == ["100 draws"] * 2
    tried = js.compare(fitted.runs, ["chinchilla", "skaling", "kaplan_nd"], rolling="C", objective=fitted.objective)
    of = {c.label: c.result for c in tried.contenders if c.result}
    thetas = {"chinchilla": drawn.draws, "kaplan_nd": js.bootstrap(of["kaplan_nd"], draws=100).draws}
    weight = np.concatenate([np.full(100, p.weight / 100) for p in plan.doubt.possibilities])
    grid = np.geomspace(1e10, 1e12, 8001)

    def log_losses(N, budget):
        """Of every draw, (200, sizes)."""
        D, rows = budget / 6 / N, []
        for one in plan.doubt.possibilities:
            for theta in thetas[one.source.label]:
                p = one.source.law.natural(theta)
                if one.source.label == "chinchilla":
                    rows.append(np.log(p["E"] + p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]))
                else:
                    inner = (p["N_c"] / N) ** (p["alpha_N"] / p["alpha_D"]) + p["D_c"] / D
                    rows.append(p["alpha_D"] * np.log(inner))
        return np.array(rows)

    values, step = log_losses(grid, 1e24), 1e-4
    best = values.min(axis=1)
    price = (
        (log_losses(grid, 1e24 * (1 - step)).min(axis=1) - log_losses(grid, 1e24 * (1 + step)).min(axis=1)) / step / 2
    )
    worst = tail_mean(((values - best[:, None]) / price[:, None]).T, weight, 0.9)
    at = int(np.argmin(worst))
    mine = np.interp(np.log(plan.rows[0].N), np.log(grid), worst)
    assert mine == pytest.approx(worst[at], rel=1e-4)
    assert pytest.approx(grid[at], rel=0.01) == plan.rows[0].N
    given = doubt_of(source_of(fitted), tried, None, "cvar:0.9")
    assert [p.way for p in given.possibilities] == ["1000 draws"] * 2


@pytest.mark.slow
def test_laws_are_tried_on_sweeps_of_few_budgets_too():
    """Between four budgets there are two cuts with enough on either side, where three are wished for."""
    result = js.fit("chinchilla", sweep(4, 7, noise=0.004, seed=1), intervals="quick")
    tried = rivals_tried(source_of(result))
    assert [one.trained for one in tried.holdouts] == [14, 21]
    assert sum(tried.stacking_weights().values()) == pytest.approx(1)


def test_losses_to_reach_and_other_decisions_are_refused(source):
    with pytest.raises(js.InputError, match="give budgets instead of a loss to reach"):
        js.frontier(source, reach_loss=2.2, under="draws")
    other = js.laws.power_law("N").at(A=100.0, E=1.7, alpha=0.3)
    with pytest.raises(js.InputError, match=r"do not make the same decision|cost six_nd is one of"):
        js.frontier(BESIROGLU, 1e24, under=[BESIROGLU, other], weights=[1, 1])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_it_is_never_worse_than_the_point_plan(seed):
    """1,000 random cases for each seed: width, count, budgets and aims; by NumPy over the same draws."""
    rng = np.random.default_rng(seed)
    budgets = list(10 ** rng.uniform(19, 27, 100))
    for trial in range(10):
        aim = ("expected", "regret")[trial % 2]
        source = draws_like(
            int(rng.integers(2, 120)), rng.uniform(0.01, 3) * COVARIANCE, seed=int(rng.integers(1_000_000))
        )
        plan = js.frontier(source, budgets, under="draws", minimise=aim)
        for row, beside in pairs(plan):
            assert row.status == "ok" and beside is not None
            if aim == "expected":
                values = [losses(source.draws, r.N, r.D).mean() for r in (row, beside.point)]
            else:
                values = [regrets(source.draws, r.N, r.budget).mean() for r in (row, beside.point)]
            assert values[0] <= values[1] * (1 + 1e-11)
