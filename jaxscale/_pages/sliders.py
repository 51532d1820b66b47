"""The what-if sliders of a page: what its engine computes with, each slider's range, and a sentence on how far to trust
it; or why there are none."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from jaxscale._base.files import finite
from jaxscale._base.measure import Measure
from jaxscale._base.text import as_percent, format_number
from jaxscale._pages.plan_grid import DECADES, DEMAND_DECADES, grid_of
from jaxscale._pages.powers import roles_of
from jaxscale._pages.spending import Spending, bill_of, bounds_of, spending_of
from jaxscale._planning.made_row import FEWEST_TOKENS, MOST_PARAMETERS
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import PlanRow
from jaxscale._planning.request import Request
from jaxscale._planning.source import Source
from jaxscale.plot._charts.axis_words import letter, short, with_unit

NOTCH = 0.05  # of a slider, in powers of ten
_MOST_DRAWS = 4000
_LEAST_SAID = 1e-5


@dataclass(frozen=True)
class Sliders:
    """model: what `web/engine.js` and `web/explore.js` read, None where there are no sliders. note: how the answers
    come about, or why there are none."""

    model: dict[str, Any] | None
    note: str


def sliders_of(plan: Plan, row: PlanRow) -> Sliders:
    """The sliders around one row of a plan."""
    request = plan.request
    names = {v.name for v in plan.law.variables}
    if names != {"N", "D"}:
        return Sliders(None, f"The page plans with laws of N and D; {short(plan.law.name)} takes {', '.join(names)}.")
    if request is None:
        return Sliders(None, "This plan was read from a file that does not hold all it takes to plan again.")
    spending = spending_of(request.cost)
    bounds = bounds_of(request.limits)
    plain = request.doubt is None and request.unique is None and not request.fixed and bounds is not None
    roles = roles_of(plan.law, request.source.theta) if plain and spending is not None else None
    if roles is not None and spending is not None and bounds is not None:
        return _exact(plan, row, request.source, roles, spending, bounds)
    if request.goal == "cost":
        return Sliders(None, "Of this law the page holds plans for budgets only, and this plan is for losses to reach.")
    if request.doubt is not None and request.unique is not None:
        return Sliders(None, "Plans under doubt over unique tokens take too long to be made all around this one.")
    return _between(plan, row, request, spending)


def _exact(
    plan: Plan,
    row: PlanRow,
    source: Source,
    roles: dict[str, int | None],
    spending: Spending,
    bounds: dict[str, dict[str, Any]],
) -> Sliders:
    cap = bounds.pop("D_max")["value"] if bounds.get("D_max", {}).get("name") == "D_max" else None
    # Intervals of a plan read from a file may come from draws that are not here: then none rather than others.
    lost = plan.method is not None and plan.method.startswith("percentiles") and source.draws is None
    covariance = _covariance(source)
    banded = covariance is not None and not lost
    moves = _moves(plan, source, roles, covariance)
    model = (
        _common(plan, row, spending) | powers_of(source, roles) | {"limits": bounds, "moves": moves if banded else []}
    )
    draws = model["draws"]
    if not banded:
        model["covariance"] = None
    model["controls"] = [
        _budget(plan, row),
        *_demand(spending, plan.response),
        _cap(row, cap, plan.response),
        *_price(plan, spending, model["bill"]),
        *(exponent_of(move["name"], source.params[move["name"]]) for move in model["moves"]),
    ]
    how = "each draw planned for itself" if draws is not None else "by the delta method, as in the plan"
    note = "The plan is made again here, exactly: the law is a sum of two powers."
    if not banded:
        note += " Without intervals" + (", which come from draws that the plan's file does not hold." if lost else ".")
    else:
        note += f" Intervals: {100 * plan.level:g} %, {how}."
        if source.draws is not None and len(source.draws) > _MOST_DRAWS:
            note += f" Of the first {_MOST_DRAWS:,} draws; curves of 200."
        elif draws is not None and len(draws) > 200:
            note += " Bands of the curves are of 200 draws."
    if plan.target != "budget":
        note += " They begin at the cost of the plan; intervals here are of the best that this much buys."
    return Sliders(finite(model), note)


def powers_of(source: Source, roles: dict[str, int | None]) -> dict[str, Any]:
    """What `web/planner.js` computes with, of a law that is a sum of two powers."""
    draws, covariance = source.draws, _covariance(source)
    return {
        "kind": "powers",
        "roles": roles,
        "transforms": [p.transform for p in source.law.parameters],
        "theta": source.theta.tolist(),
        "covariance": None if covariance is None else covariance.tolist(),
        "draws": None if draws is None else [[float(f"{x:.12g}") for x in one] for one in draws[:_MOST_DRAWS].tolist()],
        "possible": {"N": MOST_PARAMETERS, "D": FEWEST_TOKENS} if source.of_text else None,
    }


def _between(plan: Plan, row: PlanRow, request: Request, spending: Spending | None) -> Sliders:
    """By interpolation on a grid of plans."""
    grid, errors, bare = grid_of(request, row.budget)
    if not all(map(math.isfinite, errors.values())) or "N" not in grid["values"]:
        return Sliders(None, "No plan could be made around this one.")
    scalable = spending is not None and spending.price is not None
    model = _common(plan, row, spending) | {"kind": "grid", "grid": grid, "limits": {}, "moves": []}
    tokens = request.cost.assumptions.get("inference_tokens")
    reach = round(DEMAND_DECADES / NOTCH)
    demand = [] if tokens is None else [served_of(plan.response, tokens, (-reach, reach), None)]
    price = _price(plan, spending, model["bill"]) if spending is not None and (scalable or model["bill"]) else []
    model["controls"] = [_budget(plan, row), *demand, *price]
    sizes, ends, response = (
        as_percent(max(math.expm1(errors[k]), _LEAST_SAID)) for k in ("sizes", "intervals", "response")
    )
    limited = bool(request.limits) or request.unique is not None
    jump = " (they jump where a limit begins to bind)" if limited else ""
    known = "N_lo" in grid["values"] or "D_lo" in grid["values"]
    note = (
        f"Read between plans that jaxscale made on a grid: halfway between them N and D are off by {sizes} at most, "
        f"{f'the ends of their intervals by {ends}{jump}, ' if known else ''}the {short(plan.response.name)} by "
        f"{response}."
    )
    if bare:
        note += " Intervals from so many draws would take minutes at all of these plans; those of the plan stand above."
    if limited:
        note += " The limits of the plan hold throughout."
    return Sliders(finite(model), note)


def _common(plan: Plan, row: PlanRow, spending: Spending | None) -> dict[str, Any]:
    request = plan.request
    assert request is not None
    reach = 10**DECADES
    s = spending or Spending(math.nan, 0.0, None, None, None)
    ranges = request.source.ranges or {}
    return {
        "level": plan.level,
        "normal": NormalDist().inv_cdf((1 + plan.level) / 2),
        "band": f"{100 * plan.level:g} % interval",
        "cost": {"product": s.product, "served": s.served, "per_token": s.per_token or 0.0, "price": s.price},
        "unit": plan.unit,
        "bill": bill_of(request.cost) if spending is not None else None,
        "curve": [row.budget / reach, row.budget * reach],
        "response": response_of(plan.response),
        "largest": {name: ranges[name][1] for name in ("N", "D") if name in ranges},
    }


def response_of(measure: Measure) -> dict[str, Any]:
    """How the law's number becomes what people count: scale times it, or times its exponential, and an offset."""
    one, two, three = (float(measure.to_given(x)) for x in (1.0, 2.0, 3.0))
    straight = abs(three - 2 * two + one) < 1e-9 * abs(three)
    scale = two - one if straight else one / math.e
    return {
        "name": short(measure.given_name),
        "heading": with_unit(short(measure.given_name), measure.given_unit),
        "data": measure.data,
        "exp": not straight,
        "scale": scale,
        "offset": one - scale if straight else 0.0,
    }


