"""A table becomes the fields of `Runs`: rows that pass, columns that are meant, cells that are numbers."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.text import listed, quoted
from jaxscale._base.validation import check_choice
from jaxscale._data.cells import DOMAINS, complete, read_cells, read_column
from jaxscale._data.checkpoints import CHOICES, ONE_OF_EACH, Curves, along, checkpoint_note, last_of_each, read_curves
from jaxscale._data.columns import Column, choose, existing
from jaxscale._data.decimals import MARKS, POINT, UNSETTLED, marks_as_asked
from jaxscale._data.derived import derive
from jaxscale._data.ended_runs import ended
from jaxscale._data.filters import filtered_columns, passing
from jaxscale._data.group_columns import group_notes, groups_in
from jaxscale._data.header_units import checked, factors_said
from jaxscale._data.loss_units import loss_unit_of, measure_of, unit_of_header
from jaxscale._data.model_names import sizes_note
from jaxscale._data.names import data_in, key
from jaxscale._data.notes import duplicate_note, number_notes, repeated_rows
from jaxscale._data.runs_file import RunsRecord
from jaxscale._data.separators import LAYOUT
from jaxscale._data.standard_errors import over_typical, standard_errors, with_errors_apart
from jaxscale._data.suggestions import error_column, other_columns
from jaxscale._data.summary_rows import without_summaries
from jaxscale._data.sweeps import best_note, designs, lowest_of_each, settings_of, sweep_note
from jaxscale._data.wording import flag, spelt

_NAMED = ("N", "D", "C", "loss")  # in this order before other variables


def read_fields(
    frame: pd.DataFrame,
    *,
    response: str | None = None,
    weights: str | None = None,
    loss_se: str | None = None,
    run: str | None = None,
    checkpoints: str | None = None,
    best_of: str | Sequence[str] = (),
    where: str | Iterable[str] = (),
    on_bad: str = "raise",
    loss_unit: str | None = None,
    domains: Mapping[str, str] | None = None,
    units: Mapping[str, float] | None = None,
    decimal: str | None = None,
    row_numbers: Sequence[int] | np.ndarray | None = None,
    encoding: str | None = None,  # of the file that the frame was read from
    **columns: Column,
) -> dict[str, Any]:
    """The fields of `Runs`, for the options of `Runs.from_frame`."""
    rows = _numbered(frame, row_numbers)
    if weights is not None and loss_se is not None:
        raise InputError("weights follow from loss_se (--loss-se); leave weights (--weights) out, or loss_se")
    _check(on_bad, domains or {}, checkpoints)
    asked_unit = None if loss_unit is None else loss_unit_of(loss_unit)
    marks = dict(marks_as_asked(frame, decimal))
    frame = frame.copy(deep=False)
    frame.attrs[MARKS] = marks  # the filters read by them as well
    layout = {"layout": str(frame.attrs[LAYOUT])} if frame.attrs.get(LAYOUT) else {}
    filters = (where,) if isinstance(where, str) else tuple(where)
    keep = passing(frame, filters, rows)
    frame, rows = (frame, rows) if keep.all() else (frame[keep], rows[keep])

    asked: dict[str, Column] = {**dict.fromkeys(_NAMED), **columns}
    table = frame
    derived = derive(frame, [*asked.values(), response, weights, loss_se], rows, marks)
    frame = derived.frame
    if loss_se is not None:
        existing(list(frame.columns), "loss_se", loss_se)
        frame, weights = with_errors_apart(frame, loss_se)
        marks[weights] = marks.get(loss_se, "") or POINT
    asked_units = checked(units)

    def look(name: str) -> tuple[np.ndarray, np.ndarray]:
        read = read_column(frame[name], marks.get(name, "") or POINT)
        return read.values, read.is_text

    chosen = choose(
        list(frame.columns), asked, response, weights, run, look, asked_units, asked_unit and asked_unit.named
    )
    unit = asked_unit or unit_of_header(str(chosen.columns.get("loss", "")), derived.sources)
    summed = without_summaries(frame, rows, chosen.columns, look, filtered_columns(table, filters))
    if summed.notes:
        frame, table, rows = frame[summed.keep], table[summed.keep], rows[summed.keep]
    finished = ended(
        frame,
        rows,
        chosen.columns,
        chosen.response,
        look,
        unit.convert if chosen.response == "loss" else np.asarray,
        filtered_columns(table, filters),
        "all" if run is not None and checkpoints is None else checkpoints,
    )
    if not finished.keep.all():
        frame, table, rows = frame[finished.keep], table[finished.keep], rows[finished.keep]
    if decimal is None and marks.get(str(chosen.columns.get("loss"))) == POINT:
        marks[str(chosen.columns["loss"])] = UNSETTLED  # no loss is in the thousands
    cells = read_cells(frame, rows, chosen, domains or {}, drop=on_bad == "drop", marks=marks, loss_unit=unit)
    if unit.name != "nats" and "loss" not in cells.values:
        raise InputError(
            f'loss_unit="{unit.name}" needs a column that is the loss; name it with loss="..." ({flag("loss")})'
        )
    if unit.name != "nats" and cells.units.get("loss") == "nats":
        raise InputError(
            f"cells of column {listed([chosen.columns['loss']])} say nats: leave {flag('loss_unit')} {unit.name} out"
        )
    factors, units_said = factors_said(chosen.columns, cells.values, asked_units, derived.sources)
    errors = None
    if loss_se is not None:
        domain = (domains or {}).get("response", (domains or {}).get(chosen.response, "positive"))
        convert = unit.convert if chosen.response == "loss" else np.asarray
        raw, given = cells.values[chosen.response], cells.values.pop("weights")
        errors = standard_errors(loss_se, raw, given, convert, cells.rows, domain == "positive")
    with np.errstate(over="ignore"):  # what is not finite is refused later
        values = {symbol: array * factors.get(symbol, 1.0) for symbol, array in cells.values.items()}
    if "loss" in values:
        values["loss"] = unit.convert(values["loss"])
    by_header = f", by its name; {spelt('loss_unit', 'nats')} takes the cells as they are" if asked_unit is None else ""
    loss_said = {"loss_unit": unit.said + by_header * (unit.name != "nats")} if "loss" in values else {}
    if loss_se is not None:
        loss_said["loss_se"] = f"residuals in units of each run's standard error, column {quoted(loss_se)}"
    elif weights is not None:
        loss_said["weights"] = f"column {quoted(weights)}"
    weights_read = values.pop("weights", None)
    if weights_read is not None and not weights_read.any():
        raise InputError(f"column {quoted(weights)} (weights): every weight is 0; at least one must be above 0")
    answer = values.pop(chosen.response)
    variables, completed = complete(values, {symbol for symbol in ("N", "D") if asked[symbol] is False})

    completed |= {s: f"{how}{_near(s, frame, chosen.columns)}" for s, how in completed.items() if s in ("N", "D")}
    rivals = {symbol: f"{listed(others, 3)} would also fit" for symbol, others in chosen.rivals.items()}
    kept = {symbol: column for symbol, column in chosen.columns.items() if symbol not in cells.left_out}
    if loss_se is not None:
        kept["loss_se"], _ = loss_se, kept.pop("weights")
    used = {name for column in chosen.columns.values() for name in ((column,) if isinstance(column, str) else column)}
    used |= {name for column in used for name in derived.sources.get(column, ())}
    unused = tuple(name for name in table.columns if name not in used)
    clusters, read_rows = cells.clusters, cells.rows
    within = frame if len(read_rows) == len(frame) else frame[np.isin(rows, read_rows)]

    def look_within(name: str) -> tuple[np.ndarray, np.ndarray]:
        read = read_column(within[name], marks.get(name, "") or POINT)
        return read.values, read.is_text

    swept = settings_of(best_of, list(frame.columns), chosen.columns) if best_of else ()
    unused = tuple(name for name in unused if name not in swept)
    one_a_row = finished.of_tracker and run is None and checkpoints in ONE_OF_EACH  # if nothing tells otherwise
    curves = read_curves(within, unused, variables, look_within, clusters, run, None if one_a_row else checkpoints)
    if finished.runs is not None and run is None and checkpoints != "none":  # pieces of runs that were resumed
        labels = tuple(np.array(finished.runs, dtype=object)[np.isin(rows, read_rows)])
        curves = Curves(labels, along(variables, len(labels)), finished.column)
    if swept and curves is not None and checkpoints is None:
        checkpoints = "last"  # what is best is known at the end
    if curves is not None:
        clusters = curves.labels
        if curves.column is not None and run is None:
            kept["run"] = curves.column
            unused = tuple(name for name in unused if name != curves.column)
    taken = np.arange(len(answer))
    sweeps = () if swept else tuple(sweep_note(within, unused, variables, None if curves is None else curves.labels))
    if curves is not None and checkpoints == "last":
        taken, clusters = last_of_each(curves.labels, curves.progress), None
    if curves is not None and checkpoints == "best":
        taken, clusters = lowest_of_each(np.unique(curves.labels, return_inverse=True)[1], answer), None
    if swept:
        before, design = len(taken), designs({symbol: array[taken] for symbol, array in variables.items()})
        taken = taken[lowest_of_each(design, answer[taken])]
        sweeps = (best_note(swept, before, len(taken)),)
    variables, answer = {symbol: array[taken] for symbol, array in variables.items()}, answer[taken]
    weights_read = None if weights_read is None else weights_read[taken]
    errors = None if errors is None else over_typical(errors[taken])
    clusters = None if clusters is None else tuple(clusters[i] for i in taken)
    read_rows = read_rows[taken]
    duplicates = repeated_rows([*variables.values(), answer], read_rows)
    groups = groups_in(frame, unused, rows)
    if weights is None and loss_se is None and (of_errors := error_column(str(kept[chosen.response]), unused)):
        rivals[chosen.response] = "; ".join(filter(None, [rivals.get(chosen.response), of_errors]))
    silent = {*derived.sources, *([str(kept.get("loss"))] if asked_unit else [])}
    record = RunsRecord(
        columns=kept,
        guessed=tuple(symbol for symbol in kept if symbol in chosen.guessed or (symbol == "run" and run is None)),
        conventions=_said(
            derived.said(kept), cells.conventions, units_said, loss_said, completed, cells.said, rivals, layout
        ),
        dropped=cells.dropped,
        filters=filters,
        filtered=int((~keep).sum()),
        duplicates=duplicates,
        notes=(
            *number_notes({**variables, chosen.response: answer}, read_rows, kept, unit.name, silent),
            *([checkpoint_note(curves, checkpoints)] if curves is not None else []),
            *other_columns(kept, {s: others for s, others in chosen.rivals.items() if s in kept}),
            *sweeps,
            *sizes_note(frame, unused, variables, str(kept.get("N", "")) if kept.get("N") in derived.sources else ""),
            *duplicate_note(duplicates),
            *summed.notes,
            *finished.notes,
            *group_notes(groups),
        ),
        open_checkpoints=curves is not None and checkpoints is None,
        measure=measure_of(
            chosen.response,
            str(chosen.columns[chosen.response]),
            unit if chosen.response == "loss" else loss_unit_of("nats"),
            "per cent" in cells.said.get(chosen.response, ""),
            "tokens" if kept.get("D") in derived.sources else data_in(str(kept.get("D", ""))),
            computed=kept.get(chosen.response) in derived.sources,
        ),
        unused=unused,
        groups=groups,
    )
    return {
        "variables": variables,
        "response": answer,
        "response_name": chosen.response,
        "weights": weights_read,
        "errors": errors,
        "clusters": clusters,
        "rows": read_rows,
        "record": record,
    }


def _numbered(frame: pd.DataFrame, row_numbers: Sequence[int] | np.ndarray | None) -> np.ndarray:
    """The row numbers, of a table that has rows."""
    rows = np.arange(1, len(frame) + 1) if row_numbers is None else np.asarray(row_numbers, dtype=np.int64)
    if len(rows) != len(frame):
        raise InputError(f"row_numbers has {len(rows)} values for {len(frame)} rows")
    if not len(frame):
        raise InputError("the table has no rows")
    return rows


def _near(symbol: str, frame: pd.DataFrame, columns: Mapping[str, Any]) -> str:
    """A column whose name misses that of a symbol by little, where its values were computed from others."""
    word = {"N": "params", "D": "tokens"}[symbol]
    left = [name for name in map(str, frame.columns) if name not in columns.values()]
    close = difflib.get_close_matches(word, [key(name) for name in left], n=1, cutoff=0.8)
    named = [name for name in left if close and key(name) == close[0]]
    return f", not column {quoted(named[0])}, which is read with {spelt(symbol, named[0])}" if named else ""


def _check(on_bad: str, domains: Mapping[str, str], checkpoints: str | None) -> None:
    check_choice("on_bad", on_bad, ("raise", "drop"))
    if checkpoints is not None:
        check_choice("checkpoints", checkpoints, CHOICES)
    for symbol, domain in domains.items():
        check_choice(f"the domain of {quoted(symbol)}", domain, DOMAINS)


def _said(*sources: Mapping[str, str]) -> dict[str, str]:
    """All conventions by symbol; of a symbol with two, the later one comes first."""
    said: dict[str, str] = {}
    for source in sources:
        for symbol, text in source.items():
            said[symbol] = f"{text}; {said[symbol]}" if symbol in said else text
    return said
