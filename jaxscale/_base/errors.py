"""The exceptions and warnings a user can catch."""


class JaxscaleError(Exception):
    """Base of every error jaxscale raises on purpose."""


class InputError(JaxscaleError, ValueError):
    """Something given by the user cannot be used; the message says what, where, and how to mend it."""


class MissingExtraError(JaxscaleError, ImportError):
    """A feature needs an optional package; the message names the extra to install."""


class JaxscaleWarning(UserWarning):
    """Base of every warning jaxscale issues."""


class DataWarning(JaxscaleWarning):
    """A table was read, but something in it looks unintended (units, duplicates, mixed conventions)."""


class PrecisionWarning(JaxscaleWarning):
    """A computation ran in less than float64."""
