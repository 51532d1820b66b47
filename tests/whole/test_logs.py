"""Logs of training runs fitted as they come: no checkpoint is taken for a run of its own."""

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale._analyses.comparison.compare import _read

TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
NAMES = ("run_id", "run_name", "Name")


def logs(seed: int, each: int = 10) -> pd.DataFrame:
    """18 runs seen at `each` even steps: the rate falls to the end, so that losses before it lie above the law; of
    each run .6 % at every checkpoint alike, and .1 % of each by itself."""
    rng = np.random.default_rng(seed)
    N, ends = np.meshgrid(np.geomspace(1.2e7, 3e9, 6), [4e9, 2e10, 1e11])
    N, ends = np.repeat(N.T.ravel(), each), np.repeat(ends.T.ravel(), each)
    share = np.tile(np.arange(1, each + 1) / each, 18)
    D = ends * share
    p = TRUTH
    loss = p["E"] + p["A"] * N ** -p["alpha"] + p["B"] * D ** -p["beta"]
    noise = 0.006 * np.repeat(rng.standard_normal(18), each) + 0.001 * rng.standard_normal(len(N))
    run = np.repeat([f"sweep-{k}" for k in range(18)], each)
    return pd.DataFrame({"run": run, "params": N, "tokens": D, "loss": loss * np.exp(noise + 0.03 * (1 - share))})


@pytest.mark.parametrize("name", NAMES)
def test_a_log_is_fitted_to_the_last_row_of_each_run(name):
    """By pandas and the fit of that table."""
    table = logs(0).rename(columns={"run": name})
    with pytest.warns(js.DataWarning, match=f"checkpoints of 18 runs .column '{name}'"):
        result = js.fit("chinchilla", table, intervals=None)
    by_hand = js.fit("chinchilla", table.groupby(name, sort=False).last()[["params", "tokens", "loss"]], intervals=None)
    assert result.runs is not None and result.runs.count == 18
    assert result.params == pytest.approx(by_hand.params, rel=1e-8)
    assert "checkpoints" in result.verdict.codes
    every = js.fit("chinchilla", js.read_runs(table, checkpoints="all"), intervals=None)
    assert every.runs is not None and len(set(every.runs.clusters or ())) == 18 and every.runs.count == 180


def test_groups_and_comparisons_take_the_last_rows_too():
    table = pd.concat([logs(1).assign(corpus="a"), logs(2).assign(corpus="b")], ignore_index=True)
    table["run"] = table["corpus"] + table["run"]
    fits = js.fit_many("chinchilla", table, by="corpus", intervals=None)
    assert [one.runs.count for _, one in fits] == [18, 18]
    with pytest.warns(js.DataWarning):
        runs, rows = _read(table, [js.laws.chinchilla], {})
    assert (runs.count, len(rows)) == (36, 36)
    assert _read(js.read_runs(table, checkpoints="all"), [js.laws.chinchilla], {})[0].count == 360


@pytest.mark.parametrize("order", ["as logged", "shuffled"])
def test_a_log_without_names_is_not_trusted(order):
    """By their structure: the first eight."""
    tables = {str(seed): logs(seed).drop(columns="run") for seed in range(8)}
    if order == "shuffled":
        tables = {seed: table.sample(frac=1, random_state=int(seed)) for seed, table in tables.items()}
    fits = js.fit_many("chinchilla", tables, intervals=None)
    found = [{r.code for r in one.verdict.reasons if r.severity == "fatal"} for _, one in fits]
    assert len(found) == 8 and all("checkpoints" in codes for codes in found)


@pytest.mark.slow
def test_intervals_of_last_rows_hold_the_truth():
    """Of 200 logs, the share of 90 % intervals that hold the planted values, over all parameters."""
    tables = {str(seed): logs(seed) for seed in range(200)}
    fits = js.fit_many("chinchilla", tables, intervals="quick")
    held = [low <= TRUTH[name] <= high for _, one in fits for name, (low, high) in one.intervals.params.items()]
    assert len(held) == 1000 and 0.85 < np.mean(held) < 0.95
