"""The fit as users meet it: independent of units, order and optimiser, the truth recovered, nothing compiled twice."""

import csv
import itertools
import json

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from helpers import LAW_CASES, compilations
from oracles import best_of, table_of
from scipy.optimize import least_squares
from scipy.stats import t as student_t

import jaxscale as js
from jaxscale._fitting.fits import group_name

LAW = js.laws.chinchilla
TRUTH = LAW.published["besiroglu"].params


def sweep(seed: int = 0, count: int = 60, noise: float = 0.005) -> pd.DataFrame:
    """Runs on the Chinchilla law as a table of plain columns."""
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
    runs = js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=noise, seed=seed)
    return runs.to_frame().reset_index(drop=True).iloc[:count]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return sweep()


@pytest.fixture(scope="module")
def result(frame) -> js.FitResult:
    return js.fit("chinchilla", frame)


def test_the_optimum_is_scipys_best_of_many_starts(frame, result):
    least = best_of(table_of(js.Runs.from_frame(frame)), starts=16)
    assert result.value <= least * (1 + 1e-11)
    assert result.value == pytest.approx(least, rel=1e-6)  # SciPy stops within 1e-9 to 1e-7 of it
    assert result.gradient_norm < 1e-8
    assert result.verdict.trustworthy and result.starts.at_best >= 0.5 * result.starts.finished


def test_a_result_holds_plain_numbers(result):
    assert all(type(v) is float for v in (*result.params.values(), result.value, result.gradient_norm, result.sigma))
    assert type(result.theta) is np.ndarray and result.theta.dtype == np.float64
    assert result.precision == "float64" and result.label == "chinchilla" and result.level == 0.9


def test_params_are_the_natural_values_of_theta(result):
    a, b, e, alpha, beta = result.theta
    expected = {"A": np.exp(a), "B": np.exp(b), "E": np.exp(e), "alpha": alpha, "beta": beta}
    assert result.params == pytest.approx(expected, rel=1e-14)


# What may change without changing the answer: the table, options of reading, and what each parameter becomes.
INVARIANCES = {
    "tokens in billions": (lambda f: f.assign(D=f["D"] / 1e9), {}, {"B": lambda p: p["B"] / 1e9 ** p["beta"]}),
    "parameters in millions": (lambda f: f.assign(N=f["N"] / 1e6), {}, {"A": lambda p: p["A"] / 1e6 ** p["alpha"]}),
    "loss in bits, told": (lambda f: f.assign(loss=f["loss"] / np.log(2)), {"loss_unit": "bits"}, {}),
    "loss in bits, not told": (
        lambda f: f.assign(loss=f["loss"] / np.log(2)),
        {},
        {k: lambda p, k=k: p[k] / np.log(2) for k in "ABE"},
    ),
    "shuffled": (lambda f: f.sample(frac=1, random_state=3).reset_index(drop=True), {}, {}),
    "mean": (lambda f: f.assign(w=1 / len(f)), {"weights": "w"}, {}),
    "sum of millions": (lambda f: f.assign(w=1e6), {"weights": "w"}, {}),
}


@pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
@pytest.mark.parametrize("name", INVARIANCES)
def test_nothing_depends_on(name, frame, result):
    change, options, becomes = INVARIANCES[name]
    runs = js.read_runs(change(frame), **options)
    other = js.fit("chinchilla", runs, intervals="quick")
    expected = {k: becomes[k](result.params) if k in becomes else v for k, v in result.params.items()}
    assert other.params == pytest.approx(expected, rel=1e-8)
    scale = 1.0 if runs.weights is None else runs.weights[0]
    assert other.value == pytest.approx(scale * result.value, rel=1e-11)
    quick = js.fit("chinchilla", frame, intervals="quick")
    for k in ("alpha", "beta"):
        assert other.intervals.params[k] == pytest.approx(quick.intervals.params[k], rel=1e-3)


