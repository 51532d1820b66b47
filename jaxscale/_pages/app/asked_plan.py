"""A state of the sliders, and the plan that answers it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.files import finite
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._pages.app.table_fit import TableFit
from jaxscale._pages.spending import ASSUMED, bill_of

# What may be asked for, and the words of its unit.
TARGETS = {
    "flops": "FLOPs",
    "dollars": "dollars",
    "gpu_days": "GPU-days",
    "loss": "loss to reach",
    "size": "parameters, fixed",
}
DEVICE, MFU, PRICE = str(ASSUMED["accelerator"]), float(ASSUMED["mfu"]), float(ASSUMED["price"])
CURVE = 24
_ENDLESS = 1e30  # tokens: no cap
_NAMES = ("N", "D", "loss")
_ENDS = {  # what a number may be; None where it may be left out
    "budget": (1e-30, 1e60), "loss": (-1e30, 1e30), "size": (1.0, 1e30), "served": (0.0, 1e30), "cap": (1.0, 1e40),
    "price": (1e-6, 1e9), "sigmas": (-10.0, 10.0), "low": (1e-30, 1e60), "high": (1e-30, 1e60),
}  # fmt: skip


@dataclass(frozen=True)
class AskedPlan:
    """target: one of `TARGETS`. budget: in its unit (FLOPs of a fixed size); loss: to reach, as people count it; size:
    fixed, in parameters. served: tokens; cap: of training tokens; price: of a device-hour in dollars; sigmas: of the
    exponent, in standard errors; low, high: FLOPs that the curve is drawn between."""

    target: str = "flops"
    budget: float | None = None
    loss: float | None = None
    size: float | None = None
    served: float | None = None
    cap: float | None = None
    price: float | None = None
    sigmas: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "AskedPlan":
        """From what a page sent, numbers or text; what it does not know is left aside.

        Raises:
            InputError: a number is none, or cannot be.
        """
        target = given.get("target", "flops")
        if target not in TARGETS:
            raise InputError(f"target is one of {', '.join(TARGETS)}; got {quoted(target)}")
        values = {name: _number(name, given.get(name), *ends) for name, ends in _ENDS.items()}
        for name in {"loss": ("loss",), "size": ("size", "budget")}.get(target, ("budget",)):
            if values[name] is None:
                raise InputError(f"there is no {name}")
        return cls(target, **values)

    @property
    def hourly(self) -> float:
        """Dollars for an hour of a device."""
        return self.price or PRICE

    @property
    def flops(self) -> float | None:
        """The budget in FLOPs, None where a loss is to be reached."""
        if self.target == "loss" or self.budget is None:
            return None
        hours = {"dollars": 1 / self.hourly, "gpu_days": 24.0}.get(self.target)
        return self.budget if hours is None else self.budget * hours * per_hour()

    def words(self, table: TableFit) -> str:
        """What is asked for: 1e24 FLOPs."""
        if self.target == "loss":
            measure = table.result.response
            return f"{measure.given_name} {format_number(self.loss or math.nan, 4, suffixes=False)}"
        amount = format_number(self.budget or math.nan)
        if self.target == "size":
            return f"N {format_number(self.size or math.nan)}, {amount} FLOPs"
        return f"{amount} {TARGETS[self.target]}"


def per_hour() -> float:
    """FLOPs of one hour of a device."""
    bill = bill_of(js.costs.six_nd)
    assert bill is not None
    return bill["per_hour"]


def asked_for(table: TableFit, asked: AskedPlan) -> js.Plan:
    """The plan as one would ask for it in Python: in the unit of the target, with nothing that was not set."""
    cost = {
        "dollars": f"dollars:{DEVICE},mfu={MFU},price={asked.hourly!r}",
        "gpu_days": f"gpu_hours:{DEVICE},mfu={MFU}",
    }.get(asked.target, "six_nd")
    budget = asked.budget if asked.target != "gpu_days" else 24 * (asked.budget or math.nan)
    return js.frontier(
        table.moved(asked.sigmas or 0.0),
        [budget or math.nan] if asked.target != "loss" else None,
        reach_loss=[_to_law(table, asked)] if asked.target == "loss" else None,
        cost=js.costs.get(cost, inference_tokens=asked.served or None),
        limits={"D_max": asked.cap} if asked.cap else None,
        fixed={"N": asked.size} if asked.size and asked.target == "size" else None,
    )


def answer_to(table: TableFit, asked: AskedPlan) -> dict[str, Any]:
    """What `web/explore.js` shows of a state, see `web/engine.js`.

    One structure whatever the sliders say (some serving, some cap, FLOPs), so that nothing is compiled as they move:
    one token served and a cap of 1e30 change nothing.
    """
    source = table.moved(asked.sigmas or 0.0)
    served, cap = max(asked.served or 0.0, 1.0), min(asked.cap or _ENDLESS, _ENDLESS)
    given: dict[str, Any] = {"cost": js.costs.six_nd.with_inference(tokens=served), "limits": {"D_max": cap}}
    low, high = (asked.low or table.budget / 1e3), (asked.high or table.budget * 1e3)
    if not low < high:
        raise InputError("the curve has no width")
    budgets = np.geomspace(low, high, CURVE).tolist()
    if asked.target == "loss":
        (row,) = js.frontier(source, reach_loss=[_to_law(table, asked)], **given).rows
        rows = js.frontier(source, budgets, **given).rows
    else:
        fixed = {"N": asked.size} if asked.target == "size" else None
        row, *rows = js.frontier(source, [asked.flops or math.nan, *budgets], fixed=fixed, **given).rows
    status = "ok" if row.status == "flat" else row.status
    bands = {name: list(row.intervals[name]) for name in _NAMES if name in row.intervals}
    if "tokens_per_param" in row.intervals:
        bands["ratio"] = list(row.intervals["tokens_per_param"])
    if asked.target == "loss":
        bands.pop("loss", None)  # as asked for
    curve: dict[str, Any] = {"budget": budgets}
    for name in _NAMES:
        ends = [r.intervals.get(name, (math.nan, math.nan)) for r in rows]
        curve |= {name: [getattr(r, name) for r in rows]}
        curve |= {f"{name}_lo": [a for a, _ in ends], f"{name}_hi": [b for _, b in ends]}
    spent = row.N * (6 * row.D + 2 * served)
    found = {
        "status": status,
        "note": row.remark if status != "ok" else "",
        "N": row.N,
        "D": row.D,
        "loss": row.loss,
        "ratio": row.tokens_per_param,
        "budget": spent if asked.target == "loss" else asked.flops,
        "spent": spent,
        "bill": spent / per_hour() * asked.hourly,
        "binding": [name for name in row.binding if name != "reach_loss"],
        "bands": bands,
        "curve": curve,
        "asked": asked.words(table),
    }
    return finite(_short(found))


def _to_law(table: TableFit, asked: AskedPlan) -> float:
    return float(table.result.response.to_law(asked.loss))


def _number(name: str, value: Any, low: float, high: float) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = parse_number(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} is not a number: {quoted(value)}") from None
    if isinstance(value, bool) or not low <= number <= high:
        raise InputError(f"{name} must lie between {low:g} and {high:g}, got {quoted(value)}")
    return number


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _short(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_short(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) and math.isfinite(value) else value
