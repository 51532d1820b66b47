"""What a plan must keep to: bounds, deadlines, memory, latency, prices, or a function of one's own.

`frontier(..., limits=...)` takes a mapping, a `Limit`, or a list of both:

    limits={"N_max": 70e9, "D_per_N": (20, 400), "U": 5e12}
    limits=[{"D_max": 15e12}, limits.days(30, devices=1024), limits.Limit(lambda N, D: D / N - 400, name="ratio")]

Keys: `X_max` and `X_min` for a variable X, `X_per_Y` with a pair of ends (None for an open one), `U` for the unique
tokens there are, tokens beyond them being repetitions. Of a mixture h of domains each share is a variable, h1, h2, ...;
`h_min` and `h_max` are of all of them, and `U` takes unique tokens for each domain, (2e12, 3e11, None): none is seen
more than `epochs_max` times, once if that is not given. Deadlines, memory, latency and prices are also read from words:

    limits={"days": "45 on 512 x H100 @ 40%", "memory": "80 GB at bf16", "latency": "20 ms on 8 x H100 at bf16",
            "serving_price": "$2 on H100 @ 5%, price=2"}
"""

import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxscale import reference
from jaxscale._base.errors import InputError
from jaxscale._base.pickling import HoldsFunction
from jaxscale._base.programs import kept
from jaxscale._base.settings import in_float64
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale.costs import CostModel, check_positive, inference, six_nd
from jaxscale.costs._words import call
from jaxscale.laws._faults import in_words, number_of

UNIQUE_TOKENS = "U"
_LOG_BYTE = math.log(8)  # bits


@dataclass(frozen=True, eq=False)
class Limit(HoldsFunction):
    """One thing a plan must keep to: `function(...) <= 0`, pure JAX, for one plan.

    Arguments are found by name: `N` is a variable in natural units and `log_N` its logarithm, and so with every number
    in `values`. In logs a limit is best scaled: `log_N - log_cap` rather than `N - cap`.

    Args:
        function: the formula.
        name: under which the plan speaks of it.
        values: positive numbers it depends on; a plan can be differentiated in them.
        main: the value that a planner would change, whose shadow price is told.
        unit: of that value.
        convex: whether the formula is convex in the logs of the variables.
        arguments: names, if they cannot be read off the function's signature.
    """

    function: Callable[..., Any]
    name: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    main: str | None = None
    unit: str = ""
    convex: bool = False
    arguments: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.name:
            object.__setattr__(self, "name", getattr(self.function, "__name__", "limit").strip("<>"))
        if not self.arguments:
            kinds = inspect.signature(self.function).parameters.values()
            if any(k.kind in (k.VAR_KEYWORD, k.VAR_POSITIONAL) for k in kinds):
                raise InputError(
                    f"limit {quoted(self.name)}: name the arguments of its function, as in `lambda N, D: ...`"
                )
            object.__setattr__(self, "arguments", tuple(k.name for k in kinds))
        try:
            checked = {name: check_positive(f"limit {self.name}", name, value) for name, value in self.values.items()}
        except InputError as error:
            raise InputError(
                f"{error}; for next to nothing give a small number, such as 1e-4, for no limit leave it out"
            ) from None
        object.__setattr__(self, "values", checked)

    def described(self) -> str:
        """What it keeps to, for people: N_max 40B parameters."""
        if self.main is None or self.main not in self.values:
            return self.name
        value, unit = self.values[self.main], self.unit
        value, unit = (value / 1e9, "GB") if unit == "bytes" else (value, unit)
        called = self.name if self.main in (self.name, self.name.partition(".")[0]) else f"{self.name}: {self.main}"
        return f"{called} {format_number(value)} {unit if unit != called else ''}".rstrip()

    def check(self, variables: Iterable[str]) -> None:
        """Raise InputError unless every argument is a variable or a value of the limit, and the formula a number."""
        known = (*variables, *self.values)
        strange = [a for a in self.arguments if a not in known and a.removeprefix("log_") not in known]
        if strange:
            raise InputError(
                f"limit {quoted(self.name)} asks for {strange[0]!r}, which this plan does not have; "
                f"it has {', '.join(known)}"
            )
        _examine(f"limit {quoted(self.name)}", self.function, self.arguments, known)


def evaluate_limit(
    function: Callable[..., Any], arguments: Iterable[str], logs: Mapping[str, Any], raw: Collection[str] = ()
) -> Any:
    """A limit's formula where `logs` holds the logs of all variables and values by name; those in `raw` as they are."""

    def of(argument: str) -> Any:
        name = argument if argument in logs else argument.removeprefix("log_")
        if name in raw:
            return logs[name] if argument == name else jnp.log(logs[name])
        return jnp.exp(logs[name]) if argument == name else logs[name]

    return function(*map(of, arguments))


