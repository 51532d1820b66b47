"""Loss after fine-tuning: against the size of what is tuned and the data, and where little data does nothing yet."""

from jax import Array

from jaxscale.laws._law import Law
from jaxscale.laws._math import logsumexp
from jaxscale.laws._parameters import Parameter, Params, Variable

_D_F = Variable("D_F", "tokens", "data fine-tuned on")


def _log_loss_product(p: Params, *, log_X: Array, log_D_F: Array) -> Array:
    return logsumexp(p.log_E, p.log_A - p.alpha * log_X - p.beta * log_D_F)


zhang_finetuning = Law(
    "zhang_finetuning",
    _log_loss_product,
    variables=(Variable("X", "", "parameters of the model or of the adapter, or pre-training tokens"), _D_F),
    parameters=(
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
        Parameter("A", meaning="reducible loss at X = D_F = 1", dimension={"D_F": "beta", "loss": 1}),
        Parameter("alpha", "identity", meaning="exponent of X"),
        Parameter("beta", "identity", meaning="exponent of the data"),
    ),
    formula="L = A / (X^alpha D_F^beta) + E",
    serves="Whether more fine-tuning data, a larger model or a larger adapter helps more.",
    seen_to="16B parameters",
    source="Zhang et al. 2024 (arXiv 2402.17193)",
    note="Form only: constants belong to one task and way of tuning. Both factors multiply, unlike in chinchilla.",
)


def _log_loss_rectified(p: Params, *, log_D_F: Array) -> Array:
    return logsumexp(p.log_E, p.log_B - logsumexp(p.log_D_l, p.beta * log_D_F))


lin_rectified = Law(
    "lin_rectified",
    _log_loss_rectified,
    variables=(_D_F,),
    parameters=(
        Parameter("B", meaning="what is reducible", dimension={"D_F": "beta", "loss": 1}),
        Parameter("D_l", meaning="what pre-training is worth: below it more data changes little",
                  dimension={"D_F": "beta"}),
        Parameter("beta", "identity", meaning="exponent of the data"),
        Parameter("E", unit="nats per token", meaning="irreducible loss", dimension={"loss": 1}),
    ),
    formula="L = B / (D_l + D_F^beta) + E",
    serves="Which pre-trained model to fine-tune, from fine-tuning a little of each.",
    seen_to="30 pre-trained models on three tasks",
    source="Lin et al. 2024 (arXiv 2402.02314)",
    note="Form only, as quoted in two independent public notes: constants belong to one model and task.",
)  # fmt: skip
