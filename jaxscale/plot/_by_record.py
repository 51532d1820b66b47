"""Which pictures a record has, the one that says most first."""

from collections.abc import Callable
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._fitting.result import FitResult
from jaxscale._planning.plan import Plan
from jaxscale.plot import _pictures
from jaxscale.plot._picture import Picture

PICTURES: dict[type, tuple[Callable[..., Picture], ...]] = {
    FitResult: (_pictures.residuals, _pictures.observed, _pictures.starts),
    Plan: (_pictures.frontier,),
}


def picture_of(record: Any, name: str | None = None, **options: Any) -> Picture:
    """The picture of that name, or the first one of the record's.

    Raises:
        InputError: the record has no such picture.
    """
    pictures = {one.__name__: one for one in PICTURES[type(record)]}
    if name is None:
        return next(iter(pictures.values()))(record, **options)
    if name not in pictures:
        raise InputError(
            f"a {type(record).__name__} has no picture {quoted(name)}; choose one of {', '.join(pictures)}"
        )
    return pictures[name](record, **options)
