"""JSON becomes rows: lists of objects wherever they lie in it, columns, objects inside objects, logs of trainers."""

from collections.abc import Iterator, Mapping
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import listed, quoted
from jaxscale._data.headers import unique
from jaxscale._data.names import meaning_of

_DEEPEST = 8  # levels of objects that become columns
_RENAMED = {"loss": "train/loss", "num_input_tokens_seen": "tokens_seen"}  # what a trainer's log means by them
_TRAINER = "log_history"  # of the file trainer_state.json that Hugging Face trainers write


def rows_in(value: Any, shown: str) -> tuple[list[dict[str, Any]] | dict[str, list[Any]], str]:
    """The rows in decoded JSON, or its columns, and what is said of where they were. Raises InputError.

    A list of objects; an object with one such list in it, at any level, whose model size is in every row; an object of
    columns, each a list, or an object by row as pandas writes it; an object of runs by their names; or one row.
    """
    if isinstance(value, list):
        return _flat(value, shown), ""
    if not isinstance(value, dict):
        raise InputError(f"{shown} holds one JSON value, not a list of rows")
    if str(value.get("format", "")).startswith("jaxscale."):
        fit = "; jaxscale report shows it, jaxscale frontier plans with it, js.load reads it"
        how = fit if str(value["format"]).startswith("jaxscale.fit/") else ""
        raise InputError(f"{shown} is a {quoted(value['format'])} file that jaxscale wrote, not a table of runs{how}")
    if isinstance(log := value.get(_TRAINER), list):
        return _flat(_with_sizes(value, _trainer_rows(log)), shown), "the log_history of a trainer, one row per step"
    if isinstance(names := value.get("columns"), list) and isinstance(value.get("data"), list):
        rows = [row for row in value["data"] if isinstance(row, list) and len(row) == len(names)]
        if len(rows) == len(value["data"]):
            unique([str(name) for name in names], shown)
            return [dict(zip(map(str, names), row, strict=True)) for row in rows], ""
    as_table = isinstance(value.get("schema"), dict) and isinstance(value.get("data"), list)  # as pandas writes it
    lists = dict(_lists({"data": value["data"]} if as_table else value))
    if len(lists) > 1:
        raise InputError(
            f"{shown} holds several lists of rows, {listed(list(lists))}; keep one of them: "
            f"jq '.{next(iter(lists))}' FILE > rows.json"
        )
    if lists:
        ((path, rows),) = lists.items()
        return _flat(_with_sizes(value, rows), shown), f"rows under {quoted(path)}"
    named = dict(_named_runs(value))
    if len(named) == 1:
        ((path, runs),) = named.items()
        rows = [{"run": name, **row} for name, row in runs.items()]
        beside = {name: part for name, part in value.items() if path and name != path.split(".")[0]}
        return _flat(_with_sizes(beside, rows), shown), "one run for each name"
    if _are_columns(value):
        return {name: list(c.values()) if isinstance(c, dict) else c for name, c in value.items()}, ""
    return _flat([value], shown), ""


def _flat(rows: list[Any], shown: str) -> list[dict[str, Any]]:
    """The rows, objects inside them as columns with the names of both."""
    found = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{shown}: row {number} is not a JSON object of column names and values")
        if any(isinstance(cell, dict) for cell in row.values()):
            pairs = list(_cells(row, "", 0))
            unique([name for name, _ in pairs], f"{shown}: row {number}")
            row = dict(pairs)
        found.append(row)
    return _logs_apart(found)


def _logs_apart(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each entry of the one log that rows without a loss have in a cell, beside what else the row says."""
    logs = {
        name
        for row in rows
        for name, cell in row.items()
        if isinstance(cell, list) and cell and all(isinstance(entry, dict) for entry in cell)
    }
    if len(logs) != 1 or any((meant := meaning_of(name)) and meant.symbol == "loss" for row in rows for name in row):
        return rows
    (log,) = logs
    apart = []
    for row in rows:
        beside = {name: cell for name, cell in row.items() if name != log}
        apart += [{**beside, **dict(_cells(entry, "", 0))} for entry in row.get(log) or []]
    return apart


def _cells(row: Mapping[str, Any], above: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, cell in row.items():
        path = f"{above}.{name}" if above else name
        if isinstance(cell, dict) and "value" in cell and cell.keys() <= {"value", "desc"}:  # as trackers save options
            cell = cell["value"]
        if isinstance(cell, dict) and cell and depth < _DEEPEST:
            yield from _cells(cell, path, depth + 1)
        else:
            yield path, cell


def _lists(value: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    """Every list of objects in an object, by its path."""
    for name, part in value.items():
        path = f"{above}.{name}" if above else name
        if isinstance(part, list) and part and all(isinstance(row, dict) for row in part):
            yield path, part
        elif isinstance(part, dict) and depth < _DEEPEST:
            yield from _lists(part, path, depth + 1)


def _with_sizes(value: Mapping[str, Any], rows: list[Any]) -> list[Any]:
    """The rows with the model size that stands beside them, which is one for all of a run."""
    sizes = {
        name: cell
        for name, cell in _cells({k: v for k, v in value.items() if not isinstance(v, list)}, "", 0)
        if isinstance(cell, (int, float, str)) and (meant := meaning_of(name)) is not None and meant.symbol == "N"
    }
    return [{**sizes, **row} if isinstance(row, dict) else row for row in rows] if sizes else rows


def _trainer_rows(log: list[Any]) -> list[Any]:
    """The rows of a trainer's log, those of one step together, without the summary at its end. What it calls the loss
    is that of training."""
    rows: dict[Any, dict[str, Any]] = {}
    for i, entry in enumerate(log):
        if not isinstance(entry, dict):
            return log
        if "train_runtime" in entry:
            continue
        named = {_RENAMED.get(str(name), str(name)): cell for name, cell in entry.items()}
        step = entry.get("step")
        key = step if isinstance(step, (int, float)) else f"row {i}"
        rows[key] = rows.get(key, {}) | named
    return list(rows.values())


def _named_runs(value: Mapping[str, Any], above: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that has runs by their names, by its path: objects with something in common that is called like a
    column of runs, which not all of their own names are."""
    parts = list(value.values())
    if len(parts) > 1 and all(isinstance(part, dict) for part in parts):
        common = set.intersection(*({name for name, _ in _cells(part, "", 0)} for part in parts))
        if any(map(meaning_of, common)) and not all(map(meaning_of, value)):
            yield above, dict(value)
            return
    for name, part in value.items():
        if isinstance(part, dict) and depth < _DEEPEST:
            yield from _named_runs(part, f"{above}.{name}" if above else name, depth + 1)


def _are_columns(value: Mapping[str, Any]) -> bool:
    """Whether an object holds lists, or objects of the same rows as pandas writes them."""
    parts = list(value.values())
    if all(isinstance(part, list) for part in parts):
        return bool(parts)
    return all(isinstance(part, dict) for part in parts) and len({tuple(part) for part in parts}) == 1
