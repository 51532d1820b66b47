"""Compiled programs: a bounded number is kept, the others are released, and nobody compiles what another compiles."""

import ast
import gc
import threading
import weakref
from weakref import WeakSet

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ROOT

from jaxscale._base import programs, store
from jaxscale._base.programs import MOST_AREAS, MOST_KEPT, Program, areas_of_memory, kept, release_the_oldest

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


@pytest.mark.skipif(not areas_of_memory(), reason="the system does not tell how many areas of memory there are")
@pytest.mark.parametrize("stored", [True, False])
def test_the_programs_called_longest_ago_are_released_before_memory_is_out_of_areas(stored, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "folder", lambda: tmp_path if stored else None)
    monkeypatch.setattr(programs, "_programs", WeakSet())
    made = [Program(lambda x, k=k: jnp.linalg.eigh(x + k)[0] ** 2) for k in range(8)]
    matrix = np.eye(3)
    before = areas_of_memory()
    first = [program(matrix).tolist() for program in made]
    made[0](matrix)
    full = areas_of_memory()
    assert full >= before + 8 * 2

    def ready():
        return [k for k, program in enumerate(made) if program.last_calls()]

    monkeypatch.setattr(programs, "_areas_given", lambda: (full + 10) / MOST_AREAS)
    release_the_oldest()
    assert ready() == list(range(8))  # there is room
    monkeypatch.setattr(programs, "_areas_given", lambda: (full - 10) / MOST_AREAS)
    release_the_oldest()
    assert ready() == [0, 5, 6, 7]
    gc.collect()
    assert areas_of_memory() <= full - 4 * 2
    assert [program(matrix).tolist() for program in made] == first


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
