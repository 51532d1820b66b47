"""Plans whose decision variables are shares: mixtures of domains, and shares that stand alone."""

import json
from dataclasses import replace
from importlib.resources import files

import jax
import jax.numpy as jnp
import jsonschema
import numpy as np
import pytest
import referencing
from scipy.optimize import minimize

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale.plot._charts.decision_charts import swings
from studies import mixture_fits, mixtures

ADDITIVE = js.laws.shukor_mixture(domains=3).at(
    E=1.0, C1=1.2, C2=0.8, C3=0.3, gamma1=0.5, gamma2=0.5, gamma3=0.5, A=400.0, B=600.0, alpha=0.34, beta=0.3,
    standard_errors={"C2": 0.05, "gamma1": 0.02},
)  # fmt: skip
SHARES = ["h1", "h2", "h3"]
LIMITS = {"h1_max": 0.9, "U": (1e15, 1e15, None), "epochs_max": 4}


@pytest.fixture(scope="module")
def free():
    """All limits are wide."""
    return js.frontier(ADDITIVE, budgets=[1e21, 1e23], limits=LIMITS)


@pytest.fixture(scope="module")
def bound(free):
    """The same program: numbers of limits are data."""
    return js.frontier(ADDITIVE, budgets=[1e21, 1e23], limits={**LIMITS, "h1_max": 0.3, "U": (1e15, 2e10, None)})


@pytest.mark.slow
def test_the_best_mixture_has_its_closed_form(free):
    """The most of sum C_i h_i^gamma with one gamma: h_i ~ C_i^(1 / (1 - gamma)); N and D as without a mixture."""
    worth = np.array([1.2, 0.8, 0.3]) ** 2
    alone = js.allocate(
        js.laws.chinchilla,
        {"E": 1.0, "A": 400.0, "B": 600.0, "alpha": 0.34, "beta": 0.3},
        js.costs.six_nd,
        1e21,
    )
    row = free.rows[0]
    assert [r.status for r in free.rows] == ["ok", "ok"]
    np.testing.assert_allclose([row.variables[h] for h in SHARES], worth / worth.sum(), rtol=1e-9)
    np.testing.assert_allclose([row.N, row.D], [float(alone.N), float(alone.D)], rtol=1e-5)
    assert sum(row.variables[h] for h in SHARES) == pytest.approx(1, abs=1e-12)


@pytest.mark.slow
def test_shares_are_in_the_table_the_frame_and_the_file(free):
    frame = free.to_frame()
    assert {"h1", "h2_lo", "h3_hi"} <= set(frame.columns)
    assert (frame["h1_lo"] < frame["h1"]).all()
    assert "h2" in str(free)
    assert set(SHARES) <= set(free.to_dict()["rows"][0]["variables"])


@pytest.mark.slow
def test_the_table_names_unique_tokens_among_the_limits_and_shares_that_are_left_out(free):
    assert "Limits: h1_max 0.9, epochs_max 4, U1 1e15 tokens, U2 1e15 tokens." in " ".join(str(free).split())
    first = free.rows[0]
    without = replace(first, variables={**first.variables, "h3": 0.0})
    cells = replace(free, rows=(without,)).report().blocks[0].rows[0]
    assert "about 0" in cells and "about 0" not in free.report().blocks[0].rows[0]


@pytest.mark.slow
def test_files_of_such_plans_are_what_their_schemas_say(free):
    schemas = [
        json.loads((files("jaxscale") / "schemas" / f"{n}.json").read_text("utf-8")) for n in ("plan", "what_if", "fit")
    ]
    documents = [free.to_dict(), js.what_if(free, set={"h1_max": 0.6}).to_dict()]
    assert "h1" in documents[0]["rows"][0]["intervals"]
    assert documents[1]["rows"][0]["difference"]["h1"] == pytest.approx(0.6 - free.rows[0].variables["h1"], rel=1e-9)
    known = referencing.Registry().with_resources(
        [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in schemas]
    )
    for schema, document in zip(schemas[:2], documents, strict=True):
        plain = json.loads(json.dumps(document, default=float).replace("NaN", "null"))
        jsonschema.Draft202012Validator(schema, registry=known).validate(plain)


@pytest.mark.slow
def test_a_tornado_is_drawn_of_shares_also_of_one_that_is_left_out(free):
    """The bar of C1 ends where h_i ~ C_i^(1 / (1 - gamma)) has it."""
    (panel,) = swings(free, "h1", row=0).panels
    worth = np.array([0.9 * 1.2, 0.8, 0.3]) ** 2
    assert panel.marks[0].end[0] == pytest.approx(worth[0] / worth.sum(), rel=1e-6)
    without = replace(free.rows[0], variables={**free.rows[0].variables, "h3": 0.0})
    assert "Nothing moves it" in swings(replace(free, rows=(without, free.rows[1])), "h3", row=0).alt


