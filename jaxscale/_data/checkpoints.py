"""Rows that are checkpoints of training runs: the column that names the run of each, and the last row of each run."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import plural, quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.candidates import Look
from jaxscale._data.cells import is_missing
from jaxscale._data.other_scripts import in_english
from jaxscale._data.wording import flag, spelt

CHECKPOINTS = "checkpoints"  # the code of what is noticed
ONE_OF_EACH = ("last", "best")
CHOICES = (*ONE_OF_EACH, "all", "none")

# Names that say run, and names that may be of a run, of a size or of anything else: those need cells that say so.
_SAYS_RUN = re.compile(
    r"(sweep|main|base|model|wandb|mlflow|slurm|aim|comet|neptune|training|train|pretraining|unique|full|display|config|meta|the)*"
    r"(runs?|xps?|(experiment|exp|trial|job|(?<=wandb)|(?<=mlflow)|(?<=slurm)|(?<=comet)|(?<=neptune))(?=[a-z]))"
    r"(id|ids|name|names|key|uuid|uid|ulid|no|nr|num|number|index|idx|label|title|path|dir|folder|hash|slug)*"
)
_MAY_BE_A_RUN = re.compile(
    r"(display|model|full|short|config|ckpt|checkpoint|series|curve|file|log|save)*"
    r"(name|id|label|uuid|uid|key|title|model|config|series|curve|experiment|exp|trial|job|setting|hash|path|dir|file|"
    r"folder)"
)
STEP = re.compile(r"(trainer|train|training|global|optimizer|optim|opt)*(step|iter|iteration|it|update)")
# `pythia-410m-step143000`, `OLMo-1B/step738020-tokens3094B`: the checkpoint in the name; "steps" would be all of a run.
_STEPPED = re.compile(
    r"(.*?[a-z0-9])[\W_]*(global[\W_]?)?(step|iter|iteration|ckpt|checkpoint|epoch)[\W_]?[0-9][0-9_]*[km]?"
    r"([\W_]*tokens?[\W_]?[0-9.]+[kmbt]?)?",
    re.IGNORECASE,
)
_IN_EPOCHS = re.compile(r"epochs?[\W_]?([0-9]{1,9})$", re.IGNORECASE)
_EPOCHS = re.compile(r"(n|no|num|number|of|max|total|train|training)*epochs|(n|num|max|total)epoch")
_TAIL = re.compile(r"[/.](?=.)")
_GROWS = ("D", "C", "U")  # variables that grow along a run
SAME_SIZE = 1e-3  # in logs: sizes that differ by less are of one run
_RISING = 0.8  # share of the runs with several rows along which tokens must rise
_EVEN, _FEWEST_EVEN, _SHARE_EVEN = 0.05, 4, 0.8  # how far off the typical step one may be, how many, how many of them
_MANY_ROWS = 6  # of one name are no grid of token counts
_FIRST_NAMES = 20  # one of these ends in a step where a column of names does
_STEPPED_SHARE = 0.8  # of the cells of a column that end in a step
_LEAST_NAMED = 3  # rows of names that stand more than once


class Curves(NamedTuple):
    """Rows that are checkpoints: a label of the run of each row, how far along it is, and what told."""

    labels: tuple[str, ...]
    progress: np.ndarray
    column: str | None = None  # None: told by the order of the rows

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(set(self.labels))

    def of_at_least(self, rows: int) -> np.ndarray:
        """Which rows are of a run that has so many, (n_rows,)."""
        counts = Counter(self.labels)
        return np.array([counts[label] >= rows for label in self.labels], bool)

    @property
    def told_by(self) -> str:
        """What names the run of each row, in words."""
        return (
            "equal N, and tokens that rise from row to row" if self.column is None else f"column {quoted(self.column)}"
        )


def last_of_each(labels: Sequence[str], progress: np.ndarray) -> np.ndarray:
    """Positions of the row of each run that is farthest along, of several the one that stands last, as they stand."""
    latest: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label not in latest or progress[i] >= progress[latest[label]]:
            latest[label] = i
    return np.array(sorted(latest.values()), dtype=np.int64)


def named_curves(
    frame: pd.DataFrame, unused: Sequence[str], variables: Mapping[str, np.ndarray], look: Look
) -> Curves | None:
    """The checkpoints that a column with no part in the runs names the run of, or None.

    `frame` has the rows of `variables`; `look` gives the numbers of a column. A name that says run is believed where
    sizes stay and tokens rise within it; one that may name a size as well, where besides tokens rise in even steps, a
    column counts steps, or no grid has as many rows of one name.
    """
    steps = [name for name in frame.columns if reads(STEP, name)]
    progress = next((variables[s] for s in _GROWS if s in variables and variables[s].ndim == 1), None)
    if progress is None and steps:
        progress = _filled(look(steps[0])[0])
    if progress is None:
        return None
    sizes = [np.log(v) for s, v in variables.items() if s == "N" and v.ndim == 1 and bool(np.all(v > 0))]
    for name in unused:
        labels, share = _without_steps(frame[name])
        groups = _several(labels)
        if share > _STEPPED_SHARE and _epochs_are_set(frame, name, unused, look):
            continue
        if share > _STEPPED_SHARE and sum(map(len, groups)) >= _LEAST_NAMED and _is_of_runs(groups, progress, sizes):
            return Curves(tuple(labels), progress, name)
    for surely, pattern in ((True, _SAYS_RUN), (False, _MAY_BE_A_RUN)):
        found = []
        for name in unused:
            if not reads(pattern, name):
                continue
            labels = _labels(frame[name])
            groups = _several(labels)
            if sum(map(len, groups)) < _LEAST_NAMED or not _is_of_runs(groups, progress, sizes):
                continue
            if surely or _is_a_log(groups, progress, [_filled(look(step)[0]) for step in steps]):
                found.append(Curves(tuple(labels), progress, name))
        if found:
            return max(found, key=lambda one: one.runs)
    return None


def ordered_curves(variables: Mapping[str, np.ndarray]) -> Curves | None:
    """The rows as checkpoints by their order: rows of one N belong to one run as long as D rises from each to the next
    of that N. None without one D for each row."""
    D, N = variables.get("D"), variables.get("N", np.ones(1))
    if D is None or D.ndim != 1 or N.ndim != 1:
        return None
    sizes = np.broadcast_to(N, D.shape)
    order = np.argsort(sizes, kind="stable")
    begins, size, tokens = np.ones(len(D), bool), sizes[order], D[order]
    begins[1:] = (size[1:] != size[:-1]) | ~(tokens[1:] > tokens[:-1])
    first = np.maximum.accumulate(np.where(begins, np.arange(len(D)), 0))  # of each row's run, in that order
    number, beginning = np.empty(len(D), int), np.zeros(len(D), int)
    beginning[order] = begins
    number[order] = np.cumsum(beginning)[order][first]
    return Curves(tuple(f"curve {k}" for k in number.tolist()), D)


def curves_by_size(variables: Mapping[str, np.ndarray]) -> Curves | None:
    """The rows as checkpoints of one run of each size, whatever their order. None without one N and one D for each."""
    N, D = variables.get("N"), variables.get("D")
    if N is None or D is None or N.ndim != 1 or D.ndim != 1:
        return None
    return Curves(tuple(f"N = {n:.17g}" for n in N.tolist()), D)


def curves_by_steps(variables: Mapping[str, np.ndarray]) -> Curves | None:
    """The rows as checkpoints whatever their order: of one N, a run's tokens are once, twice, three times, ... those of
    its first row. None without one N and one D for each row."""
    whole = curves_by_size(variables)
    if whole is None:
        return None
    labels = np.arange(len(whole.labels))
    for rows in _several(whole.labels):
        rows = rows[np.argsort(whole.progress[rows], kind="stable")]
        D, later = whole.progress[rows].tolist(), list(range(len(rows) + 1))
        while (first := _waiting(later, 0)) < len(D):
            members, at = [first], first
            while at < len(D):
                later[at], times = at + 1, len(members) + 1
                at = _waiting(later, max(bisect_left(D, D[first] * (times - _EVEN)), at + 1))
                if at == len(D) or D[at] > D[first] * (times + _EVEN):
                    break
                members.append(at)
            labels[rows[members]] = rows[first]
    return Curves(tuple(f"curve {k}" for k in labels.tolist()), whole.progress)


def _waiting(later: list[int], k: int) -> int:
    """The first row from k on that belongs to no run yet: `later` names itself there, else one further on."""
    while later[k] != k:
        later[k] = k = later[later[k]]
    return k


def _unnamed(variables: Mapping[str, np.ndarray]) -> Curves | None:
    """The rows as checkpoints where no column names the run: by even steps, by order, or by size."""
    ways = [way(variables) for way in (curves_by_steps, ordered_curves, curves_by_size)]
    found = [one for one in ways if one is not None and one.runs < len(one.labels)]
    if found and found[0] is ways[0] and even_share(found[0].labels, found[0].progress) <= 0.5:
        found = found[1:] or found
    return next((one for one in found if 2 * one.of_at_least(3).sum() >= len(one.labels)), found[0] if found else None)


def even_share(labels: Sequence[str], progress: np.ndarray) -> float:
    """Share of all rows that are of a run along which tokens rise in even steps."""
    return sum(len(g) for g in _several(labels) if _is_even(progress[g])) / max(len(labels), 1)


def read_curves(
    frame: pd.DataFrame,
    unused: Sequence[str],
    variables: Mapping[str, np.ndarray],
    look: Look,
    clusters: tuple[str, ...] | None,
    run: str | None,
    choice: str | None,
) -> Curves | None:
    """The checkpoints to speak of in a table read with `checkpoints=choice`: those of the runs that `run` names with
    `clusters`, else of a column that is recognised, else, where asked for, by the order of the rows.

    Raises InputError where one row of each run is asked for and nothing tells the runs.
    """
    if choice == "none" or (clusters is not None and choice not in ONE_OF_EACH):
        return None
    if clusters is not None:
        return Curves(clusters, along(variables, len(clusters)), run)
    found = named_curves(frame, unused, variables, look)
    if found is None and choice is not None:
        found = _unnamed(variables)
    if found is None and choice in ONE_OF_EACH:
        raise InputError(
            f"{spelt('checkpoints', choice)} needs the run of each row, and no column is recognised as its name; name "
            f'it with run="..." ({flag("run")} COLUMN)'
        )
    return found


def along(variables: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """How far along its run each of `count` rows is: by D, C or U, else by the order of the rows."""
    grows = (variables[s] for s in _GROWS if s in variables and variables[s].ndim == 1)
    return next(grows, np.arange(float(count)))


def checkpoint_note(curves: Curves, taken: str | None) -> Reason:
    """What is said of checkpoints: `taken` is one of the choices, None where it is still open."""
    rows = f"{plural(len(curves.labels), 'row')} are checkpoints of {plural(curves.runs, 'run')} ({curves.told_by})"
    every = f"{spelt('checkpoints', 'all')} takes every row and resamples whole runs"
    none = f"{spelt('checkpoints', 'none')} takes rows for runs of their own"
    if curves.runs == 1:
        rows = f"all rows are checkpoints of one run ({curves.told_by})"
        return Reason(CHECKPOINTS, "info", f"{rows}: intervals take the errors along it for independent")
    if taken == "all":
        return Reason(CHECKPOINTS, "info", f"{rows}, all taken: intervals by resampling draw whole runs")
    if taken is not None:
        which = "last" if taken == "last" else "one with the lowest response"
        return Reason(CHECKPOINTS, "info", f"{rows}, of which the {which} of each run is taken; {every}, {none}")
    return Reason(
        CHECKPOINTS,
        "warning",
        f"{rows}: laws of final losses take the last row of each run; {every}, {none}",
    )


@lru_cache(4096)
def reads(pattern: re.Pattern[str], name: str) -> bool:
    """Whether a name, or the last part of a path, is of that pattern once only letters and digits are left."""
    parts = (in_english(part[:200]).lower() for part in (name, _TAIL.split(name)[-1]))
    return any(pattern.fullmatch(re.sub(r"[^a-z0-9]", "", part)) for part in parts)


def _labels(cells: pd.Series) -> list[str]:
    """What names the run of each row; a row without is a run of its own."""
    return [f"row {i + 1}" if is_missing(cell) else str(cell).strip() for i, cell in enumerate(cells.tolist())]


def _without_steps(cells: pd.Series) -> tuple[list[str], float]:
    """The names of a column without the checkpoint that each ends in, and the share of them that does."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return [], 0.0
    if not any(_STEPPED.fullmatch(label[:300]) for label in _labels(cells.iloc[:_FIRST_NAMES])):
        return [], 0.0
    labels = _labels(cells)
    found = [_STEPPED.fullmatch(label[:300]) for label in labels]
    whole = [label if match is None else match[1] for label, match in zip(labels, found, strict=True)]
    return whole, sum(match is not None for match in found) / max(len(labels), 1)


