"""What commands print and write: reports, JSON, the rows of a prediction, and progress when it takes long."""

import io
import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.plain_data import json_text, plain_data
from jaxscale._base.progress import Shown, listening
from jaxscale._base.report import Lines, Report, Table, to_text
from jaxscale._base.text import format_number, inert, plural, quoted, write_atomic
from jaxscale._cli import fit_argument
from jaxscale._cli.process import say


def prediction(one: Any, given: dict[str, float]) -> dict[str, Any]:
    """One row of `jaxscale predict`: value, interval, and how far beyond the runs it lies."""
    row: dict[str, Any] = {"value": None, "interval": None, "trustworthy": None, "beyond_runs": {}, "error": None}
    if fit_argument.failed(one):
        return row | {"error": one.text}
    if not hasattr(one, "predict"):
        raise InputError("FIT holds draws, which serve `jaxscale frontier`; predict with the fit they came from")
    fitted = isinstance(one, js.FitResult)
    value, interval = one.predict_interval(**given)
    if fitted:
        row |= {"trustworthy": one.verdict.trustworthy, "beyond_runs": one.beyond_runs(**given)}
    if not math.isfinite(value):
        return row | {"error": "the law is not finite there"}
    if interval is not None:
        interval = list(interval) if all(map(math.isfinite, interval)) else None
    return row | {"value": value, "interval": interval}


def as_given(row: dict[str, Any], response: Any) -> tuple[str, str]:
    """Value and interval of such a row as people count the response."""
    if row["value"] is None:
        return "–", "–"
    ends = None if row["interval"] is None else response.ends(*row["interval"])
    return value(response.to_given(row["value"])), interval(ends, 5)


def caution(row: dict[str, Any], one: Any) -> str:
    """What to know before believing a prediction."""
    if row["error"]:
        return row["error"]
    cautions = [] if row["trustworthy"] is not False else [str(one.verdict)]
    far = [
        f"{name} is {format_number(times, 3)} times the {'largest' if times > 1 else 'smallest'} run's"
        for name, times in row["beyond_runs"].items()
    ]
    if far:
        cautions.append(f"extrapolates: {', '.join(far)}")
    if row["interval"] is None and isinstance(one, js.FitResult):
        why = one.intervals.why if one.covariance is None else "the law is too steep or the covariance too wide here"
        cautions.append(f"no interval: {why}")
    return "; ".join(cautions)


def law_report(law: Any) -> Report:
    """One law in full: formula, what it helps to decide and up to which scale, variables, parameters, constants."""
    not_stated = "its sources do not say" if law.source else "not stated, it is a form for any table"
    held = f"Seen to hold up to: {law.seen_to or not_stated}."
    words = (law.formula, law.serves and f"Serves to decide: {law.serves}", held, law.note, law.source)
    blocks: list[Table | Lines] = [Lines("", tuple(text for text in words if text))]
    variables = tuple((v.name, v.unit, v.domain, v.meaning) for v in (law.response, *law.variables))
    blocks.append(Table("Response and variables", ("name", "unit", "domain", "meaning"), variables))
    parameters = tuple((p.name, p.unit, p.range, p.meaning) for p in law.parameters)
    blocks.append(Table("Parameters", ("name", "unit", "domain", "meaning"), parameters))
    if law.constants:
        names = law.parameter_names
        rows = tuple(
            (key, *(plain(c.params[n], 6) if n in c.params else "–" for n in names), c.status)
            for key, c in law.constants.items()
        )
        sources = tuple(f"{key}: {source(c)}" for key, c in law.constants.items())
        blocks.append(Table("Published constants", ("name", *names, "status"), rows))
        blocks.append(Lines("Where they come from", sources))
    return Report(
        f"{law.name}: {law.response.name} from {', '.join(v.name for v in law.variables)}", blocks=tuple(blocks)
    )


def source(constants: Any) -> str:
    """Where constants come from, and whether they were verified."""
    return f"{constants.source} ({constants.status}).{' ' * bool(constants.note)}{constants.note}"


def deliver(record: Any, output: Path | None, as_json: bool, plot: Path | None = None) -> None:
    """Write, draw or print a finished record as the options ask."""
    text = json_text(record.to_dict()) if output is not None or as_json else ""
    if output is not None:
        write_atomic(output, text + "\n")
        verdict = record.report().verdict
        what = f"; {_fitted(record)}" if isinstance(record, js.FitResult) else ""
        say(f"wrote {quoted(output)}" + (f": {inert(verdict)}" if verdict else "") + what)
    draw(record, plot)
    if as_json:
        print(text)
    elif output is None:
        print_reports(record.report())


def draw(record: Any, plot: Path | None) -> None:
    """Write the picture of a record, if one is asked for."""
    if plot is not None:
        drawn = io.BytesIO()
        record.plot().savefig(drawn, format=plot.suffix[1:].lower())
        write_atomic(plot, drawn.getvalue())
        say(f"wrote {quoted(plot)}")


def print_document(name: str, parts: dict[str, Any]) -> None:
    """Plain data on standard output in the format of that name, begun as every file is."""
    print(json_text(plain_data({"format": f"jaxscale.{name}/1", "jaxscale_version": js.__version__, **parts})))


def _fitted(result: "js.FitResult") -> str:
    """What a fit is, in one line: chinchilla, 54 runs, E 1.69, A 406.4."""
    constants = (f"{name} {plain(x)}" for name, x in result.params.items())
    return ", ".join([result.law.name, plural(result.record.count, "run"), *constants])


def print_reports(*reports: Report) -> None:
    """Reports on standard output."""
    width = min(shutil.get_terminal_size((100, 24)).columns, 120)
    print("\n\n".join(to_text(report, width) for report in reports))


def cell(value: Any) -> str:
    """A count, a dash where there is none, or text as it is."""
    if isinstance(value, str):
        return value
    return "–" if value is None or not math.isfinite(value) else format_number(value)


def value(value: float | None) -> str:
    """A value for a table."""
    return "–" if value is None else plain(value, 6)


def plain(value: float, digits: int = 4) -> str:
    """A number that is no count: without suffix."""
    return format_number(value, digits, suffixes=False)


def amount(name: str, value: float) -> str:
    """A number with a suffix where it counts something."""
    return format_number(value) if name in ("N", "D", "C") else plain(value)


def interval(interval: Sequence[float] | None, digits: int = 4) -> str:
    """Both ends of an interval."""
    return "–" if interval is None else " to ".join(plain(end, digits) for end in interval)


@contextmanager
def progress(what: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Shown]:
    """Progress of a piece of work, called as progress(done, total, what); `clock` gives seconds."""
    shown = Shown(what, clock, say)
    try:
        with listening(shown):
            yield shown
    finally:
        shown.close()
