"""How far a piece of work is: who hears of it, and one changing line on standard error for those who ask for that.

Whoever is listening is known to the context, so that work far below can tell of it. What is called may raise, which
ends the work there.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

from jaxscale._base.text import inert
from jaxscale._base.validation import Progress

COMPILING = "compiling"
_FIRST_TIME = "compiling (the first time; later calls find it ready)"
_SLOW = 2.0  # seconds of silence before anything is said
_ANOTHER_CALL = 5.0  # seconds between two compilations that do not belong together


def _say(text: str, end: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed, full, or none at all
        print(text, end=end, file=sys.stderr, flush=True)


def _on_terminal() -> bool:
    with suppress(ValueError, AttributeError):
        return sys.stderr.isatty()
    return False


class Shown:
    """Says on standard error how far a slow piece of work is: one changing line on a terminal, else a line at times."""

    def __init__(
        self,
        what: str,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str, str], None] = _say,
    ):
        self._clock, self._say, self._what = clock, say, what
        self._began = self._heard = self._shown = clock()
        self._counted, self._counting = "", self._began
        self._terminal = _on_terminal()
        self._text = f"{what} ..."
        self._waiting = threading.Timer(_SLOW, lambda: self._show(self._text))
        self._waiting.daemon = True
        self._waiting.start()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = self._clock()
        if what not in (COMPILING, self._counted):  # its rate counts from its own beginning
            self._counted, self._counting = what, self._heard if done else now
        self._heard = now
        rate = done / (now - self._counting) if now > self._counting else 0.0
        if not total and not done:
            self._text = f"{self._what}: {_FIRST_TIME if what == COMPILING else what} ..."
        elif not rate:
            self._text = f"{what}: {done}" + f" of {total}" * bool(total)
        elif not total:
            self._text = f"{what}: {done} done, {rate:.3g} a second"
        else:
            self._text = f"{what}: {done} of {total}, {rate:.3g} a second, {max(total - done, 0) / rate:.0f} s left"
        if now - self._began >= _SLOW and now - self._shown >= (0.2 if self._terminal else 10):
            self._show(self._text)

    def close(self) -> None:
        """Wipe the line."""
        self._waiting.cancel()
        if self._terminal and self._shown > self._began:
            self._say("\r\x1b[K", "")

    def _show(self, text: str) -> None:
        self._shown = self._clock()
        start, end = ("\r\x1b[K", "") if self._terminal else ("", "\n")
        self._say(start + inert(text), end)


@dataclass
class _Listener:
    call: Progress
    within: bool = False  # a part of what is told of, which is told of as a whole
    last: tuple[int, int, str] | None = field(default=None, compare=False)


_LISTENER: ContextVar[_Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(progress: Progress | bool | None, what: str = "") -> Iterator[None]:
    """Have `tell` tell `progress`; True is a line on standard error, and None nobody new.

    Where somebody listens already to what this is a part of, they go on hearing of the whole, and of compilations.
    """
    before = _LISTENER.get()
    shown = Shown(what) if progress is True else None
    call = shown or (None if isinstance(progress, bool) else progress)
    now = _Listener(call) if call is not None else before and replace(before, within=True)
    token = _LISTENER.set(now)
    try:
        yield
    finally:
        _LISTENER.reset(token)
        if shown is not None:
            shown.close()


def tell(done: int, total: int, what: str) -> None:
    """Tell whoever listens how much is done; with a total of 0 and nothing done, that a stage begins."""
    listener = _LISTENER.get()
    if listener is not None and not listener.within:
        listener.last = done, total, what
        listener.call(done, total, what)


@contextmanager
def compiling() -> Iterator[None]:
    """A program is being compiled: whoever listens is told, or where nobody does, a terminal after two seconds."""
    listener = _LISTENER.get()
    if listener is None:
        with _ON_TERMINAL.waiting():
            yield
        return
    listener.call(0, 0, COMPILING)
    yield
    if listener.last is not None:
        listener.call(*listener.last)


class Patience:
    """Says once for each call that it compiles, when its programs have taken long together."""

    def __init__(self):
        self.lock = threading.Lock()
        self.spent, self.ended, self.said = 0.0, -_ANOTHER_CALL, False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        began = time.monotonic()
        with self.lock:
            if began - self.ended >= _ANOTHER_CALL:
                self.spent, self.said = 0.0, False
        timer = None
        if not self.said and _on_terminal():
            timer = threading.Timer(max(_SLOW - self.spent, 0.0), self._say)
            timer.daemon = True
            timer.start()
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
            with self.lock:
                self.ended = time.monotonic()
                self.spent += self.ended - began

    def _say(self) -> None:
        with self.lock:
            first, self.said = not self.said, True
        if first:
            _say(f"jaxscale: {_FIRST_TIME}", "\n")


_ON_TERMINAL = Patience()
