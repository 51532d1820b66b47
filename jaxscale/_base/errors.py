"""The exceptions and warnings a user can catch."""

import re
import sys
import warnings


class JaxscaleError(Exception):
    """Base of every error jaxscale raises on purpose."""


class InputError(JaxscaleError, ValueError):
    """Something given by the user cannot be used; the message says what, where, and how to mend it."""


class MissingExtraError(JaxscaleError, ImportError):
    """A feature needs an optional package; the message names the extra to install."""

    def __init__(self, text: str) -> None:
        extra = re.search(r"pip install 'jaxscale(\[\w+\])'", text)
        super().__init__(text + (f" (in a clone of jaxscale, pip install -e '.{extra[1]}')" if extra else ""))


class JaxscaleWarning(UserWarning):
    """Base of every warning jaxscale issues."""


class DataWarning(JaxscaleWarning):
    """A table was read, but rows were dropped, or something looks unintended (units, duplicates, mixed conventions)."""


class PrecisionWarning(JaxscaleWarning):
    """A computation ran, or numbers came, in less precision than the answer needs."""


def warn(message: str, category: type[JaxscaleWarning]) -> None:
    """Issue a warning that points at the line outside this package from which it came."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "jaxscale":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level + 1)
