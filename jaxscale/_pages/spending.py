"""What a plan spends and keeps to, in the terms of the page: a cost of product N D + served N, bounds of N, D, D/N."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxscale import costs, reference
from jaxscale._base.errors import InputError
from jaxscale._base.programs import Program, kept
from jaxscale._base.settings import in_float64
from jaxscale.costs import CostModel
from jaxscale.limits import Limit, evaluate_limit

_NEAR = 1e-10
# Runs at which a cost is looked at: one of all but no serving, one of nothing else, and many between.
_TOKENS = np.array([1e40, 1e-40, *np.tile(np.geomspace(1e6, 1e16, 11), 3)])
_SIZES = np.array([1e9, 1e9, *np.repeat([1e5, 1e9, 1e13], 11)])
_DEMAND = "inference_tokens"
ASSUMED = {"accelerator": "h100", "mfu": 0.4, "price": 2.0}  # of the bill of a plan in FLOPs, which the page says


@dataclass(frozen=True)
class Spending:
    """product: of N D; served: of N, whatever the demand; per_token: of N for each token served, None where no demand
    can be added. tokens: the plan's demand; price: of the plan's dollars, where there is one."""

    product: float
    served: float
    per_token: float | None
    tokens: float | None
    price: float | None


def spending_of(cost: CostModel) -> Spending | None:
    """A cost as product N D + served N; None where it is no such sum. Found by its values."""
    if not set(cost.variables) <= {"N", "D"} or "D" not in cost.variables:
        return None

    def per_parameter(**changed: float) -> np.ndarray:
        logs = {"N": np.log(_SIZES), "D": np.log(_TOKENS)}
        with in_float64():
            program = _log_costs(cost.log_cost, tuple(cost.assumptions))
            found = program([logs[v] for v in cost.variables], {**cost.assumptions, **changed})
        return np.exp(np.asarray(found)) / _SIZES

    tokens, price = cost.assumptions.get(_DEMAND), _price(cost)
    usual = per_parameter()
    product, served = float(usual[0] / _TOKENS[0]), float(usual[1])
    served = 0.0 if served < 1e-30 * product else served
    if not np.allclose(usual, product * _TOKENS + served, rtol=_NEAR, atol=0):
        return None
    per_token = 2.0 if cost.unit == "FLOPs" else product / 3 if cost.name == "six_nd" else None
    if tokens is not None:
        per_token = float(per_parameter(**{_DEMAND: 2 * tokens})[1] - served) / tokens
        served = max(served - per_token * tokens, 0.0) if served > per_token * tokens * (1 + 1e-9) else 0.0
    if price is not None and not np.allclose(per_parameter(**price), 2 * usual, rtol=_NEAR, atol=0):
        price = None
    return Spending(product, served, per_token, tokens, next(iter(price.values())) / 2 if price else None)


@kept
def _log_costs(log_cost: Callable[..., Any], names: tuple[str, ...]) -> Program:
    """Compiled: logs of the cost of many runs, at the assumptions of those names."""
    return Program(lambda logs, assumed: jax.vmap(lambda *one: log_cost(*one, **assumed))(*logs))


def _price(cost: CostModel) -> dict[str, float] | None:
    """Twice the one price there is, by name."""
    prices = {name: 2 * value for name, value in cost.assumptions.items() if name.startswith("price")}
    return prices if len(prices) == 1 else None


def bill_of(cost: CostModel) -> dict[str, Any] | None:
    """What an hour of a device gives, for the bill of a plan in FLOPs at a price that the reader sets."""
    if cost.unit != "FLOPs":
        return None
    device = reference.accelerator(str(ASSUMED["accelerator"]))
    per_hour = device.peak.value * float(ASSUMED["mfu"]) * 3600
    return {"per_hour": per_hour, "device": device.title, "mfu": ASSUMED["mfu"], "price": ASSUMED["price"]}


def bounds_of(limits: Iterable[Limit]) -> dict[str, dict[str, Any]] | None:
    """Limits as the tightest {N_max, N_min, D_max, D_min, ratio_max, ratio_min}, each with its value and the name of
    the limit; None where one is something else. A limit is read off its values: it must be linear in logs."""
    found: dict[str, dict[str, Any]] = {}
    for limit in limits:
        kind, value = _bound(limit)
        if kind is None:
            return None
        known = found.get(kind)
        if known is None or (value < known["value"]) == kind.endswith("max"):
            found[kind] = {"value": value, "name": limit.name}
    return found


def _bound(limit: Limit) -> tuple[str | None, float]:
    def at(x: float, y: float) -> float:
        logs = {"N": x, "D": y, **{name: math.log(v) for name, v in limit.values.items()}}
        with in_float64():
            return float(evaluate_limit(limit.function, limit.arguments, {k: np.float64(v) for k, v in logs.items()}))

    if any(a.removeprefix("log_") not in ("N", "D", *limit.values) for a in limit.arguments):
        return None, math.nan
    start = at(20.0, 25.0)
    a, b = at(21.0, 25.0) - start, at(20.0, 26.0) - start
    c = start - 20 * a - 25 * b
    if any(abs(at(x, y) - (a * x + b * y + c)) > 1e-9 * (1 + abs(c)) for x, y in ((14.0, 33.0), (30.0, 19.0))):
        return None, math.nan
    a, b = (0.0 if abs(slope) < 1e-9 else slope for slope in (a, b))
    if (a == 0) != (b == 0):
        return f"{'D' if a == 0 else 'N'}_{'max' if a + b > 0 else 'min'}", math.exp(-c / (a + b))
    if a and abs(a + b) < 1e-9:
        return ("ratio_min", math.exp(c / a)) if a > 0 else ("ratio_max", math.exp(c / a))
    return None, math.nan


def words_of(cost: CostModel) -> tuple[str, float | None] | None:
    """The text that `costs.get` makes this cost of, and its demand; None where no text does."""
    return named(cost.name, cost.unit, cost.assumptions)


def named(name: str, unit: str, assumptions: Mapping[str, float]) -> tuple[str, float | None] | None:
    """The same for a cost that a file describes: name, unit and assumptions, which the cost made of the text must all
    have."""
    values = {k: repr(float(v)) for k, v in assumptions.items()}
    base = name.strip("()").removesuffix(" + inference")
    own = {"moe": ("active",), "kaplan": ("omega",), "kaplan_ctx": ("context", "aspect")}.get(base, ())
    arguments = ",".join(f"{k}={values[k]}" for k in own if k in values)
    text = f"{base}:{arguments}" if arguments else base
    more = {
        "FLOPs": (),
        "dollars": ("mfu", "price", "peak"),
        "hours": ("mfu", "peak"),
        "days": ("devices", "mfu", "peak"),
        "kWh": ("mfu", "watts", "pue"),
    }.get(unit)
    if more is None:
        return None
    if more:
        peak = assumptions.get("peak")
        devices = [d.name for d in reference.accelerators.values() if d.peak is not None and d.peak.value == peak]
        keys = [k for k in more if k in values and not (k == "peak" and devices)]
        verb = {"hours": "gpu_hours", "kWh": "kwh"}.get(unit, unit)
        into = f"{verb}:accelerator={devices[0] if devices else 'h100'},{','.join(f'{k}={values[k]}' for k in keys)}"
        text = into if text == "six_nd" else f"{text} in {into}"
    tokens = assumptions.get(_DEMAND)
    try:
        made = costs.get(text, inference_tokens=tokens)
    except (InputError, TypeError):
        return None
    same = (made.name, made.unit, dict(made.assumptions)) == (name, unit, {k: float(v) for k, v in assumptions.items()})
    return (text, tokens) if same else None
