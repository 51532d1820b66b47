"""A fit that tells how far it is while it works, and ends when it is told to."""

import queue
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jaxscale as js
from jaxscale._app.browsers import HeldTable
from jaxscale._app.table_fit import table_fit
from jaxscale._app.uploads import read
from jaxscale._base.errors import JaxscaleError
from jaxscale._base.text import inert

_BEAT = 0.5  # seconds between signs of life
_WORDS = {  # for the stages of a fit
    "screening": "trying starts",
    "searching": "finishing the best starts",
    "finishing": "certifying the optimum",
    "compiling": "compiling, for the first time only",
}


class _Stopped(Exception):
    """The one who asked for the fit does not want it any more."""


class FitJob:
    """One fit of one table, done by a thread of `workers`; `next_line` tells what happens.

    A fit is stopped between its stages; from the moment of `stop` on its answer is dropped.
    """

    def __init__(self, table: HeldTable, workers: ThreadPoolExecutor) -> None:
        self._table = table
        self._lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._stop, self._began = threading.Event(), time.monotonic()
        self._future = workers.submit(self._work)

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()
        self._future.cancel()
        self._lines.put({"error": "Stopped.", "stopped": True})

    def next_line(self) -> dict[str, Any]:
        """What happened next, a stage, {"done": true} or an error; a sign of life where nothing did for a while. The
        last two end it."""
        try:
            line = self._lines.get(timeout=_BEAT)
        except queue.Empty:
            line = {}
        return {"seconds": round(time.monotonic() - self._began, 1), **line}

    def _progress(self, done: int, total: int, what: str) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._lines.put({"what": inert(_WORDS.get(what, what)), "at": int(done), "of": int(total)})

    def _say(self, what: str) -> None:
        self._progress(0, 0, what)

    def _work(self) -> None:
        try:
            self._say("reading the runs")
            runs = read(self._table)
            self._say("fitting")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = js.fit(self._table.law, runs, progress=self._progress)
                self._say("drawing the constants again")
                fitted = table_fit(result, self._progress)
            self._say("drawing the pictures")
            for part in (fitted.content.figures, fitted.content.lines):
                assert part is not None  # made once, here and not when the page is asked for
            self._progress(0, 0, "done")
            self._table.fitted = fitted
            self._lines.put({"done": True})
        except _Stopped:
            self._lines.put({"error": "Stopped.", "stopped": True})
        except JaxscaleError as error:
            self._lines.put({"error": inert(error)})
        except Exception as error:
            self._lines.put({"error": f"internal failure, {type(error).__name__}: {inert(error, 200)}"})
            raise
