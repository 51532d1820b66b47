"""A fit that is done but for its record."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxscale._fitting.result import FitResult


@dataclass(frozen=True, eq=False)
class Pending:
    """A fit whose optimum is found and whose verdict and record are made when somebody looks at `result`.

    make: reaches the verdict and makes the record; called once.
    """

    make: Callable[[], FitResult]

    def __reduce__(self) -> tuple[Any, ...]:
        return _finished, (self.result,)

    @cached_property
    def result(self) -> FitResult:
        """The finished fit, the same each time."""
        return self.make()


def _finished(result: FitResult) -> FitResult:
    """A pending fit is finished before it is copied or leaves its process."""
    return result
