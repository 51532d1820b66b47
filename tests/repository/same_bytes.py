"""Prints a digest of what the main line gives, so that a move of files can be shown to change no byte.

Run it before and after: `python tests/repository/same_bytes.py FOLDER`, then compare the folders. It uses public names
and the shared list of laws alone.
"""

import contextlib
import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import conftest  # noqa: F401  the persistent cache of compiled programs
import pandas as pd
from helpers import LAW_CASES

import jaxscale as js

OUT = Path(sys.argv[1])
OUT.mkdir(parents=True, exist_ok=True)


def keep(name: str, text: str) -> None:
    (OUT / f"{name}.txt").write_text(text, encoding="utf-8")
    print(hashlib.sha256(text.encode()).hexdigest()[:16], name, flush=True)


def record(name: str, it) -> None:
    data = it.to_dict() if hasattr(it, "to_dict") else None
    frame = it.to_frame().to_csv() if hasattr(it, "to_frame") else ""
    keep(name, "\n".join([json.dumps(data, sort_keys=True, default=str), str(it), frame]))


def command(*words: str) -> str:
    from importlib import import_module

    try:
        run = import_module("jaxscale._cli.app.process").run
    except ModuleNotFoundError:
        run = import_module("jaxscale._cli.app").run
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = run(words)
    return f"{status}\n{out.getvalue()}"


keep("demo", command("demo"))
keep("laws", command("laws"))
keep("models", command("models"))

for case in LAW_CASES if "--plans" not in sys.argv else ():
    if case.law.response.domain != "positive":
        continue
    runs = js.synthetic.observe(case.law, dict(case.truth), case.random_variables(40, seed=3), noise=0.003, seed=4)
    options = {"fixed": {name: case.truth[name] for name in case.fixed}, "starts": 8}
    try:
        record(f"fit-{case.label}", js.fit(case.law, runs, intervals="quick", **options))
    except js.JaxscaleError as error:
        keep(f"fit-{case.label}", str(error))

runs = js.synthetic.demo_runs()
frame = js.synthetic.demo_frame()
result = js.fit("chinchilla", runs, draws=200)
record("fit", result)
record("fit-profile", js.fit("chinchilla", runs, intervals="profile"))
draws = js.bootstrap(result, draws=200, seed=1)
record("draws", draws)
plan = js.frontier(result, [1e21, 1e23, 1e25], limits={"D_max": 2e13})
record("plan", plan)
record("plan-draws", js.frontier(draws, [1e21, 1e23], cost=js.costs.six_nd.with_inference(tokens=2e13)))
record("plan-reach", js.frontier(js.laws.chinchilla.published["besiroglu"], reach_loss=[2.2, 2.0]))
record("plan-repeated", js.frontier(js.laws.muennighoff.published["muennighoff_c4"], [1e22], limits={"U": 1e11}))
record("plan-gadre", js.frontier(js.laws.gadre_overtrain.published["c4"], [1e22]))
record("sensitivity", plan.sensitivity("beta"))
record("what-if", js.what_if(plan, limits={"D_max": 1e12}, set={"beta": "+1sigma"}))
record("tornado", js.tornado(plan))
record("run-sensitivity", js.run_sensitivity(plan))
record("profile", js.profile(result, "alpha"))
record("influence", js.influence(result))
record("isoflop", js.isoflop(runs))
record("approaches", js.approaches(runs, budgets=[1e23], draws=200))
record("compare", js.compare(frame, ["chinchilla", "kaplan_nd"], holdout="C > 3e20"))
rng = np.random.default_rng(0)
parts = []
for k, corpus in enumerate(("a", "b", "c")):
    N, D = js.synthetic.isoflop_design(np.geomspace(1e18, 1e21, 5), 6)
    truth = {**js.laws.chinchilla.published["besiroglu"].params, "E": 1.7 + 0.1 * k}
    part = js.synthetic.observe(js.laws.chinchilla, truth, {"N": N, "D": D}, noise=0.004, seed=k)
    parts.append(part.to_frame().reset_index(drop=True).assign(corpus=corpus))
many = pd.concat(parts, ignore_index=True)
record("fit-many", js.fit_many("chinchilla", many, by="corpus", draws=100))
record("fit-share", js.fit_many("chinchilla", many, by="corpus", share=["alpha", "beta"], intervals="quick"))
record("fit-share-some", js.fit_many("chinchilla", many, by="corpus", share={"alpha": 0.1}, intervals="quick"))