def test_a_delta_far_below_the_noise_has_the_matched_estimates_beside_it(frame, result):
    matched = js.Huber(1.345 * result.sigma)
    assert result.turning_point == pytest.approx(1e-3 / result.sigma) and result.turning_point < 0.5
    huber, student = result.at_noise
    assert huber.objective == matched and student.objective == js.StudentT(scale=result.sigma)
    assert " noise-matched  Student-t(4) " in str(result)
    close = js.fit("chinchilla", frame, objective=matched, intervals=None)
    assert huber.params == pytest.approx(close.params, rel=1e-6)
    assert close.at_noise == () and "noise-matched" not in str(close)


def test_student_beside_it_is_the_likeliest_of_scipys():
    """For one table and for several with outliers at once: -log t_4(r / s) by SciPy, which knows no solver of ours."""
    tables = {str(k): sweep(k).assign(loss=lambda f, k=k: f["loss"] * (1 + 0.2 * (f.index < k))) for k in range(3)}
    for _, one in js.fit_many("chinchilla", tables, intervals=None):
        second, (N, D), seen = one.at_noise[1], one.runs.variables.values(), np.log(one.runs.response)
        scale = second.objective.scale

        def off(theta, N=N, D=D, seen=seen):
            a, b, e, alpha, beta = theta
            return np.log(np.exp(e) + np.exp(a) * N**-alpha + np.exp(b) * D**-beta) - seen

        def robust(z):
            return 4 * np.array([np.log1p(z / 4), 1 / (4 + z), -1 / (4 + z) ** 2])

        found = least_squares(off, one.theta, loss=robust, f_scale=scale, x_scale="jac", xtol=1e-15, ftol=1e-15)
        theta = LAW.theta(second.params)
        likelihood = [student_t.logpdf(off(x) / scale, 4).sum() for x in (theta, found.x)]
        assert likelihood[0] >= likelihood[1] - 1e-9
        np.testing.assert_allclose(theta, found.x, rtol=1e-5)


def test_the_same_call_gives_the_same_bytes(frame, result):
    again = js.fit("chinchilla", frame)
    assert json.dumps(again.to_dict()) == json.dumps(result.to_dict())


def test_another_seed_gives_the_same_optimum_and_other_draws(frame, result):
    other = js.fit("chinchilla", frame, seed=7)
    assert other.params == pytest.approx(result.params, rel=1e-8)
    assert other.intervals.params != result.intervals.params and other.seed == 7


def test_x64_of_the_caller_makes_no_difference(frame, result):
    for setting in (False, True):
        with jax.enable_x64(setting):
            assert js.fit("chinchilla", frame).to_dict() == result.to_dict()


def test_all_4500_published_starts_run_to_the_end(frame, result):
    paper = js.fit("chinchilla", frame, starts="paper", intervals=None)
    assert paper.starts.finished == paper.starts.count == 4500 and paper.starts.mode == "paper"
    assert paper.params == pytest.approx(result.params, rel=1e-8)
    assert paper.starts.at_best >= 0.4 * 4500  # measured .9 and more


@pytest.mark.parametrize("maker", [js.optim.levenberg_marquardt, optax.lbfgs], ids=["levenberg_marquardt", "lbfgs"])
def test_another_optimizer_finds_the_same_optimum(maker, frame, result):
    other = js.fit("chinchilla", frame, optimizer=maker(), starts=16, intervals=None)
    assert other.value == pytest.approx(result.value, rel=1e-8)
    assert other.params == pytest.approx(result.params, rel=2e-3)
    assert other.optimizer == "given" and result.optimizer == "damped_newton"


def test_adam_can_be_chosen_and_what_it_misses_is_said(frame, result):
    """First-order methods stop above the minimum (10 to 20 % on real runs), and the verdict does not hide it."""
    adam = js.fit("chinchilla", frame, optimizer=optax.adam(1e-2), starts=8, intervals=None)
    assert result.value < adam.value < 10 * result.value
    assert adam.gradient_norm > 1e-5 and not adam.verdict.trustworthy and "gradient_not_zero" in adam.verdict.codes


