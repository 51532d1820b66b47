"""Checks of what a user asks for, and the type of what hears of progress."""

import math
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted

Progress = Callable[[int, int, str], None]
FEWEST_DRAWS = 20


def check_level(level: Any) -> float:
    """The level of an interval, a share between 0 and 1."""
    share = float(level) if isinstance(level, Real) else math.nan
    if not 0 < share < 1:
        raise InputError(f"level must lie between 0 and 1 (0.9 is 90 %), got {level!r}")
    return share


def check_draws(draws: int, *, optional: bool = False) -> None:
    """Refuse fewer draws than an interval can be read from; 0 asks for none where they are optional."""
    if draws < FEWEST_DRAWS and not (optional and draws == 0):
        raise InputError(f"draws must be {'0 (no intervals) or ' * optional}at least {FEWEST_DRAWS}, got {draws}")


def enough_of(count: int, draws: int) -> bool:
    """Whether an interval can be read from the `count` of `draws` resampled fits that converged."""
    return count >= max(FEWEST_DRAWS, 0.9 * draws)


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices."""
    if value not in tuple(choices):
        raise InputError(f"{what} must be one of {', '.join(choices)}; not {quoted(value)}")
