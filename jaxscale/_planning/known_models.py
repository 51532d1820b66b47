"""Known models against a law: how far each is from the best use of its own size, and of its own compute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from jaxscale import laws
from jaxscale._base.answered import Answered
from jaxscale._base.errors import InputError
from jaxscale._base.files import MODELS_FORMAT
from jaxscale._base.measure import Measure
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, quoted
from jaxscale._planning.frontier import frontier
from jaxscale._planning.plan_row import PlanRow
from jaxscale.laws import Instance, Law
from jaxscale.reference import KnownModel, models

_MOST_STEPS, _LONGEST_MOVE, _SETTLED = 12, 50.0, 1e-10  # of Newton's method, in log compute


@dataclass(frozen=True)
class ModelRow:
    """One model under a law.

    `D_for_size`: tokens at which its size is the best use of the compute they take, and `tokens_short` how many times
    more than it had (below 1: it had more). `N_for_compute`, `D_for_compute`: the best use of the compute it took, with
    `loss_gap` what it lost against that. `wasted`: the share of its compute with which the best plan reaches its loss.
    """

    model: KnownModel
    tokens_per_param: float
    compute: float
    loss: float
    D_for_size: float
    tokens_short: float
    N_for_compute: float
    D_for_compute: float
    loss_gap: float
    wasted: float


@dataclass(frozen=True)
class ModelTable(Reporting, Answered):
    """Known models under one law. Losses compare the law's predictions: models differ in data and tokenizer."""

    _columns = 140
    _format = MODELS_FORMAT

    label: str
    rows: tuple[ModelRow, ...]
    response: Measure = field(default_factory=Measure)

    def to_frame(self) -> pd.DataFrame:
        """One row for each model."""
        return pd.DataFrame(
            [
                {"model": row.model.name, "N": row.model.N.value, "D": row.model.D.value}
                | {k: v for k, v in vars(row).items() if k != "model"}
                | {"verified": row.model.verified, "source": row.model.N.source, "note": row.model.note}
                for row in self.rows
            ]
        )

    def report(self) -> Report:
        """The models as a table of text."""
        r = self.response
        header = ("model", "N", "D", "D/N", r.heading, "tokens short", "N at its compute", "N over", "gap", "wasted")
        cells = tuple(
            (
                row.model.name + ("" if row.model.verified else " *"),
                format_number(row.model.N.value),
                format_number(row.model.D.value),
                format_number(row.tokens_per_param, 3),
                f"{r.to_given(row.loss):.4f}",
                f"{format_number(row.tokens_short, 3)}x",
                format_number(row.N_for_compute, 3),
                f"{format_number(row.model.N.value / row.N_for_compute, 3)}x",
                f"{r.to_given(row.loss) - r.to_given(row.loss - row.loss_gap):.4f}",
                f"{100 * row.wasted:.1f} %",
            )
            for row in self.rows
        )
        lines = (
            "tokens short: how many times its tokens a model needs for its own size to be the best use of compute.",
            "N at its compute, N over, gap, wasted: against the best model of the same training compute, 6 N D.",
            "These answer different questions; small models trained on many tokens are made to be cheap to serve.",
            "* N or D not read where it was first published. Predictions of the law, not measurements.",
        )
        return Report(f"known models · {self.label}", None, (Table("", header, cells), Lines("", lines)))


def reference_models(source: Any = "chinchilla:besiroglu") -> ModelTable:
    """Known models judged by a law of N and D: `source` is `law:instance`, or a fit or instance itself.

    Raises:
        InputError: the source is no law of N and D with parameters.
    """
    if isinstance(source, str):
        source = laws.instance(source)
    law = getattr(source, "law", None)
    if not isinstance(law, Law) or sorted(v.name for v in law.variables) != ["D", "N"]:
        raise InputError(
            f"known models are compared by a law of N and D, such as 'chinchilla:besiroglu'; got {quoted(source)}"
        )
    point = law.at(**source.params)
    compute = [6 * m.N.value * m.D.value for m in models]
    at_compute = frontier(point, compute).rows
    losses = [float(law.predict(dict(source.params), N=m.N.value, D=m.D.value)) for m in models]
    reaching = _budgets_at(point, "loss", losses, at_compute)
    for_sizes = _budgets_at(point, "N", [m.N.value for m in models], at_compute)
    rows = []
    for model, spent, loss, best, cheapest, for_size in zip(
        models, compute, losses, at_compute, reaching, for_sizes, strict=True
    ):
        N, D = model.N.value, model.D.value
        D_for_size = for_size / (6 * N)
        rows.append(
            ModelRow(
                model,
                D / N,
                spent,
                loss,
                D_for_size,
                D_for_size / D,
                best.N,
                best.D,
                loss - best.loss,
                1 - cheapest / spent,
            )
        )
    response = getattr(source, "response", None) or Measure()
    return ModelTable(getattr(source, "label", None) or law.name, tuple(rows), response)


def _budgets_at(point: Instance, quantity: str, wanted: Sequence[float], rows: Sequence[PlanRow]) -> list[float]:
    """The 6 N D at which the best plan has some sizes ("N") or losses, nan where none has: Newton's method in its log,
    from the plans of others. A plan to reach a loss says the same, but takes longer to compile than this table."""
    logged = quantity == "N" or point.law.response.logged
    moves = [math.nan] * len(rows)
    for _ in range(_MOST_STEPS):
        moves = []
        for value, row in zip(wanted, rows, strict=True):
            here, slope = getattr(row, quantity), row.sensitivities.get(quantity, {}).get("budget", math.nan)
            off = math.log(value / here) if logged else value - here
            moves.append(off / slope if slope and abs(off / slope) < _LONGEST_MOVE else math.nan)
        if not any(abs(move) >= _SETTLED for move in moves):
            break
        budgets = [row.budget * (math.exp(m) if m == m else 1.0) for m, row in zip(moves, rows, strict=True)]
        rows = frontier(point, budgets).rows
    return [row.budget if abs(m) < _SETTLED else math.nan for m, row in zip(moves, rows, strict=True)]