def test_another_table_in_the_same_bucket_compiles_nothing(frame, result):
    js.fit("chinchilla", frame)
    before = compilations()
    for seed, count in ((1, 50), (2, 57), (3, 60)):
        assert js.fit("chinchilla", sweep(seed, count)).params != result.params
    weighted = js.Runs.from_frame(frame.assign(w=np.arange(1.0, 61.0)), weights="w")
    js.fit("chinchilla", weighted, objective=js.Huber(3e-4, overestimate=2.0), seed=5, level=0.8)
    assert compilations() == before


def test_compilations_are_counted():
    before = compilations()
    with jax.enable_x64(True):
        jax.jit(lambda x: x * 3.25 + 1)(np.arange(3.0)).block_until_ready()
    assert compilations() == before + 1


def test_progress_is_told(frame):
    told = []
    js.fit("chinchilla", frame, progress=lambda *x: told.append(x))
    assert told[-1] == (1000, 1000, "bootstrap draws") and [t[0] for t in told] == sorted(t[0] for t in told)


# --- many ---


@pytest.fixture(scope="module")
def groups() -> pd.DataFrame:
    tables = [sweep(seed, 60).assign(corpus=f"set {seed}") for seed in range(3)]
    return pd.concat(tables).sample(frac=1, random_state=0).reset_index(drop=True)


BROKEN = {
    "a bad cell": {"N": 1e8, "D": 1e10, "loss": -1.0, "corpus": "broken"},
    "a lone run": {"N": 1e8, "D": 1e10, "loss": 3.0, "corpus": "broken"},
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_group_disturbs_no_other(kind, groups):
    clean = js.fit_many("chinchilla", groups, by="corpus", intervals="quick")
    more = pd.concat([groups, pd.DataFrame([BROKEN[kind]])], ignore_index=True)
    fits = js.fit_many("chinchilla", more, by="corpus", intervals="quick")
    assert len(fits) == len(clean) + 1 == 4
    assert fits.to_dict()["fits"][:3] == clean.to_dict()["fits"]
    name, item = list(fits)[3]
    assert name == "broken"
    if isinstance(item, js.FitResult):
        assert not item.verdict.trustworthy and "too_few_runs" in item.verdict.codes
    else:
        assert "loss" in item.text and "181" in item.text  # the row number of the whole table


def test_each_group_is_the_fit_of_its_rows_alone(groups):
    fits = js.fit_many("chinchilla", groups, by="corpus", intervals=None)
    for name, item in fits:
        alone = js.fit("chinchilla", groups[groups["corpus"] == name].drop(columns="corpus"), intervals=None)
        assert item.params == pytest.approx(alone.params, rel=1e-10)
        assert fits[name] is item


@pytest.mark.slow
def test_groups_of_other_sizes_are_fitted_side_by_side_as_alone():
    """Two stacks of tables, one of them with resampled intervals for some groups only; each equals a fit of its own."""
    sizes = {"a": 60, "b": 55, "c": 10, "d": 100}
    tables = {k: js.Runs.from_frame(wide(seed, n)) for seed, (k, n) in enumerate(sizes.items())}
    fits = js.fit_many("chinchilla", tables, draws=50)
    for name, runs in tables.items():
        alone = js.fit("chinchilla", runs, draws=50)
        assert fits[name].params == pytest.approx(alone.params, rel=1e-8)
        assert fits[name].intervals.method == alone.intervals.method
        for k, ends in alone.intervals.params.items():
            assert fits[name].intervals.params[k] == pytest.approx(ends, rel=1e-5)
        assert fits[name].verdict.codes == alone.verdict.codes


@pytest.mark.slow
def test_starts_that_meet_go_on_as_one_and_find_what_64_of_their_own_find():
    """Enough groups for starts to meet, noisy and with outliers, so that there are several optima to tell apart."""
    rng = np.random.default_rng(11)
    tables = {}
    for k in range(140):
        runs = js.Runs.from_frame(sweep(k, 60, noise=0.02))
        outliers = np.where(rng.random(60) < 0.1, np.exp(0.2 * rng.standard_normal(60)), 1.0)
        tables[str(k)] = js.Runs(dict(runs.variables), runs.response * outliers)
    together = js.fit_many("chinchilla", tables, intervals=None)
    alone = js.fit_many("chinchilla", tables, intervals=None, starts=64)
    for name, item in together:
        assert item.value <= alone[name].value * (1 + 1e-9)
        assert item.gradient_norm < 1e-8 and item.starts.at_best >= 5


def wide(seed: int, count: int) -> pd.DataFrame:
    """Runs on the Chinchilla law over more budgets than `sweep`, any count up to 120, well spread."""
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e22, 12), 10)
    runs = js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.005, seed=seed)
    return runs.to_frame().reset_index(drop=True).iloc[np.linspace(0, 119, count).round().astype(int)]


