"""Checks of what a user asks for, and the type of what hears of progress."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
