"""What the picture of a chain shows: each step by itself, and the last response from the first variables."""

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, plural
from jaxscale._data.runs import Runs
from jaxscale._fitting.result import FitResult, runs_of
from jaxscale.laws import Law
from jaxscale.plot._charts.axis_words import short, variable_axis, with_unit
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Line, Mark, Panel

_FINE = 120


def chain(result: FitResult, runs: Runs | None = None) -> Chart:
    """A panel for each step (its curve over the response before it, or predicted and observed where it takes several
    variables), and one from end to end.

    Raises:
        InputError: the law is no chain, or the runs are missing.
    """
    steps = _steps(result.law)
    if len(steps) < 2:
        raise InputError(
            f"law {result.law.name} is no chain; fit one, such as laws.chinchilla >> laws.gadre_err, with fit_chain"
        )
    runs = runs_of(result, runs)
    values = iter(result.params.values())  # of a chain: those of its first law, then of the next
    panels, words = [], []
    for k, law in enumerate(steps):
        params = {name: next(values) for name in law.parameter_names}
        seen = _observed(law, runs, last=k == len(steps) - 1)
        given = {v.name: runs.variable(v.name) for v in law.variables}
        panels.append(_step(law, params, given, seen))
        words.append(short(law.response.name))
    last = {v.name: runs.variable(v.name) for v in steps[0].variables}
    said = np.asarray(result.predict(**last))
    between = ", ".join(words[:-1])
    panels.append(_beside(result.law, said, runs.response, f"End to end: {words[-1]} by way of {between}"))
    off = float(np.median(np.abs(said - runs.response)))
    unit = result.law.response.unit
    alt = (
        f"{plural(runs.count, 'run')}: {' and '.join(short(v.name) for v in steps[0].variables)} to "
        f"{' to '.join(words)}. From end to end {with_unit(f'{words[-1]} is off by {format_number(off, 2)}', unit)} in "
        "the median."
    )
    columns = min(len(panels), 3)
    title = f"From {between} to {words[-1]}"
    return Chart(title, alt, tuple(panels), columns, (3.5 * columns + 0.4, 3.8 * -(-len(panels) // columns)))


def _steps(law: Law) -> list[Law]:
    return [one for step in law.steps for one in _steps(step)] if law.steps else [law]


def _observed(law: Law, runs: Runs, last: bool) -> np.ndarray:
    return np.asarray(runs.response if last else runs.variables[law.response.name], np.float64)


def _step(law: Law, params: dict[str, float], given: dict[str, np.ndarray], seen: np.ndarray) -> Panel:
    """One step: its curve where it takes one number."""
    title = f"{short(law.name)}: {short(law.response.name)}"
    if len(given) > 1 or any(v.domain == "vector" for v in law.variables):
        return _beside(law, np.asarray(law.predict(params, **given)), seen, title)
    ((name, x),) = given.items()
    low, high = float(x.min()), float(x.max())
    axis = variable_axis(law, name, x)
    fine = np.geomspace(low, high, _FINE) if axis.log else np.linspace(low, high, _FINE)
    curve = np.asarray(law.predict(params, **{name: fine}))
    marks = (Dots(x, seen, "runs", "fit"), Line(fine, curve, "law", "ink"))
    return Panel(axis, _axis(law, ""), marks, title)


def _beside(law: Law, said: np.ndarray, seen: np.ndarray, title: str) -> Panel:
    every = np.append(said, seen)
    pad = 0.04 * float(np.ptp(every)) or 1.0
    ends = float(every.min()) - pad, float(every.max()) + pad
    marks: tuple[Mark, ...] = (
        Line(np.array(ends), np.array(ends), "predicted = observed", "ink", "dashed"),
        Dots(said, seen, "runs", "fit"),
    )
    axes = [Axis(_axis(law, before).label, ends=ends) for before in ("predicted", "observed")]
    return Panel(axes[0], axes[1], marks, title)


def _axis(law: Law, before: str) -> Axis:
    return Axis(with_unit(f"{before} {short(law.response.name)}".strip(), law.response.unit))
