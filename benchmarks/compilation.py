"""What the first call of each verb compiles, in a process of its own with nothing kept: how many programs, and the wall
time of tracing, lowering and compiling them apart, beside the CPU time of the whole call after imports."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.rows import Row

_STEPS = {
    "jaxpr_trace_duration": "trace",
    "jaxpr_to_mlir_module_duration": "lower",
    "backend_compile_duration": "compile",
}


def compilation() -> list[Row]:
    """A row for each verb; its seconds are of CPU, which a busy machine changes less."""
    rows = []
    for verb in _VERBS:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMPILATION")}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.compilation", verb],
            env=environment | {"JAXSCALE_CACHE": "off"},
            check=True,
            capture_output=True,
            text=True,
        )
        found = json.loads(done.stdout)
        steps = ", ".join(f"{step} {found[step]:.2f} s" for step in _STEPS.values())
        rows.append(Row("first call", verb, f"{found['programs']} programs ({steps})", found["cpu"]))
    return rows


def _calls() -> dict[str, Callable[[], Any]]:
    import jaxscale as js

    law, frame = js.laws.chinchilla, js.synthetic.demo_frame()
    runs = js.Runs.from_frame(frame)
    mine = law.at(E=1.9, A=310, B=1200, alpha=0.33, beta=0.31)
    sizes = {str(n): frame.iloc[:n] for n in (20, 30, 40, 54)}
    return {
        "fit": lambda: js.fit(law, runs).verdict,
        "fit, quick intervals": lambda: js.fit(law, runs, intervals="quick").verdict,
        "fit, bootstrap": lambda: js.fit(law, runs, intervals="bootstrap").verdict,
        "fit, profile": lambda: js.fit(law, runs, intervals="profile").verdict,
        "fit_many of mixed sizes": lambda: js.fit_many(law, sizes, intervals=None).to_frame(),
        "frontier": lambda: js.frontier(mine, budgets=[1e21, 1e24]),
        "frontier, two limits": lambda: js.frontier(mine, budgets=[1e21, 1e24], limits={"D_max": 1e12, "N_max": 70e9}),
        "models": lambda: js.reference_models(law.published["besiroglu"]),
        "what-if": lambda: js.what_if(js.frontier(mine, budgets=[1e24]), set={"alpha": 0.34}),
        "compare": lambda: js.compare(runs, ["chinchilla", "kaplan_nd"], rolling="C"),
    }


_VERBS = (
    "fit", "fit, quick intervals", "fit, bootstrap", "fit, profile", "fit_many of mixed sizes",
    "frontier", "frontier, two limits", "models", "what-if", "compare",
)  # fmt: skip


def _measure(verb: str) -> dict[str, float]:
    """One verb in this process."""
    import jax

    found: dict[str, float] = {"programs": 0, **dict.fromkeys(_STEPS.values(), 0.0)}

    def listen(event: str, seconds: float, **_: Any) -> None:
        step = _STEPS.get(event.rsplit("/", 1)[-1])
        if step is not None:
            found[step] += seconds
            found["programs"] += step == "compile"

    call = _calls()[verb]
    jax.local_devices()  # starts the backend
    jax.monitoring.register_event_duration_secs_listener(listen)
    begin = time.process_time()
    call()
    found["cpu"] = time.process_time() - begin
    return found


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
