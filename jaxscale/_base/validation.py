"""Checks of what a user asks for, and the type of what hears of progress."""

from collections.abc import Callable, Iterable

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted

Progress = Callable[[int, int, str], None]


def check_choice(what: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is not one of the choices."""
    if value not in tuple(choices):
        raise InputError(f"{what} must be one of {', '.join(choices)}; not {quoted(value)}")
