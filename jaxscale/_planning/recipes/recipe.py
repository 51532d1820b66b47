"""The verb `recipe`: from a plan's N and D to what exactly to train."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, parse_number, quoted
from jaxscale._planning.plan import Plan
from jaxscale._planning.plan_row import PlanRow
from jaxscale._planning.recipes.batch_rules import BatchRule, batch_rules, whole_sequences
from jaxscale._planning.recipes.decoder import COUNTS, Count, Decoder, check_count
from jaxscale._planning.recipes.memory import OPTIMIZER, STAGES, Memory, memory_of
from jaxscale._planning.recipes.nearby import FURTHEST, Style
from jaxscale._planning.recipes.target import Target, target_of
from jaxscale._planning.recipes.written_recipe import Machine, Proposal, Recipe
from jaxscale.costs._words import read_devices

_USUAL_MFU = 0.4  # as `CostModel.gpu_hours` takes it
_REACH = math.log(8.0)  # how many times more or fewer tokens are looked for
_POINTS, _ROUNDS = 16, 12  # of a search: as many points as `Law.predict` computes at once, and 15^12 times finer


def recipe(
    source: Plan | PlanRow | Any = None,
    *,
    N: float | str | None = None,
    D: float | str | None = None,
    row: int | None = None,
    count: Count | None = None,
    vocabulary: int = 128_256,
    tied: bool = False,
    context: int = 4096,
    ffn: Literal["gated", "plain"] = "gated",
    head_size: int = 128,
    kv_heads: int | None = None,
    aspect: tuple[float, float] = (64, 128),
    wish: float = 100,
    layers: int | None = None,
    width: int | None = None,
    shapes: int = 5,
    batch: float | str | None = None,
    critical: float | str | None = "kaplan_bcrit",
    devices: str | None = None,
    micro_batch: int = 1,
    recompute: bool | None = None,
    checkpoints: int = 20,
) -> Recipe:
    """What exactly to train: a shape near N with its exact counts, batch, steps, days and memory; see `Recipe`.

    Args:
        source: a plan, a row of it, the file of one; or with N and D a fit, draws, constants or a plan whose law says
            the loss, or nothing.
        N, D: parameters and tokens, instead of those of a plan.
        row: which row of a plan of several, counted from 0.
        count: which parameters the law's N means: "total", "without_embeddings" or "with_head" (without the table that
            reads tokens). As the law says if not given, which is all unless it names embeddings.
        vocabulary, tied: rows of the tables of tokens (128,256 is Llama 3's), and whether reading and predicting share
            one.
        context: tokens of a sequence.
        ffn: "gated", three matrices of 8/3 width, up to a multiple of 256; or "plain", two of 4 width.
        head_size, kv_heads: channels of a head, and heads of keys and values (as many as queries if not given).
        aspect, wish: bounds of width / layers, and the one to prefer among sizes as near (within 2 %).
        layers, width: held at these, if given.
        shapes: how many to propose.
        batch: tokens of a step, or the name of the law to take batch, learning rate and weight decay from ("step_law",
            "deepseek_hparams", "porian_hparams", "diloco_hparams", "batch_by_tokens", "kaplan_bcrit"); if not given,
            that which the plan's cost pays for (see `CostModel.at_batch`), else none is chosen.
        critical: the largest efficient batch in tokens, or the law that says it; None to look at none. A plan whose
            cost pays for larger batches has its own.
        devices: what to train on: "512 x H100 @ 40%" (of the dense 16-bit peak; the accelerator's usual share if not
            said).
        micro_batch, recompute: sequences on a device at a time, and whether activations are recomputed (where not said,
            if nothing fits otherwise).
        checkpoints: how many to write.

    Raises:
        InputError: no shape lies within 10 % of N or within the plan's limits, heads do not divide, the batch is above
            the critical one or another than the plan pays for, the memory of the devices is too small at every sharding
            stage, or an argument is none.
    """
    target = target_of(source, row, N, D)
    counted = target.count if count is None else count
    if counted not in COUNTS:
        raise InputError(f"count says which parameters N means: {', '.join(COUNTS)}; got {quoted(counted)}")
    for name, value in (("context", context), ("shapes", shapes), ("micro_batch", micro_batch)):
        check_count(name, value)
    check_count("checkpoints", checkpoints)
    style = Style(vocabulary, tied, head_size, kv_heads, ffn, aspect, wish, layers, width)
    kept = _kept(target, style.nearest(target.N, counted), counted, shapes)
    if target.shaped:
        target = _priced(target, kept)
    proposals = tuple(_proposal(target, *one, context) for one in kept)
    best = proposals[0]
    rules = batch_rules(best.decoder, best.D, context, best.loss if target.loss_in_nats else None)
    limit = _critical(critical, rules)
    notes = list(target.notes)
    tokens, rate, rule = _batch(batch, rules, context)
    if target.batches is not None:
        tokens, limit = _paid_for(target.batches, tokens, context)
        rule = rule or "plan"
        notes.append(_hasty(target, *target.batches))
    elif tokens is not None and limit is not None and tokens > limit:
        raise InputError(
            f"a batch of {format_number(tokens)} tokens is above the critical one, {format_number(limit)} tokens "
            f"{_by(critical)}: beyond it more devices save little time; give batch= (--batch) below it, critical= "
            "(--critical) if you measured another, or critical=None (--critical none)"
        )
    if tokens is not None and critical is not None and limit is None:
        notes.append("The critical batch is not known: its law takes a predicted loss in nats per token.")
    notes += [
        f"{r.name} is used outside of what it was made for: {r.outside}." for r in rules if r.name == rule and r.outside
    ]
    machine = None if devices is None else _machine(devices)
    memory, stage, recomputed = _memory(best.decoder, machine, context, micro_batch, recompute)
    if machine is not None and tokens is not None and tokens // context < machine.devices * micro_batch:
        notes.append(
            f"A batch of {tokens // context:,} sequences is less than {machine.devices:,} devices take, "
            f"{micro_batch} each: some would idle unless a sequence is split over several."
        )
    trained_on = target.haste * best.D
    every = trained_on / checkpoints
    return Recipe(
        label=target.label,
        N=target.N,
        D=target.D,
        loss=target.loss,
        count=counted,
        context=context,
        proposals=proposals,
        rules=rules,
        batch=tokens,
        learning_rate=rate,
        weight_decay=next((r.weight_decay for r in rules if r.name == rule), None),
        steps=None if tokens is None else math.ceil(trained_on / tokens),
        rule=rule,
        critical=limit,
        machine=machine,
        memory=memory,
        stage=stage,
        checkpoint_tokens=every if tokens is None else max(1, round(every / tokens)) * float(tokens),
        checkpoint_bytes=OPTIMIZER * best.decoder.total,
        recompute=recomputed,
        micro_batch=micro_batch,
        haste=target.haste,
        notes=tuple(notes),
        response=target.response,
    )


def _kept(target: Target, decoders: list[Decoder], count: Count, most: int) -> list[tuple[Decoder, int, float]]:
    """The first shapes that keep to the plan's limits, with the size of each and the tokens that it is trained on."""
    kept: list[tuple[Decoder, int, float]] = []
    broken = ""
    for decoder in decoders:
        size = decoder.count(count)
        bought = _tokens(target, size)
        choices = [D for D in (bought, min(bought, target.D)) if not (broken_by := target.broken(size, D))]
        if not choices:
            broken = broken_by
            continue
        kept.append((decoder, size, choices[0]))
        if len(kept) == most:
            break
    if not kept:
        raise InputError(
            f"no shape within {100 * FURTHEST:g} % of N = {format_number(target.N)} keeps to the plan's limit "
            f"{broken}; widen aspect= (--aspect), or plan with a little room below that limit"
        )
    return kept


def _priced(target: Target, kept: list[tuple[Decoder, int, float]]) -> Target:
    """The target of a law that asks for the shape: what the best of the shapes kept reaches stands for the plan's loss,
    which is at a width and depth that no model of this size has."""
    assert target.law is not None
    losses = [float(target.losses(size, np.array([D]), decoder)[0]) for decoder, size, D in kept]
    best = max(losses) if target.law.response.better == "higher" else min(losses)
    names = " and ".join(sorted(target.shaped, reverse=True))
    note = f"{target.law.name} asks for {names}: each shape is judged by its own, against the best of those listed."
    return replace(target, loss=best, notes=(*target.notes, note))


def _proposal(target: Target, decoder: Decoder, size: int, D: float, context: int) -> Proposal:
    per_token = decoder.flops_per_token(context)
    loss = loss_cost = compute_cost = None
    if target.law is not None and target.loss is not None:
        wanted, sign = target.loss, -1.0 if target.law.response.better == "higher" else 1.0
        loss = float(target.losses(size, np.array([D]), decoder)[0])
        loss_cost = sign * (loss - wanted)
        needed = _rising(lambda log_D: sign * (wanted - target.losses(size, np.exp(log_D), decoder)), math.log(D))
        if needed is not None:
            spent = target.log_cost(size, np.array([math.exp(needed)]))[0]
            compute_cost = math.expm1(spent - target.log_cost(target.N, np.array([target.D]))[0])
    flops = per_token * D * target.haste
    return Proposal(decoder, size, size / target.N - 1, D, per_token, flops, loss, loss_cost, compute_cost)


def _tokens(target: Target, size: float) -> float:
    """Tokens that the plan's cost buys for a model of another size; the plan's where that is no cost of N and D."""
    if set(target.cost.variables) != {"N", "D"}:
        return target.D
    spent = target.log_cost(target.N, np.array([target.D]))[0]
    found = _rising(lambda log_D: target.log_cost(size, np.exp(log_D)) - spent, math.log(target.D))
    return target.D if found is None else math.exp(found)


def _rising(function: Callable[[np.ndarray], np.ndarray], near: float) -> float | None:
    """Where a rising function of one number passes zero, within `_REACH` of `near`; None where it does not."""
    low, high = near - _REACH, near + _REACH
    for _ in range(_ROUNDS):
        points = np.linspace(low, high, _POINTS)
        above = np.flatnonzero(function(points) >= 0)
        if not above.size or above[0] == 0:
            return None
        low, high = float(points[above[0] - 1]), float(points[above[0]])
    return (low + high) / 2


def _batch(
    batch: float | str | None, rules: tuple[BatchRule, ...], context: int
) -> tuple[int | None, float | None, str | None]:
    """Tokens of a step in whole sequences, the learning rate, and the rule they come from."""
    if batch is None:
        return None, None, None
    named = [rule for rule in rules if rule.name == batch or rule.name == f"{batch}_hparams"]
    if named:
        return whole_sequences(named[0].batch, context), named[0].learning_rate, named[0].name
    known = ", ".join(rule.name for rule in rules)
    try:
        tokens = parse_number(batch) if isinstance(batch, str) else float(batch)
    except InputError:
        raise InputError(f"batch is a number of tokens, or one of {known} here; got {quoted(batch)}") from None
    if not context <= tokens < math.inf:
        raise InputError(f"a batch of {format_number(tokens)} tokens is less than one sequence of {context:,}")
    return whole_sequences(tokens, context), None, "given"


def _paid_for(batches: tuple[float, float], tokens: int | None, context: int) -> tuple[int, float]:
    """Tokens of a step in whole sequences, and the critical batch, that a plan's cost counts with."""
    batch, critical = batches
    paid = whole_sequences(batch, context)
    if tokens is not None and tokens != paid:
        raise InputError(
            f"the plan's cost is of batches of {format_number(batch)} tokens, and batch= (--batch) asks for "
            f"{format_number(tokens)}; plan again with cost.at_batch({tokens}, critical={critical:g}), or leave it out"
        )
    return paid, critical


def _hasty(target: Target, batch: float, critical: float) -> str:
    return (
        f"The plan pays for batches of {format_number(batch)} tokens where {format_number(critical)} are critical: "
        f"trained on are {target.haste:.3g} times the {format_number(target.D)} tokens that small batches need for its "
        "loss (McCandlish et al. 2018)."
    )


def _critical(critical: float | str | None, rules: tuple[BatchRule, ...]) -> float | None:
    """The largest efficient batch in tokens."""
    if critical is None or critical == "kaplan_bcrit":
        return next((rule.batch for rule in rules if rule.critical and rule.name == critical), None)
    try:
        tokens = parse_number(critical) if isinstance(critical, str) else float(critical)
    except InputError:
        raise InputError(f"critical is a number of tokens, or kaplan_bcrit; got {quoted(critical)}") from None
    if not 0 < tokens < math.inf:
        raise InputError(f"the critical batch must be positive and finite, got {critical!r}")
    return tokens


def _by(critical: float | str | None) -> str:
    return f"by {critical} at the predicted loss" if critical == "kaplan_bcrit" else "as given"


def _machine(devices: str) -> Machine:
    """The accelerators that a text names."""
    read = read_devices(devices)
    device = read.device
    assert device is not None
    usual = device.mfu.value if device.mfu else _USUAL_MFU
    mfu = usual if read.mfu is None else read.mfu
    return Machine(device.name, device.title, int(read.value), mfu, device.peak.value, device.memory.value)


def _memory(
    decoder: Decoder, machine: Machine | None, context: int, micro_batch: int, recompute: bool | None
) -> tuple[tuple[Memory, ...], int | None, bool]:
    """Bytes on one device at every stage, the first stage that fits, and whether activations are recomputed."""
    if machine is None:
        return (), None, bool(recompute)
    ways = (False, True) if recompute is None else (recompute,)
    stages: list[Memory] = []
    for again in ways:
        stages = [memory_of(decoder, machine.devices, stage, context, micro_batch, again) for stage in STAGES]
        fitting = [m.stage for m in stages if m.total <= machine.memory]
        if fitting:
            return tuple(stages), fitting[0], again
    least = min(stages, key=lambda m: m.total)
    parts = {name: value for name, value in vars(least).items() if name != "stage"}
    cures = ["recompute=True (--recompute)"] if recompute is False else []
    cures += ["a smaller micro_batch= (--micro-batch)"] if micro_batch > 1 else []
    more = parts["weights"] + parts["gradients"] + parts["optimizer"] > parts["activations"] + parts["logits"]
    cures += ["more devices" if more else "a shorter context= (--context)"]
    raise InputError(
        f"no sharding stage fits into {machine.memory / 1e9:g} GB of a {machine.title}: at stage {least.stage} each of "
        f"{machine.devices:,} needs {least.total / 1e9:.3g} GB ("
        + ", ".join(f"{name} {value / 1e9:.3g} GB" for name, value in parts.items())
        + f"); try {', '.join(cures)}, or accelerators with more memory"
    )
