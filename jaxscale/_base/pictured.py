"""A record that has pictures: it only points to `jaxscale.plot`, which stands on all records and is looked up when one
is asked for."""

from importlib import import_module
from typing import Any


class Pictured:
    """A record that `jaxscale.plot` has pictures of."""

    def plot(self, picture: str | None = None, **options: Any) -> Any:
        """A picture of the record: `record.plot("residuals")` is `jaxscale.plot.residuals(record)`; without a name the
        one that says most. Needs the extra `plot`.

        Raises:
            InputError: there is no such picture of it, or no such option; the message lists those that there are.
            MissingExtraError: matplotlib is not installed.
        """
        return import_module("jaxscale.plot._by_record").picture_of(self, picture, **options)
