"""The record of a run under way: where its loss will end, how sure that is, and whether to stop it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.files import WATCH_FORMAT, Saved
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import as_percent, format_number, inert, plural


@dataclass(frozen=True, eq=False)
class Watched(Reporting, Pictured, Saved):
    """A run under way beside finished ones, aligned by progress, which is the share of its tokens that a run has seen.

    Attributes:
        run: its name. seen, until: its tokens so far, and in all (by whatever grows along the runs, see `along`).
        now: its loss there, smoothed over its last checkpoints.
        foretold, interval: its final loss.
        level: of all intervals.
        goal, chance: a final loss to reach, and the probability that it is reached; None without one.
        stop_below: the chance below which to stop it.
        decided_at: the progress from which on such a chance has been below it, None if it is not.
        settles_at: the progress at which the goal is expected to lie outside the interval, if the loss goes on as
            foretold; None without a goal, where it is settled now, or where that takes to the end.
        finished: progress and loss of the finished runs, by name; own: of this run.
        path: progress, value, low, high of the loss from here to the end.
        notes: what to know.
        ahead: how its learning rate was said to go on, in words; None where all had its schedule.
    """

    _format = WATCH_FORMAT

    run: str
    along: str
    seen: float
    until: float
    now: float
    foretold: float
    interval: tuple[float, float]
    level: float
    goal: float | None
    chance: float | None
    stop_below: float
    decided_at: float | None
    settles_at: float | None
    finished: dict[str, tuple[np.ndarray, np.ndarray]]
    own: tuple[np.ndarray, np.ndarray]
    path: np.ndarray
    notes: tuple[str, ...]
    response: Measure
    ahead: str | None = None

    @property
    def progress(self) -> float:
        """Share of the run that is done."""
        return self.seen / self.until

    @property
    def counted(self) -> str:
        """What grows along the runs, in words: "tokens", or "images" where D counts those, "compute", ..."""
        words = {"D": "tokens", "C": "compute", "U": "unique tokens"}.get(self.along, "rows")
        return self.response.counted(words)

    @property
    def stop(self) -> bool:
        """Whether to stop it: its goal is out of reach."""
        return self.chance is not None and self.chance < self.stop_below

    @property
    def advice(self) -> str:
        """What to do, in a sentence."""
        ends = f"it ends at {self._shown(self.foretold)} [{', '.join(map(self._shown, self._ends(self.interval)))}]"
        if self.chance is None or self.goal is None:
            return ends[0].upper() + ends[1:] + "."
        goal, chance = self._shown(self.goal), _chance(self.chance)
        if self.stop:
            return f"Stop it: {ends}, and reaches {goal} with a chance of {chance}."
        if self.chance > 1 - self.stop_below:
            return f"Let it run: {ends}, and reaches {goal} with a chance of {chance}."
        look = ""
        if self.settles_at is not None:
            tokens = format_number(self.settles_at * self.until, 3)
            look = f" Look again at {self.along} = {tokens} ({_percent(self.settles_at)}), where it should be settled."
        return f"Go on: {ends}, and reaches {goal} with a chance of {chance}.{look}"

    def to_frame(self) -> pd.DataFrame:
        """The loss from here to the end: `progress`, the variable that grows along the run, `loss`, `low`, `high`."""
        frame = pd.DataFrame(self.path, columns=["progress", "loss", "low", "high"])
        frame.insert(1, self.along, frame["progress"] * self.until)
        return frame

    def to_dict(self) -> dict[str, Any]:
        """The record in the format `jaxscale.watch/1`."""
        return self._document(
            {
                "run": self.run,
                "along": self.along,
                "seen": self.seen,
                "until": self.until,
                "progress": self.progress,
                "now": self.now,
                "foretold": self.foretold,
                "interval": list(self.interval),
                "level": self.level,
                "goal": self.goal,
                "chance": self.chance,
                "stop_below": self.stop_below,
                "stop": self.stop,
                "decided_at": self.decided_at,
                "settles_at": self.settles_at,
                "advice": self.advice,
                "finished": list(self.finished),
                "path": self.path.tolist(),
                "ahead": self.ahead,
                "notes": list(self.notes),
                "response": self.response.to_dict(),
            }
        )

    def report(self) -> Report:
        """What to do first, then the loss from here to the end."""
        some = self.path[np.unique(np.linspace(0, len(self.path) - 1, 6).round().astype(int))]
        cells = tuple(
            (
                _percent(p),
                format_number(p * self.until, 3),
                self._shown(value),
                " to ".join(map(self._shown, self._ends((low, high)))),
            )
            for p, value, low, high in some
        )
        header = ("done", self.along, self.response.heading, f"{100 * self.level:g} % interval")
        lines = [
            f"From {plural(len(self.finished), 'finished run')}"
            + (
                f", of schedules of their own; its learning rate goes on as planned ({self.ahead})."
                if self.ahead
                else f", aligned by the share of their {self.counted}: the loss at the end against that at this run's "
                "share. They are taken to have had its schedule."
            ),
            *self.notes,
        ]
        if self.stop and self.decided_at is not None:
            lines.insert(0, f"The chance has been below {_percent(self.stop_below)} since {_percent(self.decided_at)}.")
        if self.goal is None:
            lines.append("Without a goal (goal=, --goal) nothing says when to stop it.")
        title = f"watch · {inert(self.run)} · {_percent(self.progress)} of {format_number(self.until, 3)}"
        return Report(title, self.advice, (Table("Its loss from here", header, cells), Lines("", tuple(lines))))

    def _ends(self, ends: tuple[float, float]) -> tuple[float, float]:
        return self.response.ends(*ends)

    def _shown(self, value: float) -> str:
        return format_number(float(self.response.to_given(value)), 4, suffixes=False)

    def __repr__(self) -> str:
        return f"<Watched {inert(self.run)}: {self.advice}>"


def _percent(share: float) -> str:
    return as_percent(share, 3)


def _chance(share: float) -> str:
    return _percent(share) if 0.001 <= share <= 0.999 else "less than .1 %" if share < 0.5 else "more than 99.9 %"
