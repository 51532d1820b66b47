"""Truths planted in every law, and in laws of one's own, are recovered."""

import itertools
from functools import cache

import numpy as np
import pytest
from helpers import LAW_CASES

import jaxscale as js


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
QUICK = ("chinchilla", "power_law-variable=N-floor=True")


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(c, id=c.label, marks=() if c.label in QUICK else pytest.mark.slow)
        for c in LAW_CASES
        if c.law.response.domain == "positive" and not c.shaped_like  # what `observe` can draw
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


@cache
def own_law(name: str) -> js.Law:
    """A law of one's own, whose programs serve runs in any unit."""
    return js.Law.from_loss(OWN[name][0], name=name)


@pytest.mark.slow
@pytest.mark.parametrize("units", [1.0, 1e9], ids=["counts", "billions"])
@pytest.mark.parametrize("name", OWN)
def test_recovers_a_planted_truth_of_ones_own_law(name, units):
    _, truth, variables = OWN[name]
    law = own_law(name)
    truth = dict(zip(law.parameter_names, truth, strict=True))
    scaled = {k: v / units if k in "ND" else v for k, v in variables.items()}
    runs = js.synthetic.observe(law, truth, variables, noise=2e-3, seed=5)
    result = js.fit(law, js.Runs(scaled, runs.response), objective=js.SquaredError(), intervals=None)
    errors = np.log(law.predict(truth, **variables) / runs.response)
    assert result.value <= 0.5 * np.sum(errors**2) * (1 + 1e-9)
    off = np.log(result.predict(**scaled) / law.predict(truth, **variables))
    assert np.sqrt(np.mean(off**2)) < 3 * 2e-3 * np.sqrt(len(truth) / runs.count)