def test_a_stream_of_groups_gives_the_same_rows_and_holds_few(groups):
    """An iterator in, frames out: no group is read before its chunk is asked for."""
    parts = {name: js.Runs.from_frame(part.drop(columns="corpus")) for name, part in groups.groupby("corpus")}
    asked = []

    def pairs():
        for name, runs in [*parts.items(), ("broken", groups.head(0))]:
            asked.append(name)
            yield name, runs

    stream = js.fit_stream("chinchilla", pairs(), by="corpus", intervals=None)
    assert asked == []
    frame = pd.concat(stream, ignore_index=True)
    assert asked == [*parts, "broken"] and frame["ok"].tolist() == [True] * 3 + [False]
    pd.testing.assert_frame_equal(
        frame.iloc[:3], js.fit_many("chinchilla", iter(parts.items()), by="corpus", intervals=None).to_frame(),
        check_dtype=False,
    )  # fmt: skip


def test_groups_may_come_as_a_mapping(groups):
    parts = {name: js.Runs.from_frame(part.drop(columns="corpus")) for name, part in groups.groupby("corpus")}
    together = js.fit_many("chinchilla", parts, intervals=None)
    assert [name for name, _ in together] == list(parts)
    by_column = js.fit_many("chinchilla", groups, by="corpus", intervals=None)
    for name in parts:
        assert together[name].params == pytest.approx(by_column[name].params, rel=1e-10)


def test_a_table_without_the_column_to_group_by_is_refused(frame):
    with pytest.raises(js.InputError, match=r"no column .corpus. to group by; the table has N, D, loss"):
        js.fit_many("chinchilla", frame, by="corpus")


def test_groups_may_be_of_several_columns(groups, tmp_path):
    """Each combination that occurs is the fit of its rows alone; the frame and the file have its values."""
    more = groups.assign(width=np.where(np.arange(len(groups)) % 2, 64, 128))
    more.loc[more["corpus"] == "set 1", "width"] = 64
    fits = js.fit_many("chinchilla", more, by=["corpus", "width"], intervals=None)
    kinds = list(dict.fromkeys(zip(more["corpus"], more["width"].tolist(), strict=True)))
    assert fits.by == fits.by_columns == ("corpus", "width") and fits.values == tuple(kinds) and len(kinds) == 5
    assert [name for name, _ in fits] == [f"{corpus}, {width}" for corpus, width in kinds]
    for corpus, width in kinds:
        rows = more[(more["corpus"] == corpus) & (more["width"] == width)].drop(columns=["corpus", "width"])
        alone = js.fit("chinchilla", rows, intervals=None)
        assert fits[corpus, width].params == pytest.approx(alone.params, rel=1e-10)
        assert fits[f"{corpus}, {width}"] is fits[corpus, width]
    frame = fits.to_frame()
    assert list(frame[["corpus", "width"]].itertuples(index=False, name=None)) == kinds
    assert (
        frame.merge(more.groupby(["corpus", "width"]).size().rename("count"), on=["corpus", "width"])
        .eval("runs == count")
        .all()
    )
    assert "corpus, width" in str(fits) and "5 groups by corpus, width" in repr(fits)
    fits.save(tmp_path / "fits.json")
    loaded = js.load(tmp_path / "fits.json")
    pd.testing.assert_frame_equal(loaded.to_frame(), frame)
    assert loaded.to_dict() == fits.to_dict() and loaded.by == fits.by and loaded.values == fits.values
    stream = pd.concat(js.fit_stream("chinchilla", more, by=["corpus", "width"], intervals=None))
    pd.testing.assert_frame_equal(stream, frame)
    pairs = {kind: more[(more["corpus"] == kind[0]) & (more["width"] == kind[1])] for kind in kinds}
    mapped = js.fit_many("chinchilla", pairs, by=["corpus", "width"], intervals=None)
    pd.testing.assert_frame_equal(mapped.to_frame(), frame)


