"""Inside other people's programs: whatever they set, every verb gives the same bytes and compiles nothing anew."""

import inspect
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, Request, build_opener

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import LAW, ROOT, TRUTH, compilations, swept_frame

import jaxscale as js
from jaxscale._pages.app.browsers import Browsers


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


# --- Every other public verb ---


def curves() -> js.Runs:
    """Six training curves of ten checkpoints."""
    N, share = np.repeat(np.geomspace(1e7, 1e9, 6), 10), np.tile(np.arange(1, 11) / 10, 6)
    names = tuple(f"run {k}" for k in np.arange(60) // 10)
    return js.Runs({"N": N, "D": 20 * N * share}, LAW.predict(TRUTH, N=N, D=20 * N * share), clusters=names)


def under_way() -> js.Runs:
    """Five finished runs and one that is half done."""
    done = np.r_[np.tile(np.arange(1, 11) / 10, 5), np.arange(1, 6) / 10]
    names = tuple(["r0"] * 10 + ["r1"] * 10 + ["r2"] * 10 + ["r3"] * 10 + ["r4"] * 10 + ["new"] * 5)
    level = np.repeat([3.0, 2.9, 3.1, 2.8, 2.95, 3.05], [10] * 5 + [5])
    return js.Runs({"D": 1e10 * done}, level * done**-0.1, clusters=names)


def two_steps(runs: js.Runs) -> js.Runs:
    """The same runs with an error of tasks that follows the loss."""
    step = js.laws.gadre_err
    error = step.predict(step.published["rpj_17"].params, loss=runs.response)
    wobble = 1 + 0.01 * np.sin(np.arange(runs.count))
    return js.Runs({**runs.variables, "loss": np.asarray(runs.response)}, error * wobble, step.response.name)


def scores() -> dict[str, Any]:
    """Two benchmarks of four families of four models."""
    family, size = np.repeat(np.arange(4), 4), np.tile(np.geomspace(1e9, 7e10, 4), 4)
    skill = 0.5 * np.log(size / 7e9) + 0.3 * np.sin(family)
    table = {name: 1 / (1 + np.exp(-x * skill)) for name, x in (("mmlu", 1.0), ("arc", 0.7))}
    return {**table, "family": [f"f{k}" for k in family], "params": size, "tokens": np.full(16, 2e12)}


def halves() -> dict[str, Any]:
    """A sweep whose runs are of two groups in turn."""
    frame = swept_frame()
    return {**frame.to_dict("list"), "group": np.resize(["a", "b"], len(frame)).tolist()}


def sharded(fit: js.FitResult, folder: Path) -> str:
    out = folder / "fits"
    shutil.rmtree(out, ignore_errors=True)
    table = folder / "halves.csv"
    pd.DataFrame(halves()).to_csv(table, index=False)
    js.fit_shards(LAW, table, by="group", out=out, intervals=None)
    js.merge_shards(out, folder / "fits.parquet")
    return js.read_fits(folder / "fits.parquet").to_frame().to_csv()


def told_and_scored(fit: js.FitResult, folder: Path) -> str:
    js.forecast(fit, [{"N": 1e9, "D": 2e10}]).save(folder / "said.json")
    said = js.read_forecast(folder / "said.json")
    return str(js.score(said, js.Runs({"N": [1e9], "D": [2e10]}, [2.6])))


def saved_and_loaded(fit: js.FitResult, folder: Path) -> str:
    fit.save(folder / "fit.json")
    return json.dumps(js.load(folder / "fit.json").to_dict())


def as_text(record: Any) -> str:
    return record if isinstance(record, str) else json.dumps(record.to_dict())


BUDGETS = [1e22, 1e23]
CANDIDATES = {"N": np.geomspace(1e8, 1e10, 8).tolist(), "D": np.geomspace(4e10, 1e11, 8).tolist()}
OTHER = js.laws.chinchilla.published
# What each does with a fit of a sweep and a folder to write to. `answers` has the others.
VERBS: dict[tuple[str, ...], Callable[[js.FitResult, Path], Any]] = {
    ("approaches",): lambda fit, _: js.approaches(fit.runs, draws=20),
    ("bias",): lambda fit, _: js.bias(js.frontier(fit, BUDGETS)),
    ("compare",): lambda fit, _: js.compare(fit.runs, ["chinchilla"], rolling="C"),
    ("envelope",): lambda fit, _: js.envelope(curves(), draws=20),
    ("fit_chain",): lambda fit, _: js.fit_chain(LAW >> js.laws.gadre_err, two_steps(fit.runs), intervals=None),
    ("fit_many",): lambda fit, _: js.fit_many(LAW, halves(), by="group", intervals=None),
    ("fit_stream",): lambda fit, _: "".join(
        part.to_csv() for part in js.fit_stream(LAW, iter([("a", fit.runs), ("b", fit.runs)]), intervals=None)
    ),
    ("fit_shards", "merge_shards", "read_fits"): sharded,
    ("forecast", "read_forecast", "score"): told_and_scored,
    ("isoflop",): lambda fit, _: js.isoflop(fit.runs, draws=20),
    ("load",): saved_and_loaded,
    ("multiplier",): lambda fit, _: js.multiplier({k: OTHER[k] for k in ("besiroglu", "hoffmann_tex")}, at=1e23),
    ("multiverse",): lambda fit, _: str(
        js.multiverse(fit.runs, budget=1e23, objectives={"Huber": js.Huber(), "squares": js.SquaredError()})
    ),
    ("next_runs",): lambda fit, _: str(js.next_runs(fit, CANDIDATES, budget=1e21, at=1e23, fixed=1e19, most=2)),
    ("ratio_test",): lambda fit, _: str(js.ratio_test(fit, fixed={"alpha": 0.34})),
    ("read_runs",): lambda fit, _: str(js.read_runs(halves())),
    ("recipe",): lambda fit, _: js.recipe(js.frontier(fit, [1e22])),
    ("reference_models",): lambda fit, _: str(js.reference_models(fit)),
    ("rescaling",): lambda fit, _: js.rescaling(
        js.fit_many(LAW, halves(), by="group", share=("E", "alpha", "beta"), intervals=None), "a", intervals=None
    ),
    ("skills",): lambda fit, _: str(
        js.skills(scores(), scores=["mmlu", "arc"], family="family", N="params", D="tokens", number=1)
    ),
    ("watch",): lambda fit, _: str(js.watch(under_way(), "new", 1e10, goal=2.9)),
}
IN_ANSWERS = {
    *("fit", "bootstrap", "frontier", "what_if", "influence", "profile", "run_sensitivity", "tornado", "allocate"),
}
# A sampler that compiles a program of its own, and a server, whose answers are these verbs' in other threads: below.
BESIDE = {"posterior", "serve"}


def elsewhere(ask: Callable[[], Any]) -> str:
    """What a verb says in a thread of its own, under all settings at once."""
    with ExitStack() as stack:
        for setting in SETTINGS.values():
            stack.enter_context(setting())
        return as_text(ask())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("settings")


def test_every_public_verb_is_asked():
    asked = {name for names in VERBS for name in names} | IN_ANSWERS | BESIDE
    public = {name for name in dir(js) if not name.startswith("_")}
    assert asked == {name for name in public if inspect.isfunction(getattr(js, name))}


@pytest.fixture(scope="module")
def said(fit, folder) -> Callable[[tuple[str, ...]], str]:
    """What a verb says of the fit, asked once."""
    return cache(lambda names: as_text(VERBS[names](fit, folder)))


@pytest.mark.slow
@pytest.mark.parametrize("names", VERBS, ids="-".join)
def test_every_other_verb_says_the_same_in_a_thread_under_all_settings_at_once(names, said, fit, folder):
    expected, before = said(names), compilations()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere, partial(VERBS[names], fit, folder)).result() == expected
    assert compilations() == before


