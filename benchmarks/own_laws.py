"""Laws that a user writes in plain `jnp`: resampled fits against SciPy's, beside the same race for a law that ships."""

import inspect
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale as js
from benchmarks import rivals
from benchmarks.rows import CLOSE, Row, timed
from jaxscale._problem.problem import make_problem
from jaxscale._trust.draw_weights import resampled

_RUNS, _NOISE, _DRAWS = 240, 0.003, 1000


class Own(NamedTuple):
    """A formula as a user writes it, the truth that its runs are drawn from, and what a careful NumPy user writes.

    `log_and_slopes(natural values, variables)` gives log loss (n,) and its slopes by the log of each parameter (p, n).
    """

    formula: Callable[..., Any]
    truth: tuple[float, ...]
    log_and_slopes: Callable[..., tuple[np.ndarray, list[np.ndarray]]]


def _sum_of_powers(p, v):
    E, A, B, alpha, beta = p
    s, t = A * v["N"] ** -alpha, B * v["D"] ** -beta
    loss = E + s + t
    return np.log(loss), [E / loss, s / loss, t / loss, -alpha * v["ln N"] * s / loss, -beta * v["ln D"] * t / loss]


def _one_power(p, v):
    E, A, alpha = p
    s = A * v["N"] ** -alpha
    return np.log(E + s), [E / (E + s), s / (E + s), -alpha * v["ln N"] * s / (E + s)]


def _power_of_sum(p, v):
    E, A, B, alpha, beta, gamma = p
    s, t = A * v["N"] ** -alpha, B * v["D"] ** -beta
    power = (s + t) ** gamma
    loss = E + power
    outer = gamma * power / loss / (s + t)
    slopes = [E / loss, outer * s, outer * t, -alpha * v["ln N"] * outer * s, -beta * v["ln D"] * outer * t]
    return np.log(loss), [*slopes, gamma * power / loss * np.log(s + t)]


def _with_product(p, v):
    E, A, B, F, alpha, beta, g, k = p
    s, t, u = A * v["N"] ** -alpha, B * v["D"] ** -beta, F * v["N"] ** -g * v["D"] ** -k
    loss = E + s + t + u
    slopes = [E, s, t, u, -alpha * v["ln N"] * s, -beta * v["ln D"] * t, -g * v["ln N"] * u, -k * v["ln D"] * u]
    return np.log(loss), [x / loss for x in slopes]


def _broken(p, v):
    a, b, c, bend, d, f = p
    q = (v["N"] / d) ** (1 / f)
    w = np.log1p(q)
    power = b * v["N"] ** -c * np.exp(-bend * f * w)
    loss = a + power
    share, past = power / loss, q / (1 + q)
    slopes = [a / loss, share, -c * v["ln N"] * share, -bend * f * w * share, bend * past * share]
    return np.log(loss), [*slopes, bend * (past * np.log(v["N"] / d) - f * w) * share]


_CHINCHILLA = (1.8, 480.0, 2000.0, 0.35, 0.37)
OWN = {
    "powers, 5": Own(
        lambda E, A, B, alpha, beta, *, N, D: E + A * N**-alpha + B * D**-beta, _CHINCHILLA, _sum_of_powers
    ),
    "jnp.logaddexp, 5": Own(
        lambda E, A, B, alpha, beta, *, N, D: jnp.exp(
            jnp.logaddexp(
                jnp.log(E),
                jnp.logaddexp(jnp.log(A) - alpha * jnp.log(N), jnp.log(B) - beta * jnp.log(D)),
            )
        ),
        _CHINCHILLA,
        _sum_of_powers,
    ),
    "logsumexp, 5": Own(
        lambda E, A, B, alpha, beta, *, N, D: jnp.exp(
            jax.nn.logsumexp(jnp.stack([jnp.log(E), jnp.log(A) - alpha * jnp.log(N), jnp.log(B) - beta * jnp.log(D)]))
        ),
        _CHINCHILLA,
        _sum_of_powers,
    ),
    "powers, 3": Own(lambda E, A, alpha, *, N: E + A * N**-alpha, (1.8, 480.0, 0.35), _one_power),
    "power of a sum, 6": Own(
        lambda E, A, B, alpha, beta, gamma, *, N, D: E + (A * N**-alpha + B * D**-beta) ** gamma,
        (1.7, 400.0, 900.0, 0.5, 0.55, 0.6),
        _power_of_sum,
    ),
    "powers and a product, 8": Own(
        lambda E, A, B, F, alpha, beta, g, k, *, N, D: E + A * N**-alpha + B * D**-beta + F * N**-g * D**-k,
        (1.5, 480.0, 2000.0, 8.0, 0.5, 0.5, 0.05, 0.08),
        _with_product,
    ),
    "one smooth break, 6": Own(
        lambda a, b, c, bend, d, f, *, N: a + b * N**-c * (1 + (N / d) ** (1 / f)) ** (-bend * f),
        (0.5, 60.0, 0.15, 0.25, 1e9, 0.4),
        _broken,
    ),
}


def own_laws(sample: int = 12) -> list[Row]:
    """Draws of each law's own planted runs: the ratio to SciPy is to be at least half of that of the law that ships."""
    job = f"own laws, {_DRAWS:,} draws"
    shipped = _race(js.laws.chinchilla, OWN["powers, 5"], sample)
    rows = [Row(job, "chinchilla, as it ships", *shipped)]
    for name, own in OWN.items():
        outcome, run, compile_, ratio = _race(js.Law.from_loss(own.formula, name=name), own, sample)
        rows.append(Row(job, name, f"{outcome}; {ratio / shipped[3]:.2f} of that ratio", run, compile_, ratio))
    return rows


def _race(law: js.Law, own: Own, sample: int) -> tuple[str, float, float | None, float]:
    """Outcome, seconds, seconds of compilation, and how many times as long SciPy's refits of the draws take."""
    names = [p.name for p in inspect.signature(own.formula).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    rng = np.random.default_rng(0)
    sizes = {
        "N": np.exp(rng.uniform(*np.log([1e7, 1e11]), _RUNS)),
        "D": np.exp(rng.uniform(*np.log([1e8, 1e13]), _RUNS)),
    }
    variables = {v.name: sizes[v.name] for v in law.variables}
    runs = js.synthetic.observe(law, dict(zip(names, own.truth, strict=True)), variables, noise=_NOISE, seed=1)
    result = js.fit(law, runs, intervals=None)
    draws, run, compile_ = timed(lambda: js.bootstrap(result, draws=_DRAWS))

    with jax.enable_x64(True):
        problem = make_problem(law, runs, js.Huber())
    weights = resampled(problem, len(draws.draws), np.random.default_rng(draws.seed), None).weights[:sample]
    logs = variables | {f"ln {k}": np.log(x) for k, x in variables.items()}
    misfits = [rivals.OwnMisfit(own.log_and_slopes, logs, runs.response, w[: runs.count]) for w in weights]
    start = np.log([result.params[n] for n in names])
    begin = time.perf_counter()
    refits = [rivals.scipy_tight(misfit, start) for misfit in misfits]
    per_draw = (time.perf_counter() - begin) / sample
    ours = [m.value(np.log([law.natural(x)[n] for n in names])) for m, x in zip(misfits, draws.draws, strict=False)]
    worse = int(np.sum(np.array(ours) > np.array(refits) * (1 + CLOSE)))
    outcome = f"{worse} of {sample} worse than SciPy's, condition {result.identification.condition_number:.0e}"
    return outcome, run, compile_, len(draws.draws) * per_draw / run