def test_groups_of_one_column_in_a_list_are_those_of_the_column(groups):
    one, listed = (js.fit_many("chinchilla", groups, by=by, intervals=None) for by in ("corpus", ["corpus"]))
    assert one.to_dict() == listed.to_dict() and listed.by == "corpus"


def test_groups_of_several_columns_share_parameters(groups):
    more = groups.assign(width=np.where(np.arange(len(groups)) % 2, 64, 128))
    fits = js.fit_many("chinchilla", more, by=["corpus", "width"], share="alpha", intervals=None)
    assert len({item.params["alpha"] for _, item in fits}) == 1 and len(fits) == 6
    assert sorted(fits.to_frame()["width"]) == [64] * 3 + [128] * 3


@pytest.mark.parametrize("values", [("a, b", "c"), ("a", "b, c"), ("", "a"), (" a", "b"), ('say "a"', "b"), ("a", "b")])
def test_no_two_groups_are_called_alike(values):
    """The name of a group is a line of a CSV file, and read as one it gives the values back."""
    (read,) = csv.reader([group_name(values)], skipinitialspace=True)
    assert tuple(read) == values


def test_a_missing_value_is_a_group_of_its_own(groups):
    more = groups.assign(width=[None, 1.5] * (len(groups) // 2))
    frame = js.fit_many("chinchilla", more, by=["corpus", "width"], intervals=None).to_frame()
    assert len(frame) == 6 and frame["width"].isna().sum() == 3 and frame["ok"].all()


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (["corpus", "depth"], r"no column 'depth' to group by; the table has N, D, loss, corpus"),
        ([], "by takes a column"),
        (["corpus", "corpus"], "by takes a column, or several that differ"),
    ],
)
def test_columns_that_cannot_be_grouped_by_are_refused(by, message, groups):
    with pytest.raises(js.InputError, match=message):
        js.fit_many("chinchilla", groups, by=by)


@pytest.mark.parametrize("share", [(), "alpha"])
@pytest.mark.parametrize("kind", ["a table", "a mapping", "an iterator"])
def test_two_groups_of_one_name_are_refused(kind, share, groups):
    """1 and "1" are two values of a column and two keys of a mapping, but one name."""
    part = groups[groups["corpus"] == "set 0"].drop(columns="corpus")
    several = [(1, part), ("two", part), ("1", part)]
    data = {
        "a table": pd.concat(
            [rows.assign(group=pd.Series([name] * len(rows), rows.index, object)) for name, rows in several]
        ),
        "a mapping": dict(several),
        "an iterator": iter(several),
    }[kind]
    with pytest.raises(js.InputError, match=r"two groups are called '1'; give each a name of its own"):
        js.fit_many("chinchilla", data, share=share, intervals=None)


def test_a_stream_stops_at_a_second_group_of_one_name(groups):
    stream = js.fit_stream("chinchilla", iter([("a", groups), ("a", groups)]), intervals=None)
    with pytest.raises(js.InputError, match="two groups are called 'a'"):
        next(stream)


def test_a_mapping_of_groups_of_several_columns_has_tuples_for_keys(groups):
    with pytest.raises(js.InputError, match=r"group 'c4' needs a tuple of 2 values.*\['corpus', 'width'\]"):
        js.fit_many("chinchilla", {"c4": groups}, by=["corpus", "width"])


# --- recovery of planted truths ---