@kept
def _examine(owner: str, function: Callable[..., Any], arguments: tuple[str, ...], known: tuple[str, ...]) -> None:
    def value(logs: Mapping[str, Any]) -> Any:
        return number_of(evaluate_limit(function, arguments, logs), *logs.values())

    with in_float64(), in_words(owner):
        jax.eval_shape(value, dict.fromkeys(known, jax.ShapeDtypeStruct((), float)))


@dataclass(frozen=True)
class _BoundFormula:
    """log (top / bottom / cap), or its negative for a lower end."""

    sign: int

    def __call__(self, log_top: Any, *rest: Any) -> Any:
        value = log_top - sum(rest)
        return value if self.sign > 0 else -value


@dataclass(frozen=True)
class _RawBoundFormula:
    """top - cap, or its negative for a lower end: of what is no log."""

    sign: int

    def __call__(self, top: Any, cap: Any) -> Any:
        return self.sign * (top - cap)


def _seen(log_D: Any, log_share: Any, log_U: Any, log_epochs: Any = 0.0) -> Any:
    return log_D + log_share - log_U - log_epochs


@dataclass(frozen=True)
class _Cap:
    """Log of a cost over the cap."""

    formula: Callable[..., Any]
    variables: int
    names: tuple[str, ...]

    def __call__(self, log_cap: Any, *rest: Any) -> Any:
        logs, assumptions = rest[: self.variables], rest[self.variables :]
        return self.formula(*logs, **dict(zip(self.names, assumptions, strict=True))) - log_cap


_UNITS = {"N": "parameters", "D": "tokens", "U": "tokens"}


def bound(name: str, sign: int, top: str, value: float, bottom: str | None = None, *, logged: bool = True) -> Limit:
    """An end, upper if `sign` is positive, of a variable `top`, or of top / bottom; of one that is no log if not
    `logged`."""
    if not logged:
        return Limit(_RawBoundFormula(sign), name, {name: value}, name, "", True, (top, name))
    below = () if bottom is None else (f"log_{bottom}",)
    unit = _UNITS.get(top, "") if bottom is None else f"{_UNITS.get(top, top)} per {_UNITS.get(bottom, bottom)[:-1]}"
    return Limit(_BoundFormula(sign), name, {name: value}, name, unit, True, (f"log_{top}", *below, f"log_{name}"))


def seen_at_most(number: int, share: str, tokens: float, epochs: float | None = None) -> Limit:
    """Of a domain with so many unique tokens each is seen at most `epochs` times, once if not given."""
    name, more = f"{UNIQUE_TOKENS}{number}", {} if epochs is None else {"epochs_max": epochs}
    arguments = ("log_D", f"log_{share}", f"log_{name}", *(f"log_{key}" for key in more))
    return Limit(_seen, name, {name: tokens, **more}, name, "tokens", True, arguments)


def at_most(cost: CostModel, value: float, name: str = "") -> Limit:
    """A cap on any cost: `at_most(costs.six_nd.kwh("h100"), 5e6)`."""
    name = name or cost.unit
    clash = {key: key if key != name else f"{key}_assumed" for key in cost.assumptions}
    return Limit(
        _Cap(cost.log_cost, len(cost.variables), tuple(cost.assumptions)),
        name,
        {name: value} | {clash[key]: v for key, v in cost.assumptions.items()},
        name,
        cost.unit,
        cost.convex,
        (f"log_{name}", *(f"log_{v}" for v in cost.variables), *clash.values()),
    )


def days(
    value: float,
    devices: float,
    accelerator: str = "h100",
    mfu: float | None = None,
    cost: CostModel = six_nd,
    peak: float | None = None,
) -> Limit:
    """Training takes at most `value` days on `devices` accelerators; `cost` says how many FLOPs it is."""
    return at_most(cost.days(devices, accelerator, mfu=mfu, peak=peak), value, "days")


def memory(value: float, bytes_per_param: float = 2, bits: str | None = None) -> Limit:
    """The weights fit into `value` bytes; `bits` names the law's variable that counts the bits of one, in place of
    `bytes_per_param`."""
    if bits is not None:
        arguments = ("log_N", f"log_{bits}", "log_memory")
        return Limit(_weights_in_bits, "memory", {"memory": value}, "memory", "bytes", True, arguments)
    return Limit(
        _weights,
        "memory",
        {"memory": value, "bytes_per_param": bytes_per_param},
        "memory",
        "bytes",
        True,
        ("log_N", "log_bytes_per_param", "log_memory"),
    )


