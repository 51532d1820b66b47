"""A fit that is done but for its record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from jaxscale._fitting.result import FitResult


@dataclass(frozen=True, eq=False)
class Pending:
    """A fit whose optimum is found and whose verdict and record are made when somebody looks at `result`.

    make: reaches the verdict and makes the record, or says what came in between; called once.
    """

    make: Callable[[], FitResult | Exception]

    def __reduce__(self) -> tuple[Any, ...]:
        return _finished, (self.result,)

    @cached_property
    def result(self) -> FitResult:
        """The finished fit, the same each time. Raises what came in between."""
        made = self.make()
        if isinstance(made, Exception):
            raise made
        return made


def _finished(result: FitResult) -> FitResult:
    """A pending fit is finished before it is copied or leaves its process."""
    return result


def each_alone_at_worst(
    make: Callable[[Sequence[int]], Sequence[FitResult]], tables: Sequence[int]
) -> dict[int, FitResult | Exception]:
    """The record of each table, all made side by side; where that fails one by one, so that what fails one table takes
    no record of another."""
    try:
        return dict(zip(tables, make(tables), strict=True))
    except Exception as error:
        if len(tables) == 1:
            return {tables[0]: error}
    return {k: record for one in tables for k, record in each_alone_at_worst(make, [one]).items()}