@pytest.mark.slow
def test_bounds_and_unique_tokens_bind_and_have_prices(bound):
    first, second = bound.rows
    assert first.variables["h1"] == pytest.approx(0.3, rel=1e-9)
    assert "h1_max" in first.binding
    assert "U2" in second.binding
    assert second.D * second.variables["h2"] == pytest.approx(4 * 2e10, rel=1e-9)
    assert second.shadow_price["U2"].value < 0


@pytest.mark.slow
def test_derivatives_agree_with_plans_of_shifted_numbers(bound):
    row, step = bound.rows[1], 1e-4
    for name in ("U2", "epochs_max", "h1_max", "C3", "budget"):
        ends = [js.what_if(bound, set={name: f"x{np.exp(s):.15f}"}).after.rows[1] for s in (-step, step)]
        for quantity in (*SHARES, "N", "loss"):
            by_plans = np.log(ends[1].of(quantity) / ends[0].of(quantity)) / (2 * step)
            assert row.sensitivities[quantity][name] == pytest.approx(by_plans, abs=2e-6), (name, quantity)


@pytest.mark.slow
def test_a_mixture_can_be_held(free):
    held = js.frontier(ADDITIVE, budgets=[1e21], fixed={"h": (0.5, 0.5, 0.0)})
    assert held.rows[0].status == "ok"
    assert held.rows[0].loss > free.rows[0].loss
    assert held.rows[0].loss == pytest.approx(
        ADDITIVE.predict(N=held.rows[0].N, D=held.rows[0].D, h=np.array([0.5, 0.5, 1e-9])), rel=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fixed": {"h1": 0.2}}, "some shares of h"),
        ({"fixed": {"h": (0.5, 0.6, 0.1)}}, "add up to 1"),
        ({"fixed": {"h": (0.5, 0.5)}}, "takes 3 shares"),
        ({"limits": {"U": (1e12, 1e12)}}, "U takes 3 numbers"),
        ({"limits": {"h_max": 0.5, "h1_max": 0.4}}, "two limits"),
    ],
)
def test_what_is_no_mixture_is_refused_in_words(arguments, words):
    with pytest.raises(InputError, match=words):
        js.frontier(ADDITIVE, budgets=[1e21], **arguments)


@pytest.mark.slow
def test_one_mixture_for_several_losses_is_that_of_scipy():
    """The least of .7 L_1 + .3 L_2, by Nelder and Mead in log N and log shares."""
    other = js.laws.shukor_mixture(domains=3).at(
        E=0.6, C1=0.3, C2=0.5, C3=1.5, gamma1=0.4, gamma2=0.3, gamma3=0.5, A=400.0, B=600.0, alpha=0.34, beta=0.3
    )
    first, weights = js.laws.shukor_mixture(domains=3).at(**ADDITIVE.params), (0.7, 0.3)
    # Within limits that are wide, whose programs are those of the other plans.
    row = js.frontier(first, budgets=[1e22], limits=LIMITS, under=[first, other], weights=weights).rows[0]

    @jax.jit
    def goal(z):
        h, N = jax.nn.softmax(z[1:]), jnp.exp(z[0])
        losses = [one.law(one.params, N=N, D=1e22 / 6 / N, h=h) for one in (first, other)]
        return sum(w * loss for w, loss in zip(weights, losses, strict=True))

    with jax.enable_x64(True):
        found = minimize(
            goal, [22, -1, -1, -1], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-14, "maxiter": 5000}
        )
    assert row.loss == pytest.approx(found.fun, rel=1e-10)
    assert row.loss <= found.fun * (1 + 1e-14)
    shares = np.exp(found.x[1:] - np.logaddexp.reduce(found.x[1:]))
    np.testing.assert_allclose([row.variables[h] for h in SHARES], shares, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["3 domains, additive", "3 domains, joint"])
def test_no_plan_is_worse_than_the_best_of_fifty_starts_of_slsqp(kind):
    """On random problems whose best losses `python -m studies.mixtures` has kept; seven domains, which take longer to
    compile, are left to the study."""
    theirs = mixtures.kept()[kind]
    found = mixtures.compare(kind, theirs)
    assert len(theirs) == 300
    assert found.slsqp_lost == found.unsolved == 0
    assert found.worse.max() < 1e-8


def test_what_was_kept_of_slsqp_is_what_it_finds():
    """Anew, from fewer starts, for one problem."""
    theirs = mixtures.kept()["3 domains, additive"]
    problem = mixtures.Problems.random(mixtures.COUNT, 3, False, mixtures.SEED).one(1)
    assert problem.best(8, mixtures.SEED + 1) == pytest.approx(theirs[1], rel=1e-9)


def test_intervals_of_shares_of_seven_domains_hold_as_often_as_they_say():
    """Over 200 tables fitted and planned by `python -m studies.mixture_fits`, counted from what it kept of each."""
    saved = json.loads(mixture_fits.SAVED.read_text(encoding="utf-8"))
    again = mixture_fits.counted(mixture_fits.kept())
    assert {name: saved[name] for name in again} == again
    assert again["tables"] == 200
    assert again["no_interval"] == 0
    assert 0.87 <= again["shares_hold"] <= 0.93
    assert all(0.86 <= share <= 0.94 for share in again["each_share"])
