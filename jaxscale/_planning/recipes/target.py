"""What a recipe is for: a size and tokens, with the law, cost and limits of the plan they come from."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale import costs
from jaxscale._base.errors import InputError
from jaxscale._base.files import PLAN_FORMAT
from jaxscale._base.measure import NATS_PER_TOKEN, Measure
from jaxscale._base.settings import in_float64
from jaxscale._base.text import format_number, quoted
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_notes import UNTRUSTED
from jaxscale._planning.plan_row import PlanRow
from jaxscale._planning.recipes.decoder import Count, Decoder
from jaxscale._planning.source import source_of
from jaxscale.costs import CostModel, check_positive
from jaxscale.laws import Law, get
from jaxscale.limits import Limit, evaluate_limit, read_limits

_SAME_LOSS = 1e-6  # relative, between a plan's loss and the law's
_KEPT = 1e-9  # how far, in logs, a limit may be exceeded
# Variables of laws that ask about the shape, as `laws.gemstones` and `laws.bian_shape` call them.
_OF_SHAPE: Mapping[str, Callable[[Decoder], float]] = {
    "width": lambda shape: shape.width,
    "depth": lambda shape: shape.layers,
    "r": lambda shape: shape.feed_forward_ratio,
}


@dataclass(frozen=True, eq=False)
class Target:
    """The size N and tokens D to make a recipe for; `others` are the law's further variables, `loss` what the plan
    says (None where no law is known that says the same, or where the law asks for the shape)."""

    N: float
    D: float
    label: str
    cost: CostModel = costs.six_nd
    law: Law | None = None
    params: Mapping[str, float] = field(default_factory=dict)
    others: Mapping[str, float] = field(default_factory=dict)
    loss: float | None = None
    response: Measure = field(default_factory=Measure)
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> Count:
        """Which parameters the law's N counts, as far as the law says."""
        size = next((v.meaning for v in self.law.variables if v.name == "N"), "") if self.law is not None else ""
        return "without_embeddings" if "embedding" in size else "total"

    @property
    def batches(self) -> tuple[float, float] | None:
        """Batch and critical batch in tokens, where the cost is one `at_batch`; else it is of small batches."""
        known = self.cost.assumptions
        return (known["batch"], known["critical_batch"]) if {"batch", "critical_batch"} <= set(known) else None

    @property
    def haste(self) -> float:
        """Tokens trained on over those that small batches need for the same loss, which the law counts."""
        return 1.0 if self.batches is None else 1 + self.batches[0] / self.batches[1]

    @property
    def loss_in_nats(self) -> bool:
        """Whether the loss is one in nats per token."""
        return self.response.name == "loss" and self.response.unit == NATS_PER_TOKEN

    @property
    def shaped(self) -> frozenset[str]:
        """Variables of the law that a shape settles; none where it does not ask for a width."""
        names = frozenset() if self.law is None else frozenset(v.name for v in self.law.variables)
        return names & _OF_SHAPE.keys() if "width" in names else frozenset()

    def losses(self, N: float, D: np.ndarray, shape: Decoder) -> np.ndarray:
        """What the law predicts for models of size N and that shape on D tokens, (n,)."""
        assert self.law is not None
        others = {**self.others, **{name: float(_OF_SHAPE[name](shape)) for name in self.shaped}}
        return np.asarray(self.law.predict(self.params, N=np.full(len(D), N), D=D, **others))

    def log_cost(self, N: float, D: np.ndarray) -> np.ndarray:
        """Log of what they cost, (n,), in the plan's own way to count."""
        logs = {"N": np.full(len(D), math.log(N)), "D": np.log(D)}
        with in_float64():
            return np.asarray(self.cost(*(logs[v] for v in self.cost.variables)))

    def broken(self, N: float, D: float) -> str:
        """The first limit of the plan that such a model does not keep to; "" if it keeps to all."""
        for limit in self.limits:
            known = {**self.others, **limit.values, "N": N, "D": D}
            logs = {name: math.log(value) for name, value in known.items() if value > 0}
            if not all(a in logs or a.removeprefix("log_") in logs for a in limit.arguments):
                continue  # it is about a variable that no shape changes
            with in_float64():
                if float(evaluate_limit(limit.function, limit.arguments, logs)) > _KEPT:
                    return limit.name
        return ""


def target_of(source: Any, row: int | None, N: Any, D: Any) -> Target:
    """What was asked for: a row of a plan, or N and D with or without a law.

    Raises:
        InputError: it is neither, the plan has several rows and none is chosen, or its row has no optimum.
    """
    if (N is None) != (D is None):
        raise InputError("give N and D together")
    if N is not None:
        if row is not None:
            raise InputError("give row= (--row) of a plan, or N and D; not both")
        return _given(source, check_positive("recipe", "N", N), check_positive("recipe", "D", D))
    if isinstance(source, str | Path):
        return _from_file(Path(source), row)
    if isinstance(source, PlanRow):
        return _of_row(vars(source), "a row of a plan")
    if not isinstance(source, Plan):
        raise InputError(
            f"a recipe is made from a plan, a row of it, or N and D; got {quoted(type(source).__name__)}. Plan first: "
            "js.recipe(js.frontier(result, budgets=1e24))"
        )
    k = _chosen(source.headings, row)
    asked = source.request
    more: dict[str, Any] = {} if asked is None else {"cost": asked.cost, "limits": asked.limits}
    remark = (source.rows[k].remark,) if source.rows[k].remark else ()
    more["notes"] = (*(note for note in source.notes if note == UNTRUSTED), *remark)
    return _of_row(
        vars(source.rows[k]),
        f"{source.label} · {source.headings[k]}",
        law=source.law,
        params=source.params,
        response=source.response,
        **more,
    )


