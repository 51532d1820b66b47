"""From loss to accuracy on tasks: one curve from the loss on text, or two steps by way of that on the answers."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxscale.laws._constants import Published
from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import LOSS, C, D, N, Parameter, Params, Variable

_ERROR = Variable("error", "", "average share of wrong answers", "unit")
_ACCURACY = Variable("accuracy", "", "share of right answers", "unit", better="higher")
_TASK_LOSS = Variable("task_loss", "loss of the answer", "loss on the right answer, per byte or normalised", "real")

# --- Loss to error ---

_GADRE = "Gadre et al. 2024 (arXiv 2403.08540)"


def _error(p: Params, *, log_loss: Array) -> Array:
    return p.epsilon - jnp.exp(p.log_k - p.gamma * jnp.exp(log_loss))


def _loss_for_error(params: Mapping[str, Any], error: Any) -> Array:
    """The loss at which the average error is `error`, below epsilon."""
    p = Params(params)
    return (p.log_k - jnp.log(p.epsilon - error)) / p.gamma


def _gadre(epsilon: float, k: float, gamma: float, corpus: str, tasks: int) -> Published:
    return Published(
        {"epsilon": epsilon, "k": k, "gamma": gamma},
        f"{_GADRE}, {corpus}, {tasks} tasks",
        "recomputed",
        note="Refitted from the authors' runs; loss on C4. k and gamma are strongly correlated.",
    )


gadre_err = Law(
    "gadre_err",
    _error,
    variables=(LOSS,),
    response=_ERROR,
    parameters=(
        Parameter("epsilon", "logit", meaning="error at a very high loss: that of guessing, ideally"),
        Parameter("k", meaning="error saved, extrapolated to a loss of zero"),
        Parameter("gamma", unit="1 / nat", meaning="rate at which loss undoes it", dimension={"loss": -1}),
    ),
    formula="error = epsilon - k exp(-gamma L)",
    serves="What loss a wanted average error asks for.",
    seen_to="1.4B parameters on 922B tokens and 6.9B on 138B, both held out",
    source=_GADRE,
    constants={
        "c4_17": _gadre(0.8497, 2.0789, 0.7561, "C4", 17),
        "rpj_17": _gadre(0.8570, 2.2065, 0.7146, "RedPajama", 17),
        "rw_17": _gadre(0.8653, 2.2148, 0.7070, "RefinedWeb", 17),
        "c4_46": _gadre(0.7589, 1.2885, 0.9722, "C4", 46),
        "rpj_46": _gadre(0.7608, 1.3229, 0.8907, "RedPajama", 46),
        "rw_46": _gadre(0.7677, 1.1281, 0.8215, "RefinedWeb", 46),
    },
    closed_forms={"loss_for_error": _loss_for_error},
)

# --- Two steps: task loss, then accuracy ---


def _line(p: Params, log_C: Array) -> Array:
    return p.slope * (p.log_C_0 - log_C) / math.log(10)


def _surface(p: Params, log_N: Array, log_D: Array) -> Array:
    return jnp.exp(logsumexp(p.log_E, p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D))


def _sigmoid(p: Params, logit: Array) -> Array:
    return p.chance + (p.ceiling - p.chance) * jax.nn.sigmoid(logit)


def _accuracy(p: Params, task_loss: Array) -> Array:
    return _sigmoid(p, p.k * (p.x_0 - task_loss))


def _loss_of_line(params: Mapping[str, Any], C: Any) -> Array:
    """Step 1: the task loss at compute C."""
    return _line(Params(params), jnp.log(C))


def _loss_of_surface(params: Mapping[str, Any], N: Any, D: Any) -> Array:
    """Step 1: the task loss of a model of N parameters trained on D tokens."""
    return _surface(Params(params), jnp.log(N), jnp.log(D))


def _line_parameters(dimension: Mapping[str, float]) -> tuple[Parameter, ...]:
    return (
        Parameter("slope", meaning="task loss saved by ten times the compute", dimension=dimension),
        Parameter("C_0", unit="FLOPs", meaning="compute at which the line would meet zero", dimension={"C": 1}),
    )


_SURFACE = (
    Parameter("A", meaning="size term at N = 1", dimension={"N": "alpha"}),
    Parameter("B", meaning="data term at D = 1", dimension={"D": "beta"}),
    Parameter("alpha", "identity", meaning="exponent of N"),
    Parameter("beta", "identity", meaning="exponent of D"),
)
_ENDS = (
    Parameter("chance", "logit", meaning="accuracy of guessing; usually known and fixed"),
    Parameter("ceiling", "logit", meaning="accuracy at a very low task loss"),
)


def _step(dimension: Mapping[str, float], x_0: Mapping[str, float]) -> tuple[Parameter, ...]:
    return (
        Parameter("k", meaning="steepness: accuracy rises as task loss falls", dimension=dimension),
        Parameter("x_0", "identity", meaning="task loss half way between chance and ceiling", dimension=x_0),
    )


_LLAMA = "Llama Team 2024 (arXiv 2407.21783)"
_BHAGIA = "Bhagia et al. 2024 (arXiv 2412.04403)"
_SIGMOID = "chance + (ceiling - chance) / (1 + exp(-k (x_0 - x)))"
_TWO_STEP = (
    "Form only. Accuracy alone leaves the scale of x open: fit step 1 to task losses and step 2 (task_accuracy) to "
    "accuracies against them, then fix the parameters found."
)

task_accuracy = Law(
    "task_accuracy",
    lambda p, *, task_loss: _accuracy(p, task_loss),
    variables=(_TASK_LOSS,),
    response=_ACCURACY,
    parameters=(*_ENDS, *_step({"task_loss": -1}, {"task_loss": 1})),
    formula=f"accuracy = {_SIGMOID}, x = task_loss",
    serves="What accuracy a task loss is worth.",
    seen_to="13B parameters on 5T tokens",
    source=f"{_LLAMA}; {_BHAGIA}, step 2",
    note="Form only. The papers write a / (1 + exp(-k (x - x_0))) + b with k < 0: b is chance, a + b the ceiling.",
)

llama3_task_loss = Law(
    "llama3_task_loss",
    lambda p, *, log_C: _line(p, log_C),
    variables=(C,),
    response=_TASK_LOSS,
    parameters=_line_parameters({"task_loss": 1}),
    formula="task_loss = slope log10(C_0 / C)",
    serves="What task loss a budget buys.",
    seen_to="four orders of magnitude of compute on one benchmark",
    source=f"{_LLAMA}, step 1",
    note="Form only: a line in log10 C.",
)

llama3_two_step = Law(
    "llama3_two_step",
    lambda p, *, log_C: _accuracy(p, _line(p, log_C)),
    variables=(C,),
    response=_ACCURACY,
    parameters=(*_line_parameters({}), *_ENDS, *_step({}, {})),
    formula=f"accuracy = {_SIGMOID}, x = slope log10(C_0 / C)",
    serves="What accuracy a budget buys.",
    seen_to="four orders of magnitude of compute on one benchmark",
    source=_LLAMA,
    note=_TWO_STEP,
    closed_forms={"task_loss": _loss_of_line},
)

bhagia_two_step = Law(
    "bhagia_two_step",
    lambda p, *, log_N, log_D: _accuracy(p, _surface(p, log_N, log_D)),
    variables=(N, D),
    response=_ACCURACY,
    parameters=(Parameter("E", meaning="irreducible task loss"), *_SURFACE, *_ENDS, *_step({}, {})),
    formula=f"accuracy = {_SIGMOID}, x = E + A / N^alpha + B / D^beta",
    serves="What accuracy a size and a number of tokens buy.",
    seen_to="13B parameters on 5T tokens",
    source=_BHAGIA,
    note=f"{_TWO_STEP} bhagia_one_step has the same shapes without that freedom.",
    closed_forms={"task_loss": _loss_of_surface},
)

bhagia_one_step = Law(
    "bhagia_one_step",
    lambda p, *, log_N, log_D: _sigmoid(
        p, p.s - jnp.exp(logsumexp(p.log_A - p.alpha * log_N, p.log_B - p.beta * log_D))
    ),
    variables=(N, D),
    response=_ACCURACY,
    parameters=(Parameter("s", "identity", meaning="logit of an endless run"), *_SURFACE, *_ENDS),
    formula="accuracy = chance + (ceiling - chance) / (1 + exp(A / N^alpha + B / D^beta - s))",
    serves="What accuracy a size and a number of tokens buy, from accuracies alone.",
    seen_to="13B parameters on 5T tokens",
    source=f"{_BHAGIA}, single step",
    note="Form only: bhagia_two_step in one fit to accuracies, with k A, k B and k (x_0 - E) for its A, B and s.",
)
