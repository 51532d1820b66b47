"""Plans of every law: best way round, the same by `allocate`, with derivatives of all they rest on by other routes.

Costs grow as the product of a law's variables, so that whatever they are there is something to choose; variables are
kept to the range of the law's case. Optima are compared with a dense scan, slopes with plans of shifted numbers.
"""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import LAW_CASES, LawCase

import jaxscale as js
from jaxscale.laws import Law, Parameter, Variable

EVERY_TIME = ("share",)
# `allocate` and plans that reach a response are compiled anew for each law: one of each kind.
KINDS = (
    *EVERY_TIME,
    "chinchilla >> gadre_err",
    "chinchilla",
    "kaplan_nd",
    "muennighoff",
    "bhagia_two_step",
    "brown_passk",
    "tao_vocab-as_published=True",
)
_CHINCHILLA = js.laws.chinchilla.published["besiroglu"].params


def share_of_two(p, *, log_N, log_D):
    """A share of right answers that rises with both, whose ceiling is a share itself."""
    import jax.numpy as jnp

    return p.ceiling * (1 - jnp.exp(p.log_A - p.alpha * log_N) - jnp.exp(p.log_B - p.beta * log_D))


SHARE = LawCase(
    Law(
        "share",
        share_of_two,
        parameters=(Parameter("ceiling", "logit"), Parameter("A"), Parameter("B"), Parameter("alpha", "identity"),
                    Parameter("beta", "identity")),
        response=Variable("accuracy", "", "share of right answers", "unit", better="higher"),
    ),
    {"ceiling": 0.9, "A": 30.0, "B": 60.0, "alpha": 0.25, "beta": 0.24},
    {"N": (1e7, 1e13), "D": (1e8, 1e15)},
)  # fmt: skip
CHAIN = LawCase(
    js.laws.chinchilla >> js.laws.gadre_err,
    {**_CHINCHILLA, **js.laws.gadre_err.published["rpj_17"].params},
    {"N": (1e7, 1e13), "D": (1e8, 1e15)},
)


# A plan of a law is a program of its own to compile, a large one where there are many variables. Of laws of one
# variable, whose best is an end of its range, and of laws of more than two, some stand for the others.
SOME = (
    "brown_passk",
    "jones_train_test",
    "henighan_c",
    "llama3_two_step",
    "muennighoff",
    "krajewski_granularity",
    "tao_vocab-as_published=True",
)


def plannable(case: LawCase) -> bool:
    """Whether a plan of the law chooses two variables, or the law stands for others that do not."""
    law = case.law
    if case.shaped_like or law.response.better == "neither" or any(v.domain == "vector" for v in law.variables):
        return False
    return sum(v.logged for v in law.variables) == 2 or case.label in SOME


CASES = [case for case in (CHAIN, SHARE, *LAW_CASES) if plannable(case)]
each_case = pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.label,
            marks=() if case.label in EVERY_TIME else pytest.mark.slow,
        )
        for case in CASES
    ],
)


each_kind = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.label, marks=() if case.label in EVERY_TIME else pytest.mark.slow)
        for case in CASES
        if case.label in KINDS
    ],
)


def request_of(case: LawCase) -> dict:
    """Cost, budget and limits under which a law's variables are chosen within their ranges."""
    law = case.law
    chosen = [v.name for v in law.variables if v.logged and not (law.name == "muennighoff" and v.name == "U")]
    middle = {n: math.exp(np.log(case.ranges[n]).mean()) for n in chosen}
    cost = js.CostModel("product", _product, unit="units", variables=tuple(chosen), convex=True)
    limits = {f"{n}_max": case.ranges[n][1] for n in chosen} | {f"{n}_min": case.ranges[n][0] for n in chosen}
    if law.name == "muennighoff":
        limits["U"] = 1e11
    fixed = {v.name: float(np.mean(case.ranges[v.name])) for v in law.variables if not v.logged}
    return {"cost": cost, "budget": math.prod(middle.values()), "limits": limits, "fixed": fixed}


def _product(*logs):
    return sum(logs)


def planned(case: LawCase, params=None, **more) -> js.Plan:
    asked = request_of(case) | more
    given = asked.pop("budget")
    return js.frontier(case.law.at(**(params or case.truth)), given, **asked)


def value_at(case: LawCase, fixed, logs: dict) -> np.ndarray:
    natural = {name: np.exp(x) for name, x in logs.items()}
    return case.law.predict(dict(case.truth), **natural, **fixed)


@each_case
def test_plans_are_the_best_and_move_as_their_slopes_say(case):
    """One test for each law, whose program is compiled once."""
    plan = planned(case)
    (row,) = plan.rows
    if case.law.name == "goyal_filtering" and "corner" in row.note:  # where a pool begins to be repeated
        return
    assert row.status in ("ok", "flat"), row.note
    no_other_decision_is_better(case, row)
    assert {plan.per[p.name] for p in case.law.parameters} <= {"raw", "log"}
    if row.status == "ok" and not row.one_sided:
        slopes_are_finite_differences(case, plan)
        what_is_foretold_is_tangent(case, plan)