def _epochs_are_set(frame: pd.DataFrame, name: str, unused: Sequence[str], look: Look) -> bool:
    """Whether names that end in `_epoch10` say for how long each run trains, and not how far one has come: a column of
    epochs has those numbers, or a name of runs is another one in each row."""
    ends = [_IN_EPOCHS.search(label[:300]) for label in _labels(frame[name])]
    if not all(ends):
        return False
    said = np.array([float(end[1]) for end in ends if end is not None])
    others = [column for column in unused if column != name]
    counted = any(np.array_equal(look(column)[0], said) for column in others if reads(_EPOCHS, column))
    runs = [column for column in others if reads(_SAYS_RUN, column)]
    return counted or any(frame[column].is_unique and not frame[column].map(is_missing).any() for column in runs)


def _several(labels: Sequence[str]) -> list[np.ndarray]:
    """Positions of the rows of each label that stands more than once."""
    rows: dict[str, list[int]] = {}
    for i, label in enumerate(map(str, labels)):
        rows.setdefault(label, []).append(i)
    return [np.array(rows[label]) for label in sorted(rows) if len(rows[label]) > 1]


def _filled(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, -np.inf)


def _is_of_runs(groups: Sequence[np.ndarray], progress: np.ndarray, sizes: Sequence[np.ndarray]) -> bool:
    """Whether every name has one size, and nearly every one several values of what grows along a run."""
    if any(np.ptp(size[g]) > SAME_SIZE for size in sizes for g in groups):
        return False
    rising = sum(len(np.unique(progress[g])) > 1 for g in groups)
    return rising >= _RISING * len(groups)


