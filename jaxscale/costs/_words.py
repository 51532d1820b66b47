"""Budgets and costs as people write them: `512 x H100 x 45 days @ 40%`, `$2M`, `dollars:h100,mfu=.4,price=2`."""

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxscale import reference
from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, inert, parse_number, quoted

EXAMPLES = "100 PF-days, '512 x H100 x 45 days @ 40%', '3e6 GPU-hours' or '$2M'"

_PREFIX = {"": 1.0, "g": 1e9, "t": 1e12, "p": 1e15, "e": 1e18, "z": 1e21, "y": 1e24}
_HOURS = {"hour": 1.0, "hr": 1.0, "h": 1.0, "day": 24.0, "week": 168.0}
_TIME = "(?P<time>hour|hr|h|day|week)s?"
_SHARE = r"(?:\s*(?:@|at)\s*(?P<mfu>[0-9.]+\s*%?)(?:\s*MFU)?)?"
_DEVICE = r"(?P<device>[a-z][a-z0-9-]*?)s?"

_CLUSTER = re.compile(
    rf"(?P<devices>[0-9][^\sx×*]*)\s*[x×*]?\s*{_DEVICE}(?:\s*[x×*]\s*|\s+for\s+)(?P<number>\S+)\s*{_TIME}{_SHARE}",
    re.IGNORECASE,
)
_DEVICES = re.compile(rf"(?P<devices>[0-9][^\sx×*]*)\s*[x×*]?\s*{_DEVICE}{_SHARE}", re.IGNORECASE)
_DEVICE_HOURS = re.compile(rf"(?P<number>[^\s$]+)\s*(?:{_DEVICE}[- ])?{_TIME}{_SHARE}", re.IGNORECASE)
_FLOPS = re.compile(
    r"(?P<number>[^\s$]*[0-9][^\s$]*?)\s*(?P<prefix>[gtpezy]?)F(?:LOPs?)?(?:(?:/s)?[- ](?P<time>hour|day|year)s?)?",
    re.IGNORECASE,
)
_MONEY = re.compile(r"(?:\$|USD)\s*(?P<a>\S.*)|(?P<b>\S+)\s*(?:\$|dollars?|USD)", re.IGNORECASE)
_ENERGY = re.compile(r"(?P<number>\S+?)\s*(?P<prefix>[kMG])Wh", re.IGNORECASE)
_UNNAMED = ("", "gpu", "device", "accelerator", "tpu", "chip")


@dataclass(frozen=True)
class Amount:
    """What a text says is to be spent: a number, its unit (None: that of the cost), and on what it runs."""

    value: float
    unit: str | None
    device: reference.Accelerator | None = None
    devices: float | None = None
    mfu: float | None = None


def read_amount(text: str) -> Amount:
    """The amount that a text stands for.

    Raises:
        InputError: it is none; the message says how one is written.
    """
    plain = text.strip()
    if found := _CLUSTER.fullmatch(plain):
        devices = parse_number(found["devices"])
        hours = devices * parse_number(found["number"]) * _HOURS[found["time"].lower()]
        return Amount(hours, "hours", read_device(found["device"]), devices, _share(found["mfu"]))
    if found := _FLOPS.fullmatch(plain):
        seconds = {None: 1.0, "hour": 3600.0, "day": 86400.0, "year": 365.25 * 86400}
        time = found["time"] and found["time"].lower()
        return Amount(parse_number(found["number"]) * _PREFIX[found["prefix"].lower()] * seconds[time], "FLOPs")
    if found := _DEVICE_HOURS.fullmatch(plain):
        time, name = found["time"].lower(), (found["device"] or "").lower()
        number = parse_number(found["number"])
        if not name and time in ("day", "week"):  # of a calendar
            return Amount(number * _HOURS[time] / 24, "days")
        device = None if name in _UNNAMED else read_device(name)
        return Amount(number * _HOURS[time], "hours", device, None, _share(found["mfu"]))
    if found := _MONEY.fullmatch(plain):
        return Amount(parse_number(found["a"] or found["b"]), "dollars")
    if found := _ENERGY.fullmatch(plain):
        return Amount(parse_number(found["number"]) * {"k": 1.0, "m": 1e3, "g": 1e6}[found["prefix"].lower()], "kWh")
    try:
        return Amount(parse_number(plain), None)
    except InputError as error:
        raise InputError(f"{error}; or in words: {EXAMPLES}") from None


def read_devices(text: str) -> Amount:
    """Accelerators without a time, `512 x H100 @ 40%`: as many devices as `value` says, and the share of their peak
    where the text names one.

    Raises:
        InputError: the text names none.
    """
    found = _DEVICES.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{quoted(text)} names no accelerators; write them like '512 x H100 @ 40%'")
    devices = parse_number(found["devices"])
    if not devices >= 1 or devices != int(devices):
        raise InputError(f"{quoted(text)}: the number of accelerators must be a whole one, 1 at least")
    return Amount(devices, "devices", read_device(found["device"]), devices, _share(found["mfu"]))


