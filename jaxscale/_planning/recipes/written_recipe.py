"""A finished recipe: shapes, batches, steps, days and bytes, as a table, JSON and YAML."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from jaxscale._base.files import RECIPE_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import as_percent, format_number, inert, write_atomic
from jaxscale._planning.recipes.batch_rules import BatchRule, decay_note, whole_sequences
from jaxscale._planning.recipes.decoder import COUNTS, Count, Decoder
from jaxscale._planning.recipes.memory import GRADIENTS, OPTIMIZER, WEIGHTS, Memory, kv_bytes_per_token

_GB = 1e9


@dataclass(frozen=True)
class Proposal:
    """One shape near the size of the plan.

    Attributes:
        decoder: the shape.
        N: its parameters, counted as the law counts.
        off: N over that of the plan, less 1.
        D: tokens it is trained on: what the plan's cost buys for it, within the plan's limits. Where the plan pays for
            batches above the critical one, `Recipe.haste` times as many, for the loss that the law says of D.
        flops_per_token, flops: exactly, forward and backward, attention included; and for all tokens.
        loss: what the law predicts for it.
        loss_cost: by how much that is worse than the plan's (below zero where it is better).
        compute_cost: how much more than the plan's cost this shape needs to reach the plan's loss, as a share of it.
    """

    decoder: Decoder
    N: int
    off: float
    D: float
    flops_per_token: float
    flops: float
    loss: float | None = None
    loss_cost: float | None = None
    compute_cost: float | None = None


@dataclass(frozen=True)
class Machine:
    """What a run is trained on: `devices` accelerators of that name at a share `mfu` of their peak (FLOP/s)."""

    accelerator: str
    title: str
    devices: int
    mfu: float
    peak: float
    memory: float

    def days(self, flops: float) -> float:
        """Wall-clock days."""
        return flops / (self.devices * self.peak * self.mfu) / 86400


@dataclass(frozen=True, eq=False, repr=False)
class Recipe(Reporting, Pictured, Saved):
    """What exactly to train. `proposals` are shapes, the one to take first; everything else is of that one.

    Attributes:
        label: what it is a recipe for.
        N, D, loss: what the plan says; loss is None where no law is known.
        count: which parameters N counts, see `COUNTS`.
        context: tokens of a sequence.
        rules: what laws of batch and learning rate say, none of them chosen.
        batch, learning_rate, weight_decay, steps, rule: tokens of a step, the highest rate, AdamW's decay, and how many
            steps, where a batch was given (rule: "given"), a rule was named or the plan's cost pays for one ("plan");
            else None.
        critical: largest batch that is still efficient, in tokens, by what was asked to judge it; None if not known.
        machine, memory, stage: accelerators, bytes on each by sharding stage, and the first stage that fits; None and
            empty where none were named.
        checkpoint_tokens, checkpoint_bytes: tokens from one checkpoint to the next, and bytes of one (weights and two
            moments in 32 bits).
        haste: tokens trained on over those that small batches need for the same loss: 1, but where the plan's cost is
            one `at_batch`.
    """

    _format = RECIPE_FORMAT
    _columns = 120

    label: str
    N: float
    D: float
    loss: float | None
    count: Count
    context: int
    proposals: tuple[Proposal, ...]
    rules: tuple[BatchRule, ...]
    batch: int | None
    learning_rate: float | None
    weight_decay: float | None
    steps: int | None
    rule: str | None
    critical: float | None
    machine: Machine | None
    memory: tuple[Memory, ...]
    stage: int | None
    checkpoint_tokens: float
    checkpoint_bytes: int
    recompute: bool = False
    micro_batch: int = 1
    haste: float = 1.0
    notes: tuple[str, ...] = ()
    response: Measure = field(default_factory=Measure)

    @property
    def decoder(self) -> Decoder:
        """The shape to take."""
        return self.proposals[0].decoder

    @property
    def tokens(self) -> float:
        """Tokens to train it on."""
        return self.haste * self.proposals[0].D

    @property
    def days(self) -> float | None:
        """Wall-clock days on the machine."""
        return None if self.machine is None else self.machine.days(self.proposals[0].flops)

    @property
    def gpu_days(self) -> float | None:
        """Device-days on the machine."""
        return None if self.machine is None or self.days is None else self.days * self.machine.devices

    def to_frame(self) -> pd.DataFrame:
        """One row for each shape, the one to take first: the decoder's fields, exact counts, and `Proposal`'s."""
        return pd.DataFrame([_flat(p) for p in self.proposals])

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain data in the format jaxscale.recipe/1; what is not known is None."""
        machine = None if self.machine is None else asdict(self.machine)
        return self._document(
            {
                "label": self.label,
                "plan": {"N": self.N, "D": self.D, "loss": self.loss, "count": self.count},
                "response": self.response.to_dict(),
                "context": self.context,
                "shapes": [_flat(p) for p in self.proposals],
                "batch_rules": [asdict(rule) for rule in self.rules],
                "batch": {
                    "rule": self.rule, "tokens": self.batch, "learning_rate": self.learning_rate,
                    "weight_decay": self.weight_decay, "steps": self.steps, "critical_tokens": self.critical,
                    "haste": self.haste,
                },
                "machine": machine if machine is None else machine | {"days": self.days, "gpu_days": self.gpu_days},
                "memory": [asdict(m) | {"total": m.total, "fits": self._fits(m)} for m in self.memory],
                "micro_batch": self.micro_batch,
                "recompute": self.recompute,
                "stage": self.stage,
                "kv_bytes_per_token": kv_bytes_per_token(self.decoder),
                "checkpoints": {"tokens": self.checkpoint_tokens, "bytes": self.checkpoint_bytes},
                "notes": list(self.notes),
            }
        )  # fmt: skip

    def to_yaml(self) -> str:
        """The shape to take and how to train it, as `key: value` lines of YAML; what is not known is left out."""
        values = _flat(self.proposals[0]) | {
            "D": round(self.tokens), "context": self.context, "batch_tokens": self.batch,
            "learning_rate": self.learning_rate, "weight_decay": self.weight_decay, "batch_rule": self.rule,
            "steps": self.steps, "checkpoint_tokens": round(self.checkpoint_tokens), "sharding_stage": self.stage,
            "days": self.days,
        }  # fmt: skip
        known = {name: value for name, value in values.items() if value is not None and value != ""}
        lines = [f"# jaxscale recipe: {inert(self.label)}", *(f"{name}: {_scalar(v)}" for name, v in known.items())]
        return "\n".join(lines) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the recipe, as YAML (see `to_yaml`) where the name ends in .yaml or .yml, else as JSON (`to_dict`).

        Raises:
            InputError: the file cannot be written there.
        """
        if Path(path).suffix.lower() in (".yaml", ".yml"):
            write_atomic(path, self.to_yaml())
        else:
            super().save(path)

    def report(self) -> Report:
        """The shapes, what laws of batches say, memory by stage, and the rest in sentences."""
        blocks: list[Table | Lines] = [self._shapes(), *self._rules()]
        blocks += [self._memory()] if self.memory else []
        blocks.append(Lines("Training", tuple(self._training())))
        if self.notes:
            blocks.append(Lines("", self.notes))
        return Report(f"recipe · {self.label}", f"{self.decoder}", tuple(blocks))

    def _shapes(self) -> Table:
        known = self.loss is not None
        by_head = self.count == "with_head"
        header = ["layers x width", "heads", "ffn", "aspect", "off", "all parameters", "no embeddings"]
        header += ["N"] if by_head else []
        header += ["FLOPs/token", "tokens"]
        header += [self.response.heading, "rounding", "in compute"] if known else []
        rows = []
        for p in self.proposals:
            d = p.decoder
            heads = str(d.heads) if d.heads == d.kv_heads else f"{d.heads}/{d.kv_heads}"
            cells = [f"{d.layers} x {d.width}", heads, str(d.ffn), f"{d.aspect:.0f}", f"{100 * p.off:+.1f} %"]
            cells += [f"{d.total:,}", f"{d.without_embeddings:,}"]
            cells += [f"{d.with_head:,}"] if by_head else []
            cells += [f"{p.flops_per_token:.4g}", format_number(self.haste * p.D)]
            if known:
                cells.append("-" if p.loss is None else format_number(self.response.to_given(p.loss), 5, False))
                cells.append(self._difference(p))
                cells.append("-" if p.compute_cost is None else as_percent(p.compute_cost, signed=True))
            rows.append(tuple(cells))
        wanted = f"N {format_number(self.N)} ({COUNTS[self.count]}), D {format_number(self.D)}"
        note = (
            "Aspect is width / layers, off is N against the plan's, tokens are what the plan's cost buys for the shape."
        )
        if known:
            note += (
                f" Rounding: the {self.response.given_name} against the plan's, and what the shape needs more in "
                "compute to reach that."
            )
        return Table(f"Shapes near {wanted}; the first is taken", tuple(header), tuple(rows), note)

    def _difference(self, p: Proposal) -> str:
        if p.loss is None or self.loss is None:
            return "-"
        return f"{self.response.difference(self.loss, p.loss):+.2g}"

    def _rules(self) -> tuple[Table, Lines]:
        rows, places = [], []
        for rule in self.rules:
            rate, decay = (
                "-" if x is None else format_number(x, 3, False) for x in (rule.learning_rate, rule.weight_decay)
            )
            batch = whole_sequences(rule.batch, self.context)
            sizes = f"{batch // self.context:,}", f"{math.ceil(self.tokens / batch):,}"
            place = "not known" if rule.outside is None else "OUTSIDE" if rule.outside else "inside"
            place += ", used" if rule.name == self.rule else ""
            rows.append((rule.name, rate, decay, format_number(rule.batch, 3), *sizes, place))
            places.append(f"{rule.name}: {rule.made_for}" + (f"; here {rule.outside}" if rule.outside else ""))
        header = ("law", "learning rate", "weight decay", "batch (tokens)", "sequences", "steps", "its range")
        note = "" if self.batch is not None else "They disagree; none is chosen. Name one, or give a batch. "
        note += decay_note(self.decoder.total)
        title = "Batch, learning rate and weight decay, by published laws"
        return Table(title, header, tuple(rows), note), Lines("What each was made for", tuple(places))

    def _memory(self) -> Table:
        assert self.machine is not None
        parts = ("weights", "gradients", "optimizer", "activations", "logits", "total")
        rows = tuple(
            (str(m.stage), *(f"{getattr(m, part) / _GB:.2f}" for part in parts), "yes" if self._fits(m) else "no")
            for m in self.memory
        )
        kept = "recomputed" if self.recompute else "kept"
        title = f"Memory on one {self.machine.title}, {self.machine.memory / _GB:g} GB, by sharding stage (GB)"
        note = (
            f"{WEIGHTS} bytes of weights, {GRADIENTS} of gradients and {OPTIMIZER} of AdamW for each parameter; "
            f"activations {kept}, {self.micro_batch} x {self.context:,} tokens at a time; buffers come on top."
        )
        return Table(title, ("stage", *parts, "fits"), rows, note)

    def _fits(self, memory: Memory) -> bool:
        return self.machine is not None and memory.total <= self.machine.memory

    def _training(self) -> list[str]:
        best = self.proposals[0]
        six = 6 * best.N * self.tokens
        lines = [
            f"{best.flops:.4g} FLOPs exactly, attention over {self.context:,} tokens included: "
            f"{best.flops / six:.3f} times 6 N D."
        ]
        if self.machine is not None and self.days is not None and self.gpu_days is not None:
            lines.append(
                f"{format_number(self.days, 3)} days on {self.machine.devices:,} x {self.machine.title} at "
                f"{as_percent(self.machine.mfu, 3)} of the peak: {format_number(self.gpu_days, 3)} device-days."
            )
        if self.batch is not None and self.steps is not None:
            rate = (
                "" if self.learning_rate is None else f", learning rate {format_number(self.learning_rate, 3, False)}"
            )
            rate += "" if self.weight_decay is None else f", weight decay {format_number(self.weight_decay, 3, False)}"
            by = {"given": "as given", "plan": "as the plan pays for"}.get(self.rule or "", f"by {self.rule}")
            lines.append(
                f"Batch {format_number(self.batch)} tokens ({self.batch // self.context:,} sequences, {by}){rate}: "
                f"{self.steps:,} steps."
            )
        lines.append(
            f"A checkpoint every {format_number(self.checkpoint_tokens)} tokens, "
            f"{_bytes(self.checkpoint_bytes)} each (weights and two moments in 32 bits)."
        )
        lines.append(
            f"Serving keeps {_bytes(kv_bytes_per_token(self.decoder))} of keys and values for each token (16 bits)."
        )
        return lines

    def __repr__(self) -> str:
        return f"<Recipe {self.label}: {self.decoder}>"


def _bytes(count: float) -> str:
    """Three digits and a unit: 12.1 GB."""
    power = min(4, int(math.log10(count)) // 3)
    return f"{count / 1e3**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def _scalar(value: Any) -> str:
    """A number, text or truth value as YAML 1.1 and 1.2 read it: an exponent needs a point before it."""
    text = json.dumps(value)
    return text.replace("e", ".0e", 1) if isinstance(value, float) and "e" in text and "." not in text else text


def _flat(proposal: Proposal) -> dict[str, Any]:
    """A shape as one row."""
    decoder = proposal.decoder
    counts = {f"params_{name}": decoder.count(name) for name in COUNTS}
    rest = {name: value for name, value in vars(proposal).items() if name != "decoder"}
    return asdict(decoder) | counts | rest
