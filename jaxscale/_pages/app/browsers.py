"""What is held for each browser, in memory alone: few tables, for some hours."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._pages.app.asked_reading import Reading

MOST_BROWSERS, MOST_TABLES = 8, 3
_KEPT = 4 * 3600.0  # seconds after the last request


@dataclass(eq=False)
class HeldTable:
    """A table that came in (`frame`: cells as written), how it was last asked to be read, and the fit of it.

    job: the fit under way; fitted: what it came to, see `table_fit`, with how the table was read for it.
    """

    name: str
    frame: Any
    reading: Reading = field(default_factory=Reading)
    fitted: Any = None
    job: Any = None
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))


@dataclass(eq=False)
class _Browser:
    seen: float
    tables: OrderedDict[str, HeldTable] = field(default_factory=OrderedDict)


class Browsers:
    """Browsers that have shown the token, each with its tables. Of more than a few the one idle for longest goes, and
    one idle for hours goes by itself. given: a table that every browser begins with. Safe to use from threads."""

    def __init__(
        self, token: str, given: tuple[str, Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token, self._given, self._clock = token, given, clock
        self._known: OrderedDict[str, _Browser] = OrderedDict()
        self._lock = threading.Lock()

    def enter(self, token: str, before: str = "") -> str | None:
        """The secret of a new browser, for its cookie; None where the token is another. One that is known by the secret
        of `before` stays who it is, and keeps its tables."""
        if not secrets.compare_digest(token.encode(errors="replace"), self._token.encode()):
            return None
        if self.knows(before):
            return before
        secret, browser = secrets.token_urlsafe(24), _Browser(self._clock())
        if self._given is not None:
            table = HeldTable(*self._given)
            browser.tables[table.id] = table
        with self._lock:
            self._known[secret] = browser
            while len(self._known) > MOST_BROWSERS:
                _, gone = self._known.popitem(last=False)
                _stop(gone)
        return secret

    def knows(self, secret: str) -> bool:
        """Whether this browser has shown the token, not too long ago; it then counts as seen."""
        with self._lock:
            now = self._clock()
            for old in [s for s, b in self._known.items() if now - b.seen > _KEPT]:
                _stop(self._known.pop(old))
            if secret not in self._known:
                return False
            self._known[secret].seen = now
            self._known.move_to_end(secret)
            return True

    def tables(self, secret: str) -> list[HeldTable]:
        """The tables of a browser, the one used last at the end."""
        with self._lock:
            return list(self._known[secret].tables.values()) if secret in self._known else []

    def hold(self, secret: str, table: HeldTable) -> None:
        """Keep a table; of more than a few the one not used for longest goes."""
        with self._lock:
            if secret not in self._known:  # gone while its table was read
                raise InputError("this browser is no longer known here; open the address that was printed again")
            tables = self._known[secret].tables
            tables[table.id] = table
            while len(tables) > MOST_TABLES:
                _, gone = tables.popitem(last=False)
                if gone.job is not None:
                    gone.job.stop()

    def table(self, secret: str, id: str) -> HeldTable:
        """A table of this browser.

        Raises:
            InputError: it has none of that name, or no longer.
        """
        with self._lock:
            tables = self._known[secret].tables if secret in self._known else {}
            if id not in tables:
                raise InputError("this table is no longer held here; drop it again")
            self._known[secret].tables.move_to_end(id)
            return tables[id]


def _stop(browser: _Browser) -> None:
    for table in browser.tables.values():
        if table.job is not None:
            table.job.stop()
