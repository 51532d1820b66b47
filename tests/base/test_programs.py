"""Compiled programs: a bounded number is kept, the others are released, and nobody compiles what another compiles."""

import ast
import gc
import threading
import weakref

import jax
import numpy as np
import pytest
from helpers import ROOT

from jaxscale._base.programs import MOST_KEPT, Program, kept

PACKAGE = ROOT / "jaxscale"


class Law:
    """Stands in for a law: equal to itself alone."""


def test_old_programs_are_released_with_their_laws():
    made = []

    @kept
    def program_for(law: Law, many: bool) -> Program:
        program = Program(lambda x: (law, x))
        made.append(weakref.ref(program))
        return program

    laws = [Law() for _ in range(MOST_KEPT + 40)]
    watched = [weakref.ref(law) for law in laws]
    for law in laws:
        assert program_for(law, False) is program_for(law, False)
    del law, laws
    gc.collect()
    assert len(made) == MOST_KEPT + 40
    for alive in (made, watched):
        assert [x() is None for x in alive] == [True] * 40 + [False] * MOST_KEPT


def test_a_released_program_takes_its_compiled_code_along():
    def program_for(law: Law):
        def run(x):
            return 2 * x if law else x

        return Program(jax.jit(run)), weakref.ref(run)

    law = Law()
    program, inner = program_for(law)
    watched = weakref.ref(law)
    assert program(np.ones(3)).tolist() == [2, 2, 2]
    del program, law
    gc.collect()
    assert inner() is None and watched() is None


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_part_compiles_while_the_others_wait(threads):
    log, here = [], threading.get_ident()
    program = Program(lambda k: k)

    def part(k: int) -> int:
        log.append((k, threading.get_ident() == here))
        return program(k)

    assert program.in_threads(part, 5, threads, "one shape") == list(range(5))
    assert log[0] == (0, True)
    assert {alone for k, alone in log if k} == {threads == 1}
    log.clear()
    assert program.in_threads(part, 5, threads, "one shape") == list(range(5))
    assert {alone for _, alone in log} == {threads == 1}  # nothing is left to compile
    log.clear()
    program.in_threads(part, 5, threads, "another shape")
    assert log[0] == (0, True)
    assert program.in_threads(part, 0, threads, "no part") == []


def test_nothing_that_a_law_decides_is_kept_without_a_bound():
    """`functools.cache` keeps for ever: only for what a few numbers decide. Formulas of laws are the registry's own."""
    endless = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "laws":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:  # what a function keeps dies with its call
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(x, ast.Name) and x.id == "cache" for x in node.decorator_list
            ):
                taken = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
                endless += [f"{path.name}: {node.name}"] * bool(taken)
    assert endless == ["optim.py: damped_newton"]