def _covariance(source: Source) -> np.ndarray | None:
    """Of all of theta, zero for what was fixed; of draws where there are some."""
    if source.draws is not None:
        return np.cov(source.draws.T) if len(source.draws) > 1 else None
    if source.covariance is None or not np.isfinite(np.asarray(source.covariance.matrix)).all():
        return None
    full = np.zeros((len(source.theta), len(source.theta)))
    index = [source.law.index(name) for name in source.covariance.names]
    full[np.ix_(index, index)] = np.asarray(source.covariance.matrix)
    return full


def _moves(
    plan: Plan, source: Source, roles: dict[str, int | None], covariance: np.ndarray | None
) -> list[dict[str, Any]]:
    """The exponent that a slider moves: that of the tokens, or of the size where the other is fixed."""
    if covariance is None:
        return []
    places = [i for i in (roles["beta"], roles["alpha"]) if i is not None and covariance[i, i] > 1e-20]
    return [{"index": i, "name": plan.law.parameter_names[i]} for i in places[:1]]


# --- One slider each; see `valueOf` in web/explore.js ---
def served_of(measure: Measure, base: float, ends: tuple[int, int], none: int | None) -> dict[str, Any]:
    """The slider of what is served, which begins at `base`."""
    note = "over the model's life, 2 N FLOPs each, paid from the budget"
    label = measure.counted("Tokens served")
    return control_of("served", "served", label, note, measure.data, base, ends, none=none)


