"""Parameters that groups share: the joint optimum against SciPy, its limits, its errors, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares, minimize
from scipy.special import expit, fdtrc, huber, logsumexp, stdtrit

import jaxscale as js

LAW = js.laws.power_law("N")  # L = E + A N^-alpha; theta is log A, log E, alpha
NAMES = LAW.parameter_names
SHARES = {
    "one exponent": {"alpha": 0.0},
    "one exponent and floor": {"alpha": 0.0, "E": 0.0},
    "exponents apart": {"alpha": 0.05},
    "exponents apart, one floor": {"alpha": 0.05, "E": 0.0},
    "all apart": {"alpha": 0.02, "A": 0.3, "E": 0.1},
}
QUICK = "exponents apart, one floor"
PRIORS = {"alpha": (0.25, 0.01), "A": (150.0, 0.1)}  # of the centre, and of each group


def table(groups=4, runs=12, spread=0.03, noise=0.004, seed=0, floors=0.1) -> pd.DataFrame:
    """Groups on the law, whose exponents lie `spread` apart around 0.3 and whose floors `floors`, in logs."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(groups):
        truth = {"A": 200 * np.exp(rng.normal(0, 0.2)), "E": 1.7 * np.exp(rng.normal(0, floors))}
        truth["alpha"] = 0.3 + spread * rng.standard_normal()
        N = np.exp(rng.uniform(np.log(1e6), np.log(1e10), runs))
        loss = LAW.predict(truth, N=N) * np.exp(noise * rng.standard_normal(runs))
        parts.append(pd.DataFrame({"corpus": f"c{k}", "N": N, "loss": loss, "truth": truth["alpha"]}))
    return pd.concat(parts, ignore_index=True)


def fit(data: pd.DataFrame, share, **options) -> js.Fits:
    return js.fit_many(LAW, data, by="corpus", share=share, **({"intervals": None} | options))


def thetas(fits: js.Fits) -> np.ndarray:
    return np.array([one.theta for _, one in fits])


def power_terms(group: pd.DataFrame) -> np.ndarray:
    """Logs of A N^-alpha and E are linear in theta: coefficients (2, rows, 3)."""
    log_n = np.log(group.N.to_numpy())
    one, zero = np.ones_like(log_n), np.zeros_like(log_n)
    return np.array([[one, zero, -log_n], [zero, one, zero]]).swapaxes(1, 2)


