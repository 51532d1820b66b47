"""Cost models: compute, time, energy or money spent on a model of N parameters and D tokens.

A cost model is a value. Models in one unit add up, `a + b`; `2 * a` is a cost model; FLOPs turn into dollars, hours or
energy on a named accelerator:

    training = costs.six_nd.with_inference(tokens=2e13)                       # FLOPs
    money = costs.six_nd.dollars("h100", price=2.0) + costs.inference(2e13).dollars("h100", mfu=0.05, price=2.0)

`get` reads the same in words, `dollars:h100,mfu=.4,price=2`, and `budget` what there is to spend,
`512 x H100 x 45 days @ 40%`.

Demand, prices and utilisations are `assumptions`: data beside the formula, so that a plan can be differentiated in them
and asked what happens if they change.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import as_percent, format_number, quoted
from jaxscale.costs._formulas import log_context, log_deepseek, log_kaplan_total, log_moe, log_powers, log_six_nd
from jaxscale.costs._model import CostModel, check_positive, inference
from jaxscale.costs._relation import SAME_COMPUTE, Relation, relation
from jaxscale.costs._words import call, spent

_HOFFMANN, _KAPLAN = "Hoffmann et al. 2022 (arXiv 2203.15556)", "Kaplan et al. 2020 (arXiv 2001.08361)"
six_nd = CostModel(
    "six_nd",
    log_six_nd,
    meaning="6 N D: per parameter and token 2 FLOPs forward and 4 backward; N counts all parameters",
    source=_HOFFMANN,
    convex=True,
)
deepseek = CostModel(
    "deepseek",
    log_deepseek,
    meaning="M D: M counts the FLOPs of a token without embeddings, attention included; see Shape.deepseek_M",
    source="DeepSeek LLM (arXiv 2401.02954)",
    variables=("M", "D"),
    convex=True,
)


def kaplan(omega: float | None = None) -> CostModel:
    """6 N D with parameters counted without embeddings and the context term left out.

    Args:
        omega: if given, N counts all parameters, and N = N_ne + omega N_ne^(1/3) says how many of them are embeddings:
            omega = vocabulary * (width / layers / 12)^(1/3), 47491 in Pearce and Song 2024 (arXiv 2406.12907).
    """
    if omega is None:
        meaning = "6 N D with the context term left out; N counts the parameters without embeddings"
        return CostModel("kaplan", log_six_nd, meaning=meaning, source=_KAPLAN, convex=True)
    return CostModel(
        "kaplan",
        log_kaplan_total,
        meaning="6 N_ne D with the context term left out; N counts all parameters, N = N_ne + omega N_ne^(1/3)",
        source="Pearce and Song 2024 (arXiv 2406.12907)",
        assumptions={"omega": omega},
    )


def kaplan_ctx(context: float = 2048, aspect: float = 128) -> CostModel:
    """6 N_ne D and the attention over `context` tokens (its causal half), for models of width = `aspect` * layers.

    N counts the parameters without embeddings. For one model of known shape see `Shape.kaplan_per_token`.
    """
    return CostModel(
        "kaplan_ctx",
        log_context,
        meaning="3 (2 N + 2 layers context width) D; N counts the parameters without embeddings",
        source=f"{_KAPLAN}, section 2.1",
        assumptions={"context": context, "aspect": aspect},
        convex=True,
    )


def moe(active: float | None = None) -> CostModel:
    """6 N D of a mixture of experts in which a share `active` of all N parameters takes part in each token.

    Without that share it is 6 N_a D, for laws in which the parameters that a token passes through are a variable.
    """
    if active is None:
        meaning = "6 N_a D: N_a counts the parameters that a token passes through"
        return CostModel("moe", log_six_nd, meaning=meaning, variables=("N_a", "D"), convex=True)
    if isinstance(active, int | float) and not 0 < active <= 1:
        raise InputError(f"active is the share of parameters that a token uses, above 0 and up to 1; got {active!r}")
    return CostModel(
        "moe",
        log_moe,
        meaning="6 N D times the share of parameters active in a token; N counts all parameters",
        assumptions={"active": active},
        convex=True,
    )


@dataclass(frozen=True)
class Shape:
    """The shape of a dense transformer, for its FLOPs per token; `feedforward` is 4 * width unless given."""

    layers: int
    width: int
    context: int
    vocabulary: int = 0
    feedforward: int | None = None
    heads: int = 0

    @property
    def N_ne(self) -> float:
        """Parameters without embeddings, 12 layers width^2 with the usual feed-forward width."""
        feedforward = 4 * self.width if self.feedforward is None else self.feedforward
        return float(self.layers * (4 * self.width**2 + 2 * self.width * feedforward))

    @property
    def kaplan_per_token(self) -> float:
        """FLOPs to train on one token, attention counted by its causal half: 3 (2 N_ne + 2 layers context width)."""
        return 3 * (2 * self.N_ne + 2.0 * self.layers * self.context * self.width)

    @property
    def deepseek_M(self) -> float:
        """FLOPs to train on one token as DeepSeek count them: 72 layers width^2 + 12 layers width context."""
        return 6 * self.N_ne + 12.0 * self.layers * self.width * self.context

    @property
    def hoffmann_per_token(self) -> float:
        """FLOPs to train on one token with embeddings, logits and all of attention (Hoffmann et al., appendix F)."""
        feedforward = 4 * self.width if self.feedforward is None else self.feedforward
        attention = 8.0 * self.width**2 + 4 * self.context * self.width + 3 * self.heads * self.context
        layer = attention + 4 * self.width * feedforward
        return 3 * (4.0 * self.vocabulary * self.width + self.layers * layer)


_ALL: Mapping[str, Callable[[], CostModel]] = {
    "six_nd": lambda: six_nd,
    "kaplan": kaplan,
    "kaplan_ctx": kaplan_ctx,
    "deepseek": lambda: deepseek,
}
_MADE: Mapping[str, Callable[..., CostModel]] = {**_ALL, "moe": moe}
_UNITS = {  # how each is written
    "dollars": "dollars:h100,mfu=.4,price=2",
    "gpu_hours": "gpu_hours:h100,mfu=.4",
    "days": "days:512,h100,mfu=.4",
    "kwh": "kwh:h100,mfu=.4",
}


def names() -> tuple[str, ...]:
    """Names of the cost models that need no further argument, in the order they are listed."""
    return tuple(_ALL)


def get(name: str, *, inference_tokens: float | str | None = None) -> CostModel:
    """The cost model of that name, with arguments after a colon.

    `kaplan`, `moe:active=.1`, `kaplan_ctx:context=8192` count FLOPs. `dollars:h100,mfu=.4,price=2`,
    `gpu_hours:h100,mfu=.4`, `days:512,h100,mfu=.4` and `kwh:h100,mfu=.4` convert 6 N D, or what stands before:
    `moe:active=.1 in dollars:h100,mfu=.4,price=2`. `six_nd at batch:8M,critical=2M` (before `in`) is
    `CostModel.at_batch`. Arguments are those of the functions and of `CostModel`. A price is never assumed: it is the
    one that you pay.

    Args:
        name: see above.
        inference_tokens: tokens to be served, whose FLOPs are added before they are converted.

    Raises:
        InputError: there is no such cost model, or an argument is missing or unknown; the message lists what there is.
    """
    formula, converted, unit = (part.strip() for part in str(name).partition(" in "))
    if not converted and formula.partition(":")[0] in _UNITS:
        formula, unit = "six_nd", formula
    formula, _, batch = (part.strip() for part in formula.partition(" at batch:"))
    key, _, arguments = formula.partition(":")
    if key not in _MADE:
        raise InputError(
            f"there is no cost model {quoted(key)}; choose one of {', '.join(names())}, moe:active=.1, "
            f"{', '.join(_UNITS.values())}"
        )
    model = call(key, _MADE[key], arguments, "moe:active=.1")
    if batch:
        model = call("at batch", model.at_batch, batch, "batch:8M,critical=2M")
    if inference_tokens is not None:
        model = model.with_inference(check_positive(key, "inference_tokens", inference_tokens))
    if not unit:
        return model
    key, _, arguments = unit.partition(":")
    if key not in _UNITS:
        raise InputError(f"a cost is in one of {', '.join(_UNITS)}; got {quoted(key)}")
    return call(key, getattr(model, key) if key != "dollars" else partial(_dollars, model), arguments, _UNITS[key])


def _dollars(
    model: CostModel, accelerator: str, price: float, mfu: float | None = None, peak: float | None = None
) -> CostModel:
    """`CostModel.dollars` at a price that somebody gave."""
    return model.dollars(accelerator, mfu=mfu, price=price, peak=peak)


def budget(amount: float | str, cost: CostModel | str = six_nd) -> float:
    """What there is to spend, in the unit of a cost.

    A number is in that unit. Text says its own: `100 PF-days`, `512 x H100 x 45 days @ 40%` (at 40 % of the dense
    16-bit peak in `reference`), `3e6 H100-hours @ 40%`, `$2M`, `5 GWh`. Device-hours become dollars, days or kWh by the
    assumptions of the cost.

    Raises:
        InputError: the text is no amount, or in a unit that does not follow from the cost.
    """
    if not isinstance(amount, str):
        return float(amount)
    model = as_cost(cost)
    return spent(amount, model.name, model.unit, model.assumptions)


def table_relation(runs: Any) -> Relation | None:
    """What the compute of a table's own column grows as; None where it has none of its own, or its runs do not say."""
    if not {"N", "D", "C"} <= runs.variables.keys() or {"N", "D"} & runs.record.conventions.keys():
        return None
    return relation(*(np.log(runs.variables[v]) for v in ("N", "D", "C")))


