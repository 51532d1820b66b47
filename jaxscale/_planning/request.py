"""What a plan was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxscale._planning.doubt import Doubt
from jaxscale._planning.source import Source
from jaxscale.costs import CostModel
from jaxscale.limits import Limit


@dataclass(frozen=True)
class Request:
    """What was asked: enough to ask again with something changed."""

    source: Source
    targets: tuple[float, ...]
    goal: Literal["loss", "cost"]
    cost: CostModel
    limits: tuple[Limit, ...]
    unique: float | tuple[float | None, ...] | None
    fixed: Mapping[str, float] = field(hash=False)
    level: float | None
    # in place of published constants of repetition
    assumed: Mapping[str, float] = field(default_factory=dict, hash=False)
    doubt: Doubt | None = None
