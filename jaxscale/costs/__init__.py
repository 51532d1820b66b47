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
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxscale import reference
from jaxscale._base.errors import InputError
from jaxscale._base.pickling import HoldsFunction
from jaxscale._base.programs import kept
from jaxscale._base.settings import as_usual, in_float64
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale.costs._formulas import (
    Converted,
    Sum,
    Times,
    device_hours,
    elapsed,
    energy,
    hurried,
    join_assumption,
    log_context,
    log_deepseek,
    log_inference,
    log_kaplan_total,
    log_moe,
    log_powers,
    log_six_nd,
    part_of,
    priced,
)
from jaxscale.costs._table import SAME_COMPUTE, Relation, relation
from jaxscale.costs._words import call, spent
from jaxscale.laws._faults import in_words, number_of
from jaxscale.laws._math import floating

_TYPICAL_MFU = 0.4  # of large dense training runs; Llama 3 reports 0.38 to 0.43


@dataclass(frozen=True, eq=False)
class CostModel(HoldsFunction):
    """What a plan costs: `log_cost(log_N, log_D, **assumptions) -> log cost`, pure JAX, for one run.

    It must grow with every variable. It is written in logs, where no budget overflows.

    Args:
        name: short lower-case name, kept with every plan.
        log_cost: the formula; the variables' logs by position, assumptions by keyword in natural units.
        unit: what is spent.
        meaning: what is counted, and how N must be counted for it.
        source: paper, equation.
        variables: what the formula reads, in order.
        assumptions: positive numbers the formula takes by name: demand, prices, utilisation.
        convex: whether the cost is a sum of powers of the variables with positive factors.
    """

    name: str
    log_cost: Callable[..., Any]
    unit: str = "FLOPs"
    meaning: str = ""
    source: str = ""
    variables: tuple[str, ...] = ("N", "D")
    assumptions: Mapping[str, float] = field(default_factory=dict)
    convex: bool = False

    def __post_init__(self):
        object.__setattr__(
            self, "assumptions", {k: check_positive(self.name, k, v) for k, v in self.assumptions.items()}
        )

    def check(self) -> None:
        """Raise InputError, in words, unless the formula makes a number of the variables and assumptions."""
        _examine(f"cost {quoted(self.name)}", self.log_cost, len(self.variables), tuple(self.assumptions))

    def __call__(self, *logs: Any, **assumptions: Any) -> Any:
        """Log cost at logs of the variables; assumptions not given have the model's own values."""
        return self.log_cost(*logs, **{**self.assumptions, **assumptions})

    @as_usual()
    def compute(self, *variables: Any, **assumptions: Any) -> Array:
        """Cost in natural units, of N parameters and D tokens; pure JAX, broadcasts, follows the caller's dtype."""
        return jnp.exp(self(*(jnp.log(floating(v)) for v in variables), **assumptions))

    def with_assumptions(self, **changes: float) -> "CostModel":
        """The same model with other values of some assumptions.

        Raises:
            InputError: the model has no such assumption.
        """
        unknown = [name for name in changes if name not in self.assumptions]
        if unknown:
            raise InputError(
                f"cost {self.name} has no assumption {quoted(unknown[0])}; "
                f"it has {', '.join(self.assumptions) or 'none'}"
            )
        return self._changed(assumptions={**self.assumptions, **changes})

    def with_inference(self, tokens: float) -> "CostModel":
        """This training compute plus the compute to serve `tokens` tokens over the model's life, 2 N each.

        Serving in money or hours at another utilisation is written as a sum, see `inference`.
        """
        if self.unit != "FLOPs":
            raise InputError(
                f"{self.name} is in {self.unit}, serving adds FLOPs; call with_inference before dollars, or add "
                "inference(tokens).dollars(...)"
            )
        return self + inference(tokens)

    def at_batch(self, batch: float, critical: float) -> "CostModel":
        """This training compute at batches that are not small: times 1 + batch / critical.

        D then counts the tokens that small batches would need for the same loss; those trained on are as many times
        more, in steps of D (1 + critical / batch) / critical (McCandlish et al. 2018, see
        `laws.mccandlish_steps`). So a plan tells what haste costs, in FLOPs, and after `dollars` or `days` in those.

        Args:
            batch, critical: in tokens; `laws.kaplan_bcrit` and `laws.batch_by_tokens` say what is critical.
        """
        self._check_flops("at_batch")
        given = {"batch": batch, "critical_batch": critical}
        return self._converted(hurried, given, "FLOPs", "1 + batch / critical times")._changed(
            name=f"{self.name} at batch"
        )

    def gpu_hours(
        self, accelerator: str = "h100", *, mfu: float | None = None, peak: float | None = None
    ) -> "CostModel":
        """Device-hours for this compute on an accelerator.

        Args:
            accelerator: a name of `reference.accelerators`.
            mfu: model FLOPs per second over the peak; the accelerator's usual one (else 0.4) if not given.
            peak: FLOP/s, if not the accelerator's dense 16-bit peak (INT8, FP8).
        """
        self._check_flops("gpu_hours")
        device = reference.accelerator(accelerator)
        if mfu is None:
            mfu = device.mfu.value if device.mfu else _TYPICAL_MFU
        if isinstance(mfu, int | float) and not 0 < mfu <= 1:
            raise InputError(f"mfu is a share of the peak, above 0 and up to 1; got {mfu!r}")
        given = {"mfu": mfu, "peak": device.peak.value if peak is None else peak}
        return self._converted(device_hours, given, "hours", f"hours of one {device.title}")

    def dollars(
        self,
        accelerator: str = "h100",
        *,
        mfu: float | None = None,
        price: float | None = None,
        peak: float | None = None,
    ) -> "CostModel":
        """Dollars for this compute, at `price` dollars per device-hour; see `gpu_hours`."""
        device = reference.accelerator(accelerator)
        if price is None:
            if device.price is None:
                raise InputError(f"no price of {accelerator} is known; give price=, in dollars per device-hour")
            price = device.price.value
        hours = self.gpu_hours(accelerator, mfu=mfu, peak=peak)
        return hours._converted(priced, {"price": price}, "dollars", f"rented {device.title}")

    def kwh(
        self, accelerator: str = "h100", *, mfu: float | None = None, watts: float | None = None, pue: float = 1.2
    ) -> "CostModel":
        """Energy in kWh: device-hours times board power times `pue` (all power of the site over that of its
        computers)."""
        device = reference.accelerator(accelerator)
        if watts is None:
            if device.watts is None:
                raise InputError(f"the board power of {accelerator} is not known; give watts=")
            watts = device.watts.value
        given = {"watts": watts, "pue": pue}
        return self.gpu_hours(accelerator, mfu=mfu)._converted(energy, given, "kWh", "electricity")

    def days(
        self, devices: float, accelerator: str = "h100", *, mfu: float | None = None, peak: float | None = None
    ) -> "CostModel":
        """Wall-clock days on a number of devices; see `gpu_hours`."""
        hours = self.gpu_hours(accelerator, mfu=mfu, peak=peak)
        return hours._converted(elapsed, {"devices": devices}, "days", "wall clock")

    def __add__(self, other: "CostModel") -> "CostModel":
        if not isinstance(other, CostModel):
            return NotImplemented
        if other.unit != self.unit:
            raise InputError(
                f"cannot add {self.name} in {self.unit} to {other.name} in {other.unit}; bring both to one unit"
            )
        variables = tuple(dict.fromkeys((*self.variables, *other.variables)))
        taken: dict[str, float] = {}
        parts = tuple(part_of(model, variables, taken) for model in (self, other))
        return CostModel(
            f"{self.name} + {other.name}",
            Sum(parts),
            self.unit,
            " + ".join(x.meaning or x.name for x in (self, other)),
            variables=variables,
            assumptions=taken,
            convex=self.convex and other.convex,
        )

    def __radd__(self, other: Any) -> "CostModel":
        """What `sum` begins with."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __rmul__(self, factor: float) -> "CostModel":
        if not isinstance(factor, Real):
            return NotImplemented
        if not 0 < factor < math.inf:
            raise InputError(f"a cost can be multiplied by a positive finite number, got {factor!r}")
        shown = format_number(factor)
        return self._changed(
            name=f"{shown} * ({self.name})" if " + " in self.name else f"{shown} * {self.name}",
            log_cost=Times(float(factor), self.log_cost),
            meaning=f"{shown} times ({self.meaning or self.name})",
        )

    def __mul__(self, factor: float) -> "CostModel":
        return self.__rmul__(factor)

    def __truediv__(self, divisor: float) -> "CostModel":
        if not isinstance(divisor, Real):
            return NotImplemented
        if not 0 < divisor < math.inf:
            raise InputError(f"a cost can be divided by a positive finite number, got {divisor!r}")
        return self.__rmul__(1 / divisor)

    def _changed(self, **changes: Any) -> "CostModel":
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return CostModel(**{**fields, **changes})

    def _check_flops(self, verb: str) -> None:
        if self.unit != "FLOPs":
            raise InputError(f"{verb} converts FLOPs, but {self.name} is in {self.unit}")

    def _converted(self, log_factor: Callable[..., Any], given: dict[str, float], unit: str, how: str) -> "CostModel":
        """This cost times a factor made of new assumptions."""
        mine = tuple(self.assumptions)
        taken = dict(self.assumptions)
        names = tuple((name, join_assumption(name, value, taken)) for name, value in given.items())
        return self._changed(
            name=self.name if self.unit != "FLOPs" else f"({self.name})" if " + " in self.name else self.name,
            log_cost=Converted(self.log_cost, mine, log_factor, names),
            unit=unit,
            meaning=f"{self.meaning or self.name}, in {unit}: {how}",
            assumptions=taken,
        )


@kept
def _examine(owner: str, log_cost: Callable[..., Any], variables: int, names: tuple[str, ...]) -> None:
    def value(logs: list[Any], assumptions: Mapping[str, Any]) -> Any:
        return number_of(log_cost(*logs, **assumptions), *logs, *assumptions.values())

    scalar = jax.ShapeDtypeStruct((), float)
    with in_float64(), in_words(owner):
        jax.eval_shape(value, [scalar] * variables, dict.fromkeys(names, scalar))


def check_positive(owner: str, name: str, value: Any) -> Any:
    """The value as a float, or as it is if it is traced; InputError unless it is a positive finite number."""
    if isinstance(value, str):
        value = parse_number(value)
    if not isinstance(value, int | float | np.number):
        return value  # an array, possibly traced: it is checked by what comes of it
    if isinstance(value, bool) or not 0 < value < math.inf:
        raise InputError(f"{owner}: {name} must be positive and finite, got {quoted(value)}")
    return float(value)


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


def moe(active: float) -> CostModel:
    """6 N D of a mixture of experts in which a share `active` of all N parameters takes part in each token."""
    if isinstance(active, int | float) and not 0 < active <= 1:
        raise InputError(f"active is the share of parameters that a token uses, above 0 and up to 1; got {active!r}")
    return CostModel(
        "moe",
        log_moe,
        meaning="6 N D times the share of parameters active in a token; N counts all parameters",
        assumptions={"active": active},
        convex=True,
    )


def inference(tokens: float) -> CostModel:
    """2 N FLOPs for each of `tokens` tokens read or generated over the model's life; a cost of N alone, to be added.

    Sardana et al.'s table in FLOPs comes out to every digit. Their three cases in dollars do not: at the settings they
    state, savings are 19.0 %, 39.5 % (extra cost of the larger model) and 55.3 % where they print 17, 36 and 54; with
    serving a tenth cheaper they would be 17.3, 35.9 and 53.8.
    """
    return CostModel(
        "inference",
        log_inference,
        meaning="2 N FLOPs for each token served",
        source="Sardana et al. 2024 (arXiv 2401.00448)",
        variables=("N",),
        assumptions={"inference_tokens": tokens},
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
    `moe:active=.1 in dollars:h100,mfu=.4,price=2`. Arguments are those of the functions and of `CostModel`. A price is
    never assumed: it is the one that you pay.

    Args:
        name: see above.
        inference_tokens: tokens to be served, whose FLOPs are added before they are converted.

    Raises:
        InputError: there is no such cost model, or an argument is missing or unknown; the message lists what there is.
    """
    formula, converted, unit = (part.strip() for part in str(name).partition(" in "))
    if not converted and formula.partition(":")[0] in _UNITS:
        formula, unit = "six_nd", formula
    key, _, arguments = formula.partition(":")
    if key not in _MADE:
        raise InputError(
            f"there is no cost model {quoted(key)}; choose one of {', '.join(names())}, moe:active=.1, "
            f"{', '.join(_UNITS.values())}"
        )
    model = call(key, _MADE[key], arguments, "moe:active=.1")
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
        f"{runs.count} runs, each within {100 * math.expm1(found.off):.2g} %",
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
