"""Which method makes the intervals."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from helpers import LAW, TRUTH
from scipy.stats import norm

import jaxscale as js
from jaxscale._problem.losses import HuberLoss
from jaxscale._problem.problem import make_problem
from jaxscale._trust.covariance import powell_covariance
from jaxscale._trust.identification import Identification
from jaxscale._trust.interval_method import choose_method, singular_share
from jaxscale._trust.linearization import Linearization, linearize
from jaxscale._trust.optimum import Optimum

SOUND, WEAK, HOPELESS = (Identification(condition, {}, {}) for condition in (5e4, 4e5, 2e9))


def rows(count: int, overestimate: float = 1.0) -> Linearization:
    rng = np.random.default_rng(0)
    names = LAW.parameter_names
    loss = HuberLoss(1e-3, overestimate)
    return Linearization(
        names, *(rng.standard_normal(s) for s in (count, (count, 5), count)), np.ones(count), loss, np.zeros(5, bool)
    )  # fmt: skip


def labels(groups: int, count: int) -> tuple[str, ...]:
    return tuple(f"run {k % groups}" for k in range(count))


CHOICES = {  # rows, conditioning, clusters, asked for: chosen, and a word of the reason
    "20 runs": (20, SOUND, None, "auto", "bootstrap", "20 independent runs"),
    "19 runs": (19, SOUND, None, "auto", "profile", "too few to resample"),
    "9 runs": (9, SOUND, None, "auto", "profile", "4 degrees of freedom"),
    "hardly determined": (240, WEAK, None, "auto", "profile", "condition number 4.0e+05"),
    "hardly determined, clusters": (240, WEAK, labels(12, 240), "auto", "bootstrap", "12 independent runs"),
    "8 runs": (8, SOUND, None, "auto", "none", "3 degrees of freedom"),
    "not determined": (100, HOPELESS, None, "auto", "none", "condition number"),
    "clusters": (240, SOUND, labels(12, 240), "auto", "bootstrap", "12 independent runs"),
    "few clusters": (240, SOUND, labels(7, 240), "auto", "none", "only 7 independent runs"),
    "asked for": (12, SOUND, None, "bootstrap", "bootstrap", "asked for"),
    "not asked for": (240, SOUND, None, "none", "none", "not asked for"),
}


@pytest.mark.parametrize("name", CHOICES)
def test_the_method_follows_the_number_of_runs(name):
    count, identification, clusters, method, chosen, reason = CHOICES[name]
    found, why = choose_method(method, rows(count), identification, clusters)
    assert found == chosen and reason in why


@pytest.mark.parametrize(
    ("count", "method", "reason"),
    [(60, "bootstrap", "(percentile)"), (40, "none", "about 4.0 of 40 runs lie below the law, too few for 5")],
)
def test_lower_edges_are_resampled_where_enough_runs_lie_below(count, method, reason):
    """And are not corrected for bias."""
    found, why = choose_method("auto", rows(count, overestimate=9.0), SOUND, None)
    assert found == method and reason in why


def test_an_objective_that_follows_the_size_of_residuals_has_the_sandwich():
    """Resampled, squares hold the truth 79 to 84 % of the time where the scatter is uneven."""
    squares = replace(rows(40), loss=HuberLoss(np.inf, 1.0))
    found, why = choose_method("auto", squares, SOUND, None)
    assert found == "quick" and why == "40 independent runs and an objective that follows the size of their residuals"
    assert choose_method("auto", replace(rows(12), loss=HuberLoss(np.inf, 1.0)), SOUND, None)[0] == "profile"


def test_a_bound_near_the_fit_is_followed_by_profiles(runs):
    """Resampled fits would end on the bound; a bound far off changes nothing."""
    tight = js.fit(LAW, runs, bounds={"alpha": (None, 0.36)}, starts=[TRUTH])
    assert tight.intervals.method == "profile" and "a bound of alpha" in tight.intervals.why
    assert tight.intervals.params["alpha"][1] == pytest.approx(0.36) or tight.params["alpha"] < 0.36
    with jax.enable_x64(True):
        wide = make_problem(LAW, runs, js.Huber(), bounds={"alpha": (0.01, 2.0)})
        optimum = Optimum(wide, tight.theta, linearize(wide, tight.theta))
        assert optimum.near_bounds == ()
        close = make_problem(LAW, runs, js.Huber(), bounds={"alpha": (tight.params["alpha"] - 1e-3, None)})
        assert Optimum(close, tight.theta, optimum.at).near_bounds == ("alpha",)


def near_one_ray(beyond: int) -> js.Runs:
    """Runs at 20 tokens per parameter, and some at 200, without which alpha and beta cannot be told apart."""
    N = np.concatenate([np.geomspace(3e7, 1e10, 30 - beyond), np.geomspace(5e7, 5e9, beyond)])
    D = N * np.repeat([20.0, 200.0], [30 - beyond, beyond])
    return js.synthetic.observe(LAW, TRUTH, {"N": N, "D": D}, noise=0.003, seed=2)


@pytest.mark.parametrize(("beyond", "method"), [(3, "profile"), (15, "pairs_bias_corrected")])
def test_runs_are_not_resampled_where_a_few_of_them_decide(beyond, method):
    """The share of singular draws, against condition numbers of NumPy for tables drawn here."""
    runs = near_one_ray(beyond)
    result = js.fit(LAW, runs, draws=50, starts=[TRUTH])
    assert result.intervals.method == method
    with jax.enable_x64(True):
        at = linearize(make_problem(LAW, runs, js.Huber()), result.theta)

    def condition(rows):
        return np.linalg.cond(rows / np.maximum(np.linalg.norm(rows, axis=0), 1e-300)) ** 2

    rng = np.random.default_rng(5)
    found = [condition(at.jacobian[rng.integers(30, size=32)]) > 10 * condition(at.jacobian) for _ in range(400)]
    share = singular_share(at)
    if method == "profile":  # what a plan goes by is as long as the profiles, in the mean over parameters
        ends = np.array([[p.to_theta(x) for x in result.intervals.params[p.name]] for p in LAW.parameters])
        half = norm.ppf(0.95) * np.sqrt(np.diag(result.covariance.matrix))
        assert np.mean(np.log((ends[:, 1] - ends[:, 0]) / 2 / half)) == pytest.approx(0, abs=1e-9)
        quick = powell_covariance(at).matrix
        np.testing.assert_allclose(result.covariance.matrix / quick, result.covariance.matrix[0, 0] / quick[0, 0])
        assert result.covariance.method == "profile"
    assert share == pytest.approx(np.mean(found), abs=3 * np.sqrt(2 * share * (1 - share) / 400) + 0.005)
    assert (share > 0.02) == (method == "profile") == ("which a few runs tell apart" in result.intervals.why)


def test_an_exponent_that_is_hardly_known_is_profiled():
    assert choose_method("auto", rows(240), SOUND, None, 0.24)[0] == "bootstrap"
    found, why = choose_method("auto", rows(240), SOUND, None, 0.26)
    assert found == "profile" and "known only to 26 %" in why
