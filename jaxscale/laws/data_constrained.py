"""Laws for data that runs out, and for training on more tokens than is best: repetition, over-training, Llama 3."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published, Repetition
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp, newton_root
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable
from jaxscale.laws._repetition import REPETITIONS, in_epochs, log_worth
from jaxscale.laws.hoffmann import chinchilla
from jaxscale.laws.power import allocation_law

_MUENNIGHOFF = "Muennighoff et al. 2023 (arXiv 2305.16264)"
_LOVELACE = "Lovelace et al. 2026 (arXiv 2605.01640)"
_GADRE = "Gadre et al. 2024 (arXiv 2403.08540)"
_LLAMA = "Llama team 2024 (arXiv 2407.21783)"

# --- Repeated data ---

_U = Variable("U", "tokens", "unique tokens there are; D beyond it are repetitions")


class Effective(NamedTuple):
    """What a model and its tokens are worth when data is repeated: N' parameters and D' unique tokens."""

    N: Any
    D: Any


def _log_effective(p: Params, log_N: Array, log_D: Array, log_U: Array) -> Effective:
    log_U_D = jnp.minimum(log_U, log_D)
    log_G = (jnp.log(p.alpha / p.beta) + p.log_A - p.log_B) / (p.alpha + p.beta)
    log_N_opt = log_G + (p.beta / p.alpha) * (log_G + log_U_D)  # the best size for U_D fresh tokens
    log_U_N = jnp.minimum(log_N, log_N_opt)
    return Effective(log_worth(log_U_N, log_N, p.R_N_star), log_worth(log_U_D, log_D, p.R_D_star))


def _log_loss_repeated(p: Params, *, log_N: Array, log_D: Array, log_U: Array) -> Array:
    worth = _log_effective(p, log_N, log_D, log_U)
    return chinchilla.function(p, log_N=worth.N, log_D=worth.D)


def _effective(params: Mapping[str, Any], N: Any, D: Any, U: Any) -> Effective:
    """The N' and D' that fresh data would have made as good as N parameters and D tokens of which U are unique."""
    logs = _log_effective(Params(params), jnp.log(N), jnp.log(D), jnp.log(U))
    return Effective(jnp.exp(logs.N), jnp.exp(logs.D))


muennighoff = Law(
    "muennighoff",
    _log_loss_repeated,
    variables=(N, D, _U),
    parameters=(
        *chinchilla.parameters,
        Parameter("R_D_star", meaning="repetitions of the data until another one is worth 1/e of a fresh epoch"),
        Parameter("R_N_star", meaning="the same for parameters beyond those best for U tokens, in multiples of them"),
    ),
    formula=(
        "L = E + A / N'^alpha + B / D'^beta, with D' = U_D + U_D R_D_star (1 - exp(-R_D / R_D_star)), U_D = min(U, D), "
        "R_D = D / U_D - 1, and N' likewise from U_N = min(N, best N for U_D)"
    ),
    serves="How often to repeat data that runs out, and how large a model is then worth it.",
    seen_to="9B parameters, 900B tokens",
    source=_MUENNIGHOFF,
    note=(
        "Equals chinchilla while D <= U and N is no larger than best for U tokens. The best size follows from A, B, "
        "alpha and beta, so another base fit moves it. Loss cannot rise with epochs here. The paper fits the base, "
        "alpha = beta, first, then R_D_star and R_N_star with the base held. On its 182 runs that objective has "
        "several optima: the printed one (15.4 and 5.3) is not the least, which lies at 95.4 and 1.71."
    ),
    constants={
        "muennighoff_c4": Published(
            {**chinchilla.constants["muennighoff_c4"].params, **REPETITIONS},
            f"{_MUENNIGHOFF}, C4, authors' repository",
        ),
    },
    repeated=Repetition(in_epochs),
    closed_forms={"effective": _effective},
)

# --- Repetition that does harm ---


def _log_penalty(p: Params, log_N: Array, log_fresh: Array, log_epochs: Array) -> Array:
    """Log of what repetition adds to the loss; -inf where nothing is seen twice."""
    repeated = log_epochs > 0
    log_R = log(jnp.expm1(jnp.where(repeated, log_epochs, 1.0)))
    penalty = p.log_P + p.delta * log_R + p.kappa * (log_N - log_fresh)
    return jnp.where(repeated, penalty, -jnp.inf)


def _log_loss_penalised(p: Params, *, log_N: Array, log_D: Array, log_U: Array) -> Array:
    log_fresh = jnp.minimum(log_U, log_D)
    penalty = _log_penalty(p, log_N, log_fresh, log_D - log_fresh)
    return logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D, penalty)


def _penalised_in_epochs(p: Params, log_N: Any, log_D: Any, log_epochs: Any) -> Any:
    """The same where each token is seen `epochs` times; fewer than one, visited on the way, are a mirror image."""
    log_seen = jnp.where(log_epochs >= 0, log_epochs, -log_epochs)
    penalty = _log_penalty(p, log_N, log_D - log_epochs, log_seen)
    return logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D, penalty)


def _most_epochs(params: Mapping[str, Any], N: Any, U: Any) -> Array:
    """Epochs beyond which another one raises the loss of a model of N parameters on U unique tokens; delta >= 1.

    There beta B / D^beta / (1 + R) = delta P R^(delta - 1) (N / U)^kappa, with D = U (1 + R). The log of right over
    left is convex in log R and rises, so that Newton's steps from the right never pass the root.
    """
    p = Params(params)
    log_N, log_U = jnp.log(N), jnp.log(U)
    gain = jnp.log(p.beta) + p.log_B - p.beta * log_U
    harm = jnp.log(p.delta) + p.log_P + p.kappa * (log_N - log_U)

    def excess(log_R: Array) -> Array:
        return harm - gain + (p.delta - 1) * log_R + (p.beta + 1) * jnp.logaddexp(0.0, log_R)

    far = jnp.maximum(gain - harm, 1.0) / (p.delta + p.beta) + 1.0
    return 1 + jnp.exp(newton_root(excess, far, steps=40))


lovelace_repeated = Law(
    "lovelace_repeated",
    _log_loss_penalised,
    variables=(N, D, _U),
    parameters=(
        *chinchilla.parameters,
        Parameter(
            "P",
            unit="nats params^-kappa tokens^kappa",
            meaning="what one repetition costs where there are as many parameters as unique tokens",
            dimension={"N": "-kappa", "D": "kappa", "loss": 1},
        ),
        Parameter("delta", meaning="exponent of the repetitions"),
        Parameter("kappa", meaning="exponent of parameters per unique token"),
    ),
    formula="L = E + A / N^alpha + B / D^beta + P R^delta (N / U_D)^kappa, with U_D = min(U, D) and R = D / U_D - 1",
    serves="After how many epochs more of the same data does harm, and a larger model is the better use of compute.",
    seen_to="1B parameters, 6B unique tokens",
    source=_LOVELACE,
    note=(
        "Form only, as quoted in a public note (Weng 2026), not read in the paper. Equals chinchilla while D <= U; "
        "beyond, loss may rise with epochs, which muennighoff cannot say. The abstract speaks of one parameter: with "
        "delta and kappa held, P alone tells ways of training apart, and a weight decay of 1.0 lowers it by 70 %."
    ),
    repeated=Repetition(_penalised_in_epochs),
    closed_forms={"most_epochs": _most_epochs},
)

# --- Over-training ---


def _log_loss_overtrained(p: Params, *, log_N: Array, log_D: Array) -> Array:
    log_C, log_M = math.log(6) + log_N + log_D, log_D - log_N
    return logsumexp(p.log_E, p.log_a + p.eta * (log_M - log_C), p.log_b - p.eta * (log_M + log_C))


def _as_chinchilla(params: Mapping[str, Any]) -> dict[str, Any]:
    """The same law as parameters of chinchilla: alpha = beta = 2 eta, A = a 6^-eta, B = b 6^-eta."""
    p = Params(params)
    six = jnp.exp(-p.eta * math.log(6))
    return {"A": p.a * six, "B": p.b * six, "E": p.E, "alpha": 2 * p.eta, "beta": 2 * p.eta}


def _best_multiplier(params: Mapping[str, Any]) -> Array:
    """The tokens per parameter of least loss, the same for every budget: (b / a)^(1 / (2 eta))."""
    p = Params(params)
    return jnp.exp((p.log_b - p.log_a) / (2 * p.eta))


def _gadre(corpus: str, E: float, a: float, b: float, eta: float) -> Published:
    return Published(
        {"E": E, "a": a, "b": b, "eta": eta},
        f"{_GADRE}, {corpus}, loss on C4",
        "recomputed",
        note="Refitted from the authors' five runs per corpus; equals the printed values to rounding. Its optimum is "
        "not to be trusted: four of the five runs have 20 tokens per parameter.",
    )


def _twice_eta(values: Mapping[str, Any]) -> Any:
    return 2 * values["eta"]


gadre_overtrain = Law(
    "gadre_overtrain",
    _log_loss_overtrained,
    variables=(N, D),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("a", unit="nats FLOPs^eta", meaning="size term at M = C = 1", dimension={"N": _twice_eta, "loss": 1}),
        Parameter("b", unit="nats FLOPs^eta", meaning="data term at M = C = 1", dimension={"D": _twice_eta, "loss": 1}),
        Parameter("eta", "identity", meaning="exponent of compute at a fixed number of tokens per parameter"),
    ),
    formula="L = E + (a M^eta + b M^-eta) C^-eta, with M = D / N and C = 6 N D",
    serves="What is lost by training a small model for longer than compute alone would ask.",
    seen_to="1.4B parameters on 922B tokens and 6.9B on 138B, both held out",
    source=_GADRE,
    note="Chinchilla's law with alpha = beta, written so that over-training moves a line up and keeps its slope.",
    constants={
        "c4": _gadre("C4", 1.5083, 141.28, 189.52, 0.1212),
        "rpj": _gadre("RedPajama", 1.8366, 212.24, 366.69, 0.1364),
        "rw": _gadre("RefinedWeb", 1.7345, 157.12, 246.21, 0.1272),
    },
    closed_forms={"as_chinchilla": _as_chinchilla, "tokens_per_param": _best_multiplier},
)

llama3_dopt = allocation_law(
    "llama3_dopt",
    serves="How many tokens a budget should buy.",
    seen_to="1e22 FLOPs and 16B parameters in the runs behind it; used at 3.8e25",
    source=f"{_LLAMA}, Section 3.2.1",
    note=(
        "The best number of training tokens: the paper writes it N*(C). N = C / (6 D) then grows as C^0.47. At 3.8e25 "
        "FLOPs the paper states 402B parameters and 16.55T tokens, 5 % off 6 N D."
    ),
    constants={
        "text": Published(
            {"k": 0.29, "a": 0.53},
            f"{_LLAMA}, text",
            note="Tokens. Rounded so far that the paper's own 16.55T tokens come out as 10.5T.",
        ),
        "figure": Published(
            {"k": 0.299, "a": 0.537},
            f"{_LLAMA}, label of a figure",
            "unverified",
            note="Tokens. As quoted in a survey; gives 16.3T tokens where the paper states 16.55T.",
        ),
    },
)
