"""A figure that somebody published."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A published number: value, unit, where it is from, and whether it was read there."""

    value: float
    unit: str
    source: str
    verified: bool