def _given(source: Any, N: float, D: float) -> Target:
    """N and D as given, with the law of a fit, draws, constants or a plan if there is one."""
    label = f"N {format_number(N)}, D {format_number(D)}"
    if source is None:
        return Target(N, D, label)
    carrying = source.request.source if isinstance(source, Plan) and source.request is not None else source
    if isinstance(source, str | Path):
        data = _read(Path(source))
        law = get(data["law"], **data.get("law_options", {}))
        return _with_loss(Target(N, D, label, law=law, params=data["params"]), None)
    read = source_of(carrying)
    return _with_loss(
        Target(N, D, f"{read.label} · {label}", law=read.law, params=read.params, response=read.response), None
    )


def _of_row(row: Mapping[str, Any], label: str, **more: Any) -> Target:
    if row["N"] is None or row["D"] is None or not (math.isfinite(row["N"]) and math.isfinite(row["D"])):
        raise InputError(f"{label} has no N and D to make a recipe for: {row['note'] or row['status']}")
    target = Target(float(row["N"]), float(row["D"]), label, **more)
    if target.law is None:
        return target
    others = {v.name for v in target.law.variables} - {"N", "D"}
    known = {name: value for name, value in row["variables"].items() if name in others}
    return _with_loss(replace(target, others=known), row["loss"])


def _with_loss(target: Target, planned: float | None) -> Target:
    """The target with the law's loss, or without the law where it does not say what the plan says."""
    assert target.law is not None
    names = {v.name for v in target.law.variables}
    if target.shaped and {"N", "D"} <= names <= {"N", "D", *target.others, *target.shaped}:
        return target
    if {"N", "D"} <= names == {"N", "D", *target.others}:
        loss = float(target.law.predict(target.params, N=target.N, D=target.D, **target.others))
        if planned is None or math.isclose(loss, planned, rel_tol=_SAME_LOSS):
            return replace(target, loss=loss)
    why = f"law {target.law.name} alone does not predict this plan's loss, so what rounding costs is not known"
    return replace(target, law=None, notes=(*target.notes, why))


def _chosen(headings: tuple[str, ...], row: int | None) -> int:
    """The row that was asked for, or the only one."""
    if row is None and len(headings) > 1:
        known = "; ".join(f"{k}: {heading}" for k, heading in enumerate(headings))
        raise InputError(
            f"a recipe is of one row, and this plan has {len(headings)}; choose with row= or --row ({known})"
        )
    k = row or 0
    if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k < len(headings):
        raise InputError(f"row {k!r} is not one of the plan's {len(headings)} rows, counted from 0")
    return k


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise InputError(f"cannot read {quoted(path, 300)}: {reason}") from None
    if not isinstance(data, dict) or data.get("format") != PLAN_FORMAT:
        raise InputError(
            f"{quoted(path, 300)} is not the file of a plan; write one with `jaxscale frontier FIT --budget C -o "
            "plan.json`, or give N and D"
        )
    return data


def _from_file(path: Path, row: int | None) -> Target:
    """A row of a plan that was saved. Files name limits and costs but not their formulas: bounds are kept to, a cost
    that cannot be made from its name is taken for 6 N D, and the recipe says so."""
    data = _read(path)
    unit = next(iter(data["rows"][0]["cost"]))
    wanted = [r["budget"] if r["reach_loss"] is None else r["reach_loss"] for r in data["rows"]]
    headings = tuple(f"{'budget' if r['reach_loss'] is None else 'loss to reach'} {format_number(x)} "
                     f"{unit if r['reach_loss'] is None else ''}".rstrip()
                     for r, x in zip(data["rows"], wanted, strict=True))  # fmt: skip
    k = _chosen(headings, row)
    more: dict[str, Any] = {"response": Measure.from_dict(data["response"])}
    notes, limits = [note for note in data["notes"] if note == UNTRUSTED], []
    for name, value in data["limits"].items():
        if name.endswith(("_max", "_min")):
            limits += read_limits({name: value})[0]
        else:
            notes.append(f"the plan's limit {name} is known from its file by name alone, and is not looked at")
    more["cost"], known = costs.six_nd, data["assumptions"]
    try:
        more["cost"] = costs.get(data["cost"].removesuffix(" at batch"))
    except InputError:
        notes.append(f"the plan's cost {quoted(data['cost'])} is known from its file by name alone: 6 N D is taken")
    if {"batch", "critical_batch"} <= set(known):
        more["cost"] = more["cost"].at_batch(known["batch"], critical=known["critical_batch"])
    try:
        more |= {"law": get(data["law"], **data.get("law_options", {})), "params": data["params"]}
    except InputError:
        notes.append(f"law {quoted(data['law'])} is none that ships, so the loss is not predicted")
    label = f"{data['law']} · {headings[k]}"
    return _of_row(data["rows"][k], label, limits=tuple(limits), notes=tuple(notes), **more)
