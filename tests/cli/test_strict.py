"""`--strict`: whatever is fatal in a verdict ends with status 1 and is said; what is a warning does not."""

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from helpers import LAW, ROOT, TRUTH, sweep

import jaxscale as js
from jaxscale._base.verdict import Reason, Verdict


@cache
def codes() -> tuple[str, ...]:
    """Every code that a check of a fit or a note of a table may give."""
    trees = [
        ast.parse(path.read_text("utf-8"))
        for folder in ("_trust", "_data")
        for path in sorted((ROOT / "jaxscale" / folder).rglob("*.py"))
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    constants = {
        target.id: node.value.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    given = [node.args[0] for node in nodes if isinstance(node, ast.Call) and node.args and _is_reason(node.func)]
    named = {code.value if isinstance(code, ast.Constant) else constants.get(getattr(code, "id", "")) for code in given}
    return tuple(sorted(code for code in named if isinstance(code, str)))


def _is_reason(function: ast.expr) -> bool:
    return isinstance(function, ast.Name) and function.id == "Reason"


@pytest.fixture(scope="module")
def fit() -> js.FitResult:
    return js.fit(LAW, sweep(), intervals=None)


def test_the_codes_are_found():
    assert {"one_ray", "weakly_identified", "suspicious_units", "checkpoints", "gradient_not_zero"} <= set(codes())
    assert len(codes()) >= 25


@pytest.mark.parametrize("code", codes())
def test_a_fatal_reason_of_any_code_is_status_1_and_said_and_a_warning_is_not(code, fit, jaxscale, monkeypatch):
    for severity, expected in (("fatal", 1), ("warning", 0), ("info", 0)):
        judged = replace(fit, verdict=Verdict.of([Reason(code, severity, f"what {code} says; mend it")]))
        monkeypatch.setattr(js, "fit", lambda *_, judged=judged, **__: judged)
        for flags in ((), ("--json",), ("-o", "fit.json")):
            status, out, err = jaxscale("fit", "runs.csv", "--strict", *flags)
            assert status == expected, (severity, flags)
            assert (f"NOT TRUSTWORTHY: what {code} says" in (err if flags else out)) == (severity == "fatal")
    assert jaxscale("fit", "runs.csv")[0] == 0


# --- Tables with that fault ---


def written(N, D, loss, **columns) -> Callable[[], pd.DataFrame]:
    return lambda: pd.DataFrame({"params": N, "tokens": D, "loss": loss, **columns})


def noisy(N, D, noise=0.003, bend=None):
    loss = LAW.predict(TRUTH, N=N, D=D) * np.exp(noise * np.random.default_rng(0).standard_normal(len(N)))
    return loss if bend is None else loss * np.exp(bend(*(np.log(x) - np.log(x).mean() for x in (N, D))))


N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 6), 10)
RATIO, GRID = np.meshgrid(np.geomspace(5, 500, 6), np.geomspace(3e7, 6e9, 6))
SERIES = np.repeat(np.geomspace(1e7, 3e9, 6), 16), np.tile(np.outer([1, 50], np.arange(1, 9)).ravel() * 1e9, 6)
ALIKE = np.exp(0.008 * np.repeat(np.random.default_rng(3).standard_normal(12), 8))
TABLES = {
    "one_ray": written(N, 20 * N, noisy(N, 20 * N)),
    "few_distinct_sizes": written(N, 0 * N + 1e10, noisy(N, 0 * N + 1e10)),
    "too_few_runs": written(N[::8], D[::8], noisy(N[::8], D[::8])),
    "weakly_identified": written(
        GRID.ravel(), (GRID * RATIO).ravel(), noisy(GRID.ravel(), (GRID * RATIO).ravel(), 0.04)
    ),
    "cross_term": written(N, D, noisy(N, D, bend=lambda n, d: 0.01 * n * d)),
    "residual_trend": written(N, D, noisy(N, D, bend=lambda n, d: 0.01 * d**2)),
    "groups_differ": written(N, D, noisy(N, D) - 0.1 * (np.arange(60) % 2), corpus=np.resize(["web", "books"], 60)),
    "suspicious_units": written(N, D / 1e9, noisy(N, D)),
    "mixed_conventions": written(N, D, noisy(N, D), flops=66 * N * D),
    "checkpoints": written(*SERIES, noisy(*SERIES, 0.001) * ALIKE),
    "at_bound": written(N, D, 3 * (N / 1e9) ** -0.05 * (D / 1e10) ** -0.06 * np.exp(-0.004 * np.log(N / 1e9) ** 2)),
}


@pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
@pytest.mark.slow
@pytest.mark.parametrize("code", TABLES)
def test_tables_with_a_fault_end_with_status_1_and_say_which(code, jaxscale, folder):
    TABLES[code]().to_csv("bad.csv", index=False)
    status, out, _ = jaxscale("fit", "bad.csv", "--intervals", "none", "--strict", "--json")
    assert status == 1
    assert re.search(rf'"code": "{code}",\s*"severity": "fatal"', out), out[:2000]
    assert jaxscale("fit", "bad.csv", "--intervals", "none")[0] == 0


def test_groups_that_are_stopped_are_told_how_to_keep_what_is_done(jaxscale, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(js, "fit_many", stopped)
    status, _, err = jaxscale("fit", "runs.csv", "--by", "tokens")
    assert status == 130 and "--shard 1/20 -o FOLDER" in err and "interrupted" in err
