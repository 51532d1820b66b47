"""What the picture of a recipe shows: shapes near the planned size, what laws of batches say, memory by stage."""

import numpy as np

from jaxscale._base.text import format_number, inert, plural
from jaxscale._planning.recipes.written_recipe import Recipe
from jaxscale.plot._charts.axis_words import short
from jaxscale.plot._charts.chart import SERIES, Axis, Bars, Chart, Dots, Mark, Panel, Rule

_PARTS = {"weights": "weights", "gradients": "gradients", "optimizer": "optimizer", "activations": "activations",
          "logits": "logits"}  # fmt: skip
_GB = 1e9


def recipe(found: Recipe) -> Chart:
    """How far the shapes are from the planned size, or what they cost in compute where a law says; batches that laws
    name; and where devices are known, memory on one of them."""
    panels = [_shapes(found), *([_batches(found)] if found.rules else []), *([_memory(found)] if found.memory else [])]
    d = found.decoder
    shape = f"{d.layers} layers of width {d.width:,}"
    days = "" if found.days is None else f" It takes {format_number(found.days, 3)} days."
    stage = "" if found.stage is None else f" Sharding stage {found.stage} is the first that fits."
    alt = (
        f"{inert(found.label)}: {shape}, {format_number(found.proposals[0].N)} parameters on "
        f"{format_number(found.tokens)} tokens.{days}{stage}"
    )
    size = (3.3 * len(panels) + 1.2, 3.7) if len(panels) > 1 else (6.2, 3.4)
    return Chart(f"What to train: {shape}", alt, tuple(panels), len(panels), size)


def _shapes(found: Recipe) -> Panel:
    """A bar for each shape, the one to take on top."""
    costs = [p.compute_cost for p in found.proposals]
    known = all(c is not None for c in costs)
    values = np.array([100 * (c or 0.0) if known else 100 * p.off for c, p in zip(costs, found.proposals, strict=True)])
    place = np.arange(len(values), dtype=np.float64)[::-1]
    names = tuple(f"{p.decoder.layers} x {p.decoder.width:,}" for p in reversed(found.proposals))
    size = tuple(f"{format_number(p.N, 3)}" for p in found.proposals)
    pad = 0.45 * max(float(np.ptp(np.append(values, 0.0))), 1e-3)
    ends = min(float(values.min()), 0.0) - (pad if values.min() < 0 else 0.0), max(float(values.max()), 0.0) + pad
    bars = Bars(place, np.zeros(len(values)), values, "x", "", "fit", names=size)
    words = "more compute for the planned response (%)" if known else "parameters above the plan's N (%)"
    y = Axis("layers x width", names=names, ends=(-0.6, len(values) - 0.4))
    return Panel(Axis(words, ends=ends), y, (bars, Rule(0.0, "x")), "Shapes, and their parameters")


def _batches(found: Recipe) -> Panel:
    """Tokens of a step by law; one that is made for other runs is hollow."""
    place = np.arange(len(found.rules), dtype=np.float64)[::-1]
    batch = np.array([rule.batch for rule in found.rules])
    outside = np.array([bool(rule.outside) for rule in found.rules])
    marks: list[Mark] = []
    if found.critical is not None:
        marks.append(Rule(found.critical, "x", "largest efficient", "muted", "dotted"))
    if found.batch is not None:
        marks.append(Rule(float(found.batch), "x", "chosen", "odd"))
    for mask, label, shape in ((~outside, "a law within its range", "dot"), (outside, "outside of its range", "ring")):
        if mask.any():
            marks.append(Dots(batch[mask], place[mask], label, "fit", shape))  # pyright: ignore[reportArgumentType]
    names = tuple(short(rule.name) for rule in reversed(found.rules))
    y = Axis("", names=names, ends=(-0.6, len(names) - 0.4))
    every = [*batch, *(x for x in (found.critical, found.batch) if x is not None)]
    ends = (min(every) / 2, max(every) * 2)
    return Panel(Axis("batch (tokens of a step)", True, "count", ends=ends), y, tuple(marks), "Batches that laws name")


def _memory(found: Recipe) -> Panel:
    """Parts of the memory of one device, one on the other, for each sharding stage."""
    place = np.arange(len(found.memory), dtype=np.float64)
    start = np.zeros(len(place))
    marks: list[Mark] = []
    for (part, label), role in zip(_PARTS.items(), SERIES, strict=False):
        end = start + np.array([getattr(m, part) for m in found.memory]) / _GB
        marks.append(Bars(place, start, end, "y", label, role))
        start = end
    if found.machine is not None:
        label = f"one {short(found.machine.title)}"
        marks.append(Rule(found.machine.memory / _GB, "y", label, "odd", "dashed"))
    names = tuple(f"stage {m.stage}" for m in found.memory)
    y = Axis("memory of one device (GB)", form="count")
    devices = "" if found.machine is None else f", {plural(found.machine.devices, 'device')}"
    return Panel(Axis("", names=names, ends=(-0.6, len(names) - 0.4)), y, tuple(marks), f"Memory{devices}")