def _weights(log_N: Any, log_bytes_per_param: Any, log_memory: Any) -> Any:
    return log_N + log_bytes_per_param - log_memory


def _weights_in_bits(log_N: Any, log_bits: Any, log_memory: Any) -> Any:
    return log_N + log_bits - _LOG_BYTE - log_memory


def latency(
    seconds_per_token: float,
    accelerator: str = "h100",
    bytes_per_param: float = 2,
    devices: float = 1,
    bits: str | None = None,
) -> Limit:
    """A token takes at most this long when each step reads all weights from memory, as at small batches; `bits` names
    the law's variable that counts the bits of one, in place of `bytes_per_param`."""
    device = reference.accelerator(accelerator)
    if device.bandwidth is None:
        raise InputError(f"the memory bandwidth of {accelerator} is not known; choose another accelerator")
    values = {
        "latency": seconds_per_token,
        "bytes_per_param": bytes_per_param,
        "bandwidth": device.bandwidth.value,
        "devices": devices,
    }
    if bits is not None:
        del values["bytes_per_param"]
    return Limit(
        _reading if bits is None else _reading_bits,
        "latency",
        values,
        "latency",
        "seconds",
        True,
        ("log_N", f"log_{bits or 'bytes_per_param'}", "log_bandwidth", "log_devices", "log_latency"),
    )


def _reading(log_N: Any, log_bytes: Any, log_bandwidth: Any, log_devices: Any, log_latency: Any) -> Any:
    return log_N + log_bytes - log_bandwidth - log_devices - log_latency


def _reading_bits(log_N: Any, log_bits: Any, log_bandwidth: Any, log_devices: Any, log_latency: Any) -> Any:
    return _reading(log_N, log_bits - _LOG_BYTE, log_bandwidth, log_devices, log_latency)


def serving_price(
    value: float, accelerator: str = "h100", *, mfu: float | None = None, price: float | None = None
) -> Limit:
    """A million tokens served cost at most `value` dollars of accelerator time."""
    return at_most(inference(1e6).dollars(accelerator, mfu=mfu, price=price), value, "serving_price")


def read_limits(limits: Any) -> tuple[tuple[Limit, ...], Any]:
    """Limits of any accepted form, and the unique tokens there are, if that is among them: a number, or a tuple of one
    for each domain.

    Raises:
        InputError: something is not a limit.
    """
    found: list[Limit] = []
    unique: Any = None
    for item in _items(limits):
        if isinstance(item, Limit):
            found.append(item)
            continue
        for key, value in item.items():
            if isinstance(value, Limit):
                found.append(replace(value, name=str(key)))
            elif value is None:
                continue
            elif key == UNIQUE_TOKENS:
                unique = _unique(value)
            else:
                found += _from_key(str(key), value)
    names = [limit.name for limit in found]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise InputError(f"two limits are called {quoted(doubled[0])}; give one of them another name")
    return tuple(found), unique


def _unique(value: Any) -> Any:
    """Unique tokens: a number, or one for each domain, None where there is no end of them."""
    if isinstance(value, str) and "," in value:
        value = [None if part.strip() in ("", "-") else part for part in value.split(",")]
    if isinstance(value, list | tuple):
        return tuple(None if x is None else check_positive("limits", UNIQUE_TOKENS, x) for x in value)
    return check_positive("limits", UNIQUE_TOKENS, value)


def _items(limits: Any) -> list[Any]:
    if limits is None:
        return []
    items = [limits] if isinstance(limits, Limit | Mapping) else list(limits) if isinstance(limits, Iterable) else None
    if items is None or not all(isinstance(item, Limit | Mapping) for item in items):
        raise InputError(
            f"limits are a mapping such as {{'N_max': 70e9}}, Limits, or a list of both; got {quoted(limits)}"
        )
    return items


_BYTES = {"fp32": "4", "bf16": "2", "fp16": "2", "fp8": "1", "int8": "1", "fp4": ".5", "int4": ".5"}
_UNITS_OF = {
    "days": {"hours": 1 / 24, "hour": 1 / 24, "days": 1, "day": 1, "weeks": 7, "week": 7},
    "memory": {
        f"{prefix}{unit}": base**k
        for unit, base in (("B", 1e3), ("iB", 1024))
        for k, prefix in enumerate(("", "K", "M", "G", "T"))
    },
    "latency": {"us": 1e-6, "ms": 1e-3, "s": 1},
    "serving_price": {"dollars": 1, "USD": 1},
}
_WORDS = re.compile(
    r"\$?\s*(?P<amount>[^\sa-zA-Z]\S*?)\s*(?P<unit>[a-zA-Z]{1,7})?"
    r"(?:\s+on\s+(?:(?P<devices>[0-9][^\sx×*]*)\s*[x×*]?\s*)?(?P<accelerator>[a-zA-Z][\w-]*))?"
    r"(?:\s*@\s*(?P<mfu>[0-9.]+\s*%?))?(?:\s+at\s+(?P<precision>[a-zA-Z]+[0-9]+))?\s*(?:,(?P<more>.*))?"
)