def huber_like(residual, delta=1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Misfit and its slope."""
    return huber(delta, residual), np.clip(residual, -delta, delta)


def joint_optimum(
    data, share, noise, terms=power_terms, begin=(5.0, 0.4, 0.28), seeds=3, misfit=huber_like, priors=(), unit=0.0
):
    """SciPy's best of some starts, and theta of each group there: the objective of a law that is a sum of powers
    written anew in NumPy, theta = centre + width * offset, all unknowns in one vector. `priors`: name, centre of theta
    and width, of which half a squared width off weighs `unit`, once for all groups or in each."""
    names = NAMES if terms is power_terms else js.laws.chinchilla.parameter_names
    groups = [(terms(g), np.log(g.loss.to_numpy())) for _, g in data.groupby("corpus", sort=False)]
    count, columns = len(groups), [names.index(name) for name in share]
    widths = np.array(list(share.values()))
    own = [k for k in range(len(names)) if k not in columns]

    def unpacked(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centre, private, offsets = np.split(x, [len(columns), len(columns) + count * len(own)])
        offsets = offsets.reshape(count, len(columns))
        theta = np.empty((count, len(names)))
        theta[:, own], theta[:, columns] = private.reshape(count, -1), centre + widths * offsets
        return theta, offsets

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        theta, offsets = unpacked(x)
        value, slope = noise / 2 * np.sum(offsets**2), np.empty_like(theta)
        for k, (coefficients, log_loss) in enumerate(groups):
            powers = coefficients @ theta[k]
            total = logsumexp(powers, axis=0)
            residual = total - log_loss
            heights, psi = misfit(residual)
            value += heights.sum()
            slope[k] = np.einsum("tn,tnp->p", psi * np.exp(powers - total), coefficients)
        of_centre = np.zeros(len(columns))
        for name, middle, width in priors:
            j, column = columns.index(names.index(name)) if name in share else None, names.index(name)
            off = (theta[:, column] if j is None else x[j]) - middle
            value += unit / 2 * np.sum((off / width) ** 2)
            if j is None:
                slope[:, column] += unit * off / width**2
            else:
                of_centre[j] = unit * off / width**2
        parts = slope[:, columns].sum(axis=0) + of_centre, slope[:, own], widths * slope[:, columns] + noise * offsets
        return value, np.concatenate([x.ravel() for x in parts])

    found = []
    for seed in range(seeds):
        x = np.concatenate([np.array(begin)[columns], np.tile(np.array(begin)[own], count)])
        x = np.concatenate([x, np.zeros(count * len(columns))])
        x += 0.02 * np.random.default_rng(seed).standard_normal(len(x))
        found.append(minimize(objective, x, jac=True, method="BFGS", options={"gtol": 1e-12, "maxiter": 5000}))
    best = min(found, key=lambda f: f.fun)
    return best.fun, unpacked(best.x)[0]


@pytest.mark.slow
def test_groups_without_noise_are_not_blamed_for_rounding():
    sharing = fit(table(noise=0.0, spread=0.0), SHARES["one exponent"]).sharing
    assert sharing.gradient_norm > 1e-5 and "gradient_not_zero" not in sharing.verdict.codes


@pytest.mark.parametrize("name", [n if n == QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SHARES])
def test_scipy_finds_no_lower_joint_optimum_and_the_same_parameters(name):
    data, share = table(), SHARES[name]
    fits = fit(data, share)
    value, theta = joint_optimum(data, share, fits.sharing.noise)
    assert fits.sharing.value <= value * (1 + 1e-10)
    assert thetas(fits) == pytest.approx(theta, abs=2e-5)
    assert fits.sharing.gradient_norm < 1e-8
    assert fits.sharing.at_best >= 5
    assert sum(one.value for _, one in fits) <= fits.sharing.value * (1 + 1e-12)
    for parameter, width in share.items():
        if width == 0:
            assert len({one.params[parameter] for _, one in fits}) == 1


def scatter(fits: js.Fits, data: pd.DataFrame) -> tuple[np.ndarray, float, int]:
    """Residuals of all groups around a joint fit, their robust standard deviation, and degrees of freedom."""
    groups = data.groupby("corpus", sort=False)
    off = np.concatenate([np.log(fits[k].predict(N=g.N.to_numpy()) / g.loss.to_numpy()) for k, g in groups])
    p = round(fits.sharing.parameters)
    return off, float(1.4826 * np.median(np.sort(np.abs(off))[p:])), len(off) - p


@pytest.mark.parametrize("width", [0.0, pytest.param(0.05, marks=pytest.mark.slow)])
def test_priors_of_a_joint_fit_are_scipys(width):
    """Of least squares, where half a squared width off weighs the variance of the noise."""
    data, share, options = table(), {"alpha": width}, {"objective": js.SquaredError()}
    bare, fits = fit(data, share, **options), fit(data, share, priors=PRIORS, intervals="quick", **options)
    off, sigma, freedom = scatter(bare, data)
    priors = [("alpha", *PRIORS["alpha"]), ("A", np.log(150.0), 0.1)]
    whole = {"misfit": lambda r: (r**2 / 2, r), "priors": priors, "unit": off @ off / freedom}
    value, theta = joint_optimum(data, share, fits.sharing.noise, **whole)
    assert fits.sharing.value <= value * (1 + 1e-10)
    assert thetas(fits) == pytest.approx(theta, abs=2e-5)
    assert fits.sharing.gradient_norm < 1e-8
    assert fits.sharing.p_value == bare.sharing.p_value and "priors left out" in fits.sharing.test
    assert fits["c0"].noise.sigma == pytest.approx(sigma, rel=1e-6)
    assert 0.25 < fits.sharing.centres["alpha"] < bare.sharing.centres["alpha"]
    assert ("prior_contradicted" in fits.sharing.verdict.codes) is (width == 0)
    assert ("prior of the centre 0.25" if width else "prior 0.25") in str(fits["c1"])
    within, without = (
        np.ptp(x.sharing.intervals["alpha"]) for x in (fits, fit(data, share, intervals="quick", **options))
    )
    assert within < without


@pytest.mark.slow
@pytest.mark.parametrize("width", [0.0, 0.05])
def test_draws_of_a_joint_fit_scatter_as_priors_do_that_say_more_than_the_runs(width):
    tight = {"alpha": (0.3, 1e-5), "E": (1.7, 1e-5)}
    options = {"objective": js.SquaredError(), "priors": tight, "intervals": "bootstrap", "draws": 400}
    fits = fit(table(spread=0.0, floors=0.0), {"alpha": width}, **options)
    low, high = fits.sharing.intervals["alpha"]
    assert high - low == pytest.approx(2 * 1.645 * 1e-5, rel=0.15)
    for _, one in fits:
        assert one.intervals.theta_standard_errors["E"] == pytest.approx(1e-5, rel=0.15)


@pytest.mark.parametrize("objective", [js.Huber("matched"), js.StudentT()], ids=["huber", "student"])
@pytest.mark.slow
def test_objectives_matched_to_the_noise_of_all_groups_are_scipys(objective):
    data, share = table(), {"alpha": 0.05, "E": 0.0}
    fits = fit(data, share, objective=objective, intervals="quick")
    _, sigma, _ = scatter(fit(data, share), data)

    def student(r):
        return 2 * sigma**2 * np.log1p(r**2 / (4 * sigma**2)), r / (1 + r**2 / (4 * sigma**2))

    misfit = student if objective == js.StudentT() else lambda r: huber_like(r, 1.345 * sigma)
    value, theta = joint_optimum(data, share, fits.sharing.noise, misfit=misfit)
    assert fits.sharing.value == pytest.approx(value, rel=1e-9)
    assert thetas(fits) == pytest.approx(theta, abs=2e-5)
    assert fits["c0"].objective == fits["c3"].objective == objective.at(fits["c0"].noise.sigma)
    assert fits["c0"].noise.sigma == pytest.approx(sigma, rel=1e-6)
    assert sum(one.value for _, one in fits) <= fits.sharing.value


@pytest.mark.slow
def test_widths_run_from_one_value_for_all_to_nothing_in_common():
    data = table()
    alone, same = fit(data, ()), fit(data, "alpha")
    assert alone.sharing is None
    assert thetas(fit(data, {"alpha": np.inf})) == pytest.approx(thetas(alone), rel=1e-12)
    far, near = fit(data, {"alpha": 100}), fit(data, {"alpha": 1e-7})
    assert thetas(far) == pytest.approx(thetas(alone), abs=1e-5)
    assert thetas(near) == pytest.approx(thetas(same), abs=1e-8)
    assert far.sharing.parameters == pytest.approx(4 * 3, abs=1e-3)
    assert near.sharing.parameters == pytest.approx(4 * 2 + 1, abs=1e-3)
    spread = [np.ptp(thetas(fit(data, {"alpha": width}))[:, 2]) for width in (0.0, 0.01, 0.03, 0.1, 1.0)]
    assert spread[0] == 0 and np.all(np.diff(spread) > 0)


@pytest.mark.slow
def test_one_group_is_a_fit_of_its_own():
    data = table(groups=1, runs=30)
    together, alone = fit(data, ("alpha", "E"), intervals="quick")["c0"], js.fit(LAW, data, intervals="quick")
    assert together.theta == pytest.approx(alone.theta, abs=1e-9)
    assert together.value == pytest.approx(alone.value, rel=1e-12)
    assert together.covariance.matrix == pytest.approx(alone.covariance.matrix, rel=1e-6)
    assert together.intervals.params["alpha"] == pytest.approx(alone.intervals.params["alpha"], rel=1e-6)
    assert together.identification.condition_number == pytest.approx(alone.identification.condition_number, rel=1e-6)


@pytest.mark.parametrize("priors", [None, PRIORS], ids=["bare", "priors"])
def test_quick_errors_are_those_of_one_dense_sandwich(priors):
    """All unknowns in one matrix: centre of alpha, E of all, and A and an offset of alpha for each group."""
    data, width = table(), 0.03
    fits = fit(data, {"alpha": width, "E": 0.0}, objective=js.SquaredError(), intervals="quick", priors=priors)
    noise, count = fits.sharing.noise, 4
    size = 2 + 2 * count
    bread, scores, parts = np.zeros((size, size)), np.zeros((size, size)), []
    for k, (name, group) in enumerate(data.groupby("corpus", sort=False)):
        p, log_n = fits[name].params, np.log(group.N.to_numpy())
        power = p["A"] * np.exp(-p["alpha"] * log_n)
        share, residual = power / (power + p["E"]), np.log((power + p["E"]) / group.loss.to_numpy())
        slopes = np.zeros((len(group), size))
        slopes[:, 0], slopes[:, 1], slopes[:, 2 + 2 * k] = -share * log_n, 1 - share, share
        slopes[:, 3 + 2 * k] = -width * share * log_n
        bread += slopes.T @ slopes
        parts.append((slopes, residual))
    offsets = np.arange(3, size, 2)
    bread[offsets, offsets] += noise
    scores[offsets, offsets] += noise**2
    if priors:
        unit = fits["c0"].noise.dispersion
        for at, name in ((0, "alpha"), (np.arange(2, size, 2), "A")):
            bread[at, at] += unit / priors[name][1] ** 2
            scores[at, at] += unit**2 / priors[name][1] ** 2
    for slopes, residual in parts:  # residuals over one minus the leverage: HC3
        leverage = np.diag(slopes @ np.linalg.inv(bread) @ slopes.T)
        scores += slopes.T * (residual / (1 - leverage)) ** 2 @ slopes
    covariance = np.linalg.inv(bread) @ scores @ np.linalg.inv(bread)
    for k, (_, one) in enumerate(fits):
        of_theta = np.zeros((3, size))  # A, E, alpha
        of_theta[0, 2 + 2 * k] = of_theta[1, 1] = of_theta[2, 0] = 1
        of_theta[2, 3 + 2 * k] = width
        assert one.covariance.matrix == pytest.approx(of_theta @ covariance @ of_theta.T, rel=1e-6)
    low, high = fits.sharing.intervals["alpha"]
    freedom = len(data) - round(fits.sharing.parameters)
    assert (high - low) / 2 == pytest.approx(np.sqrt(covariance[0, 0]) * float(stdtrit(freedom, 0.95)), rel=1e-6)


@pytest.mark.slow
def test_the_test_of_one_value_is_the_ratio_of_sums_of_squares():
    """For least squares the statistic is the classical F of nested regressions, from two fits of the public kind."""
    data = table(spread=0.002, seed=1)
    fits, alone = (fit(data, share, objective=js.SquaredError()) for share in ("alpha", ()))
    separate = sum(one.value for _, one in alone)
    freedom = len(data) - 4 * 3
    expected = 2 * (fits.sharing.value - separate) / (2 * separate / freedom)
    assert fits.sharing.statistic == pytest.approx(expected, rel=1e-6)
    assert (fits.sharing.constraints, fits.sharing.freedom) == (3, freedom)
    assert fits.sharing.p_value == pytest.approx(float(fdtrc(3, freedom, expected / 3)), rel=1e-6)
    assert "do not contradict" in fits.sharing.test
    apart = fit(table(spread=0.05), "alpha")
    assert apart.sharing.p_value < 1e-4 and apart.sharing.verdict.codes == ("sharing_contradicted",)
    assert all("sharing_contradicted" in one.verdict.codes for _, one in apart)


@pytest.mark.slow
def test_groups_too_small_to_be_fitted_alone_are_fitted_together():
    """Two runs a group determine A and nothing else, so alpha and E come from all."""
    data = table(groups=12, runs=2, spread=0.0, noise=1e-3, floors=0.0)
    alone, together = fit(data, ()), fit(data, ("alpha", "E"))
    assert not any(one.verdict.trustworthy for _, one in alone)
    assert all(one.verdict.trustworthy for _, one in together)
    assert together.sharing.centres == pytest.approx({"alpha": 0.3, "E": 1.7}, rel=0.02)
    assert together.sharing.p_value is None and "cannot be tested" in together.sharing.test


@pytest.mark.slow
def test_pooling_errs_less_than_separate_fits_and_its_intervals_hold_the_truth():
    """Over planted tables whose exponents lie apart by the width told: errors of each group's exponent, and how often
    the 90 % intervals hold it."""
    width, errors, inside = 0.02, {"alone": [], "pooled": []}, []
    for seed in range(16):
        data = table(groups=6, runs=20, spread=width, noise=0.02, seed=seed)
        truth = data.groupby("corpus", sort=False).truth.first()
        pooled = fit(data, {"alpha": width}, intervals="bootstrap", draws=100)
        for name, fits in (("alone", fit(data, ())), ("pooled", pooled)):
            errors[name] += [one.params["alpha"] - truth[group] for group, one in fits]
        ends = [(one.intervals.params["alpha"], truth[group]) for group, one in pooled]
        inside += [low <= true <= high for (low, high), true in ends]
    alone, together = (np.sqrt(np.mean(np.square(errors[name]))) for name in ("alone", "pooled"))
    # Of a normal value with errors like `alone`, known to lie `width` around its centre.
    expected = alone / np.sqrt(1 + (alone / width) ** 2)
    assert together < 1.2 * expected < 0.9 * alone
    assert 0.83 < np.mean(inside) < 0.97


@pytest.fixture(scope="module")
def pooled() -> js.Fits:
    return fit(table(), {"alpha": 0.03, "E": 0.0}, intervals="quick")


def test_a_joint_fit_is_kept_in_a_file_and_shown(pooled, tmp_path):
    pooled.save(tmp_path / "fits.json")
    again = js.load(tmp_path / "fits.json")
    assert {**vars(again.sharing), "verdict": 0} == {**vars(pooled.sharing), "verdict": 0}
    assert again.sharing.verdict == pooled.sharing.verdict
    assert again["c1"].shared == {"alpha": 0.03, "E": 0.0}
    text = str(pooled)
    assert text.index("In common to 4 groups") < text.index("c0")
    assert "apart by 0.03" in text and "one value" in text and "likelihood ratio" in text
    assert "common to all groups" in str(pooled["c1"]) and "pooled with other groups, 0.03 apart" in str(pooled["c1"])
    assert "together with other groups" in pooled["c1"].card().to_markdown()


def test_questions_that_need_the_other_groups_are_refused(pooled):
    for question in (
        js.bootstrap,
        lambda one: js.profile(one, "alpha"),
        lambda one: js.ratio_test(one, fixed={"E": 1}),
    ):
        with pytest.raises(js.InputError, match="fitted together with other groups"):
            question(pooled["c0"])


def test_a_group_that_cannot_be_read_disturbs_no_other():
    data = table()
    broken = pd.concat([data, pd.DataFrame({"corpus": ["bad"], "N": [1e9], "loss": [-1.0]})])
    found, expected = fit(broken, "alpha"), fit(data, "alpha")
    assert thetas(fit(data, "alpha")) == pytest.approx(thetas(expected), rel=1e-12)
    assert [name for name, one in found if isinstance(one, js.FitResult)] == ["c0", "c1", "c2", "c3"]
    with pytest.raises(js.InputError, match="loss"):
        found["bad"]


REFUSED = {
    "an unknown parameter": ("beta", {}, "no parameter 'beta'; it has A, E, alpha"),
    "a fixed parameter": ("alpha", {"fixed": {"alpha": 0.3}}, "alpha is fixed, so there is nothing of it to share"),
    "a negative width": ({"alpha": -1.0}, {}, "a width from 0 on"),
    "a width that is none": ({"alpha": True}, {}, "a width from 0 on"),
    "profiles": ("alpha", {"intervals": "profile"}, "a joint fit has its own"),
    "listed starts": ("alpha", {"starts": [{"A": 1.0}]}, "a joint fit has its own"),
    "two widths of tied parameters": (
        {"alpha": 0.0, "E": 0.1},
        {"tied": [("alpha", "E")]},
        "cannot be tied|another width",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shared_is_refused(name):
    share, options, message = REFUSED[name]
    with pytest.raises(js.InputError, match=message):
        fit(table(), share, **options)


def test_the_command_line_shares(jaxscale, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = table()
    data.to_csv("runs.csv", index=False)
    common = ("fit", "runs.csv", "--law", "power_law", "--intervals", "none")
    status, out, _ = jaxscale(*common, "--by", "corpus", "--share", "E,alpha=0.03", "--json")
    assert status == 0
    shown = json.loads(out)["sharing"]
    assert shown["widths"] == {"E": 0.0, "alpha": 0.03}
    assert shown["value"] == fit(data, {"E": 0.0, "alpha": 0.03}).sharing.value
    for wrong, message in ((("--share", "alpha"), "name their column with --by"),
                           (("--by", "corpus", "--share", "alpha="), "takes names with commas")):  # fmt: skip
        status, _, err = jaxscale(*common, *wrong)
        assert status == 2 and message in err


def chinchilla_terms(group: pd.DataFrame) -> np.ndarray:
    """Logs of A N^-alpha, B D^-beta and E, in theta of A, B, E, alpha, beta: (3, rows, 5)."""
    log_n, log_d = np.log(group.N.to_numpy()), np.log(group.D.to_numpy())
    one, zero = np.ones_like(log_n), np.zeros_like(log_n)
    rows = [one, zero, zero, -log_n, zero], [zero, one, zero, zero, -log_d], [zero, zero, one, zero, zero]
    return np.array(rows).swapaxes(1, 2)


@pytest.mark.data
@pytest.mark.slow
def test_porians_recipes_have_no_exponents_in_common(data_folder):
    """Ten recipes and conventions of counting, RefinedWeb (Porian et al. 2024): one joint fit, which SciPy does not
    better, and which the runs contradict, as the paper's ten different exponents say."""
    data = pd.read_csv(data_folder / "porian_refinedweb.csv")
    data = data.rename(columns={"group": "corpus", "params": "N", "tokens": "D"})[["corpus", "N", "D", "loss"]]
    share = {"alpha": 0.0, "beta": 0.05}
    fits = js.fit_many("chinchilla", data, by="corpus", share=share, intervals=None)
    value, _ = joint_optimum(data, share, fits.sharing.noise, chinchilla_terms, (6.0, 7.0, 0.6, 0.35, 0.35), 1)
    assert len(fits) == 10 and fits.sharing.value <= value * (1 + 1e-9)
    assert fits.sharing.gradient_norm < 1e-7
    assert fits.sharing.p_value < 1e-6 and "sharing_contradicted" in fits.sharing.verdict.codes


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("task", ["hellaswag", "mmlu"])
def test_families_of_models_differ_in_efficiency_alone(task, data_folder):
    """The downstream step on 97 public models of 23 families (Ruan et al. 2024), which come without a loss: accuracy is
    a sigmoid of the logarithm of compute, as steep for all families, each with a compute of its own at which it is half
    way. That families differ in their efficiency alone is what the paper assumes; it prints no figure for it, so SciPy
    is the second route. Most families have three or four models, too few to be fitted alone."""
    data = js.datasets.frame("obs_base_llm")
    data = data[data.flops != ""]
    data = data[data.groupby("group").group.transform("size") >= 3]
    data = data.assign(**{name: pd.to_numeric(data[name]) for name in ("flops", f"acc_{task}")})
    pins = {"chance": 0.25, "ceiling": 0.95, "slope": 1.0, "x_0": 0.0}
    columns = {"C": "flops", "response": f"acc_{task}", "domains": {"response": "unit"}}
    options = {"objective": js.SquaredError(space="raw"), "fixed": pins, "intervals": None, **columns}
    alone, together = (
        js.fit_many("llama3_two_step", data, by="group", share=share, **options) for share in ((), ("k",))
    )
    names, family = np.unique(data.group, return_inverse=True)
    log_c, accuracy = np.log10(data.flops.to_numpy()), data[f"acc_{task}"].to_numpy()

    def residuals(x: np.ndarray) -> np.ndarray:
        return 0.25 + 0.7 * expit(np.exp(x[0]) * (log_c - x[1:][family])) - accuracy

    found = least_squares(residuals, [0.0, *np.full(len(names), 23.0)], xtol=1e-15, ftol=1e-15, gtol=1e-15)
    assert together.sharing.value == pytest.approx(found.cost, rel=1e-9)
    assert together.sharing.centres["k"] == pytest.approx(np.exp(found.x[0]), rel=1e-5)
    assert [np.log10(together[name].params["C_0"]) for name in names] == pytest.approx(found.x[1:], abs=1e-5)
    assert together.sharing.p_value > 0.3
    assert sum(one.verdict.trustworthy for _, one in together) == len(names) == 23
    assert sum(one.verdict.trustworthy for _, one in alone) <= 4
