"""What a plan was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jaxscale._base.text import format_number
from jaxscale._base.validation import check_level
from jaxscale._planning.doubt import Doubt
from jaxscale._planning.source import Source
from jaxscale.costs import CostModel
from jaxscale.limits import UNIQUE_TOKENS, Limit


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

    @property
    def interval_level(self) -> float:
        """The level of the intervals: as it was asked for, else that of the source."""
        chosen = self.source.level if self.level is None else self.level
        return 0.9 if chosen is None else check_level(chosen)

    def limits_described(self) -> list[str]:
        """What a plan keeps to, for people: N_max 40B parameters, U 1T tokens, U2 20B tokens of the second domain."""
        each = self.unique if isinstance(self.unique, tuple) else (self.unique,)
        names = [f"{UNIQUE_TOKENS}{k}" for k in range(1, len(each) + 1)] if each is self.unique else [UNIQUE_TOKENS]
        unique = [f"{name} {format_number(x)} tokens" for name, x in zip(names, each, strict=True) if x is not None]
        return [self.source.response.counted(text) for text in (*(x.described() for x in self.limits), *unique)]
