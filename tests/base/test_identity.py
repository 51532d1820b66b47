"""The same program has the same identity in every process, two programs never the same, and a user's code has none."""

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import LAW_CASES

import jaxscale as js
from jaxscale._base import identity
from jaxscale._base.identity import identity_of
from jaxscale._problem.arrays import Layout, Task
from jaxscale._problem.evaluate import predictor
from jaxscale.optim import damped_newton


@pytest.fixture(autouse=True)
def unedited(monkeypatch):
    """Whatever is written to the package while these tests run."""
    monkeypatch.setattr(identity, "_IMPORTED", np.inf)


def test_every_law_has_an_identity_of_its_own():
    laws = {case.law for case in LAW_CASES} | {js.laws.bnsl(breaks=n) for n in (1, 2, 3)}
    laws |= {js.laws.chinchilla >> js.laws.gadre_err, js.laws.kaplan_nd >> js.laws.gadre_err}
    layouts = {law: Layout(tuple(range(len(law.parameters)))) for law in laws}
    kinds = itertools.product(laws, ("log", "raw"), (False, True))
    told = [identity_of(predictor(Task(law, layouts[law], space, errors))) for law, space, errors in kinds]
    assert None not in told and len(set(told)) == len(told)


def test_what_a_function_closes_over_is_part_of_it():
    tables = [np.zeros(3), np.zeros(3, np.float32), np.zeros((3, 1)), np.array([0.0, 0.0, 1e-300]), (0.0, 0.0, 0.0)]
    values = [
        None,
        True,
        1,
        1.0,
        "1",
        b"1",
        0.0,
        -0.0,
        np.float64(1.0),
        [1],
        (1,),
        {1},
        {1: 1},
        js.Huber(1e-3),
        js.Huber(2e-3),
    ]
    functions = [damped_newton(exact=e, tolerance=t).update for e in (True, False) for t in (1e-13, 1e-12)]
    told = [identity_of(partial(np.add, x)) for x in (*tables, *values, *functions)]
    assert None not in told and len(set(told)) == len(told)
    assert identity_of(damped_newton(exact=True).update) == identity_of(damped_newton.__wrapped__(exact=True).update)


def test_functions_on_one_line_are_told_apart():
    space: dict = {}
    text = "a, b, c, d = (lambda x: x + 1), (lambda x: x - 1), (lambda x: x + 2), (lambda x: lambda: x)"
    exec(compile(text, js.__file__, "exec"), space)
    told = [identity_of(space[name]) for name in "abcd"]
    assert None not in told and len(set(told)) == 4


def test_a_package_edited_after_it_was_imported_has_none(monkeypatch):
    """Else what the old code made would be kept under the name of the new."""
    monkeypatch.setattr(identity, "_homes", identity._homes.__wrapped__)
    assert identity_of(partial(np.add, 1)) is not None
    newest = max(path.stat().st_mtime for path in Path(js.__file__).parent.rglob("*.py"))
    monkeypatch.setattr(identity, "_IMPORTED", newest - 1)
    assert identity_of(partial(np.add, 1)) is None


def test_code_of_others_has_none():
    mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha)

    class Holder:
        pass

    class Mine(dict):
        pass

    for what in (
        lambda x: x,
        mine,
        mine >> js.laws.gadre_err,
        Holder,
        Holder(),
        object(),
        np.array([None]),
        [[print, iter(())]],
        Mine(),
        np.frompyfunc(lambda x: x, 1, 1),
        {1: 2}.get,  # a method of a builtin is its function and what it is of
        [1].count,
    ):
        assert identity_of(partial(np.add, what)) is None
    endless: list = []
    endless.append(endless)
    assert identity_of(endless) is None
