"""Every verb that may take seconds: it tells how far it is, says so on standard error, and is ended from there."""

import inspect

import pytest
from helpers import sweep
from sources import draws_like

import jaxscale as js
from jaxscale._base import progress

TIMED = {
    *("fit", "fit_many", "fit_stream", "fit_chain", "fit_shards", "merge_shards", "bootstrap", "posterior"),
    *("compare", "multiverse", "approaches", "frontier", "what_if", "multiplier", "next_runs", "read_runs"),
}
DRAWS = draws_like(16, seed=3)


@pytest.fixture(scope="module")
def runs() -> js.Runs:
    return sweep(5, 8, noise=0.004, seed=4)


@pytest.fixture(scope="module")
def plan() -> js.Plan:
    return js.frontier(DRAWS, 1e21)


@pytest.fixture(scope="module")
def fits(runs) -> dict[str, js.FitResult]:
    return {"A": js.fit("chinchilla", runs, intervals="quick")}


CALLS = {
    "draws": lambda get, hear: js.frontier(DRAWS, [1e21, 1e22], progress=hear),
    "doubt": lambda get, hear: js.frontier(DRAWS, [1e21, 3e24], under="draws", minimise="cvar:0.9", progress=hear),
    "what_if": lambda get, hear: js.what_if(get("plan"), limits={"N_max": 1e9}, progress=hear),
    "multiplier": lambda get, hear: js.multiplier({"A": DRAWS, "B": DRAWS}, at=1e22, progress=hear),
    "next_runs": lambda get, hear: js.next_runs(get("fits")["A"], budget=1e20, at=1e23, most=3, progress=hear),
    "compare": lambda get, hear: js.compare(
        get("runs"), ["chinchilla"], holdout="C > 1e20", objective=js.Huber(), progress=hear
    ),
    "approaches": lambda get, hear: js.approaches(get("runs"), draws=20, progress=hear),
    "multiverse": lambda get, hear: js.multiverse(
        get("runs"), budget=1e23, objectives={"a": js.Huber(), "b": js.Huber(2e-3)}, progress=hear
    ),
    "posterior": lambda get, hear: js.posterior(get("fits")["A"], draws=400, progress=hear),
}
WHOLE = {
    "draws": [(32, 32, "plans, one for each draw")],
    "doubt": [
        (0, 0, "plans, one for each draw"),
        (0, 0, "hedging"),
        *((k, 8, "edges of the tail") for k in range(1, 8)),
    ],
    "what_if": [(16, 16, "plans, one for each draw")],
    "compare": [(0, 2, "fits"), (2, 2, "fits")],
    "approaches": [(k, 5, "approaches") for k in range(5)],
    "multiverse": [(k, 2, "fits") for k in range(3)],
    "posterior": [(0, 0, "adapting"), *((k, 5, "parts of the chains") for k in range(5))],
    "multiplier": [(1, 2, "recipes"), (0, 2, "recipes drawn"), (1, 2, "recipes drawn")],
}
SLOW = ("multiverse", "approaches", "posterior", "compare")
MARKED = [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CALLS]


def test_every_verb_that_may_take_seconds_takes_progress_and_says_what_it_may_be():
    takes = {name for name in js.__all__ if callable(verb := getattr(js, name)) and _takes(verb)}
    assert takes == TIMED
    for name in TIMED:
        kind = inspect.signature(getattr(js, name)).parameters["progress"].annotation
        assert kind == progress.Progress | bool | None
        words = " ".join(getattr(js, name).__doc__.split())
        assert "True for a line on standard error" in words or name in (
            "fit_many",
            "fit_chain",
            "fit_stream",
            "read_runs",
        )


def _takes(verb) -> bool:
    return not isinstance(verb, type) and "progress" in inspect.signature(verb).parameters


@pytest.mark.parametrize("name", MARKED)
def test_what_is_told_is_how_far_the_whole_is(name, request):
    if name == "posterior":
        pytest.importorskip("numpyro")
    told = []
    CALLS[name](request.getfixturevalue, lambda *x: told.append(x))
    heard = [x for x in dict.fromkeys(told) if x[2] != progress.COMPILING]
    if name in WHOLE:
        assert heard == WHOLE[name]
    else:
        assert heard[0][:2] == (0, 0) and [x[2] for x in heard[1:]] == ["designs"] * (len(heard) - 1) != []


@pytest.mark.parametrize("name", MARKED)
def test_it_is_ended_from_there_and_a_line_says_how_far_it_is(name, request, monkeypatch, capsys):
    if name == "posterior":
        pytest.importorskip("numpyro")

    class Enough(Exception):
        pass

    def stop(done, total, what):
        if what != progress.COMPILING:
            raise Enough

    with pytest.raises(Enough):
        CALLS[name](request.getfixturevalue, stop)
    assert progress._LISTENER.get() is None
    monkeypatch.setattr(progress, "_SLOW", 0.0)
    CALLS[name](request.getfixturevalue, True)
    assert capsys.readouterr().err.endswith("\n")
