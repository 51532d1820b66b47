"""Where a fit starts: a law's published grid, or starts made from the data, and which of them are worth finishing."""

import itertools
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from jaxscale._errors import InputError
from jaxscale._problem import Problem
from jaxscale._solve import values_at
from jaxscale._units import naturals, safe_log, unit_shift
from jaxscale.laws import Law, Parameter

_DRAWN = 4096  # starts drawn for a law without a grid
_EXPONENTS = (0.02, 3.0)  # where the exponent of a scaling law is looked for
_WIDEST_LOGIT = 4.0  # shares are looked for between 2 % and 98 %
_DECADES_AROUND_DATA = 3.0  # how far beyond the data the scale of a variable is looked for


def candidates(problem: Problem, starts: str | int | Sequence[Mapping[str, float]], seed: int) -> np.ndarray:
    """Free values (n, free) of all starts that `starts` stands for, before any are left out.

    Raises:
        InputError: "paper" was asked of a law without a published grid, or a given start lacks a parameter.
    """
    law = problem.law
    if not isinstance(starts, (str, int)):
        theta = np.array([law.theta({**_pinned_values(problem), **start}) for start in starts])
        if not len(theta):
            raise InputError("starts is empty; give at least one mapping of parameter values, or 'auto'")
        return problem.reduce(theta)
    has_grid = all(p.grid for p in law.parameters)
    if starts == "paper" and not has_grid:
        raise InputError(f"law {law.name!r} has no published grid of starts; use starts='auto' or a number")
    if has_grid:
        grid = np.array(list(itertools.product(*(p.grid for p in law.parameters))), np.float64)
        if starts != "paper":
            grid = np.concatenate([grid, _finer_exponents(law)])
        theta = grid + unit_shift(problem, grid)
    else:
        theta = drawn(problem, seed)
    free = np.clip(problem.reduce(theta), problem.lower, problem.upper)
    return free if problem.layout.free == len(law.parameters) else np.unique(free, axis=0)


def ranked(problem: Problem, free: np.ndarray, seed: int, delta: float) -> np.ndarray:
    """Order in which to finish starts, most promising first: by objective, every fourth one at random for diversity."""
    values = values_at(problem.task, free, problem.pinned, problem.points, problem.loss(delta))
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    order = order[np.isfinite(values[order])]
    _, first = np.unique(np.round(values[order], 14), return_index=True)
    distinct = order[np.sort(first)]
    rest = np.random.default_rng(seed).permutation(distinct)
    taken = np.zeros(len(free), bool)
    queues = (iter(distinct), iter(rest))
    out = []
    for k in range(len(distinct)):
        for index in queues[k % 4 == 3]:
            if not taken[index]:
                taken[index] = True
                out.append(index)
                break
    return np.array(out + [i for i in distinct if not taken[i]], np.int64)


def _pinned_values(problem: Problem) -> dict[str, float]:
    return {
        p.name: p.to_natural(t) for p, t in zip(problem.law.parameters, problem.pinned, strict=True) if np.isfinite(t)
    }


def _finer_exponents(law: Law) -> np.ndarray:
    """The grid with exponents between its own: a published grid that steps by one half starts far from most laws."""
    finer = [(0.2, 0.35, 0.5) if p.transform == "identity" else p.grid for p in law.parameters]
    return np.array(list(itertools.product(*finer)), np.float64)


def drawn(problem: Problem, seed: int) -> np.ndarray:
    """Theta (n, n_parameters) for a law nothing is known of.

    Parameters in which the response is linear are found by differentiation and solved for by least squares (variable
    projection, Golub & Pereyra 1973); the others are drawn as exponents or as scales of the data. So starts fit the
    units.
    """
    law = problem.law
    rng = np.random.default_rng(seed)
    theta = np.stack([_draw(p, problem, rng) for p in law.parameters], axis=1)
    theta = np.where(np.isfinite(problem.pinned), problem.pinned, theta)
    solvable = np.array([p.transform != "logit" for p in law.parameters]) & ~np.isfinite(problem.pinned)
    linear = np.array(_linear_parameters(problem, theta[:16]), bool) & solvable
    if not linear.any():
        return theta
    with np.errstate(all="ignore"):  # a draw can lie anywhere; those that overflow are left out
        return _project(problem, theta, linear)


