"""The joint law of seven domains (33 parameters) beside SciPy's basin-hopping, which its authors fit it by."""

import time

import numpy as np
from scipy.optimize import basinhopping

import jaxscale as js
from benchmarks.rows import Row, timed
from studies.mixture_fits import DOMAINS, LAW, planted

_HOPS, _ENOUGH = 400, 1e-6  # hops at most; an objective is reached within this, relatively


class Misfit:
    """Half the sum of squares of log residuals with its analytic gradient, in NumPy; theta as the law orders it."""

    def __init__(self, runs: js.Runs):
        self.log_N, self.log_D = np.log(runs.variable("N")), np.log(runs.variable("D"))
        self.h, self.observed = runs.variable("h"), np.log(runs.response)
        names, numbers = LAW.parameter_names, range(1, DOMAINS + 1)
        self.parts = {x: [names.index(f"{x}{i}") for i in numbers] for x in ("C", "gamma", "A", "B")}
        self.single = {x: names.index(x) for x in ("E", "alpha", "beta", "gamma_A", "gamma_B")}

    def value_and_gradient(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective and its gradient; a large number where it overflows."""
        one, log_h = {x: z[k] for x, k in self.single.items()}, np.log(self.h)
        with np.errstate(all="ignore"):
            return self._value_and_gradient(z, one, log_h)

    def _value_and_gradient(self, z: np.ndarray, one: dict[str, float], log_h: np.ndarray) -> tuple[float, np.ndarray]:
        worth = np.exp(z[self.parts["C"]] + z[self.parts["gamma"]] * log_h)
        floor = 1 / worth.sum(axis=1)
        terms, slopes = np.exp(one["E"]) + floor, {"E": np.full(len(floor), np.exp(one["E"]))}
        slopes["C"] = -((floor**2)[:, None] * worth)
        slopes["gamma"] = slopes["C"] * log_h
        for x, exponent, log_size in (("A", "alpha", self.log_N), ("B", "beta", self.log_D)):
            each = self.h * np.exp(z[self.parts[x]])
            total, power = each.sum(axis=1), np.exp(one[f"gamma_{x}"])
            term = np.exp(power * np.log(total) - one[exponent] * log_size)
            terms = terms + term
            slopes |= {exponent: -term * log_size, f"gamma_{x}": term * power * np.log(total)}
            slopes[x] = (term * power / total)[:, None] * each
        rest = np.log(terms) - self.observed
        value = 0.5 * float(rest @ rest)
        if not np.isfinite(value):
            return 1e10, np.zeros(len(z))
        gradient = np.empty(len(z))
        for x, k in (self.parts | self.single).items():
            gradient[k] = (rest / terms) @ slopes[x]
        return value, gradient


def mixtures() -> list[Row]:
    """Both from starts of their own: seconds until the objective that jaxscale ends at, and what is reached by then."""
    runs = planted(0)
    result, run, compile_ = timed(lambda: js.fit(LAW, runs, objective=js.SquaredError(), intervals=None))
    ours = f"{result.value:.8g}, {result.starts.at_best} of {result.starts.count} starts agree"
    seconds, reached, hops = hopping(Misfit(runs), result.value)
    met = reached <= result.value * (1 + _ENOUGH)
    theirs = f"{reached:.8g} after {hops} hops" + ("" if met else ", stopped short")
    job = f"mixture of {DOMAINS}, {len(LAW.parameters)} parameters"
    return [
        Row(job, "jaxscale", ours, run, compile_, seconds / run),
        Row(job, "SciPy basin-hopping", theirs, seconds),
    ]


def hopping(misfit: Misfit, target: float, hops: int = _HOPS) -> tuple[float, float, int]:
    """Seconds, objective and hops of basin-hopping over L-BFGS-B from a start in which every term counts."""
    log_N, log_D, log_loss = (float(np.mean(x)) for x in (misfit.log_N, misfit.log_D, misfit.observed))
    start = np.zeros(len(LAW.parameters))
    for x, value in {"E": log_loss - 1, "alpha": 0.3, "beta": 0.3, "gamma_A": 0.0, "gamma_B": 0.0}.items():
        start[misfit.single[x]] = value
    for x, value in {
        "C": -log_loss,
        "gamma": 0.5,
        "A": log_loss - 1 + 0.3 * log_N,
        "B": log_loss - 1 + 0.3 * log_D,
    }.items():
        start[misfit.parts[x]] = value
    begun = time.perf_counter()
    found = basinhopping(
        misfit.value_and_gradient,
        start,
        niter=hops,
        stepsize=0.5,
        rng=0,
        minimizer_kwargs={"jac": True, "method": "L-BFGS-B", "options": {"maxiter": 5000, "maxfun": 20000}},
        callback=lambda x, f, accept: bool(f <= target * (1 + _ENOUGH)),
    )
    return time.perf_counter() - begun, float(found.fun), int(found.nit)
