"""Answers to questions about a fit or a table as plain data: their fields by name, and their table as rows."""

from typing import Any

from jaxscale._base.files import Saved
from jaxscale._base.plain_data import fields_of, plain_data


class Answered(Saved):
    """A record whose file holds its fields, by their names in Python, and what `to_frame` gives."""

    def to_frame(self) -> Any:
        """The rows."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """The record as plain dicts, lists, numbers and text; what is not finite is None, a law its name."""
        return self._document({**fields_of(self), "rows": plain_data(self.to_frame())})
