"""Repeated data and over-training: published figures, reductions, and the authors' runs."""

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from helpers import COUNT, as_printed, closed, of, random_params, respond, sizes_and_tokens, true_params
from scipy.optimize import minimize, minimize_scalar

import jaxscale as js
from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("muennighoff:muennighoff_c4", {"N": 6.34e9, "D": 242e9, "U": 25e9}, "2.22564408899845"),
    ("muennighoff:muennighoff_c4", {"N": 8.67e9, "D": 178e9, "U": 25e9}, "2.22696340750879"),
    ("llama3_dopt:text", {"C": 3.8e25}, "1.0464e13"),
    ("llama3_dopt:figure", {"C": 3.8e25}, "1.6294e13"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def _worth(epochs: float) -> float:
    """What `epochs` passes are worth, in fresh ones."""
    return of("muennighoff:muennighoff_c4", "effective", 1e9, epochs * 1e9, 1e9).D / 1e9


CLOSED_FORMS: list[tuple[str, Callable[[], object], str]] = [
    ("4 epochs", lambda: _worth(4), "3.725673"),
    ("4 epochs, of fresh", lambda: 100 * _worth(4) / 4, "93.14"),
    ("16 epochs", lambda: _worth(16), "10.582457"),
    ("endless epochs", lambda: _worth(1e6), "16.387756"),
    ("best N for U", lambda: of("muennighoff:muennighoff_c4", "effective", 1e15, 1.0, 1.0).N / 6.309743, "0.0509865"),
    ("gadre C4 D/N", lambda: of("gadre_overtrain:c4", "tokens_per_param"), "3.36"),
    ("gadre RedPajama D/N", lambda: of("gadre_overtrain:rpj", "tokens_per_param"), "7.42"),
    ("gadre RefinedWeb D/N", lambda: of("gadre_overtrain:rw", "tokens_per_param"), "5.85"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "printed"), [c[1:] for c in CLOSED_FORMS], ids=[c[0] for c in CLOSED_FORMS])
def test_published_closed_form(value, printed):
    assert float(value()) == as_printed(printed)


# --- Statements about published constants ---


def test_gadre_held_out_runs():
    """The notebook prints these errors for unrounded constants: those that round to ours lie on both sides of it."""
    law, params = laws.gadre_overtrain, laws.instance("gadre_overtrain:rpj").params
    for size, tokens, predicted, observed, error in (
        (1.44e9, 921.5e9, 2.519827, 2.502054, "0.7103"),
        (6.89e9, 137.8e9, 2.442745, 2.424993, "0.7320"),
    ):
        assert 100 * (predicted / observed - 1) == pytest.approx(float(error), abs=1e-3)
        low, high = (law.predict({**params, "eta": eta}, N=size, D=tokens) for eta in (0.13645, 0.13635))
        assert low < predicted < high < 1.002 * low


def test_muennighoff_optimum_of_the_authors_grid():
    """N 7.02236e9 and D 2.37337e11 for C = 1e22 on 25B unique tokens, on a grid of 0.4 %."""
    law = laws.instance("muennighoff:muennighoff_c4")

    def loss(log_size: float) -> float:
        return law.predict(N=np.exp(log_size), D=1e22 / (6 * np.exp(log_size)), U=25e9)

    best = np.exp(minimize_scalar(loss, bounds=np.log([1e9, 1e11]), method="bounded", options={"xatol": 1e-9}).x)
    assert best == pytest.approx(7.02236e9, rel=0.02)
    assert 1e22 / (6 * best) / 25e9 == pytest.approx(9.49, rel=0.02)
    assert loss(np.log(7.02236e9)) == pytest.approx(loss(np.log(best)), rel=1e-5)


# --- Laws that are other laws at some values of their parameters or variables ---


def _muennighoff_small() -> tuple:
    """Enough unique tokens, and a size below the best one for them: no repetition of either kind."""
    p, at = random_params("muennighoff"), sizes_and_tokens()
    g = closed("chinchilla", "G", p)
    best = g * (g * at["D"]) ** (p["beta"] / p["alpha"])
    at["N"] = np.minimum(at["N"], best)
    U = at["D"] * np.geomspace(1, 1e3, COUNT)
    return respond("muennighoff", p, **at, U=U), respond("chinchilla", p, **at)


def _muennighoff_as_good_as_new() -> tuple:
    p, at = random_params("muennighoff"), sizes_and_tokens()
    lasting = {**p, "R_D_star": 1e13, "R_N_star": 1e13}
    return respond("muennighoff", lasting, **at, U=1e-2 * at["D"]), respond("chinchilla", p, **at)


def _gadre() -> tuple:
    p, at = random_params("gadre_overtrain"), sizes_and_tokens()
    return respond("gadre_overtrain", p, **at), respond(
        "chinchilla", closed("gadre_overtrain", "as_chinchilla", p), **at
    )


def _gadre_optimum() -> tuple:
    p = random_params("gadre_overtrain")
    ours = closed("gadre_overtrain", "tokens_per_param", p)
    return ours, closed("chinchilla", "tokens_per_param", closed("gadre_overtrain", "as_chinchilla", p), 1e21)


def _lovelace_fresh() -> tuple:
    p, at = random_params("lovelace_repeated"), sizes_and_tokens()
    return respond("lovelace_repeated", p, **at, U=at["D"] * 1.5), respond("chinchilla", p, **at)


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("muennighoff without repetition is chinchilla", _muennighoff_small, 1e-13),
    ("muennighoff with lasting data is chinchilla", _muennighoff_as_good_as_new, 1e-5),
    ("lovelace without repetition is chinchilla", _lovelace_fresh, 1e-13),
    ("gadre is chinchilla with one exponent", _gadre, 1e-12),
    ("gadre has chinchilla's optimum", _gadre_optimum, 1e-11),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def test_muennighoff_worth_of_repetition():
    """D' grows with D and flattens, and meets D with the same slope where repetition begins."""
    p = laws.instance("muennighoff:muennighoff_c4").params
    tokens = np.geomspace(1e8, 1e12, 400)
    worth = closed("muennighoff", "effective", p, 1e6, tokens, 1e10).D
    np.testing.assert_allclose(worth[tokens < 1e10], tokens[tokens < 1e10], rtol=1e-12)
    slopes = np.diff(worth) / np.diff(tokens)
    assert np.all(np.diff(slopes) <= 1e-9) and np.all(slopes > 0)
    edge = 1e10 * np.array([1 - 1e-4, 1, 1 + 1e-4])
    at_edge = closed("muennighoff", "effective", p, 1e6, edge, 1e10).D
    np.testing.assert_allclose(np.diff(at_edge) / np.diff(edge), 1, atol=1e-5)


def test_lovelace_loss_rises_after_the_most_epochs():
    """The closed form against SciPy's least loss over epochs, at sizes and unique tokens that differ by decades."""
    p = true_params("lovelace_repeated")
    for size, unique in ((1e8, 1e9), (1e9, 1e10), (1e10, 1e10), (3e8, 1e12)):
        most = float(closed("lovelace_repeated", "most_epochs", p, size, unique))

        def loss(log_epochs: float, size=size, unique=unique) -> float:
            return laws.lovelace_repeated.predict(p, N=size, D=unique * np.exp(log_epochs), U=unique)

        found = minimize_scalar(loss, bounds=(0.0, 12.0), method="bounded", options={"xatol": 1e-8})
        assert np.log(most) == pytest.approx(found.x, abs=1e-5)
        assert loss(np.log(most) + 1) > loss(np.log(most)) < loss(np.log(most) - 0.5)


def test_a_plan_by_lovelace_stops_repeating_and_leaves_what_does_harm():
    """Against a grid of sizes and tokens within the budget: at first more compute goes into the model rather than into
    epochs, in the end it does harm on 10B unique tokens, and the plan leaves it unspent."""
    law = laws.lovelace_repeated.at(**true_params("lovelace_repeated"))
    plan = js.frontier(law, budgets=[1e20, 1e21, 1e22], limits={"U": 1e10})
    for row in plan.rows:
        assert row.status == "ok"
        N, D = np.meshgrid(np.geomspace(1e8, 1e12, 400), np.geomspace(1e9, 1e12, 400))
        within = row.budget >= 6 * N * D
        assert row.loss <= law.predict(N=N[within], D=D[within], U=1e10).min()
        assert row.loss == pytest.approx(law.predict(N=row.N, D=row.D, U=1e10), rel=1e-9)
    low, high, more = plan.rows
    assert high.N / low.N > high.D / low.D > 1
    assert 0.6 * more.budget > 6 * more.N * more.D
    most = float(closed("lovelace_repeated", "most_epochs", law.params, more.N, 1e10))
    assert pytest.approx(most, rel=1e-6) == more.D / 1e10


# --- Real data ---


def _by_hand_muennighoff(p: dict, size: np.ndarray, tokens: np.ndarray, unique: np.ndarray) -> np.ndarray:
    unique = np.minimum(unique, tokens)
    ratio = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    fresh_size = np.minimum(size, ratio * (ratio * unique) ** (p["beta"] / p["alpha"]))
    size_worth = fresh_size * (1 + p["R_N_star"] * (1 - np.exp(-(size / fresh_size - 1) / p["R_N_star"])))
    data_worth = unique * (1 + p["R_D_star"] * (1 - np.exp(-(tokens / unique - 1) / p["R_D_star"])))
    return p["E"] + p["A"] * size_worth ** -p["alpha"] + p["B"] * data_worth ** -p["beta"]


@pytest.mark.data
def test_muennighoff_on_its_182_runs(data_folder):
    """The authors' second stage, base held: their figures reproduce, and they are not the least of their objective.

    At the printed R_D* 15.388 and R_N* 5.310 the objective is the printed one. The optimum there, 15.372 and 5.315, is
    lower in its sixth digit only. SciPy from a grid of starts finds four optima; the least, .0158047, lies at 95.4 and
    1.71: the runs say little about how fast repeated data and surplus parameters lose their worth.
    """
    frame = pd.read_csv(data_folder / "datablations_c4.csv").query("in_fit182 == 1")
    runs = js.Runs.from_frame(frame, N="params", D="tokens", U="unique_tokens", loss="loss")
    variables = {name: runs.variable(name) for name in "NDU"}
    published = laws.instance("muennighoff:muennighoff_c4").params
    base = {k: published[k] for k in laws.chinchilla.parameter_names}

    columns = tuple(variables.values())

    def huber_sum(predicted: np.ndarray) -> float:
        residual = np.abs(np.log(predicted / runs.response))
        return float(np.sum(np.where(residual <= 1e-3, residual**2 / 2, 1e-3 * (residual - 5e-4))))

    def objective(params: dict) -> float:
        predicted = _by_hand_muennighoff(params, *columns)
        np.testing.assert_allclose(laws.muennighoff.predict(params, **variables), predicted, rtol=1e-12)
        return huber_sum(predicted)

    assert runs.count == 182
    assert objective(published) == pytest.approx(0.0158259366, rel=1e-6)
    near = js.fit(laws.muennighoff, runs, fixed=base, intervals=None, starts=[published])
    best = js.fit(laws.muennighoff, runs, fixed=base, intervals=None)
    assert best.value < near.value <= objective(published)
    assert near.value <= 0.0158259366
    stars = ("R_D_star", "R_N_star")
    for name in stars:
        assert near.params[name] == pytest.approx(published[name], rel=2e-3)

    def least(start: tuple[float, float]) -> tuple[float, np.ndarray]:
        """SciPy's simplex, restarted, in logs of the two."""
        at = np.log(start)
        for _ in range(3):
            found = minimize(
                lambda t: huber_sum(_by_hand_muennighoff(base | dict(zip(stars, np.exp(t), strict=True)), *columns)),
                at, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-16},
            )  # fmt: skip
            at = found.x
        return found.fun, np.exp(at)

    value, at = least((15.4, 5.3))
    assert near.value == pytest.approx(value, rel=1e-8)
    np.testing.assert_allclose([near.params[name] for name in stars], at, rtol=1e-4)
    tried = [least(start) for start in itertools.product((3.0, 15.0, 50.0, 100.0), (1.5, 5.0, 30.0))]
    value, at = min(tried, key=lambda x: x[0])
    assert best.value == pytest.approx(value, rel=1e-8)
    np.testing.assert_allclose([best.params[name] for name in stars], at, rtol=1e-4)
    np.testing.assert_allclose(at, (95.37, 1.706), rtol=1e-3)
    for law, printed in ((laws.muennighoff, "0.7722046"), (laws.chinchilla, "0.4451684")):
        params, at = {k: published[k] for k in law.parameter_names}, {v.name: variables[v.name] for v in law.variables}
        left = np.sum((law.predict(params, **at) - runs.response) ** 2)
        assert 1 - left / np.sum((runs.response - runs.response.mean()) ** 2) == as_printed(printed)