def no_other_decision_is_better(case, row):
    """A scan of the surface that the budget leaves, some 2,000 points of it."""
    asked = request_of(case)
    if case.law.name == "muennighoff":
        return  # what it repeats is no variable of the law; tests of repeated data scan it
    names = list(asked["cost"].variables)
    sign = -1 if case.law.response.better == "higher" else 1
    logs = {n: np.log(case.ranges[n]) for n in names}
    count = int(2000 ** (1 / max(len(names) - 1, 1))) if len(names) > 1 else 1
    axes = np.meshgrid(*(np.linspace(*logs[n], count) for n in names[:-1]), indexing="ij")
    points = {n: x.ravel() for n, x in zip(names, axes, strict=False)}
    last = math.log(asked["budget"]) - sum(points.values(), np.zeros(max(count ** (len(names) - 1), 1)))
    inside = (last >= logs[names[-1]][0]) & (last <= logs[names[-1]][1])
    if len(names) == 1:
        points, last, inside = {}, np.linspace(*logs[names[0]], 2000), slice(None)
        inside = last <= math.log(asked["budget"]) + 1e-12
    points = {n: x[inside] for n, x in points.items()} | {names[-1]: last[inside]}
    points = {n: np.append(x, np.log(row.variables[n])) for n, x in points.items()}  # its own the last, in one program
    *values, own = value_at(case, asked["fixed"], points)
    best = np.nanmin(sign * np.array(values))
    assert sign * row.loss <= best + 1e-7 * abs(best)
    assert row.loss == pytest.approx(own)


@each_kind
def test_allocate_is_frontier(case):
    asked = request_of(case)
    (row,) = planned(case).rows
    found = js.allocate(
        case.law, case.truth, asked["cost"], asked["budget"], asked["limits"], fixed=asked["fixed"] or None
    )
    if row.status == "ok":
        for name, value in found._asdict().items():
            assert float(value) == pytest.approx(row.variables[name], rel=2e-5), name  # what comes back is float32


@each_kind
def test_what_is_reached_at_least_cost_is_reached_and_costs_no_more(case):
    """The response of a plan with half the room is reached again, at its own cost or less."""
    asked = request_of(case)
    budget, cost, limits, fixed = (asked[k] for k in ("budget", "cost", "limits", "fixed"))
    source = case.law.at(**case.truth)
    (row,) = planned(case).rows
    if row.status != "ok" or abs(row.sensitivities["loss"]["budget"]) < 1e-4:
        pytest.skip("more budget changes nothing here")
    (back,) = js.frontier(source, reach_loss=row.loss, cost=cost, limits=limits, fixed=fixed).rows
    assert back.status in ("ok", "flat"), back.note
    sign = -1 if case.law.response.better == "higher" else 1
    assert sign * back.loss <= sign * row.loss + 1e-7 * abs(row.loss)
    assert back.cost <= budget * (1 + 1e-5)


def slopes_are_finite_differences(case, plan):
    """Of plans with each parameter a little lower and higher."""
    (row,) = plan.rows
    step = 1e-4
    for p in case.law.parameters:
        raw = plan.per[p.name] == "raw"
        assert raw == (p.transform != "log")
        value = case.truth[p.name]
        ends = [value + k * step if raw else value * math.exp(k * step) for k in (-1, 1)]
        low, high = (planned(case, {**case.truth, p.name: end}).rows[0] for end in ends)
        if {low.status, high.status} != {"ok"}:
            continue
        for quantity in ("N", "D", "loss"):
            if quantity not in row.sensitivities:
                continue
            a, b = (getattr(r, quantity) for r in (low, high))
            logged = quantity != "loss" or case.law.response.logged
            slope = (math.log(b / a) if logged else b - a) / (2 * step)
            told = row.sensitivities[quantity][p.name]
            assert told == pytest.approx(slope, rel=2e-4, abs=2e-5), (p.name, quantity)


def what_is_foretold_is_tangent(case, plan):
    """A tenth of the step leaves about a hundredth of the difference."""
    for p in case.law.parameters:
        off = {}
        for step in (1e-2, 1e-3):
            value = case.truth[p.name]
            new = p.to_natural(p.to_theta(value) + step) if p.transform != "identity" else value + step
            change = js.what_if(plan, set={p.name: new})
            (_, after), (foretold,) = change.rows[0], change.first_order
            if after.status != "ok":
                break
            off[step] = {q: foretold[q] / getattr(after, q) - 1 for q in ("N", "D", "loss") if q in foretold}
        if len(off) == 2:
            for q, far in off[1e-2].items():
                assert abs(off[1e-3][q]) <= 0.03 * abs(far) + 1e-6, (p.name, q)


def test_laws_that_say_nothing_of_better_are_not_planned():
    for label in ("chinchilla_a1:N", "kaplan_bcrit:kaplan", "snell_exchange:six_nd"):
        with pytest.raises(js.InputError, match="neither more nor less is better"):
            js.frontier(js.laws.instance(label), 1e21)