def cap_of(measure: Measure, base: float, ends: tuple[int, int], none: int | None) -> dict[str, Any]:
    """The slider of the data there are."""
    note, label = (measure.counted(words) for words in ("the training tokens there are", "Cap on training tokens"))
    return control_of("cap", "cap", label, note, measure.data, base, ends, none=none, unset="no cap")


def control_of(
    id: str, word: str, label: str, note: str, unit: str, base: float, ends: tuple[int, int], **more: Any
) -> dict[str, Any]:
    """A slider from one notch to another, 0 standing for `base`; a notch is a factor of 10^step, or a step."""
    usual = {"log": True, "step": NOTCH, "none": None, "unset": "none", "form": "count"}
    fixed = {"id": id, "word": word, "label": label, "note": note, "unit": unit, "base": base}
    return fixed | {"low": ends[0], "high": ends[1]} | usual | more


def _budget(plan: Plan, row: PlanRow) -> dict[str, Any]:
    reach = round(DECADES / NOTCH)
    what = "what training and serving may cost together" if "inference" in plan.cost else "what there is to spend"
    label = f"Budget ({plan.unit})"
    return control_of("budget", "budget", label, what, plan.unit, row.budget, (-reach, reach))


def _demand(spending: Spending, measure: Measure) -> list[dict[str, Any]]:
    if spending.per_token is None:
        return []
    if spending.tokens is not None:
        reach = round(DECADES / NOTCH)
        return [served_of(measure, spending.tokens, (-reach - 1, reach), -reach - 1)]
    return [served_of(measure, 1e9, (0, 130), 0)]


def _cap(row: PlanRow, cap: float | None, measure: Measure) -> dict[str, Any]:
    reach = round(1.5 / NOTCH)
    ends, base, none = ((-reach, reach), cap, reach) if cap else ((-2 * reach, 0), 30 * row.D, 0)
    return cap_of(measure, base, ends, none)


def _price(plan: Plan, spending: Spending, bill: dict[str, Any] | None) -> list[dict[str, Any]]:
    more = {"step": 0.02, "form": "money"}
    if spending.price is not None:
        note = "the budget then buys more or less"
        return [
            control_of("price", "price", "Price of a device-hour", note, "dollars", spending.price, (-30, 30), **more)
        ]
    if bill is None:
        return []
    note = f"of one {bill['device']} at {100 * bill['mfu']:g} % of its peak, assumed; only the bill follows"
    return [control_of("price", "price", "Price of a device-hour", note, "dollars", bill["price"], (-30, 30), **more)]


def exponent_of(name: str, value: float, where: str = "plan") -> dict[str, Any]:
    """The slider of an exponent, in standard errors from its value in the plan (or fit)."""
    shown = format_number(value, 4, suffixes=False)
    note = f"{shown} in the {where}; in standard errors, and the other constants follow as they move together"
    more = {"log": False, "step": 0.1, "form": "sigmas"}
    label = f"Exponent {letter(name)}"
    return control_of("sigmas", letter(name), label, note, "standard errors", 0.0, (-25, 25), **more)
