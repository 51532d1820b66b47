"""Which sliders the page has for a target, around an amount of it."""

import math
from typing import Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.files import finite
from jaxscale._base.text import parse_number, quoted
from jaxscale._pages.app.asked_plan import DEVICE, MFU, PRICE, TARGETS, AskedPlan, per_hour
from jaxscale._pages.app.table_fit import TableFit
from jaxscale._pages.powers import roles_of
from jaxscale._pages.sliders import (
    NOTCH,
    Sliders,
    cap_of,
    control_of,
    exponent_of,
    powers_of,
    response_of,
    served_of,
)
from jaxscale._pages.spending import bill_of

_DECADES = 3.0
_REACH = round(_DECADES / NOTCH)
_LOSS_STEPS = 60  # to each side

# What a page offers to begin with: words, target, amount.
PRESETS = (
    ("8 x H100 for 30 days", "flops", "8 x H100 for 30 days @ 40%"),
    ("512 x H100 for 45 days", "flops", "512 x H100 for 45 days @ 40%"),
    ("1,000 PF-days", "flops", "1000 PF-days"),
    ("$1M at $2 an hour", "dollars", "1e6"),
    ("10,000 GPU-days", "gpu_days", "10000"),
)


def first_asked(table: TableFit, target: str, amount: str) -> AskedPlan:
    """Where the sliders begin: at an amount in words, or at the usual plan's for want of one.

    Raises:
        InputError: the words are no amount of that target, or one of nothing; the message says how one is written.
    """
    first = _first(table, target, amount)
    least = first.loss if target == "loss" else first.size if target == "size" else first.budget
    if amount and not 0 < (least or 0.0) < 1e60:
        raise InputError(f"an amount is a number above 0, got {quoted(amount)}")
    return first


def _first(table: TableFit, target: str, amount: str) -> AskedPlan:
    usual = table.budget
    row = table.content.decided
    if row is None and target in ("loss", "size") and not amount:
        raise InputError("there is no plan to begin with; give an amount")
    if target == "flops":
        return AskedPlan("flops", budget=js.costs.budget(amount, js.costs.six_nd) if amount else usual)
    if target == "dollars":
        cost = f"dollars:{DEVICE},mfu={MFU},price={PRICE}"
        return AskedPlan(target, budget=js.costs.budget(amount, cost) if amount else _round(usual / per_hour() * PRICE))
    if target == "gpu_days":
        cost = f"gpu_hours:{DEVICE},mfu={MFU}"
        days = _device_days(amount, cost) if amount else _round(usual / per_hour() / 24)
        return AskedPlan(target, budget=days)
    if target == "loss":
        usual_loss = table.result.response.to_given(row.loss) if row is not None else math.nan
        return AskedPlan(target, loss=parse_number(amount) if amount else _round(usual_loss, 4))
    if target == "size":
        size = row.N if row is not None else math.nan
        return AskedPlan(target, budget=usual, size=parse_number(amount) if amount else _round(size))
    raise InputError(f"target is one of {', '.join(TARGETS)}; got {quoted(target)}")


def sliders_at(table: TableFit, first: AskedPlan) -> Sliders:
    """The sliders around what is first asked for."""
    content = table.content
    plan = content.plans[0]
    ranges = table.result.record.ranges
    middle = first.flops or table.budget
    model: dict[str, Any] = {
        "unit": "FLOPs",
        "scenario": "asked for",
        "state": {"target": first.target, "low": middle / 10**_DECADES, "high": middle * 10**_DECADES},
        "level": plan.level,
        "band": f"{100 * plan.level:g} % interval",
        "bill": bill_of(js.costs.six_nd),
        "curve": [middle / 10**_DECADES, middle * 10**_DECADES],
        "response": response_of(table.result.response),
        "largest": {name: ranges[name][1] for name in ("N", "D") if name in ranges},
        "controls": [*_main(table, first), *_of_data(table), _price(first.target), *_exponent(table)],
    }
    model |= _at_once(table)
    how = "each draw planned for itself" if table.draws is not None else str(plan.method)
    intervals = f" Intervals: {100 * plan.level:g} %, {how}." if plan.method else " Without intervals."
    count = f" {len(table.draws.draws)} draws." if table.draws is not None else ""
    return Sliders(finite(model), f"jaxscale plans every move on this computer.{intervals}{count}")


def _at_once(table: TableFit) -> dict[str, Any]:
    """What `web/quick.js` plans with in the page; nothing where the law is no sum of two powers, or has no draws."""
    request = table.content.plans[0].request
    if request is None or table.draws is None:
        return {}
    source = request.source
    roles = roles_of(source.law, source.theta)
    if roles is None:
        return {}
    exponent = [] if table.exponent is None else [{"index": table.exponent}]
    return powers_of(source, roles) | {"moves": exponent, "targets": TARGETS}


def _main(table: TableFit, first: AskedPlan) -> list[dict[str, Any]]:
    """What is asked for."""
    ends, what = (-_REACH, _REACH), "what training and serving may cost together"
    if first.target == "loss":
        measure = table.result.response
        step = abs(first.loss or 1.0) * 0.002
        note = "at least cost; intervals are of what it takes"
        more = {"log": False, "step": step, "form": "count", "main": True}
        name = measure.given_name
        label, ends = f"{name[:1].upper()}{name[1:]} to reach", (-_LOSS_STEPS, _LOSS_STEPS)
        return [control_of("loss", "loss", label, note, measure.given_unit, first.loss or 1.0, ends, **more)]
    budget = control_of(
        "budget", "budget", f"Budget ({_unit(first.target)})", what, _unit(first.target), first.budget or 1.0, ends
    )
    budget["main"] = True
    if first.target != "size":
        return [budget]
    note = f"the {table.result.response.data} follow from the budget"
    size = control_of("size", "size", "Size N, held", note, "parameters", first.size or 1.0, ends)
    size["main"] = True
    return [size, budget]


def _unit(target: str) -> str:
    return TARGETS[target] if target in ("dollars", "gpu_days") else "FLOPs"


def _of_data(table: TableFit) -> list[dict[str, Any]]:
    """Their first notch does not depend on the fit, so that a link means the same for any."""
    measure = table.result.response
    return [served_of(measure, 1e9, (0, 130), 0), cap_of(measure, 1e15, (-100, 0), 0)]


def _price(target: str) -> dict[str, Any]:
    of = "of one H100 at 40 % of its peak, assumed"
    note = f"{of}; the budget then buys more or less" if target == "dollars" else f"{of}; only the bill follows"
    more = {"step": 0.02, "form": "money"}
    return control_of("price", "price", "Price of a device-hour", note, "dollars", PRICE, (-30, 30), **more)


def _exponent(table: TableFit) -> list[dict[str, Any]]:
    if table.exponent is None:
        return []
    name = table.result.law.parameter_names[table.exponent]
    return [exponent_of(name, table.result.params[name], "fit")]


def _device_days(amount: str, cost: str) -> float:
    return js.costs.budget(amount, cost) / 24 if not _is_number(amount) else parse_number(amount)


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except InputError:
        return False
    return True


def _round(x: float, digits: int = 3) -> float:
    return float(f"{x:.{digits}g}")