def recovered(law, truth, variables, noise=2e-3, seed=0, valley=False, **options) -> js.FitResult:
    """A fit of runs drawn from the law: no worse than the truth, and its predictions are within the noise.

    In a `valley`, where runs cannot tell parameters apart, a solver may stop short, and then the verdict must say so.
    """
    runs = js.synthetic.observe(law, truth, variables, noise=noise, seed=seed)
    result = js.fit(law, runs, intervals=None, objective=js.SquaredError(), **options)
    errors = np.log(law.predict(truth, **variables) / runs.response)
    assert result.value <= 0.5 * np.sum(errors**2) * (1 + 1e-9)
    off = np.log(result.predict(**variables) / law.predict(truth, **variables))
    assert np.sqrt(np.mean(off**2)) < 3 * noise * np.sqrt(len(law.parameters) / runs.count)
    assert result.gradient_norm < 1e-5 or (valley and "gradient_not_zero" in result.verdict.codes)
    return result


# The rest compile a program each and are slow where the compilation cache is cold.
QUICK = ("chinchilla", "power_law-variable=N-floor=True", "kaplan_nd", "floor and power", "order of one's own")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, id=c.label, marks=() if c.label in QUICK else pytest.mark.slow)
        for c in LAW_CASES
        if c.law.response.domain == "positive"  # what `observe` can draw
    ],
)
def test_recovers_a_planted_truth_of_every_law(case):
    told = {"fixed": {name: case.truth[name] for name in case.fixed}, "starts": case.starts}
    result = recovered(case.law, case.truth, case.random_variables(60, seed=1), **told)
    if case.starts != "auto":
        assert result.starts.at_best >= 5
    if case.identifiable:
        assert "ill_conditioned" not in [r.code for r in result.verdict.reasons if r.severity == "fatal"]
        orders = [dict(result.params)]
        for groups in itertools.permutations(case.alike):
            renamed = dict(zip(itertools.chain(*case.alike), itertools.chain(*groups), strict=True))
            orders.append({name: result.params[renamed.get(name, name)] for name in case.truth})
        off = [max(abs(np.log(params[name] / value)) for name, value in case.truth.items()) for params in orders]
        assert min(off) < 0.5
    else:
        assert not result.verdict.trustworthy and "ill_conditioned" in result.verdict.codes


@pytest.mark.slow
def test_distillation_told_nothing_predicts_well_and_is_not_trusted():
    """Fifteen parameters of which these runs tell only combinations: the other test tells the supervised ones."""
    (case,) = [c for c in LAW_CASES if c.law is js.laws.busbridge_distill]
    result = recovered(case.law, case.truth, case.random_variables(60, seed=1), valley=True)
    assert not result.verdict.trustworthy and "ill_conditioned" in result.verdict.codes


def _sizes(count=60, seed=2):
    rng = np.random.default_rng(seed)
    return {
        "N": np.exp(rng.uniform(*np.log([1e7, 1e11]), count)),
        "D": np.exp(rng.uniform(*np.log([1e8, 1e13]), count)),
    }


# Laws of a user's own, 3 to 8 parameters: formula, truth, positive parameters, runs.
OWN = {
    "floor and power": (lambda E, A, alpha, *, N: E + A * N**-alpha, (1.7, 300.0, 0.34), {"N": _sizes()["N"]}),
    "one exponent": (
        lambda E, A, B, alpha, *, N, D: E + A * N**-alpha + B * D**-alpha,
        (1.7, 300.0, 900.0, 0.33),
        _sizes(),
    ),
    "order of one's own": (
        lambda A, alpha, E, B, beta, *, N, D: E + A * N**-alpha + B * D**-beta,
        (480.0, 0.34, 1.8, 2000.0, 0.37),
        _sizes(),
    ),
    "pinch": (
        lambda E, A, B, alpha, beta, gamma, *, N, D: E + (A * N**-alpha + B * D**-beta) ** gamma,
        (1.7, 400.0, 900.0, 0.5, 0.55, 0.6),
        _sizes(),
    ),
    "product beside the sum": (
        lambda E, A, B, alpha, beta, c, g, *, N, D: E + A * N**-alpha + B * D**-beta + c * (N * D) ** -g,
        (1.8, 480.0, 2000.0, 0.34, 0.37, 30.0, 0.09),
        _sizes(),
    ),
    "two corpora": (
        lambda E, A, B, alpha, beta, F, c, k, *, N, D, share: (
            E + F * share**k + A * N**-alpha + (B + c * share) * D**-beta
        ),
        (1.6, 480.0, 1500.0, 0.34, 0.37, 0.3, 900.0, 1.5),
        _sizes() | {"share": np.random.default_rng(3).uniform(0.05, 1, 60)},
    ),
}