def read_device(name: str) -> reference.Accelerator:
    """The accelerator of that name, in either case."""
    lower = name.lower()
    return reference.accelerator(lower if lower in reference.accelerators else lower.removesuffix("s"))


def _share(text: str | None) -> float | None:
    """A utilisation: `40%` or `.4`."""
    if text is None:
        return None
    share = parse_number(text.rstrip("% ")) / (100 if text.endswith("%") else 1)
    if not 0 < share <= 1:
        raise InputError(f"a utilisation lies above 0 and up to 100 %, got {quoted(text)}")
    return share


def spent(text: str, cost: str, unit: str, assumptions: Mapping[str, float]) -> float:
    """The amount that a text stands for, in the unit of a cost of that name.

    Device-hours become FLOPs by the peak of the device and the utilisation that the text names, and dollars, days and
    kWh by the assumptions of the cost; what the text and the cost both say must agree.
    """
    amount = read_amount(text)
    if amount.unit == "hours":
        _check_agreement(text, amount, assumptions)
    if amount.unit in (None, unit):
        return amount.value
    if amount.unit == "hours" and unit == "FLOPs":
        if amount.device is None:
            named = re.sub(r"(?i)gpus?|devices?|accelerators?", "H100", text.strip())
            share = "" if "@" in named else " @ 40%"
            raise InputError(f"{quoted(text)} does not say on what; of H100s, say, write {inert(named)}{share}")
        if amount.mfu is None:
            raise InputError(
                f"{quoted(text)} does not say at what share of the peak; write {text.strip()} @ 40%, for 40 % MFU"
            )
        return amount.value * 3600 * amount.mfu * amount.device.peak.value
    names = {"dollars": ("price",), "days": ("devices",), "kWh": ("watts", "pue")}.get(unit, ("",))
    if amount.unit == "hours" and all(name in assumptions for name in names):
        if f"{names[0]}_2" in assumptions:
            raise InputError(f"cost {cost} has two rates of {unit} for an hour; give the budget in {unit}")
        rates = [assumptions[name] for name in names]
        return (
            amount.value
            * {"dollars": 1.0, "days": 1 / 24, "kWh": 1e-3}[unit]
            * math.prod(1 / rate if unit == "days" else rate for rate in rates)
        )
    if amount.unit == "days":
        hint = "say on what: '512 x H100 x 45 days @ 40%'"
    else:
        hint = {
            "dollars": "for dollars choose dollars:h100,mfu=.4,price=2 with the price that you pay for an hour",
            "hours": "for device-hours choose gpu_hours:h100,mfu=.4, or say 3e6 H100-hours @ 40%",
            "kWh": "for energy choose kwh:h100,mfu=.4",
        }.get(str(amount.unit), f"give the budget in {unit}")
    raise InputError(f"{quoted(text)} is in {amount.unit}, but cost {cost} is in {unit}; {hint}")


def _check_agreement(text: str, amount: Amount, assumptions: Mapping[str, float]) -> None:
    """Refuse a budget that names another device, count of them or utilisation than the cost."""
    peak = None if amount.device is None else amount.device.peak.value
    for name, mine in (("peak", peak), ("mfu", amount.mfu), ("devices", amount.devices)):
        theirs = assumptions.get(name)
        if mine is not None and theirs is not None and not math.isclose(mine, theirs, rel_tol=1e-9):
            raise InputError(
                f"{quoted(text)} has {name} {format_number(mine)}, and the cost has {format_number(theirs)}; "
                "let both say the same"
            )


def call(name: str, function: Callable[..., Any], text: str, example: str) -> Any:
    """`function` with the arguments in a text: `h100,mfu=40%,price=2`, positions first.

    Raises:
        InputError: an argument is none of the function's, is missing, or is no number.
    """
    parameters = inspect.signature(function).parameters
    given: dict[str, Any] = {}
    for position, part in enumerate(filter(None, (part.strip() for part in text.split(",")))):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals:
            key, value = (list(parameters)[position] if position < len(parameters) else part), part
        if key not in parameters:
            raise InputError(f"{name} has no argument {quoted(key)}; it takes {', '.join(parameters)}")
        if key in given:
            raise InputError(f"{name}: {key} is given twice")
        if key == "accelerator":
            given[key] = read_device(value).name
            continue
        try:
            given[key] = _share(value) if key == "mfu" else parse_number(value)
        except InputError as error:
            raise InputError(f"{name}, {key}: {error}") from None
    missing = [key for key, p in parameters.items() if p.default is p.empty and key not in given]
    if missing:
        raise InputError(f"{name} needs {', '.join(missing)}; write it like {example}")
    return function(**given)
