"""A fit that tells how far it is while it works, and ends when it is told to."""

import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jaxscale as js
from jaxscale._base.errors import JaxscaleError
from jaxscale._base.text import inert
from jaxscale._pages.app.asked_reading import on_page
from jaxscale._pages.app.browsers import HeldTable
from jaxscale._pages.app.table_fit import table_fit
from jaxscale._pages.app.uploads import read

_BEAT = 0.5  # seconds between signs of life
_ALONE = 15.0  # seconds that a fit goes on with nobody listening: a page that is loaded again listens again
_WORDS = {  # for the stages of a fit
    "screening": "trying starts",
    "searching": "finishing the best starts",
    "finishing": "certifying the optimum",
    "compiling": "compiling, for the first time only",
}


class _Stopped(Exception):
    """The one who asked for the fit does not want it any more."""


class FitJob:
    """One fit of one table, done by a thread of `workers`; `next_line` tells what happens, to any who listen.

    A fit is stopped between its stages; from the moment of `stop` on its answer is dropped. It stops by itself when
    nobody listened for a while (`alone` seconds).
    """

    def __init__(self, table: HeldTable, workers: ThreadPoolExecutor, alone: float = _ALONE) -> None:
        self._table, self._reading, self._alone, self._listening = table, table.reading, alone, 0
        self._lines: list[dict[str, Any]] = []
        self._told = threading.Condition()
        self._stop, self._began = threading.Event(), time.monotonic()
        self._future = workers.submit(self._work)

    @property
    def ended(self) -> bool:
        """Whether no other line will come."""
        return bool(self._lines) and not {"done", "error"}.isdisjoint(self._lines[-1])

    @property
    def known(self) -> int:
        """How many lines are past, for one who begins to listen now: all but the latest."""
        return max(len(self._lines) - 1, 0)

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()
        self._future.cancel()
        self._tell({"error": "Stopped.", "stopped": True})

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Around listening."""
        with self._told:
            self._listening += 1
        try:
            yield
        finally:
            with self._told:
                self._listening -= 1
            if not self.ended:
                timer = threading.Timer(self._alone, self._stop_if_alone)
                timer.daemon = True
                timer.start()

    def next_line(self, known: int) -> tuple[dict[str, Any], int]:
        """What happened after the first `known` lines, and how many are then known: a stage, {"done": true} or an
        error, which end it; a sign of life where nothing did for a while."""
        with self._told:
            self._told.wait_for(lambda: len(self._lines) > known, timeout=_BEAT)
            found = self._lines[known : known + 1]
        return {"seconds": round(time.monotonic() - self._began, 1), **(found[0] if found else {})}, known + len(found)

    def _tell(self, line: dict[str, Any]) -> None:
        with self._told:
            if not self.ended:
                self._lines.append(line)
                self._told.notify_all()

    def _stop_if_alone(self) -> None:
        if not self._listening and not self.ended:
            self.stop()

    def _progress(self, done: int, total: int, what: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._tell({"what": inert(_WORDS.get(what, what)), "at": int(done), "of": int(total)})

    def _say(self, what: str) -> None:
        self._progress(0, 0, what)

    def _work(self) -> None:
        try:
            self._say("reading the runs")
            runs = read(self._table, self._reading)
            self._say("fitting")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = js.fit(self._reading.law, runs, progress=self._progress, **self._reading.fitting)
                self._say("drawing the constants again")
                fitted = table_fit(result, self._progress, self._reading)
            self._say("drawing the pictures")
            for part in (fitted.content.figures, fitted.content.lines):
                assert part is not None  # made once, here and not when the page is asked for
            self._progress(0, 0, "done")
            self._table.fitted = fitted
            self._tell({"done": True})
        except _Stopped:
            self._tell({"error": "Stopped.", "stopped": True})
        except JaxscaleError as error:
            self._tell({"error": on_page(error)})
        except Exception as error:
            self._tell({"error": f"internal failure, {type(error).__name__}: {inert(error, 200)}"})
            raise
