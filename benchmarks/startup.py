"""From process start to a fitted table on the command line, without and with the compilation cache."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.rows import Row, table_of_runs


def startup(repeats: int = 3) -> list[Row]:
    """`jaxscale fit` and `jaxscale demo` in fresh processes; the fastest of some warm ones."""
    runs, name = table_of_runs()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        runs.to_frame().to_csv(Path(folder) / "runs.csv", index=False)
        for command in (["fit", "runs.csv", "--intervals", "quick"], ["fit", "runs.csv"], ["demo"]):
            cache = Path(folder) / f"cache {' '.join(command)}"
            seconds = [_run(command, folder, cache) for _ in range(1 + repeats)]
            text = f"jaxscale {' '.join(command)}"
            rows.append(Row("process", f"{text}, no cache", name, seconds[0]))
            rows.append(Row("process", f"{text}, warm cache", name, min(seconds[1:])))
    return rows


def _run(command: list[str], folder: str, cache: Path) -> float:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "jaxscale", *command],
        cwd=folder,
        env=environment | {"XDG_CACHE_HOME": str(cache)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - begin
