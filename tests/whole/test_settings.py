"""Inside other people's programs: whatever they set, every verb gives the same bytes and compiles nothing anew."""

import json
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import LAW, ROOT, TRUTH, compilations, swept_frame

import jaxscale as js


@contextmanager
def everywhere(name: str, value: object):
    """A setting of the whole process, as a program makes it once: threads have it too."""
    before = getattr(jax.config, name)
    jax.config.update(name, value)
    try:
        yield
    finally:
        jax.config.update(name, before)


@contextmanager
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


SETTINGS: dict[str, Callable] = {
    "debug_nans": lambda: everywhere("jax_debug_nans", True),
    "debug_infs": lambda: everywhere("jax_debug_infs", True),
    "debug_key_reuse": lambda: everywhere("jax_debug_key_reuse", True),
    "strict promotion": lambda: everywhere("jax_numpy_dtype_promotion", "strict"),
    "no rank promotion": lambda: everywhere("jax_numpy_rank_promotion", "raise"),
    "no transfers": lambda: everywhere("jax_transfer_guard", "disallow_explicit"),
    "matmul precision": lambda: everywhere("jax_default_matmul_precision", "bfloat16"),
    "disable_jit": jax.disable_jit,
    "NumPy raises": lambda: np.errstate(all="raise"),
    "warnings are errors": warnings_are_errors,
}


def answers(fit: js.FitResult) -> dict[str, str]:
    """What the verbs say of one fit, as text."""
    plan = js.frontier(fit, budgets=[1e22, 1e23], limits={"D_per_N": (25, None)})
    records = {
        "fit": js.fit(LAW, fit.runs, intervals="quick"),
        "draws": js.bootstrap(fit, draws=40, seed=3),
        "plan": plan,
        "what_if": js.what_if(plan, limits={"D_max": 1e12}),
    }
    return {
        **{name: json.dumps(record.to_dict()) for name, record in records.items()},
        "influence": js.influence(fit).to_frame().to_csv(),
        "profile": js.profile(fit, "alpha").to_frame().to_csv(),
        "run_sensitivity": js.run_sensitivity(plan).to_frame().to_csv(),
        "tornado": js.tornado(plan).to_frame().to_csv(),
        "predictions": str([fit.predict_interval(N=1e9, D=1e10), LAW.predict(TRUTH, N=np.array([1e9, 2e9]), D=1e10)]),
        "allocate": str(tuple(map(float, js.allocate(LAW, TRUTH, js.costs.six_nd, 1e22)))),
        "law": str(float(LAW(TRUTH, N=1e9, D=1e10))),
        "cost": str(float(js.costs.six_nd.compute(1e9, 1e10))),
        "design": str(js.synthetic.isoflop_design([1e20], 3)),
        "convex": str(js.Law.from_loss(lambda E, A, *, N: E + A / N).convex),
    }


@pytest.fixture(scope="module")
def fit() -> js.FitResult:
    return js.fit(LAW, swept_frame(), intervals="quick")


@pytest.fixture(scope="module")
def expected(fit) -> dict[str, str]:
    return answers(fit)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_same_bytes_from_the_same_programs(setting, fit, expected):
    before = compilations()
    with SETTINGS[setting]():
        assert answers(fit) == expected
    assert compilations() == before


def test_the_same_bytes_in_a_thread(fit, expected):
    found = []
    thread = threading.Thread(target=lambda: found.append(answers(fit)))
    thread.start()
    thread.join()
    assert found == [expected]


def test_float64_is_entered_in_one_place():
    """So that what a caller has set is undone wherever something is computed."""
    entered = [
        path for path in (ROOT / "jaxscale").rglob("*.py") if "jax.enable_x64(True):\n" in path.read_text("utf-8")
    ]
    assert [path.name for path in entered] == ["settings.py"]


def test_no_setting_is_left_behind(fit):
    def state() -> dict:
        return {k: v for k, v in jax.config.values.items() if isinstance(v, bool | str)} | np.geterr()

    before, precision = state(), jnp.ones(1).dtype
    js.frontier(fit, budgets=[1e22, 1e23], limits={"D_per_N": (25, None)})
    with pytest.raises(js.InputError):
        js.fit("no such law", fit.runs)
    assert state() == before and jnp.ones(1).dtype == precision


@pytest.mark.parametrize("setting", ["strict promotion", "no rank promotion"])
@pytest.mark.slow
def test_allocate_is_traced_under_the_settings_of_the_caller(setting):
    """Also where its derivatives and batches are traced after it has returned."""

    def best(limits, params, budget):
        return js.allocate(LAW, params, js.costs.six_nd, budget, limits=limits).N

    with jax.enable_x64(True):
        params = {name: jnp.float64(value) for name, value in TRUTH.items()}
        budgets = jnp.array([1e21, 1e23])
        for limits in (None, {"D_max": 1e11}):
            jax.clear_caches()
            program = jax.jit(lambda params, budget, limits=limits: best(limits, params, budget))
            slopes = jax.vmap(jax.grad(program, argnums=1), (None, 0))
            with SETTINGS[setting]():
                found = jax.vmap(program, (None, 0))(params, budgets), slopes(params, budgets)
            plain = [js.allocate(LAW, TRUTH, js.costs.six_nd, c, limits=limits).N for c in (1e21, 1e23)]
            np.testing.assert_allclose(found[0], plain, rtol=1e-9)
            step = [js.allocate(LAW, TRUTH, js.costs.six_nd, c * 1.0001, limits=limits).N for c in (1e21, 1e23)]
            np.testing.assert_allclose(found[1], (np.array(step) - plain) / (1e-4 * budgets), rtol=1e-3)


PROGRAM = """
import sys, warnings
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_default_device", jax.devices()[1])
sys.path.append(sys.argv[1])
import json
import jaxscale as js
import test_settings
print(json.dumps(test_settings.answers(js.fit(test_settings.LAW, test_settings.swept_frame(), intervals="quick"))))
"""


@pytest.mark.slow
def test_the_same_bytes_on_another_device_without_assertions(expected):
    """A process that counts warnings as errors, leaves out assertions, and computes on its second device."""
    flags = ["-O", "-W", "error", "-c", PROGRAM, str(ROOT / "tests" / "whole")]
    done = subprocess.run([sys.executable, *flags], cwd=ROOT / "tests", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