def _days(value: float, devices: float, accelerator: str, mfu: float | None = None, peak: float | None = None) -> Limit:
    """`days` on devices that somebody named."""
    return days(value, devices, accelerator, mfu, peak=peak)


def _latency(value: float, accelerator: str, bytes_per_param: float = 2, devices: float = 1) -> Limit:
    """`latency` on devices that somebody named."""
    return latency(value, accelerator, bytes_per_param, devices)


def _serving_price(value: float, accelerator: str, price: float, mfu: float | None = None) -> Limit:
    """`serving_price` at a price that somebody gave."""
    return serving_price(value, accelerator, mfu=mfu, price=price)


WORDED: Mapping[str, Callable[..., Limit]] = {
    "days": _days,
    "memory": memory,
    "latency": _latency,
    "serving_price": _serving_price,
}


def _from_words(key: str, text: str) -> Limit:
    """A deadline, memory, latency or price: `45 on 512 x H100 @ 40%`, `80 GB at bf16`."""
    found, units = _WORDS.fullmatch(text.strip()), _UNITS_OF[key]
    if found is None:
        raise InputError(f"limit {key}: {quoted(text)} cannot be read; write it like {_EXAMPLES[key]}")
    amount, unit, precision = found["amount"], found["unit"], found["precision"]
    if unit is not None and unit not in units:
        amount, unit = f"{amount}{unit}", None  # 80G
    if precision is not None and precision.lower() not in _BYTES:
        raise InputError(f"limit {key}: a precision is one of {', '.join(_BYTES)}; got {quoted(precision)}")
    try:
        value = parse_number(amount) * (1 if unit is None else units[unit])
    except InputError as error:
        raise InputError(f"limit {key}: {error}; or with a unit and more: {_EXAMPLES[key]}") from None
    if key == "memory" and unit is None and value < 1e6:
        raise InputError(f"limit memory: {quoted(text)} would be {text} bytes; write it like {_EXAMPLES[key]}")
    words = {name: found[name] for name in ("devices", "accelerator", "mfu") if found[name]}
    words |= {} if precision is None else {"bytes_per_param": _BYTES[precision.lower()]}
    given = [
        repr(value),
        *(f"{name}={word}" for name, word in words.items()),
        *([found["more"]] if found["more"] else []),
    ]
    return call(f"limit {key}", WORDED[key], ",".join(given), _EXAMPLES[key])


_EXAMPLES = {
    "days": "'45 on 512 x H100 @ 40%'",
    "memory": "'80 GB at bf16'",
    "latency": "'20 ms on 8 x H100 at bf16'",
    "serving_price": "'$2 on H100 @ 5%, price=2'",
}


def _from_key(key: str, value: Any) -> list[Limit]:
    if key in WORDED:
        return [_from_words(key, value if isinstance(value, str) else repr(check_positive("limits", key, value)))]
    variable, _, end = key.rpartition("_")
    if variable and end in ("max", "min"):
        if "_per_" in variable:
            return _from_key(variable, (None, value) if end == "max" else (value, None))
        return [bound(key, 1 if end == "max" else -1, variable, value)]
    top, per, bottom = key.partition("_per_")
    if per and top and bottom:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InputError(f"{key} takes a pair (least, greatest), with None for an open end; got {quoted(value)}")
        ends = tuple(value)
        if len(ends) != 2:
            raise InputError(f"{key} takes a pair (least, greatest), with None for an open end; got {quoted(value)}")
        return [
            bound(f"{key}_{word}", sign, top, given, bottom)
            for word, sign, given in zip(("min", "max"), (-1, 1), ends, strict=True)
            if given is not None
        ]
    raise InputError(
        f"there is no limit {quoted(key)}; "
        "write N_max, N_min, D_max, D_min, D_per_N, U (or with other variables' names), "
        "or use jaxscale.limits: days, memory, latency, serving_price, at_most, Limit"
    )


__all__ = ["Limit", "at_most", "days", "latency", "memory", "serving_price"]
