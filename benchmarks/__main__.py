"""`python -m benchmarks`: one table of outcomes and times; `--json FILE` keeps it, `--device gpu` runs it on an
accelerator."""

import argparse
import json
import os
import sys
from dataclasses import asdict


def main() -> int:
    """Run the jobs and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--device", choices=("cpu", "gpu", "tpu"), default="cpu")
    parser.add_argument("--sample", type=int, default=60, help="starts or draws a rival is timed on (default 60)")
    parser.add_argument("--sets", type=int, default=30, help="tables for fit_many (default 30)")
    parser.add_argument(
        "--jobs",
        nargs="+",
        default=["fits", "sets", "planning", "floor"],
        metavar="JOB",
        help="fits sets planning floor",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    options = parser.parse_args()

    # Before NumPy and JAX start: rivals are slowed by a second BLAS thread, and JAX sees as many devices as there are
    # cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ["JAX_PLATFORMS"] = {"gpu": "cuda"}.get(options.device, options.device)
    import jax

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if options.device == "cpu":
        jax.config.update("jax_num_cpu_devices", cores)
    from benchmarks import jobs

    runs, name = jobs.table_of_runs()
    print(f"{name}; {len(jax.devices())} x {jax.devices()[0].device_kind}; jax {jax.__version__}", file=sys.stderr)
    work = {
        "fits": lambda: jobs.fits(runs, options.sample),
        "sets": lambda: jobs.many_sets(options.sets),
        "planning": lambda: jobs.planning(runs),
        "floor": jobs.floor,
    }
    unknown = [job for job in options.jobs if job not in work]
    if unknown:
        parser.error(f"unknown job {unknown[0]!r}; choose from {', '.join(work)}")
    rows = [row for job in options.jobs for row in work[job]()]
    head = ("job", "method", "outcome", "run s", "compile s", "x SciPy tight")
    cells = [head] + [
        (
            r.job,
            r.method,
            r.outcome,
            f"{r.run:.3g}",
            "" if r.compile is None else f"{r.compile:.2g}",
            "" if r.ratio is None else f"{r.ratio:.3g}",
        )
        for r in rows
    ]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "runs": name,
                    "device": jax.devices()[0].device_kind,
                    "devices": len(jax.devices()),
                    "rows": [asdict(r) for r in rows],
                },
                file,
                indent=1,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
