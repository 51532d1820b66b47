"""The law of Hoffmann et al. and its kin: published figures, tables of three approaches, exact identities."""

import csv
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import COUNT, as_printed, budgets, closed, of, random_params, respond

from jaxscale import laws
from jaxscale.laws import CHINCHILLA_TABLES

# --- Published figures ---

PREDICTIONS = [
    ("chinchilla:hoffmann_rounded", {"N": 1e9, "D": 2e10}, "2.580048"),
    ("chinchilla:hoffmann_rounded", {"N": 70e9, "D": 1.4e12}, "1.936645"),
    ("chinchilla:hoffmann_rounded", {"N": 280e9, "D": 3e11}, "1.993258"),
    ("chinchilla:hoffmann_rounded", {"N": 175e9, "D": 3e11}, "2.002288"),
    ("chinchilla:hoffmann_tex", {"N": 1e9, "D": 2e10}, "2.530668"),
    ("chinchilla:hoffmann_tex", {"N": 70e9, "D": 1.4e12}, "1.920846"),
    ("chinchilla:hoffmann_tex", {"N": 280e9, "D": 3e11}, "1.967243"),
    ("chinchilla:hoffmann_tex", {"N": 175e9, "D": 3e11}, "1.976448"),
    ("chinchilla:besiroglu", {"N": 1e9, "D": 2e10}, "2.530050"),
    ("chinchilla:besiroglu", {"N": 70e9, "D": 1.4e12}, "1.973882"),
    ("chinchilla:besiroglu", {"N": 280e9, "D": 3e11}, "1.999608"),
    ("chinchilla:besiroglu", {"N": 175e9, "D": 3e11}, "2.008544"),
    ("chinchilla:muennighoff_c4", {"N": 1e9, "D": 2e10}, "2.564635"),
    ("chinchilla:muennighoff_c4", {"N": 70e9, "D": 1.4e12}, "2.024597"),
    ("chinchilla:muennighoff_c4", {"N": 280e9, "D": 3e11}, "2.050331"),
    ("chinchilla:muennighoff_c4", {"N": 175e9, "D": 3e11}, "2.058955"),
    ("porian_alloc:kaplan", {"C": 5.88e23}, "3e12"),
    ("porian_alloc:head_flops", {"C": 5.88e23}, "787e9"),
    ("porian_alloc:warmup", {"C": 5.88e23}, "292e9"),
    ("porian_alloc:cosine", {"C": 5.88e23}, "183e9"),
    ("porian_alloc:tuned", {"C": 5.88e23}, "77e9"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


ALLOCATIONS = [  # C, then N*, D* and D*/N*
    ("hoffmann_rounded", 1e21, "1.824218e9", "9.136336e10", "50.08"),
    ("hoffmann_rounded", 5.76e23, "3.218986e10", "2.982306e12", "92.65"),
    ("hoffmann_rounded", 1e24, "4.129670e10", "4.035835e12", "97.73"),
    ("hoffmann_tex", 1e21, "2.216955e9", "7.517819e10", "33.91"),
    ("hoffmann_tex", 5.76e23, "4.036094e10", "2.378537e12", "58.93"),
    ("hoffmann_tex", 1e24, "5.191999e10", "3.210067e12", "61.83"),
    ("besiroglu", 1e21, "2.778459e9", "5.998528e10", "21.59"),
    ("besiroglu", 5.76e23, "7.224870e10", "1.328744e12", "18.39"),
    ("besiroglu", 1e24, "9.586065e10", "1.738635e12", "18.14"),
    ("muennighoff_c4", 1e21, "2.915091e9", "5.717375e10", "19.613"),
    ("muennighoff_c4", 5.76e23, "6.996217e10", "1.372170e12", "19.613"),
    ("muennighoff_c4", 1e24, "9.218326e10", "1.807993e12", "19.613"),
]


@pytest.mark.parametrize(("name", "C", "size", "tokens", "ratio"), ALLOCATIONS)
def test_published_allocation(name, C, size, tokens, ratio):
    best_size, best_tokens = of(f"chinchilla:{name}", "allocation", C)
    assert best_size == as_printed(size)
    assert best_tokens == as_printed(tokens)
    assert of(f"chinchilla:{name}", "tokens_per_param", C) == as_printed(ratio)


CLOSED_FORMS: list[tuple[str, Callable[[], object], str]] = [
    ("a (hoffmann_rounded)", lambda: of("chinchilla:hoffmann_rounded", "exponents").a, "0.451613"),
    ("gamma (hoffmann_rounded)", lambda: of("chinchilla:hoffmann_rounded", "exponents").gamma, "0.153548"),
    ("G (hoffmann_rounded)", lambda: of("chinchilla:hoffmann_rounded", "G"), "1.344711"),
    ("a (hoffmann_tex)", lambda: of("chinchilla:hoffmann_tex", "exponents").a, "0.456526"),
    ("gamma (hoffmann_tex)", lambda: of("chinchilla:hoffmann_tex", "exponents").gamma, "0.154840"),
    ("G (hoffmann_tex)", lambda: of("chinchilla:hoffmann_tex", "G"), "1.300046"),
    ("a (besiroglu)", lambda: of("chinchilla:besiroglu", "exponents").a, "0.512612"),
    ("gamma (besiroglu)", lambda: of("chinchilla:besiroglu", "exponents").gamma, "0.178286"),
    ("G (besiroglu)", lambda: of("chinchilla:besiroglu", "G"), "0.119630"),
    ("a (muennighoff_c4)", lambda: of("chinchilla:muennighoff_c4", "exponents").a, "0.500000"),
    ("gamma (muennighoff_c4)", lambda: of("chinchilla:muennighoff_c4", "exponents").gamma, "0.176330"),
    ("G (muennighoff_c4)", lambda: of("chinchilla:muennighoff_c4", "G"), "0.225802"),
    ("tied exponents: N / D", lambda: of("chinchilla:muennighoff_c4", "G") ** 2, "0.0509865"),
    ("gadre C4 D/N", lambda: of("chinchilla:gadre_c4", "tokens_per_param", 1e21), "3.36"),
    ("gadre RedPajama D/N", lambda: of("chinchilla:gadre_rpj", "tokens_per_param", 1e21), "7.42"),
    ("gadre RefinedWeb D/N", lambda: of("chinchilla:gadre_rw", "tokens_per_param", 1e21), "5.8"),
    ("67B is best at (tex)", lambda: of("chinchilla:hoffmann_tex", "budget_at_size", 67e9), "1.748e24"),
    ("10T is best at (tex)", lambda: of("chinchilla:hoffmann_tex", "budget_at_size", 1e13), "1.010e29"),
    ("67B is best at (rounded)", lambda: of("chinchilla:hoffmann_rounded", "budget_at_size", 67e9), "2.920e24"),
    ("10T is best at (rounded)", lambda: of("chinchilla:hoffmann_rounded", "budget_at_size", 1e13), "1.901e29"),
    ("67B tokens (tex)", lambda: of("chinchilla:hoffmann_tex", "budget_at_size", 67e9) / 6 / 67e9, "4.349e12"),
    ("10T tokens (rounded)", lambda: of("chinchilla:hoffmann_rounded", "budget_at_size", 1e13) / 6e13, "3.169e15"),
    ("7B tokens (sardana)", lambda: of("chinchilla:sardana", "budget_at_size", 7e9) / 6 / 7e9, "2.7644e11"),
    ("13B tokens (sardana)", lambda: of("chinchilla:sardana", "budget_at_size", 13e9) / 6 / 13e9, "5.7649e11"),
    ("70B tokens (sardana)", lambda: of("chinchilla:sardana", "budget_at_size", 70e9) / 6 / 70e9, "4.2547e12"),
    ("pearce_song total 1e6", lambda: of("pearce_song:besiroglu", "total_size", 1e6), "5.749100e6"),
    ("pearce_song total 1e8", lambda: of("pearce_song:besiroglu", "total_size", 1e8), "1.220434e8"),
    ("pearce_song total 1e9", lambda: of("pearce_song:besiroglu", "total_size", 1e9), "1.047491e9"),
    ("pearce_song total 1e10", lambda: of("pearce_song:besiroglu", "total_size", 1e10), "1.010232e10"),
    ("pearce_song exponent 1e3", lambda: of("pearce_song:besiroglu", "exponent", 1e3), ".762979"),
    ("pearce_song exponent 1e6", lambda: of("pearce_song:besiroglu", "exponent", 1e6), ".962809"),
    ("pearce_song exponent 1e8", lambda: of("pearce_song:besiroglu", "exponent", 1e8), ".612792"),
    ("pearce_song exponent 1e9", lambda: of("pearce_song:besiroglu", "exponent", 1e9), ".535381"),
    ("pearce_song exponent 1e10", lambda: of("pearce_song:besiroglu", "exponent", 1e10), ".517569"),
    ("pearce_song exponent, small", lambda: of("pearce_song:besiroglu", "exponent", 1e-12), "0.759341"),
    ("pearce_song exponent, large", lambda: of("pearce_song:besiroglu", "exponent", 1e18), "0.512612"),
    ("pearce_song exponent, small (Hoffmann)", lambda: of("pearce_song:hoffmann", "exponent", 1e-12), "0.715889"),
    ("pearce_song exponent, large (Hoffmann)", lambda: of("pearce_song:hoffmann", "exponent", 1e18), "0.456497"),
    ("pearce_song budget 1e8", lambda: of("pearce_song:besiroglu", "budget_at_size", 1e8), "2.618311e18"),
    ("pearce_song budget 1e9", lambda: of("pearce_song:besiroglu", "budget_at_size", 1e9), "1.548201e20"),
]


@pytest.mark.parametrize(("value", "printed"), [c[1:] for c in CLOSED_FORMS], ids=[c[0] for c in CLOSED_FORMS])
def test_published_closed_form(value, printed):
    assert float(value()) == as_printed(printed)


# --- The tables of Approaches 1, 2 and 3 ---


@pytest.mark.parametrize(
    ("table", "quantity", "k", "a"),
    [
        ("a1", "N", "0.0991589", "0.4980987"),
        ("a1", "D", "1.69608", "0.5018543"),
        ("a2", "N", "0.144877", "0.489942"),
        ("a2", "D", "1.152764", "0.5100202"),
        ("a3", "N", "0.534622", "0.458657"),
    ],
)
def test_prefactors_follow_from_the_published_tables(table, quantity, k, a):
    rows = CHINCHILLA_TABLES[table]
    compute = np.log([10 * row.C if row.misprint else row.C for row in rows])
    slope, intercept = np.polyfit(compute, np.log([getattr(row, quantity) for row in rows]), 1)
    assert (np.exp(intercept), slope) == (as_printed(k), as_printed(a))
    if table != "a3":
        params = laws.get(f"chinchilla_{table}").published[quantity].params
        assert params == {"k": float(k), "a": float(a)}


def test_the_misprinted_row_is_the_only_one_far_from_6nd():
    far = [
        (t, row) for t, rows in CHINCHILLA_TABLES.items() for row in rows if not 0.9 < 6 * row.N * row.D / row.C < 1.1
    ]
    assert [(t, row.N, row.misprint) for t, row in far] == [("a3", 1.75e11, True)]
    assert sum(row.misprint for rows in CHINCHILLA_TABLES.values() for row in rows) == 1
    printed = ["20.0", "20.2", "20.5", "22.4", "21.1", "21.1", "21.2", "21.2", "21.6"]
    assert [row.D / row.N for row in CHINCHILLA_TABLES["a1"]] == [as_printed(x) for x in printed]


# --- Identities of the Chinchilla law ---


def test_chinchilla_allocation_is_the_optimum():
    p, C = random_params("chinchilla"), budgets()
    best = closed("chinchilla", "allocation", p, C)
    least = closed("chinchilla", "loss_at_budget", p, C)
    np.testing.assert_allclose(6 * best.N * best.D, C, rtol=1e-12)
    np.testing.assert_allclose(respond("chinchilla", p, N=best.N, D=best.D), least, rtol=1e-13)
    size_term, data_term = p["A"] * best.N ** -p["alpha"], p["B"] * best.D ** -p["beta"]
    np.testing.assert_allclose(p["alpha"] * size_term, p["beta"] * data_term, rtol=1e-12)
    np.testing.assert_allclose(size_term / (size_term + data_term), p["beta"] / (p["alpha"] + p["beta"]), rtol=1e-12)
    for factor in (0.95, 1.05):
        assert np.all(respond("chinchilla", p, N=factor * best.N, D=best.D / factor) > least)


def test_chinchilla_exponents_and_inverses():
    p, C = random_params("chinchilla"), budgets()
    best, more = (closed("chinchilla", "allocation", p, x) for x in (C, 10 * C))
    a, b, gamma = closed("chinchilla", "exponents", p)
    np.testing.assert_allclose((np.log10(more.N / best.N), np.log10(more.D / best.D)), (a, b), rtol=1e-11)
    np.testing.assert_allclose(best.D / best.N, closed("chinchilla", "tokens_per_param", p, C), rtol=1e-12)
    loss = closed("chinchilla", "loss_at_budget", p, C)
    np.testing.assert_allclose(closed("chinchilla", "budget_for_loss", p, loss), C, rtol=1e-9)
    np.testing.assert_allclose(closed("chinchilla", "budget_at_size", p, best.N), C, rtol=1e-12)
    g = closed("chinchilla", "G", p)
    np.testing.assert_allclose(best.N, g * (C / 6) ** a, rtol=1e-12)
    # The envelope theorem: d L* / d log C = -gamma (L* - E).
    with jax.enable_x64(True):
        value = laws.chinchilla.closed_forms["loss_at_budget"]
        slope = jax.vmap(jax.grad(lambda c, q: value(q, jnp.exp(c))))(np.log(C), p)
    np.testing.assert_allclose(slope, -gamma * (loss - p["E"]), rtol=1e-10)


def test_chinchilla_without_reach():
    params = laws.instance("chinchilla:besiroglu").params
    floor = params["E"]
    assert np.isinf(of("chinchilla:besiroglu", "budget_for_loss", floor))
    assert np.isnan(of("chinchilla:besiroglu", "budget_for_loss", 0.9 * floor))
    assert laws.chinchilla.predict(params, N=np.inf, D=np.inf) == pytest.approx(floor, rel=1e-15)


def test_chinchilla_allocation_with_a_general_cost():
    p, C = random_params("chinchilla"), budgets()
    kappa, size_power, token_power = 11.0, 1.3, 0.8
    best = closed("chinchilla", "allocation", p, C, kappa, size_power, token_power)
    np.testing.assert_allclose(kappa * best.N**size_power * best.D**token_power, C, rtol=1e-11)
    size_pull = p["alpha"] * p["A"] * best.N ** -p["alpha"] / size_power
    np.testing.assert_allclose(size_pull, p["beta"] * p["B"] * best.D ** -p["beta"] / token_power, rtol=1e-11)


def test_chinchilla_symmetries():
    p, C = random_params("chinchilla"), budgets()
    best = closed("chinchilla", "allocation", p, C)
    swapped = {"A": p["B"], "B": p["A"], "E": p["E"], "alpha": p["beta"], "beta": p["alpha"]}
    mirrored = closed("chinchilla", "allocation", swapped, C)
    np.testing.assert_allclose((mirrored.N, mirrored.D), (best.D, best.N), rtol=1e-12)
    tied = {**p, "beta": p["alpha"]}
    ratio = closed("chinchilla", "tokens_per_param", tied, C)
    np.testing.assert_allclose(ratio, (p["B"] / p["A"]) ** (1 / p["alpha"]), rtol=1e-11)
    other_floor = closed("chinchilla", "allocation", {**p, "E": 2 * p["E"]}, C)
    np.testing.assert_array_equal(other_floor, best)


def test_chinchilla_reproduces_the_grid_of_the_paper():
    sizes = [len(parameter.grid) for parameter in laws.chinchilla.parameters]
    assert laws.chinchilla.parameter_names == ("A", "B", "E", "alpha", "beta")
    assert np.prod(sizes) == 4500
    assert [p.transform for p in laws.chinchilla.parameters] == ["log"] * 3 + ["identity"] * 2


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("besiroglu_converged", "1.018274e-3"),
        ("besiroglu", "1.022843e-3"),
        ("hoffmann_tex", "1.231163e-3"),
        ("hoffmann_rounded", "4.121009e-3"),
    ],
)
def test_objective_of_published_constants(name, printed, data_folder):
    with open(data_folder / "chinchilla_epoch.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["besiroglu_outlier"] == "0"]
    size, tokens, loss = (np.array([float(row[c]) for row in rows]) for c in ("params", "tokens", "loss"))
    residual = np.abs(np.log(laws.instance(f"chinchilla:{name}").predict(N=size, D=tokens) / loss))
    delta = 1e-3
    huber = np.where(residual <= delta, residual**2 / 2, delta * (residual - delta / 2))
    assert len(rows) == 240
    assert huber.sum() == as_printed(printed)


# --- Identities of the non-embedding law ---


def test_pearce_song_sizes_invert():
    p = random_params("pearce_song")
    size = 10 ** np.random.default_rng(7).uniform(0, 15, COUNT)
    total = closed("pearce_song", "total_size", p, size)
    np.testing.assert_allclose(total, size + p["omega"] * size ** (1 / 3), rtol=1e-13)
    np.testing.assert_allclose(closed("pearce_song", "non_embedding_size", p, total), size, rtol=1e-11)
    with jax.enable_x64(True):
        inverse = laws.pearce_song.closed_forms["non_embedding_size"]
        slope = jax.vmap(jax.grad(lambda t, omega: inverse({"omega": omega}, t)))(total, p["omega"])
    np.testing.assert_allclose(slope, 1 / (1 + p["omega"] / 3 * size ** (-2 / 3)), rtol=1e-10)


def test_pearce_song_frontier_is_the_optimum():
    p = random_params("pearce_song")
    size = 10 ** np.random.default_rng(8).uniform(3, 13, COUNT)
    C = closed("pearce_song", "budget_at_size", p, size)
    least = respond("pearce_song", p, N=size, D=C / (6 * size))
    for factor in (0.97, 1.03):
        assert np.all(respond("pearce_song", p, N=factor * size, D=C / (6 * factor * size)) > least)
    with jax.enable_x64(True):
        budget = laws.pearce_song.closed_forms["budget_at_size"]
        slope = np.asarray(jax.vmap(jax.grad(lambda n, q: jnp.log(budget(q, jnp.exp(n)))))(np.log(size), p))
    np.testing.assert_allclose(closed("pearce_song", "exponent", p, size), 1 / slope, rtol=1e-10)


def test_pearce_song_without_embeddings_is_chinchilla():
    p = random_params("pearce_song")
    bare = {k: p[k] for k in laws.chinchilla.parameter_names}
    size, tokens = 10 ** np.random.default_rng(9).uniform(6, 13, (2, COUNT))
    ours = respond("pearce_song", {**p, "omega": 0 * p["omega"]}, N=size, D=tokens)
    np.testing.assert_allclose(ours, respond("chinchilla", bare, N=size, D=tokens), rtol=1e-13)
    total = closed("pearce_song", "total_size", p, size)
    counted = respond("chinchilla", bare, N=total, D=tokens)
    np.testing.assert_allclose(respond("pearce_song", p, N=size, D=tokens), counted, rtol=1e-13)


# --- What holds for every law ---


def test_every_named_chinchilla_instance_is_there():
    assert list(laws.chinchilla.constants) == [
        "hoffmann_rounded",
        "hoffmann_tex",
        "sardana",
        "besiroglu",
        "besiroglu_converged",
        "muennighoff_c4",
        "gadre_c4",
        "gadre_rpj",
        "gadre_rw",
        "sardana_all_data",
        "sardana_100",
        "minicpm_avg",
    ]
    values = laws.instance("chinchilla:hoffmann_tex").params
    assert [values[k] for k in "EAB"] == [as_printed(x) for x in ("1.6933737", "406.4010", "410.7228")]
    values = laws.instance("chinchilla:muennighoff_c4").params
    assert [values[k] for k in "EAB"] == [as_printed(x) for x in ("1.8691437", "520.82495", "1487.71609")]


def test_closed_forms_follow_the_callers_dtype():
    p = {k: np.float32(v) for k, v in laws.instance("chinchilla:besiroglu").params.items()}
    best = jax.jit(laws.chinchilla.closed_forms["allocation"])(p, np.float32(1e24))
    assert best.N.dtype == best.D.dtype == np.float32
    assert float(best.N) == pytest.approx(9.586065e10, rel=1e-4)