@pytest.mark.parametrize("units", [1.0, 1e9], ids=["counts", "billions"])
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in OWN])
def test_recovers_a_planted_truth_of_ones_own_law(name, units):
    formula, truth, variables = OWN[name]
    law = js.Law.from_loss(formula, name=name)
    truth = dict(zip(law.parameter_names, truth, strict=True))
    scaled = {k: v / units if k in "ND" else v for k, v in variables.items()}
    runs = js.synthetic.observe(law, truth, variables, noise=2e-3, seed=5)
    result = js.fit(law, js.Runs(scaled, runs.response), objective=js.SquaredError(), intervals=None)
    errors = np.log(law.predict(truth, **variables) / runs.response)
    assert result.value <= 0.5 * np.sum(errors**2) * (1 + 1e-9)
    off = np.log(result.predict(**scaled) / law.predict(truth, **variables))
    assert np.sqrt(np.mean(off**2)) < 3 * 2e-3 * np.sqrt(len(truth) / runs.count)


def test_many_planted_truths_are_recovered_within_their_standard_errors(frame):
    """Over seeds, alpha's error over its quick standard error has a spread near one."""
    z = []
    for seed in range(12):
        fit = js.fit("chinchilla", sweep(seed), intervals="quick")
        z.append((fit.params["alpha"] - TRUTH["alpha"]) / fit.intervals.standard_errors["alpha"])
    assert 0.4 < np.sqrt(np.mean(np.square(z))) < 1.8


# --- what is refused ---

REFUSED = {
    "an unknown law": (("chincilla",), {}, "chinchilla"),
    "a missing variable": (("kaplan_ns",), {}, "S_min"),
    "an unknown fixed parameter": ((LAW,), {"fixed": {"gamma": 1.0}}, "no parameter 'gamma'"),
    "a fixed value out of range": ((LAW,), {"fixed": {"A": -1.0}}, "A must be positive"),
    "everything fixed": ((LAW,), {"fixed": TRUTH}, "nothing to fit"),
    "a tie of one": ((LAW,), {"tied": [("alpha",)]}, "two or more"),
    "a tie across scales": ((LAW,), {"tied": [("A", "alpha")]}, "cannot be tied"),
    "a tie of a fixed parameter": (
        (LAW,),
        {"tied": [("alpha", "beta")], "fixed": {"alpha": 0.3}},
        "both fixed and tied",
    ),
    "bounds without room": ((LAW,), {"bounds": {"alpha": (0.5, 0.4)}}, "leave no room"),
    "a level in percent": ((LAW,), {"level": 90}, "between 0 and 1"),
    "too few draws": ((LAW,), {"draws": 5}, "at least 20"),
    "unknown intervals": ((LAW,), {"intervals": "wild"}, "intervals must be"),
    "too many weights": ((LAW,), {"weights": np.ones(7)}, "weights"),
    "negative weights": ((LAW,), {"weights": -np.ones(60)}, "weights"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_cannot_be_used_is_refused(name, frame):
    law, options, message = REFUSED[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(*law, js.Runs.from_frame(frame), **options)


def test_an_unknown_option_of_fit_many_is_refused(groups):
    with pytest.raises((TypeError, js.InputError), match="huber_delta"):
        js.fit_many("chinchilla", groups, by="corpus", huber_delta=1e-3)
