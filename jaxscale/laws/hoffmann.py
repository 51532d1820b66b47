"""The laws of Hoffmann et al. 2022, "Training Compute-Optimal Large Language Models" (arXiv 2203.15556), and their kin.

N counts all parameters, embeddings included, unless a law says otherwise; loss is in nats per token; D is seen once.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published, Repetition
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params
from jaxscale.laws._repetition import REPETITIONS, in_epochs
from jaxscale.laws.power import allocation_law

_PAPER = "Hoffmann et al. 2022 (arXiv 2203.15556)"
_EPOCH = "Besiroglu et al. 2024 (arXiv 2404.10102)"
_GADRE = "Gadre et al. 2024 (arXiv 2403.08540)"
_SARDANA = "Sardana et al. 2024 (arXiv 2401.00448)"
_SECOND_HAND = "As quoted in a survey; not read in the paper itself."

# --- L(N, D) ---


def _log_loss(p: Params, *, log_N: Array, log_D: Array) -> Array:
    return logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D)


class Allocation(NamedTuple):
    """How a budget is spent: size of the model (parameters) and training tokens."""

    N: Any
    D: Any


class Exponents(NamedTuple):
    """Exponents of compute on the frontier: N grows as C^a, D as C^b, and reducible loss falls as C^-gamma."""

    a: Any
    b: Any
    gamma: Any


def _log_balance(p: Params) -> Any:
    return (jnp.log(p.alpha / p.beta) + p.log_A - p.log_B) / (p.alpha + p.beta)


def _log_reducible(p: Params) -> Any:
    """Log of the least reducible loss at C = kappa."""
    log_g = _log_balance(p)
    return logsumexp(p.log_A - p.alpha * log_g, p.log_B + p.beta * log_g)


def _balance(params: Mapping[str, Any]) -> Array:
    """G = (alpha A / (beta B))^(1 / (alpha + beta)), so that N* = G (C / kappa)^a and D* = (C / kappa)^b / G."""
    return jnp.exp(_log_balance(Params(params)))


def _exponents(params: Mapping[str, Any]) -> Exponents:
    """Exponents of compute on the frontier of C = kappa N D."""
    p = Params(params)
    total = p.alpha + p.beta
    return Exponents(p.beta / total, p.alpha / total, p.alpha * p.beta / total)


def _allocation(
    params: Mapping[str, Any], C: Any, kappa: Any = 6.0, size_power: Any = 1.0, token_power: Any = 1.0
) -> Allocation:
    """The N and D of least loss among those with kappa N^size_power D^token_power = C.

    There alpha A N^-alpha / size_power = beta B D^-beta / token_power; E plays no part.
    """
    p = Params(params)
    log_ratio = jnp.log(p.alpha * token_power / (p.beta * size_power)) + p.log_A - p.log_B
    log_budget = jnp.log(C) - jnp.log(kappa)
    total = p.alpha * token_power + p.beta * size_power
    log_size = (token_power * log_ratio + p.beta * log_budget) / total
    log_tokens = (p.alpha * log_budget - size_power * log_ratio) / total
    return Allocation(jnp.exp(log_size), jnp.exp(log_tokens))


def _tokens_per_param(params: Mapping[str, Any], C: Any, kappa: Any = 6.0) -> Array:
    """D* / N* on the frontier of C = kappa N D."""
    best = _allocation(params, C, kappa)
    return best.D / best.N


def _loss_at_budget(params: Mapping[str, Any], C: Any, kappa: Any = 6.0) -> Array:
    """The least loss for C = kappa N D."""
    p = Params(params)
    log_reducible = _log_reducible(p) - _exponents(params).gamma * (jnp.log(C) - jnp.log(kappa))
    return jnp.exp(logsumexp(p.log_E, log_reducible))


def _budget_for_loss(params: Mapping[str, Any], loss: Any, kappa: Any = 6.0) -> Array:
    """The least C = kappa N D that reaches a loss; infinite at E, not a number below."""
    p = Params(params)
    return kappa * jnp.exp((_log_reducible(p) - jnp.log(loss - p.E)) / _exponents(params).gamma)


def _budget_at_size(params: Mapping[str, Any], N: Any, kappa: Any = 6.0) -> Array:
    """The C = kappa N D for which N is the best size."""
    p = Params(params)
    return kappa * jnp.exp((jnp.log(N) - _log_balance(p)) * (p.alpha + p.beta) / p.beta)


def _values(E: float, A: float, B: float, alpha: float, beta: float) -> dict[str, float]:
    return {"A": A, "B": B, "E": E, "alpha": alpha, "beta": beta}


_PREFACTOR_GRID = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
_EXPONENT_GRID = (0.0, 0.5, 1.0, 1.5, 2.0)
_PARAMETERS = (
    Parameter("A", "log", "nats params^alpha", "size term at N = 1", _PREFACTOR_GRID, {"N": "alpha", "loss": 1}),
    Parameter("B", "log", "nats tokens^beta", "data term at D = 1", _PREFACTOR_GRID, {"D": "beta", "loss": 1}),
    Parameter("E", "log", "nats per token", "irreducible loss", (-1.0, -0.5, 0.0, 0.5, 1.0), {"loss": 1}),
    Parameter("alpha", "identity", "", "exponent of N", _EXPONENT_GRID),
    Parameter("beta", "identity", "", "exponent of D", _EXPONENT_GRID),
)

_TOO_COARSE = "Exponents rounded too coarsely to predict with."
_GADRE_NOTE = (
    "Refitted from the authors' five runs per corpus with alpha = beta; loss on C4. Not to be used for allocation."
)

chinchilla = Law(
    "chinchilla",
    _log_loss,
    variables=(N, D),
    parameters=_PARAMETERS,
    formula="L = E + A / N^alpha + B / D^beta",
    serves="How many parameters and tokens a budget should buy, and the loss they reach.",
    seen_to="16B parameters and 500B tokens; Chinchilla itself, 70B on 1.4T",
    source=f"{_PAPER}, Approach 3",
    note="Always name the instance: rounding the constants alone moves the best tokens per parameter by half.",
    constants={
        "hoffmann_rounded": Published(
            _values(1.69, 406.4, 410.7, 0.34, 0.28),
            f"{_PAPER}, Approach 3, rounded constants",
            note="Rounded so far that the paper's own allocations do not follow from them; see hoffmann_tex.",
        ),
        "hoffmann_tex": Published(
            _values(math.exp(0.5267228), math.exp(6.0073404), math.exp(6.0179186), 0.33917084, 0.2849083),
            f"{_PAPER}, digits left in its TeX source, as given by {_EPOCH}",
        ),
        "sardana": Published(
            _values(1.69, 406.4, 410.7, 0.336, 0.283),
            f"{_SARDANA}, with de Vries' exponents",
            "recomputed",
            note="Read second-hand; the figures the paper derives from them were reproduced.",
        ),
        "besiroglu": Published(
            _values(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
            f"{_EPOCH}, replication of Approach 3",
            standard_errors=_values(0.02566, 124.52, 1293.28, 0.01540, 0.02060),
            note="Standard errors of A and of alpha are correlated by 0.999, so are those of B and of beta.",
        ),
        "besiroglu_converged": Published(
            _values(1.8172181, 477.82588, 2143.41734, 0.34731050, 0.36717243),
            f"{_EPOCH}, refitted to their 240 points",
            "recomputed",
            note="The global optimum of the sum of Huber losses (delta 1e-3) of log loss.",
        ),
        "muennighoff_c4": Published(
            _values(math.exp(0.6254804), math.exp(6.255414), math.exp(7.3049974), 0.3526596, 0.3526596),
            "Muennighoff et al. 2023 (arXiv 2305.16264), base fit on C4 in the authors' repository",
            note="alpha and beta tied.",
        ),
        "gadre_c4": Published(
            _values(1.5083, 113.69, 152.51, 0.2425, 0.2425), f"{_GADRE}, C4", "recomputed", note=_GADRE_NOTE
        ),
        "gadre_rpj": Published(
            _values(1.8366, 166.21, 287.17, 0.2729, 0.2729), f"{_GADRE}, RedPajama", "recomputed", note=_GADRE_NOTE
        ),
        "gadre_rw": Published(
            _values(1.7345, 125.10, 196.03, 0.2544, 0.2544), f"{_GADRE}, RefinedWeb", "recomputed", note=_GADRE_NOTE
        ),
        "sardana_all_data": Published(
            _values(1.45, 33.66, 138.9, 0.18, 0.24),
            f"{_SARDANA}, fit to all runs",
            "unverified",
            note=f"{_SECOND_HAND} {_TOO_COARSE}",
        ),
        "sardana_100": Published(
            _values(0.17, 7.199, 25.97, 0.08, 0.13),
            f"{_SARDANA}, fit to runs of at most 100 tokens per parameter",
            "unverified",
            note=f"{_SECOND_HAND} {_TOO_COARSE}",
        ),
        "minicpm_avg": Published(
            {"alpha": 0.29, "beta": 0.23},
            "Hu et al. 2024 (arXiv 2404.06395)",
            "unverified",
            note=f"{_SECOND_HAND} Average over evaluation sets; loss there is per byte, so no prefactors are given.",
        ),
    },
    repeated=Repetition(in_epochs, REPETITIONS),
    closed_forms={
        "G": _balance,
        "exponents": _exponents,
        "allocation": _allocation,
        "tokens_per_param": _tokens_per_param,
        "loss_at_budget": _loss_at_budget,
        "budget_for_loss": _budget_for_loss,
        "budget_at_size": _budget_at_size,
    },
)


# --- Allocations of Approaches 1 and 2 ---


class TableRow(NamedTuple):
    """A row of a published allocation: parameters, the FLOPs they are best for, tokens. `misprint`: C is wrong."""

    N: float
    C: float
    D: float
    misprint: bool = False


_SIZES = (4e8, 1e9, 1e10, 6.7e10, 1.75e11, 2.8e11, 5.2e11, 1e12, 1e13)


def _rows(C: tuple[float, ...], D: tuple[float, ...], misprints: tuple[float, ...] = ()) -> tuple[TableRow, ...]:
    return tuple(TableRow(n, c, d, n in misprints) for n, c, d in zip(_SIZES, C, D, strict=True))


CHINCHILLA_TABLES: Mapping[str, tuple[TableRow, ...]] = MappingProxyType(
    {
        "a1": _rows(
            (1.92e19, 1.21e20, 1.23e22, 5.76e23, 3.85e24, 9.90e24, 3.43e25, 1.27e26, 1.30e28),
            (8.0e9, 20.2e9, 205.1e9, 1.5e12, 3.7e12, 5.9e12, 11.0e12, 21.2e12, 216.2e12),
        ),
        "a2": _rows(
            (1.84e19, 1.20e20, 1.32e22, 6.88e23, 4.54e24, 1.18e25, 4.19e25, 1.59e26, 1.75e28),
            (7.7e9, 20.0e9, 219.5e9, 1.7e12, 4.3e12, 7.1e12, 13.4e12, 26.5e12, 292.0e12),
        ),
        "a3": _rows(
            (2.21e19, 1.62e20, 2.46e22, 1.71e24, 1.26e24, 3.52e25, 1.36e26, 5.65e26, 8.55e28),
            (9.2e9, 27.1e9, 410.1e9, 4.1e12, 12.0e12, 20.1e12, 43.5e12, 94.1e12, 1425.5e12),
            misprints=(1.75e11,),
        ),
    }
)
"""Table 3 (Approach 1) and Table A3 (Approaches 2 and 3) of Hoffmann et al. 2022, as printed.

