"""`python -m benchmarks`: one table of outcomes and times, beside what people would use instead.

`--json FILE` keeps it, `--plot FOLDER` draws the scaling curves, `--device gpu` runs it on an accelerator.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path


def main() -> int:
    """Run the jobs and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu", "tpu"), default="cpu")
    parser.add_argument("--sample", type=int, default=60, help="starts, draws or sets a rival is timed on (default 60)")
    parser.add_argument("--sets", type=int, default=1000, help="tables for fit_many (default 1000)")
    parser.add_argument("--jobs", nargs="+", default=["usual"], metavar="JOB", help="see --list; usual: all but long")
    parser.add_argument("--list", action="store_true", help="list the jobs and stop")
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    parser.add_argument("--plot", metavar="FOLDER", help="draw a picture of each scaling curve (needs matplotlib)")
    options = parser.parse_args()

    # Before NumPy and JAX start: rivals are slowed by a second BLAS thread, and JAX sees as many devices as there are
    # cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["JAX_PLATFORMS"] = {"gpu": "cuda,cpu", "tpu": "tpu,cpu"}.get(options.device, options.device)
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if options.device == "cpu":
        jax.config.update("jax_num_cpu_devices", cores)
    from benchmarks import compilation, fits, kernels, mixture_fits, own_laws, planning, scaling, sets, startup
    from benchmarks.rows import table_of_runs

    usual = {
        "fits": lambda: fits.fits(options.sample),
        "iterations": fits.iterations,
        "own_laws": own_laws.own_laws,
        "sets": lambda: sets.many(options.sets, options.sample),
        "intervals": lambda: sets.intervals(max(1, options.sets // 10), options.sample),
        "devices": lambda: sets.devices(options.sets),
        "runs": scaling.runs,
        "starts": scaling.starts,
        "parameters": scaling.parameters,
        "planning": planning.many_draws,
        "startup": startup.startup,
        "compilation": compilation.compilation,
    }
    long = {
        "kernels": kernels.kernels,
        "mixtures": mixture_fits.mixtures,
        "stream": lambda: sets.streamed((1_000, 10_000, 100_000)),
        "memory": lambda: sets.streamed((10_000,), draws=1_000),
    }
    work = usual | long
    if options.list:
        print(*usual, *(f"{name} (long)" for name in long), sep="\n")
        return 0
    jobs = [name for job in options.jobs for name in (usual if job == "usual" else [job])]
    if unknown := [job for job in jobs if job not in work]:
        parser.error(f"unknown job {unknown[0]!r}; choose from usual, {', '.join(work)}")
    try:
        jax.devices()
    except (RuntimeError, AssertionError):  # the latter where JAX has no such backend at all
        print(f"no {options.device} here; with one, this would run on it:", *jobs, sep="\n")
        return 0
    _, name = table_of_runs()
    print(f"{name}; {len(jax.devices())} x {jax.devices()[0].device_kind}; jax {jax.__version__}", file=sys.stderr)
    rows = []
    for job in jobs:
        print(f"{job} ...", file=sys.stderr)
        rows += work[job]()
    head = ("job", "method", "outcome", "run s", "compile s", "x rival")
    numbers = (lambda r: f"{r.run:.3g}", lambda r: _shown(r.compile, "{:.2g}"), lambda r: _shown(r.ratio, "{:.3g}"))
    cells = [head] + [(r.job, r.method, r.outcome, *(shown(r) for shown in numbers)) for r in rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if options.plot:
        scaling.draw(rows, Path(options.plot))
    if options.json:
        machine = {"runs": name, "device": jax.devices()[0].device_kind, "devices": len(jax.devices())}
        text = json.dumps({**machine, "rows": [asdict(r) for r in rows]}, indent=1)
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return 0


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


if __name__ == "__main__":
    sys.exit(main())
