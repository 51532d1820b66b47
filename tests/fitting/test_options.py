"""Options of a fit: what holds where nothing is said, and those that cannot be used."""

import inspect
from dataclasses import FrozenInstanceError, fields

import numpy as np
import optax
import pytest
from helpers import LAW, TRUTH

import jaxscale as js
from jaxscale._data.runs import read_quietly
from jaxscale._fitting.options import FitOptions, rows_for


def test_what_holds_where_nothing_is_said_is_what_fit_says():
    said = {
        name: parameter.default
        for name, parameter in inspect.signature(js.fit).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in ("weights", "progress")
    }
    assert list(said) == [f.name for f in fields(FitOptions) if f.name != "law"]
    one, other = FitOptions.of("chinchilla"), FitOptions.of(LAW, **said)
    assert vars(one) == vars(other) and one.objective == js.Huber(1e-3) and one.intervals == "auto"
    assert (one.solver, one.max_steps) == ("damped_newton", 300)


def test_options_keep_what_they_were_told():
    """Whatever becomes of the mappings they were told."""
    fixed, tied = {"E": 1.8}, [["alpha", "beta"]]
    options = FitOptions.of("chinchilla", fixed=fixed, tied=tied, intervals=None)
    fixed["E"], tied[0][0] = 2.0, "E"
    assert options.fixed == {"E": 1.8} and options.tied == (("alpha", "beta"),) and options.intervals == "none"
    with pytest.raises(FrozenInstanceError):
        options.seed = 1
    given = FitOptions.of("chinchilla", optimizer=optax.adam(0.1))
    assert (given.solver, given.max_steps) == ("given", 5000) and given.minimiser is given.minimiser


def test_an_option_that_is_not_known_is_refused_by_name():
    with pytest.raises(js.InputError, match=r"no option 'huber_delta'; a fit has objective, starts, .*read with C, D,"):
        js.fit_many("chinchilla", {}, huber_delta=1e-3)


REFUSED = {
    "an unknown law": (("chincilla",), {}, "chinchilla"),
    "a missing variable": (("kaplan_ns",), {}, "S_min"),
    "an unknown fixed parameter": ((LAW,), {"fixed": {"gamma": 1.0}}, "no parameter 'gamma'"),
    "a fixed value out of range": ((LAW,), {"fixed": {"A": -1.0}}, "A must be positive"),
    "everything fixed": ((LAW,), {"fixed": TRUTH}, "nothing to fit"),
    "a tie of one": ((LAW,), {"tied": [("alpha",)]}, "two or more"),
    "a tie across scales": ((LAW,), {"tied": [("A", "alpha")]}, "cannot be tied"),
    "a tie of a fixed parameter": (
        (LAW,),
        {"tied": [("alpha", "beta")], "fixed": {"alpha": 0.3}},
        "both fixed and tied",
    ),
    "bounds without room": ((LAW,), {"bounds": {"alpha": (0.5, 0.4)}}, "leave no room"),
    "a level in percent": ((LAW,), {"level": 90}, "between 0 and 1"),
    "too few draws": ((LAW,), {"draws": 5}, "at least 20"),
    "unknown intervals": ((LAW,), {"intervals": "wild"}, "intervals must be"),
    "too many weights": ((LAW,), {"weights": np.ones(7)}, "weights"),
    "negative weights": ((LAW,), {"weights": -np.ones(60)}, "weights"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_cannot_be_used_is_refused(name, frame):
    law, options, message = REFUSED[name]
    with pytest.raises(js.InputError, match=message):
        js.fit(*law, js.Runs.from_frame(frame), **options)


# --- Which checkpoints a law takes ---


def checkpoints(**columns):
    """Four checkpoints of each of five runs, and what else the table has."""
    N, D = np.repeat(np.geomspace(1e7, 1e9, 5), 4), np.tile([1e9, 2e9, 4e9, 8e9], 5)
    table = {"N": N, "D": D, "loss": 1.7 + 400 * N**-0.34 + 400 * D**-0.28, "run_id": np.repeat(list("abcde"), 4)}
    return read_quietly({**table, **columns}, **{name: name for name in columns})


@pytest.mark.parametrize(
    ("law", "rows"),
    [
        ("chinchilla", 5),
        ("kaplan_nd", 5),
        ("power_law", 5),
        ("power_law(variable=D)", 5),
        ("bnsl(variable=N)", 5),
        ("bnsl(variable=D)", 20),
        ("alabdulmohsin_m2(variable=C)", 20),
        ("tissue_annealing", 20),
        ("multi_power_law", 20),
        ("kaplan_ns", 20),
    ],
)
def test_laws_of_final_losses_take_the_last_row_of_each_run_and_laws_along_runs_every_one(law, rows):
    runs = rows_for([js.laws.get(law)], checkpoints())
    assert (runs.count, runs.record.open_checkpoints) == (rows, False)
    assert (runs.clusters is None) == (rows == 5)
    assert rows_for([js.laws.get(law), js.laws.get("bnsl")], checkpoints()).count == 20


def test_a_law_that_reads_what_changes_along_a_run_takes_every_row():
    mine = js.Law.from_loss(lambda E, A, alpha, *, N, S: E + A * N**-alpha + S, name="mine")
    assert rows_for([mine], checkpoints(S=np.tile([1.0, 2.0, 3.0, 4.0], 5))).count == 20
    assert rows_for([mine], checkpoints(S=np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 4))).count == 5
    told = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha, name="told", along_runs=True)
    assert rows_for([told], checkpoints()).count == 20


def test_runs_that_were_settled_stay_as_they_are():
    settled = checkpoints().along_runs()
    assert rows_for([LAW], settled) is settled
    one = rows_for([LAW], checkpoints().subset(slice(4)))
    assert (one.count, one.clusters) == (4, None)
