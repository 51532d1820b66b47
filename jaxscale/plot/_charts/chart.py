"""A chart: panels with axes and marks. Plain arrays and words, which say what is shown and not how it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from jaxscale._base.files import finite

# Who a mark speaks for, from which its look follows; a number from 0 to 1 is a place in an ordered series (budgets).
Role = Literal["fit", "odd", "other", "third", "fourth", "fifth", "sixth", "ink", "muted"] | float
SERIES: tuple[Role, ...] = ("fit", "other", "third", "fourth", "fifth", "sixth")  # things side by side, in this order
Form = Literal["count", "plain", "percent"]
Shape = Literal["dot", "ring", "square", "up", "down", "tick", "cross", "pixel"]
Along = Literal["x", "y"]


@dataclass(frozen=True, eq=False)
class Axis:
    """What one axis measures. label: with the unit. form: how numbers on it read: a count (70B, 5.8e23), plain, or in
    per cent. names: of the places 0, 1, ..., where it holds things instead of numbers. ends: of what it shows, where
    that is not for the data to say. ticks: whether it has any."""

    label: str
    log: bool = False
    form: Form = "plain"
    names: tuple[str, ...] = ()
    ends: tuple[float, float] | None = None
    ticks: bool = True


@dataclass(frozen=True, eq=False)
class Dots:
    """Dots; x, y (n,). names: of points to be named where there is room, "" for the rest."""

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    role: Role = "fit"
    shape: Shape = "dot"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Line:
    """A line through points; x, y (n,). name: at its end."""

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    role: Role = "fit"
    dash: Literal["solid", "dashed", "dotted"] = "solid"
    name: str = ""


@dataclass(frozen=True, eq=False)
class Area:
    """A filled polygon with corners x, y (n,); see `band`."""

    x: np.ndarray
    y: np.ndarray
    label: str = ""
    role: Role = "fit"


@dataclass(frozen=True, eq=False)
class Whiskers:
    """Bars of uncertainty from low to high along one axis, at points x, y; all (n,), nan where there is none."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    along: Along = "y"
    label: str = ""
    role: Role = "fit"


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars from `start` to `end` along one axis, at places `at` of the other; all (n,). width: in units of the other
    axis. names: at their ends."""

    at: np.ndarray
    start: np.ndarray
    end: np.ndarray
    along: Along = "x"
    label: str = ""
    role: Role = "fit"
    width: float = 0.62
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Rule:
    """A straight line across the panel at one value of an axis. name: at its end."""

    at: float
    along: Along
    label: str = ""
    role: Role = "ink"
    dash: Literal["solid", "dashed", "dotted"] = "solid"
    name: str = ""


@dataclass(frozen=True, eq=False)
class Span:
    """A shaded strip across the panel, between two values of an axis."""

    low: float
    high: float
    along: Along
    label: str = ""
    role: Role = "muted"


@dataclass(frozen=True, eq=False)
class Contours:
    """Lines of equal z (len(y), len(x)) at these levels, each named."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    levels: np.ndarray
    label: str = ""
    role: Role = "muted"


@dataclass(frozen=True, eq=False)
class Word:
    """Words in the middle of a panel, which has nothing else."""

    text: str
    role: Role = "ink"


Mark = Dots | Line | Area | Whiskers | Bars | Rule | Span | Contours | Word


@dataclass(frozen=True, eq=False)
class Panel:
    """One pair of axes with its marks, the first lowest. note: a sentence above it. height: next to other panels."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    note: str = ""
    height: float = 1.0


@dataclass(frozen=True, eq=False)
class Chart:
    """Panels in rows of `columns`, under a title. alt: in sentences what the picture shows, for who cannot see it.
    size: width and height in inches. shared: axes that the panels have in common, of which one is labelled."""

    title: str
    alt: str
    panels: tuple[Panel, ...]
    columns: int = 1
    size: tuple[float, float] = (6.2, 4.4)
    shared: Literal["", "x", "y"] = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text, ready for JSON; each mark says what it is, and numbers that are not
        finite are None."""
        return finite(_plain(self))


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, label: str = "", role: Role = "fit") -> Area:
    """The area between two curves over x, all (n,), without the places where either is not finite."""
    known = np.isfinite(low) & np.isfinite(high)
    x, low, high = (np.asarray(values, np.float64)[known] for values in (x, low, high))
    return Area(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]), label, role)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"mark": type(value).__name__.lower()} if isinstance(value, Mark) else {}
        return kind | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