def _is_a_log(groups: Sequence[np.ndarray], progress: np.ndarray, steps: Sequence[np.ndarray]) -> bool:
    """Whether rows of one name are more likely checkpoints than runs of one size.

    Where a name has two rows or more for each value of what grows, something else than training varies: a sweep.
    """
    if 2 * sum(len(np.unique(progress[g])) for g in groups) <= sum(map(len, groups)):
        return False
    if float(np.median([len(g) for g in groups])) >= _MANY_ROWS:
        return True
    if any(all(_rise_together(progress[g], step[g]) for g in groups) for step in steps):
        return True
    return sum(_is_even(progress[g]) for g in groups) > len(groups) / 2


def _rise_together(progress: np.ndarray, step: np.ndarray) -> bool:
    order = np.lexsort((step, progress))
    return bool(np.all(np.diff(step[order]) >= 0)) and step[order][-1] > step[order][0]


def _is_even(progress: np.ndarray) -> bool:
    """Whether nearly all steps from one value to the next are alike, as those between saved checkpoints."""
    values = np.unique(progress)
    if len(values) < _FEWEST_EVEN:
        return False
    widths = np.diff(values)
    typical = float(np.median(widths))
    return bool(np.mean(np.abs(widths - typical) <= _EVEN * typical) >= _SHARE_EVEN)