def compute_ratios(runs: Any) -> tuple[float, float] | None:
    """Smallest and largest ratio of the compute of a table's runs to 6 N D; None where it is 6 N D."""
    ratios = runs.variable("C") / (6 * runs.variable("N") * runs.variable("D"))
    low, high = float(ratios.min()), float(ratios.max())
    return None if max(abs(math.log(low)), abs(math.log(high))) <= SAME_COMPUTE else (low, high)


def from_runs(runs: Any) -> CostModel:
    """The compute of a table's own column as a cost, k N^a D^b fitted to its runs by least squares in logs.

    For tables whose compute is not 6 N D: attention or embeddings counted, mixtures of experts, other conventions.

    Args:
        runs: `Runs` with columns of N, D and C.

    Raises:
        InputError: the table has no compute of its own, or its runs do not tell what N and D cost.
    """
    found = table_relation(runs)
    if found is None:
        raise InputError(
            "the compute of this table is no cost: it takes columns of N, D and C, C not made from the other two, and "
            "runs whose sizes and tokens vary apart, with C growing in both; plan with another cost, such as six_nd"
        )
    return CostModel(
        "table",
        log_powers,
        meaning=f"{format_number(math.exp(found.log_k), 3)} N^{found.a:.4g} D^{found.b:.4g}, fitted to the compute of "
        f"{runs.count} runs, each within {as_percent(math.expm1(found.off))}",
        source="the table of runs",
        assumptions={"k": math.exp(found.log_k), "a": found.a, "b": found.b},
        convex=True,
    )


def as_cost(cost: Any) -> CostModel:
    """A cost model as it is, or the one of that name. Raises InputError for anything else."""
    if isinstance(cost, str):
        return get(cost)
    if not isinstance(cost, CostModel):
        raise InputError(
            f"cost must be a CostModel or one of {', '.join(names())}, got {quoted(cost)}"
            + ("; call it" if callable(cost) else "")
        )
    return cost


__all__ = [
    "CostModel",
    "Shape",
    "budget",
    "compute_ratios",
    "deepseek",
    "from_runs",
    "get",
    "inference",
    "kaplan",
    "kaplan_ctx",
    "moe",
    "names",
    "six_nd",
    "table_relation",
]
