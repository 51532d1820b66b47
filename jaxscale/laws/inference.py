"""Compute spent on answering: repeated samples, a larger model instead, and one bill for training and serving."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import gammaln

from jaxscale._base.errors import InputError
from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import log, logsumexp
from jaxscale.laws._parameters import D, N, Parameter, Params, Variable

_SECOND_HAND = "As quoted in a survey; not read in the paper itself."

# --- Repeated samples ---


def pass_at_k(samples: Any, correct: Any, k: Any) -> Any:
    """Chance that at least one of k answers is right, estimated from more answers: 1 - C(n - c, k) / C(n, k).

    Without bias as long as k is at most `samples`. Numbers or arrays that broadcast together; float64.

    Args:
        samples: answers drawn, n.
        correct: how many of them were right, c.
        k: answers allowed.

    Raises:
        InputError: not 0 <= correct <= samples or not 1 <= k <= samples.
    """
    n, c, tried = (np.asarray(x, np.float64) for x in (samples, correct, k))
    if not (np.all((c >= 0) & (c <= n)) and np.all((tried >= 1) & (tried <= n))):
        raise InputError(
            "pass_at_k needs 0 <= correct <= samples and 1 <= k <= samples, "
            f"got samples={samples!r}, correct={correct!r}, k={k!r}"
        )
    wrong = np.maximum(n - c, tried)  # fewer wrong answers than k: one of any k is right
    log_all_wrong = gammaln(wrong + 1) - gammaln(wrong - tried + 1) - gammaln(n + 1) + gammaln(n - tried + 1)
    value = np.where(n - c < tried, 1.0, -np.expm1(log_all_wrong))
    return float(value) if value.ndim == 0 else value


def _coverage(p: Params, *, log_k: Array) -> Array:
    return jnp.exp(-jnp.exp(p.log_a - p.b * log_k))


brown_passk = Law(
    "brown_passk",
    _coverage,
    variables=(Variable("k", "samples", "answers tried for each problem"),),
    response=Variable("coverage", "", "share of problems with at least one right answer", "unit", better="higher"),
    parameters=(
        Parameter("a", meaning="minus the log of the coverage of one answer", dimension={"k": "b"}),
        Parameter("b", meaning="exponent of k"),
    ),
    formula="coverage = exp(-a k^-b)",
    serves="How many answers to draw for each problem.",
    seen_to="four orders of magnitude in the number of answers",
    source="Brown et al. 2024 (arXiv 2407.21787)",
    note=(
        "Form only: constants belong to one model and benchmark. The paper writes exp(a k^b) with both negative. "
        "For one problem coverage is 1 - (1 - p)^k; the power law comes from problems of all difficulties together."
    ),
)

# --- Instead of a larger model ---


def _log_exchange(p: Params, *, log_M: Array, log_R: Array) -> Array:
    return log(jnp.exp(log_M) + p.training * jnp.expm1(log_M) * jnp.exp(-log_R))


snell_exchange = Law(
    "snell_exchange",
    _log_exchange,
    variables=(
        Variable("M", "", "times that the other model is larger, at least 1"),
        Variable("R", "", "tokens answered with over tokens trained on"),
    ),
    response=Variable(
        "k", "", "times as many tokens the small model may answer with at the same compute", better="neither"
    ),
    parameters=(Parameter("training", meaning="FLOPs to train on a token over FLOPs to generate one"),),
    formula="k = M + training (M - 1) / R",
    serves="Whether to train a larger model or let a smaller one answer more often.",
    seen_to="an identity, not a fit",
    source="Snell et al. 2024 (arXiv 2408.03314)",
    note="An identity of the two compute bills, not a fit: M times the size costs M times both.",
    constants={
        "six_nd": Published(
            {"training": 3.0},
            "6 N FLOPs to train on a token, 2 N to generate one",
            "recomputed",
            note="Follows from counting 6 N D for training and 2 N for each token generated.",
        )
    },
)


def _log_search(p: Params, *, log_train: Array, elo: Array) -> Array:
    return p.log_K - p.alpha * log_train + math.log(10) * p.b * elo


jones_train_test = Law(
    "jones_train_test",
    _log_search,
    variables=(
        Variable("train", "training FLOPs", "compute spent on training"),
        Variable("elo", "Elo", "playing strength to be reached", "real"),
    ),
    response=Variable("test", "search FLOPs", "compute of search at play that reaches it"),
    parameters=(
        Parameter("K", meaning="test at train = 1 and Elo 0", dimension={"test": 1, "train": "alpha"}),
        Parameter("alpha", meaning="decades of test saved by a decade of train"),
        Parameter("b", "identity", unit="1 / Elo", meaning="decades of test for a point", dimension={"elo": -1}),
    ),
    formula="test = K train^-alpha 10^(b elo)",
    serves="How to split compute between training and search.",
    seen_to="9x9 Hex",
    source="Jones 2021 (arXiv 2104.03113)",
    note="Board games. The paper writes log10(test) = -1.2 log10(train) + 0.004 Elo + 29.",
    constants={
        "hex_9x9": Published(
            {"K": 1e29, "alpha": 1.2, "b": 0.004},
            "Jones 2021 (arXiv 2104.03113), 9x9 Hex",
            "unverified",
            note=_SECOND_HAND,
        )
    },
)

# --- Training and serving on one bill ---

_SARDANA = "Sardana et al. 2024 (arXiv 2401.00448)"
_SERVED = "tokens served over the model's life, prompts and answers alike"


def _log_flops(p: Params, *, log_N: Array, log_D: Array, log_D_inf: Array) -> Array:
    return log_N + logsumexp(p.log_training + log_D, p.log_serving + log_D_inf)


sardana_flops = Law(
    "sardana_flops",
    _log_flops,
    variables=(N, D, Variable("D_inf", "tokens", _SERVED)),
    response=Variable("bill", "FLOPs", "compute to train the model and to serve it"),
    parameters=(
        Parameter(
            "training", unit="FLOPs", meaning="compute to train one parameter on one token",
            dimension={"bill": 1, "N": -1, "D": -1},
        ),
        Parameter(
            "serving", unit="FLOPs", meaning="compute to serve one token with one parameter",
            dimension={"bill": 1, "N": -1, "D_inf": -1},
        ),
    ),
    formula="bill = training N D + serving N D_inf",
    serves="How much smaller a model should be that will be served a lot, in FLOPs.",
    seen_to="an identity, not a fit",
    source=_SARDANA,
    note=(
        "The least bill for a given loss makes models smaller and trained for longer: at the optimum of a chinchilla "
        "law alpha A N^-alpha / (beta B D^-beta) = 1 + D_inf / (3 D). To plan with it: frontier(..., "
        "cost=costs.six_nd.with_inference(tokens=D_inf)) (--inference-tokens D_inf)."
    ),
    constants={
        "six_nd": Published(
            {"training": 6.0, "serving": 2.0},
            f"{_SARDANA}, Section 2",
            "recomputed",
            note="Read second-hand; every figure that the paper derives from it was reproduced.",
        )
    },
)  # fmt: skip


def _log_dollars(p: Params, *, log_N: Array, log_D: Array, log_D_in: Array, log_D_out: Array) -> Array:
    return log_N + logsumexp(
        math.log(6) + log_D + p.log_train,
        math.log(2) + log_D_in + p.log_prompt,
        math.log(2) + log_D_out + p.log_answer,
    )


def _dollars_per_flop(hourly: float, peak: float, utilisation: float) -> float:
    return hourly / 3600 / (peak * utilisation)


def _price(name: str, meaning: str) -> Parameter:
    grid = tuple(math.log(x) for x in (1e-19, 1e-18, 1e-17, 1e-16))
    dimension = {"bill": 1, "N": -1, "D": -1}
    return Parameter(name, unit="dollars per FLOP", meaning=meaning, grid=grid, dimension=dimension)


sardana_dollar = Law(
    "sardana_dollar",
    _log_dollars,
    variables=(
        N,
        D,
        Variable("D_in", "tokens", "prompt tokens read over the model's life"),
        Variable("D_out", "tokens", "tokens generated over the model's life"),
    ),
    response=Variable("bill", "dollars", "money to train the model and to serve it"),
    parameters=(
        _price("train", "price of compute in training"),
        _price("prompt", "price of compute on prompts"),
        _price("answer", "price of compute in generation"),
    ),
    formula="bill = 6 N D train + 2 N (D_in prompt + D_out answer)",
    serves="How much smaller a model should be that will be served a lot, in dollars.",
    seen_to="an identity, not a fit",
    source=_SARDANA,
    note=(
        "Each price is that of a device-hour over the FLOPs it does in one, the peak times the share that is reached. "
        "To plan with it add cost models: costs.six_nd.dollars(...) + costs.inference(D_in).dollars(...) + "
        "costs.inference(D_out).dollars(...)."
    ),
    constants={
        "a100": Published(
            {
                "train": _dollars_per_flop(1.5, 312e12, 0.5),
                "prompt": _dollars_per_flop(1.1, 624e12, 0.5),
                "answer": _dollars_per_flop(1.1, 624e12, 0.01),
            },
            f"{_SARDANA}, Section 4",
            "unverified",
            note="Read second-hand: A100 at $1.50 an hour and half the peak for training, at $1.10 and the INT8 peak "
            "for serving, half of it reached on prompts and 1 % when generating. The paper's examples come out near, "
            "not to the digit: 30B quality for 1.5B requests as 15.7B on 3.5T tokens, printed 16B on 3.35T.",
        )
    },
)
