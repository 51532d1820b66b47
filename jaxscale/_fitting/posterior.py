"""Draws of the posterior: Student's t likelihood with its scale unknown, weak priors, and Hamiltonian Monte Carlo."""

import importlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import gammaln

from jaxscale._base.errors import InputError, MissingExtraError
from jaxscale._base.progress import listening, tell
from jaxscale._base.settings import in_float64
from jaxscale._base.validation import Progress
from jaxscale._data.runs import Runs
from jaxscale._fitting.draws import Draws
from jaxscale._fitting.result import FitResult, problem_of, runs_of
from jaxscale._problem.evaluate import predictor
from jaxscale._problem.problem import Problem, read_priors
from jaxscale._problem.units import in_plain_counts
from jaxscale._trust.identification import HOPELESS_CONDITION, identify
from jaxscale._trust.linearization import Linearization, linearize

_CHAINS, _WARMUP, _PARTS = 4, 500, 5
_WIDTH_OF_LOG_SCALE = 1.0  # of the prior of the noise: within a factor of e of what the fit shows
_WORST_R_HAT, _FEWEST_EFFECTIVE = 1.02, 200.0


def posterior(
    result: FitResult,
    *,
    draws: int = 4000,
    freedom: float = 4.0,
    seed: int = 1,
    runs: Runs | None = None,
    progress: Progress | bool | None = None,
) -> Draws:
    """Sample the posterior of a law's parameters by NUTS (Hoffman & Gelman 2014, JMLR 15) in four chains.

    The residuals follow Student's t with `freedom` degrees of freedom and an unknown scale (Lange, Little & Taylor
    1989, JASA 84), each run counted by its weight. Priors are weak: the scale lies within a factor of e of the fit's
    typical residual (one standard deviation); theta has a unit-information prior (Kass & Wasserman 1995, JASA 90),
    Gaussian around the fit and as wide as if one run had been seen; priors that the fit was given come on top.
    Pins, ties and bounds are those of the fit. Needs numpyro: `pip install 'jaxscale[bayes]'`.

    Args:
        result: the fit.
        draws: how many are kept, of all chains together; each chain takes 500 more steps to adapt.
        freedom: degrees of freedom of the noise.
        seed: of the chains.
        runs: the runs, where the fit was read from a file that does not carry them.
        progress: called as progress(done, total, what); True for a line on standard error.

    Raises:
        MissingExtraError: numpyro is not installed.
        InputError: the runs are missing, belong together in clusters or do not determine the parameters, a parameter
            sits on its bound, or the chains do not agree (split R-hat above 1.02, or fewer than 200 effective draws).
    """
    try:
        infer, diagnostics = (importlib.import_module(f"numpyro.{name}") for name in ("infer", "diagnostics"))
    except ImportError:
        raise MissingExtraError("the posterior needs numpyro: pip install 'jaxscale[bayes]'") from None
    if draws < 400 or not 0 < freedom < np.inf:
        raise InputError(f"give 400 draws or more and positive degrees of freedom, got {draws!r} and {freedom!r}")
    runs = runs_of(result, runs)
    if runs.clusters is not None:
        raise InputError("rows of one run err together, which this likelihood does not know; use bootstrap")
    problem = problem_of(result, runs)
    best = problem.reduce(result.theta)
    with listening(progress, "sampling"), in_float64():
        at = linearize(problem, best)
        potential, place = _potential(result, problem, at, best, freedom)
        chains = infer.MCMC(
            infer.NUTS(potential_fn=potential),
            num_warmup=_WARMUP,
            num_samples=-(-draws // (_CHAINS * _PARTS)),
            num_chains=_CHAINS,
            chain_method="vectorized",
            progress_bar=False,
        )
        begin = 0.5 * np.random.default_rng(seed).standard_normal((_CHAINS, len(best) + 1))
        tell(0, 0, "adapting")
        chains.warmup(jax.random.key(seed), init_params=jnp.asarray(begin))
        parts = []
        for k in range(_PARTS):
            tell(k, _PARTS, "parts of the chains")
            chains.run(chains.post_warmup_state.rng_key)
            parts.append(np.asarray(chains.get_samples(group_by_chain=True)))
            chains.post_warmup_state = chains.last_state
    z = np.concatenate(parts, axis=1)
    r_hat = float(np.max(diagnostics.split_gelman_rubin(z)))
    effective = float(np.min(diagnostics.effective_sample_size(z)))
    if not (r_hat <= _WORST_R_HAT and effective >= _FEWEST_EFFECTIVE):
        raise InputError(
            f"the chains do not agree (split R-hat {r_hat:.3f}, {effective:.0f} effective draws); ask for more draws, "
            "or fix or tie what the runs do not determine"
        )
    free = place(z.reshape(-1, z.shape[-1])[:, :-1])[:draws]
    return Draws.of(result, problem.full(free), "nuts", seed)


def _potential(result: FitResult, problem: Problem, at: Linearization, best: np.ndarray, freedom: float) -> Any:
    """Minus the log posterior of z = (whitened free values, log scale over sigma), and the free values of some z."""
    if at.held.any():
        names = ", ".join(n for n, held in zip(at.names, at.held, strict=True) if held)
        raise InputError(f"{names} sits on a bound; fix it, or widen the bound")
    condition = identify(at, in_plain_counts(problem, best)).condition_number
    if at.freedom < 1 or not condition < HOPELESS_CONDITION or not at.sigma > 0:
        raise InputError("the runs do not determine the parameters and their scatter; fix or tie some of them")
    rows = at.jacobian[at.used] * np.sqrt(at.weights[at.used])[:, None]
    norms = np.linalg.norm(rows, axis=0)
    _, singular, directions = np.linalg.svd(rows / norms, full_matrices=False)
    spread = (directions.T / singular) / norms[:, None] * at.sigma  # its product with itself: sigma^2 / (J'J)
    centre, precision = read_priors(problem.law, problem.layout, result.priors)
    predict, points, count = predictor(problem.task), problem.points, int(at.used.sum())

    def place(z: Any) -> Any:
        """Free values (..., free) of whitened ones."""
        return best + z @ spread.T

    def potential(z: Array) -> Array:
        free, log_scale = place(z[:-1]), z[-1] * _WIDTH_OF_LOG_SCALE
        theta = problem.layout.full(tuple(free), problem.pinned)
        scale = at.sigma * jnp.exp(log_scale)
        residual = jax.vmap(lambda inputs: predict(theta, inputs))(points.inputs) - points.response
        constant = gammaln((freedom + 1) / 2) - gammaln(freedom / 2) - 0.5 * jnp.log(freedom * jnp.pi)
        log_density = constant - jnp.log(scale) - (freedom + 1) / 2 * jnp.log1p((residual / scale) ** 2 / freedom)
        inside = jnp.all((free >= problem.lower) & (free <= problem.upper))
        weak = 0.5 * jnp.sum(z[:-1] ** 2) / count + 0.5 * z[-1] ** 2
        given = 0.5 * jnp.sum(precision * (free - centre) ** 2)
        return jnp.where(inside, weak + given - jnp.sum(points.weights * log_density), jnp.inf)

    return potential, place
