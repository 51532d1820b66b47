"""How things are called on axes: variables and responses with their units, names of a table cut to what has room."""

import numpy as np

from jaxscale._base.measure import Measure
from jaxscale._base.text import inert
from jaxscale._data.runs import Runs
from jaxscale.laws import Law, Variable
from jaxscale.plot._charts.chart import Axis, Form

NAME_LENGTH = 28  # letters of a name of somebody's table for which there is room
_KNOWN = {
    "N": ("model size N", "parameters"),
    "D": ("training tokens D", ""),
    "C": ("compute C", "FLOPs"),
    "U": ("unique tokens U", ""),
}
_COUNTED = ("parameters", "tokens", "FLOPs", "FLOP")
_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "lambda": "λ", "sigma": "σ", "kappa": "κ"}


def short(name: object) -> str:
    """A name cut to what an axis or a legend has room for, with nothing in it that acts."""
    return inert(name, NAME_LENGTH)


def with_unit(words: str, unit: str) -> str:
    """ "loss (nats per token)"; the words alone where there is no unit, or they are the unit."""
    return f"{words} ({unit})" if unit and unit != words else words


def letter(name: str) -> str:
    """A parameter as formulas write it: α."""
    return _GREEK.get(name, short(name))


def variable_axis(law: Law, name: str, values: np.ndarray | None = None, data: str = "tokens") -> Axis:
    """The axis of a variable of a law, or of the compute: logged if every value is positive. D counts `data`."""
    known = {v.name: v for v in law.variables}
    variable = known.get(name, Variable(name))
    positive = variable.logged if values is None else bool(np.all(np.asarray(values) > 0))
    words, unit = _KNOWN.get(name, (short(name), variable.unit))
    words = words.replace("tokens", data) if name == "D" else words
    form: Form = "count" if name in _KNOWN or unit in _COUNTED else "plain"
    return Axis(with_unit(words, unit), variable.logged and positive, form)


def response_words(law: Law, runs: Runs | None = None) -> tuple[str, str]:
    """What a law predicts and its unit; called as in the runs, where they are given."""
    known = Measure() if runs is None else runs.record.measure
    measure = known.under(law.response.name, law.response.unit)
    return short(measure.name), measure.unit


def response_axis(law: Law, runs: Runs | None = None, *, before: str = "", log: bool = False) -> Axis:
    """The axis of the response, "observed loss (nats per token)"."""
    name, unit = response_words(law, runs)
    return Axis(with_unit(f"{before} {name}".strip(), unit), log, "plain")
