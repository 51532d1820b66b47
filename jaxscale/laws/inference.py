"""Compute spent on answering: repeated samples, and what of it a larger or longer-trained model would save."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import gammaln

from jaxscale._errors import InputError
from jaxscale.laws._law import Law, Parameter, Params, Published, Variable
from jaxscale.laws._math import log

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
    response=Variable("coverage", "", "share of problems with at least one right answer", "unit"),
    parameters=(
        Parameter("a", meaning="minus the log of the coverage of one answer", dimension={"k": "b"}),
        Parameter("b", meaning="exponent of k"),
    ),
    formula="coverage = exp(-a k^-b)",
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
    response=Variable("k", "", "times as many tokens the small model may answer with at the same compute"),
    parameters=(Parameter("training", meaning="FLOPs to train on a token over FLOPs to generate one"),),
    formula="k = M + training (M - 1) / R",
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