def looked_at(post: Callable[[str, bytes], dict[str, Any]]) -> str:
    """What the page says of a table that is sent to it."""
    sent = post("/api/tables", swept_frame().to_csv(index=False).encode())
    return json.dumps(post(f"/api/tables/{sent['id']}/look", b"{}"))


def served() -> str:
    """The same of a server, which ends with the process."""
    lines: list[str] = []
    threading.Thread(target=js.serve, kwargs={"port": 0, "browser": False, "say": lines.append}, daemon=True).start()
    while not lines:
        time.sleep(0.05)
    address, token = re.findall(r"(http://[^/]*)/#token=(\S+)", lines[-1])[0]
    opener = build_opener(HTTPCookieProcessor())

    def post(path: str, content: bytes) -> dict[str, Any]:
        kind = "text/csv" if path.endswith("tables") else "application/json"
        headers = {"origin": address, "x-table-name": "runs.csv", "content-type": kind}
        with opener.open(Request(address + path, content, headers)) as answer:
            return json.load(answer)

    post("/api/enter", json.dumps({"token": token}).encode())
    return looked_at(post)


PROGRAM = """
import os, sys
import jax
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_default_device", jax.devices()[1])
sys.path.append(sys.argv[1])
import json
from pathlib import Path
import jaxscale as js
import test_settings as asked
fit = js.fit(asked.LAW, asked.swept_frame(), intervals="quick")
folder = Path(sys.argv[2])
said = {"-".join(names): asked.as_text(verb(fit, folder)) for names, verb in asked.VERBS.items()}
print(json.dumps({**asked.answers(fit), **said, "serve": asked.served()}), flush=True)
os._exit(0)  # a server goes on until it is interrupted
"""


@pytest.mark.slow
def test_every_verb_gives_the_same_bytes_on_another_device_without_assertions(expected, said, fit, tmp_path):
    """A process that counts warnings as errors, leaves out assertions, and computes on its second device."""
    flags = ["-O", "-W", "error", "-c", PROGRAM, str(ROOT / "tests" / "whole"), str(tmp_path)]
    done = subprocess.run([sys.executable, *flags], cwd=ROOT / "tests", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from starlette.testclient import TestClient

    from jaxscale._pages.app.routes import application

    client = TestClient(application(Browsers("token"), ("testserver",)), headers={"origin": "http://testserver"})
    client.post("/api/enter", json={"token": "token"})
    page = looked_at(
        lambda path, content: client.post(path, content=content, headers={"x-table-name": "runs.csv"}).json()
    )
    told = {**{"-".join(names): said(names) for names in VERBS}, "serve": page}
    found = json.loads(done.stdout)
    for name, text in {**expected, **told}.items():
        assert found.pop(name) == text, name
    assert not found


@pytest.mark.slow
def test_the_sampler_says_the_same_in_a_thread_under_all_settings_at_once(fit):
    pytest.importorskip("numpyro")

    def sampled() -> str:
        return json.dumps(js.posterior(fit, draws=400).to_dict())

    expected = sampled()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(elsewhere, sampled).result() == expected