The 175B row of Approach 3 is printed with a tenth of its FLOPs (6ND = 1.26e25). Approach 3's columns follow from none
of the published constants to better than 6 %. Section 3.4 of the paper contradicts two rows of Approach 1.
"""


def _from_table(k: float, a: float, table: str, published: str) -> Published:
    return Published({"k": k, "a": a}, f"{_PAPER}, least squares in logs through {table}", "recomputed", note=published)


def _exponent_only(a: float, where: str, interval: str = "") -> Published:
    return Published({"a": a}, f"{_PAPER}, {where}", note=interval)


def _percentiles(low: float, high: float) -> str:
    return f"10 to 90 % of bootstrap draws: {low} to {high}. The prefactor is not published."


chinchilla_a1 = allocation_law(
    "chinchilla_a1",
    serves="How many parameters and tokens a budget should buy, without a law of the loss.",
    seen_to="16B parameters and 500B tokens; Chinchilla itself, 70B on 1.4T",
    source=f"{_PAPER}, Approach 1 (envelope of training curves)",
    constants={
        "N": _from_table(0.0991589, 0.4980987, "Table 3", "Parameters."),
        "D": _from_table(1.69608, 0.5018543, "Table 3", "Tokens."),
        "N_printed": _exponent_only(0.50, "Table 2", _percentiles(0.488, 0.502)),
        "D_printed": _exponent_only(0.50, "Table 2", _percentiles(0.501, 0.512)),
    },
)

chinchilla_a2 = allocation_law(
    "chinchilla_a2",
    serves="How many parameters and tokens a budget should buy, from isoFLOP profiles.",
    seen_to="16B parameters and 500B tokens; Chinchilla itself, 70B on 1.4T",
    source=f"{_PAPER}, Approach 2 (isoFLOP profiles)",
    note="The vertex of a parabola is biased where alpha and beta differ, the more so on wide grids.",
    constants={
        "N": _from_table(0.144877, 0.489942, "Table A3", "Parameters."),
        "D": _from_table(1.152764, 0.5100202, "Table A3", "Tokens."),
        "N_printed": _exponent_only(0.49, "Table 2", _percentiles(0.462, 0.534)),
        "D_printed": _exponent_only(0.51, "Table 2", _percentiles(0.483, 0.529)),
        "N_c4": _exponent_only(0.50, "Table A2, C4"),
        "D_c4": _exponent_only(0.50, "Table A2, C4"),
        "N_github": _exponent_only(0.53, "Table A2, GitHub code"),
        "D_github": _exponent_only(0.47, "Table A2, GitHub code"),
    },
)


def _porian(step: str, a: float, low: float, high: float, size: float) -> Published:
    return Published(
        {"k": size / 5.88e23**a, "a": a},
        f"Porian et al. 2024 (arXiv 2406.19146), RefinedWeb, {step}",
        "unverified",
        note=f"{_SECOND_HAND} a: 95 % interval {low} to {high}; k follows from the printed optimum at 5.88e23 FLOPs.",
    )


porian_alloc = allocation_law(
    "porian_alloc",
    serves="Whose exponent to believe: what accounting and tuning do to the best size.",
    seen_to="2.6e19 FLOPs",
    source="Porian et al. 2024 (arXiv 2406.19146)",
    note="One data set, five ways of accounting and tuning: what moves the exponent from Kaplan's to Hoffmann's.",
    constants={
        "kaplan": _porian("reproduction of Kaplan et al.", 0.835, 0.82, 0.85, 3e12),
        "head_flops": _porian("and FLOPs of the last layer counted", 0.706, 0.69, 0.72, 787e9),
        "warmup": _porian("and warm-up scaled with size", 0.602, 0.59, 0.62, 292e9),
        "cosine": _porian("and cosine schedule matched to the tokens", 0.571, 0.56, 0.59, 183e9),
        "tuned": _porian("tuned learning rate, batch and beta2, no decay", 0.497, 0.49, 0.50, 77e9),
    },
)


# --- Counting without embeddings ---


def _log_total_size(p: Params, log_N: Any) -> Array:
    return logsumexp(log_N, p.log_omega + log_N / 3)


def _log_loss_non_embedding(p: Params, *, log_N: Array, log_D: Array) -> Array:
    return _log_loss(p, log_N=_log_total_size(p, log_N), log_D=log_D)


def _total_size(params: Mapping[str, Any], N: Any) -> Array:
    """All parameters of a model with N outside its embeddings."""
    return jnp.exp(_log_total_size(Params(params), jnp.log(N)))


def _non_embedding_size(params: Mapping[str, Any], N_total: Any) -> Array:
    """Parameters outside the embeddings of a model with N_total in all: the inverse of `total_size`, omega > 0.

    N^(1/3) is the one real root of x^3 + omega x = N_total.
    """
    half_width = jnp.sqrt(Params(params).omega / 3)
    return (2 * half_width * jnp.sinh(jnp.arcsinh(N_total / (2 * half_width**3)) / 3)) ** 3


def _non_embedding_budget(params: Mapping[str, Any], N: Any) -> Array:
    """The non-embedding compute C = 6 N D, in FLOPs, for which N is the best non-embedding size."""
    p = Params(params)
    log_N = jnp.log(N)
    log_slope = logsumexp(log_N, p.log_omega + log_N / 3 - math.log(3))
    log_D = (
        (1 + p.alpha) * _log_total_size(p, log_N) - log_slope + jnp.log(p.beta / p.alpha) + p.log_B - p.log_A
    ) / p.beta
    return jnp.exp(math.log(6) + log_N + log_D)


def _local_exponent(params: Mapping[str, Any], N: Any) -> Array:
    """d log N* / d log C on the non-embedding frontier where N is the best size: what a fit nearby would find."""
    p = Params(params)
    x = jnp.exp(2 / 3 * jnp.log(N))
    ninth, third = x + p.omega / 9, x + p.omega / 3
    return 1 / (1 - ninth / third / p.beta + (1 + p.alpha) / p.beta * third / (x + p.omega))


_OMEGA = {"omega": 47491.0}
_PEARCE = "Pearce and Song 2024 (arXiv 2406.12907)"

pearce_song = Law(
    "pearce_song",
    _log_loss_non_embedding,
    variables=(replace(N, meaning="non-embedding parameters"), D),
    parameters=(
        *_PARAMETERS,
        Parameter("omega", meaning="embedding parameters of a model are omega N^(1/3)", dimension={"N": 2 / 3}),
    ),
    formula="L = E + A / (N + omega N^(1/3))^alpha + B / D^beta",
    serves="How to plan where parameters are counted without embeddings.",
    seen_to="1.5B parameters without embeddings: the sizes of Kaplan et al., whose exponent follows",
    source=_PEARCE,
    note="Why counting without embeddings finds Kaplan's exponent at small sizes and Hoffmann's at large ones.",
    constants={
        "besiroglu": Published({**_values(1.8172, 482.01, 2085.43, 0.3478, 0.3658), **_OMEGA}, f"{_PEARCE}, {_EPOCH}"),
        "hoffmann": Published({**_values(1.6934, 406.4, 410.7, 0.3392, 0.2849), **_OMEGA}, f"{_PEARCE}, {_PAPER}"),
    },
    closed_forms={
        "total_size": _total_size,
        "non_embedding_size": _non_embedding_size,
        "budget_at_size": _non_embedding_budget,
        "exponent": _local_exponent,
    },
)