@pytest.mark.slow
def test_the_error_of_a_chain_is_reached():
    """`allocate` took a share for its log odds, and stopped at an error of .65."""
    law, params = CHAIN.law, CHAIN.truth
    found = js.allocate(law, params, js.costs.six_nd, reach_loss=0.5)
    assert law.predict(params, N=float(found.N), D=float(found.D)) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.slow
def test_accuracies_are_planned_for_the_best_and_reached():
    case = next(c for c in LAW_CASES if c.law is js.laws.bhagia_two_step)
    source = case.law.at(**case.truth)
    (row,) = js.frontier(source, 1e24).rows
    chance, ceiling = case.truth["chance"], case.truth["ceiling"]
    scan = np.geomspace(1e6, 1e18, 4001)
    best = case.law.predict(case.truth, N=scan, D=1e24 / 6 / scan).max()
    assert chance + 0.1 < row.loss < ceiling
    assert row.loss == pytest.approx(best, rel=1e-6) and row.loss >= best - 1e-9
    assert row.sensitivities["loss"]["budget"] > 0 and row.shadow_price["budget"].value > 0
    (reached,) = js.frontier(source, reach_loss=row.loss).rows
    assert reached.cost == pytest.approx(1e24, rel=1e-6)
    (never,) = js.frontier(source, reach_loss=ceiling + 0.01).rows
    assert never.status == "infeasible" and "no model reaches an accuracy so high" in never.note


@pytest.mark.slow
def test_the_regret_of_an_accuracy_is_what_is_lost_of_it():
    """Each draw planned for itself, and the plan of the point kept to, by the law itself."""
    law, truth = SHARE.law, SHARE.truth
    rng = np.random.default_rng(4)
    draws = law.theta(truth) + 0.01 * rng.standard_normal((40, len(law.parameters)))
    source = SimpleNamespace(law=law, params=truth, draws=draws)
    (row,) = js.frontier(source, 1e21, limits={"N_max": 1e12, "D_max": 1e14}).rows
    lost = []
    for theta in draws:
        params = law.natural(theta)
        (own,) = js.frontier(law.at(**params), 1e21, limits={"N_max": 1e12, "D_max": 1e14}).rows
        lost.append(own.loss - law.predict(params, N=row.N, D=row.D))
    assert min(lost) > -1e-12 and np.mean(lost) > 0
    assert row.regret["loss"] == pytest.approx(np.mean(lost), rel=1e-5)
    assert row.regret["compute"] > 0
    low, high = row.intervals["loss"]
    assert low < row.loss < high


@pytest.mark.slow
def test_every_budget_of_a_plan_can_be_changed_by_its_name():
    plan = js.frontier(js.laws.chinchilla.published["besiroglu"], [1e21, 1e23])
    change = js.what_if(plan, set={"budget": "x2"})
    assert [row.budget for row in change.after.rows] == pytest.approx([2e21, 2e23])
    for (_, after), foretold in zip(change.rows, change.first_order, strict=True):
        assert foretold["N"] == pytest.approx(after.N, rel=1e-2)
    reaching = js.frontier(js.laws.chinchilla.published["besiroglu"], reach_loss=[2.2, 2.1])
    assert [r.reach_loss for r in js.what_if(reaching, set={"reach_loss": 2.0}).after.rows] == [2.0, 2.0]
    with pytest.raises(js.InputError, match="nothing called 'budget'"):
        js.what_if(reaching, set={"budget": "x2"})


def test_limits_without_float64_are_planned_in_float64_or_refused():
    import jax

    law, params = js.laws.chinchilla, _CHINCHILLA
    with jax.enable_x64(False):
        found = js.allocate(law, params, js.costs.six_nd, 1e24, {"N_max": 7e10})
        assert found.N.dtype == np.float32 and float(found.N) == pytest.approx(7e10, rel=1e-6)
        assert float(found.D) == pytest.approx(1e24 / 6 / 7e10, rel=1e-6)
        with pytest.raises(js.InputError, match="needs float64, and float32 is traced"):
            jax.jit(lambda b: js.allocate(law, params, js.costs.six_nd, b, {"N_max": 7e10}))(1e24)
    with jax.enable_x64(True):
        budget = np.float32(1e24)
        wide = jax.jit(lambda b: js.allocate(law, {k: np.float32(v) for k, v in params.items()}, js.costs.six_nd, b,
                                             {"N_max": 7e10}))(budget)  # fmt: skip
        assert wide.N.dtype == np.float32 and float(wide.N) == pytest.approx(7e10, rel=1e-6)


def test_all_kinds_of_parameters_are_among_the_cases():
    kinds = set(itertools.chain.from_iterable((p.transform for p in c.law.parameters) for c in CASES))
    assert kinds == {"log", "logit", "identity"}
    assert {c.law.response.better for c in CASES} == {"lower", "higher"}