def _draw(parameter: Parameter, problem: Problem, rng: np.random.Generator) -> np.ndarray:
    """Theta values (n,): half of them exponents, half scales of one of the variables or of the response."""
    if parameter.transform == "logit":
        return rng.uniform(-_WIDEST_LOGIT, _WIDEST_LOGIT, _DRAWN)
    low, high = np.log(_EXPONENTS)
    exponents = rng.uniform(low, high, _DRAWN)
    real = problem.points.weights > 0
    scales = []
    for variable, values in zip(problem.law.variables, problem.points.logs, strict=True):
        x = (values if variable.domain == "positive" else safe_log(np.abs(values)))[real]
        margin = _DECADES_AROUND_DATA * np.log(10.0)
        scales.append(rng.uniform(x.min() - margin, x.max() + margin, _DRAWN))
    scale = np.choose(rng.integers(len(scales), size=_DRAWN), scales)
    logs = np.where(rng.random(_DRAWN) < 0.7, exponents, scale)
    if parameter.transform == "log":
        return logs
    return np.exp(logs) * np.where(rng.random(_DRAWN) < 0.75, 1.0, -1.0)


def _natural_response(problem: Problem):
    """`f(natural parameters (p,), logs) -> response` of one run, in natural units."""
    law = problem.law

    def response(natural, logs):
        unconstrained = {"log": jax.numpy.log, "logit": jax.scipy.special.logit, "identity": lambda x: x}
        theta = [unconstrained[p.transform](x) for p, x in zip(law.parameters, natural, strict=True)]
        value = law.log_response(theta, logs)
        return jax.numpy.exp(value) if law.response.domain == "positive" else value

    return response


def _linear_parameters(problem: Problem, theta: np.ndarray) -> list[bool]:
    """Which parameters the response is jointly linear in: their second derivatives vanish at random points and runs."""
    response = _natural_response(problem)
    natural = naturals(problem.law, theta)
    row = tuple(x[len(x) // 2] for x in problem.points.logs)

    def curvature(x):
        slope = jax.grad(response)(x, row)
        return jax.hessian(response)(x, row) * x[:, None] * x[None, :], slope * x

    hessians, slopes = (np.asarray(a) for a in jax.jit(jax.vmap(curvature))(natural))
    size = np.abs(slopes)
    bent: np.ndarray = np.abs(hessians) > 1e-6 * np.minimum(size[:, :, None], size[:, None, :]) + 1e-300
    bent |= ~np.isfinite(hessians)
    usable = np.isfinite(slopes).all(axis=1) & (size.min(axis=1) > 1e-12 * size.max(axis=1))
    if not usable.any():
        return [False] * len(natural[0])
    bent = np.any(bent[usable], axis=0)
    chosen: list[int] = []
    for k in range(len(bent)):
        if not bent[k, k] and not any(bent[k, j] for j in chosen):
            chosen.append(k)
    return [k in chosen for k in range(len(bent))]


def _project(problem: Problem, theta: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """Replace the linear parameters by their least-squares values, in relative residuals; a positive one never below
    1e-3 of its use."""
    law = problem.law
    response = _natural_response(problem)
    real = np.flatnonzero(problem.points.weights > 0)
    rows = real[np.linspace(0, len(real) - 1, min(len(real), 64)).astype(int)]
    logs = tuple(x[rows] for x in problem.points.logs)
    observed = problem.points.response[rows]
    observed = np.exp(observed) if problem.task.space == "log" else observed
    size = np.maximum(np.abs(observed), 1e-12 * np.abs(observed).max() + 1e-300)
    natural = naturals(law, theta)
    natural[:, linear] = 1.0

    def parts(x):
        one_run = jax.vmap(lambda run: jax.value_and_grad(response)(x, run))
        return one_run(logs)

    value, slope = (np.asarray(a) for a in jax.jit(jax.vmap(parts))(natural))  # (n, rows), (n, rows, p)
    design = slope[:, :, linear] / size[:, None]
    target = (observed - (value - slope[:, :, linear].sum(axis=2))) / size
    norms = np.sqrt((design**2).sum(axis=1))
    ok = np.isfinite(design).all(axis=(1, 2)) & np.isfinite(target).all(axis=1) & (norms > 0).all(axis=1)
    theta, design, target, norms = theta[ok], design[ok], target[ok], norms[ok]
    if not len(theta):
        return theta
    scaled = design / norms[:, None, :]
    gram = scaled.transpose(0, 2, 1) @ scaled + 1e-10 * np.eye(scaled.shape[2])
    solved = np.linalg.solve(gram, (scaled.transpose(0, 2, 1) @ target[:, :, None]))[:, :, 0]
    floor = 1e-3 * np.sqrt((target**2).sum(axis=1))[:, None]
    logged = np.array([p.transform == "log" for p in law.parameters])[linear]
    solved = np.where(logged, np.maximum(solved, floor), solved) / norms
    theta[:, linear] = np.where(logged, np.log(np.where(logged, solved, 1.0)), solved)
    return theta
