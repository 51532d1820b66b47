"""Every compiled program of the main line is lowered for accelerators that no machine here has."""

from collections.abc import Callable
from typing import Any

import jax
import jax.export  # not an attribute of jax until it is imported
import numpy as np
import pytest

import jaxscale as js
from jaxscale._base.programs import Program
from jaxscale._base.settings import in_float64
from jaxscale._solver import solve_stack

PLATFORMS = "cuda", "rocm", "tpu"
FRAME = js.synthetic.demo_frame()
RUNS = js.Runs.from_frame(FRAME)


@pytest.fixture
def programs(monkeypatch) -> dict[Any, tuple[Callable[..., Any], Any]]:
    """What runs through `Program` from here on: the function and the kinds of its arguments, each once."""
    seen: dict[Any, tuple[Callable[..., Any], Any]] = {}
    call = Program.__call__

    def noted(self: Program, *arguments: Any) -> Any:
        kinds = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), np.asarray(x).dtype), arguments)
        if not any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(arguments)):
            seen.setdefault((self, str(kinds)), (self._run, kinds))
        return call(self, *arguments)

    monkeypatch.setattr(Program, "__call__", noted)
    return seen


def main_line() -> None:
    """A fit with each kind of interval, a joint one, plans with and without limits, and what is asked of them."""
    law = js.laws.chinchilla
    result = js.fit(law, RUNS, intervals="bootstrap", draws=20, starts=20)
    js.fit(law, RUNS, intervals="profile", starts=20)
    js.fit_many(law, {"a": FRAME[::2], "b": FRAME[1::2]}, share="alpha", intervals="quick")
    plan = js.frontier(result, budgets=[1e22])
    js.frontier(result, budgets=[1e22], limits={"D_max": 1e11, "N_max": 1e10})
    js.what_if(plan, set={"alpha": "+1sigma"})
    js.run_sensitivity(plan)
    js.influence(result, budget=1e22)
    js.profile(result, "N", budget=1e22)
    js.allocate(law, result.params, js.costs.six_nd, 1e22)
    result.predict(N=1e9, D=1e10)


def first_steps() -> None:
    """The descents that a device without float64 makes by itself."""
    js.fit(js.laws.chinchilla, RUNS, intervals="bootstrap", draws=20, starts=20)


@pytest.mark.slow
@pytest.mark.parametrize(("line", "single", "fewest"), [(main_line, False, 12), (first_steps, True, 4)])
def test_every_program_lowers(programs, monkeypatch, line, single, fewest):
    monkeypatch.setattr(solve_stack, "in_float32", lambda devices: single)
    line()
    dtypes = {x.dtype for _, kinds in programs.values() for x in jax.tree.leaves(kinds)}
    assert len(programs) >= fewest and (np.dtype(np.float32) in dtypes or not single)
    with in_float64():
        assert not [refusal for run, kinds in programs.values() if (refusal := refused(run, kinds))]


def refused(run: Callable[..., Any], kinds: Any) -> str:
    """Why a function cannot be lowered for some accelerator; empty where it can for all."""
    try:
        jax.export.export(jax.jit(run), platforms=PLATFORMS)(*kinds)  # traced once, lowered for each
    except Exception as error:
        return f"{getattr(run, '__qualname__', run)}: {error}"
    return ""


def test_what_an_accelerator_lacks_is_seen():
    """Eigenvalues of a matrix without symmetry have no program for a TPU."""
    square = jax.ShapeDtypeStruct((2, 2), np.float32)
    assert "tpu" in refused(jax.numpy.linalg.eig, (square,)) and not refused(jax.numpy.linalg.inv, (square,))
