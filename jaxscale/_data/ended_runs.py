"""One row for each run of a tracker's table: runs that did not end well are set aside, resumed ones are joined.

A table is a tracker's where a column says how each run ended, or where it has two of the columns that trackers add.
Other tables are left alone: there a cell without a number is an error.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, listed, plural, quoted, some
from jaxscale._base.verdict import Reason
from jaxscale._data.candidates import Look
from jaxscale._data.resumed_runs import pieces_of
from jaxscale._data.run_states import bad_losses, states_in
from jaxscale._data.wording import flag, spelt

SET_ASIDE, RESUMED = "runs_set_aside", "resumed_runs"  # the codes of what is done
_OF_TRACKERS = ("_step", "_runtime", "_timestamp", "_wandb", "Runtime", "Created", "Sweep", "Tags", "Notes", "Hostname")
_MANY_ROWS = 4  # of the median run are a log, and no pieces


class Ended(NamedTuple):
    """Which rows of a table count, the run of each of those where pieces stay apart, and what is said."""

    keep: np.ndarray  # (n_rows,)
    runs: tuple[str, ...] | None = None
    column: str | None = None  # that the names of the runs come from
    notes: tuple[Reason, ...] = ()
    of_tracker: bool = True


def ended(
    frame: pd.DataFrame,
    rows: np.ndarray,
    columns: Mapping[str, str | tuple[str, ...]],
    response: str,
    look: Look,
    to_nats: Callable[[np.ndarray], np.ndarray],
    filtered: Collection[str],
    checkpoints: str | None,
) -> Ended:
    """The rows that count of a tracker's table, all of another one.

    `columns` are those of the symbols, `look` gives the numbers of a column, `to_nats` makes losses of
    the response.
    `filtered` are columns that the caller has a filter of: its states and finite losses are as the caller wants them.
    A resumed run ended as its last piece did, and is that row; the lowest with `checkpoints` "best"; with "all" every
    row stays, and with "none" rows are runs of their own. Raises InputError where no run is left.
    """
    used = {name for c in columns.values() for name in ((c,) if isinstance(c, str) else c)} - {columns.get("run")}
    unused = [name for name in frame.columns if name not in used]
    states = states_in(frame, unused)
    if not states and sum(name in frame.columns for name in _OF_TRACKERS) < 2:
        return Ended(np.ones(len(frame), dtype=bool), of_tracker=False)
    run = columns.get("run")
    pieces = pieces_of(frame, unused, columns, look, run if isinstance(run, str) else None)
    groups = {} if checkpoints == "none" else pieces.groups
    is_log = bool(groups) and np.median([len(members) for members in groups.values()]) >= _MANY_ROWS

    why = {i: word for s in states if s.column not in filtered for i, word in enumerate(s.unfinished) if word}
    column = columns[response]
    losses = look(str(column))[0]
    alone = set(range(len(frame))) - {i for members in groups.values() for i in members}
    for i, reason, is_empty in bad_losses(
        frame[column], losses, to_nats if response == "loss" and column not in filtered else None
    ):
        if i in alone or not (is_log and is_empty):
            why.setdefault(i, reason)
    left_out: dict[int, str] = {}  # earlier pieces: their run
    for name, members in groups.items():
        last = members[-1]
        if name in pieces.falls and not is_log:
            why[last] = "its last piece has seen fewer tokens than an earlier one"
        if last in why:
            why |= dict.fromkeys(members, why[last])
            continue
        counts = [i for i in members if i not in why or i == last]
        if is_log:
            for i in members:
                why.pop(i, None)
            continue
        if checkpoints == "best":
            counts = [min(counts, key=lambda i: to_nats(losses[i : i + 1])[0])]
        elif checkpoints != "all":
            counts = [last]
        for i in members:
            if i not in counts:
                why.pop(i, None)
                left_out[i] = name
    keep = np.ones(len(frame), dtype=bool)
    keep[[*why, *left_out]] = False
    names = list(pieces.names)
    for name, members in groups.items():
        for i in members:
            names[i] = name
    decided = next((s.column for s in states if s.column not in filtered and any(s.unfinished)), None)
    notes = list(_notes(why, left_out, names, rows, decided))
    if pieces.unsure and checkpoints != "none":
        notes.append(_unsure(pieces.unsure))
    if not keep.any():
        raise InputError(f"no run of the table is left: {notes[0].text}")
    several = (members for members in groups.values() if keep[members].sum() > 1)
    apart = any(not is_log or len({pieces.names[i] for i in members}) > 1 for members in several)
    labels = [
        name if name and (is_log or name in groups) else f"{name} (row {row})"
        for name, row in zip(names, rows, strict=True)
    ]
    runs = tuple(np.array(labels, dtype=object)[keep]) if apart else None
    return Ended(keep, runs, pieces.column, tuple(notes))


def _notes(
    why: Mapping[int, str], left_out: Mapping[int, str], names: Sequence[str], rows: np.ndarray, state: str | None
) -> Iterator[Reason]:
    """Runs that were set aside, by their names, and runs that were joined."""
    if why:
        of_run: dict[tuple[str, str], list[int]] = {}
        for i in sorted(why):
            of_run.setdefault((names[i] or "a run", why[i]), []).append(int(rows[i]))
        said = [
            f"{quoted(name) if name != 'a run' else name} ({_rows(where)}) {reason}"
            for (name, reason), where in list(of_run.items())[:6]
        ]
        more = [f"{len(of_run) - 6} more"] if len(of_run) > 6 else []
        choice = "" if state is None else f"; {flag('where')} \"{inert(state)} != ''\" keeps runs of every state"
        text = f"{plural(len(of_run), 'run')} set aside: {', '.join([*said, *more])}{choice}"
        yield Reason(SET_ASIDE, "warning", text, tuple(int(rows[i]) for i in sorted(why)))
    if left_out:
        joined = list(dict.fromkeys(left_out.values()))
        yield Reason(
            RESUMED,
            "info",
            f"{plural(len(left_out), 'row')} {'is' if len(left_out) == 1 else 'are'} left out as pieces of "
            f"{plural(len(joined), 'resumed run')} of which another row counts: {listed(joined, 6)}; "
            f"{spelt('checkpoints', 'none')} takes rows for runs of their own",
            tuple(int(rows[i]) for i in sorted(left_out)),
        )


def _unsure(texts: Sequence[str]) -> Reason:
    more = f", and {len(texts) - 1} more like it" if len(texts) > 1 else ""
    return Reason(
        RESUMED,
        "warning",
        f"{texts[0]}{more}: rows are taken for runs of their own; a column that names the run of each joins them: "
        f'run="..." with {spelt("checkpoints", "last")} ({flag("run")} COLUMN)',
    )


def _rows(numbers: Sequence[int]) -> str:
    return f"row{'s' * (len(numbers) > 1)} {some(numbers)}"
