"""From a move of a slider to its picture, on the page that `jaxscale app` serves, in Chromium.

`python -m benchmarks.sliders` starts the page with the demo table, fits it, moves sliders and prints medians and 95th
percentiles of wall time, and the processor time of a move. `--nice -15` runs server and browser before other work of
the machine (as far as the user may); `--law` and `--target` say what is planned. Needs Playwright and Chromium.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js

_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
# One after the other: from the event of a slider to the answer drawn, and to the frame that shows it.
_ONE_BY_ONE = """async ({moves, ids}) => {
  const root = document.getElementById("explore"), drawn = [], seen = [];
  for (let i = 1; i <= moves; i++) {
    const slider = document.getElementById(ids[i % ids.length]), start = performance.now();
    const answered = new Promise(done => root.addEventListener("answer", done, { once: true }));
    const low = Number(slider.min), high = Number(slider.max);
    slider.value = low + Math.round((high - low) * (0.3 + 0.4 * ((i * 37) % 101) / 101));
    slider.dispatchEvent(new Event("input"));
    await answered;
    drawn.push(performance.now() - start);
    await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
    seen.push(performance.now() - start);
  }
  return { drawn, seen };
}"""
# A slider that is dragged: twenty moves a second, whatever is answered; for each the first answer that is as new.
_DRAGGED = """async ({moves, id}) => {
  const root = document.getElementById("explore"), slider = document.getElementById(id), open = [], taken = [];
  const control = JSON.parse(document.getElementById("data").textContent).model.controls.find(c => c.id === id);
  const low = Number(slider.min), high = Number(slider.max), notches = high - low - 1;
  const notch = value => Math.round(Math.log10(value / control.base) / control.step);
  root.addEventListener("answer", event => {
    const at = open.findIndex(([, moved]) => moved === notch(event.detail.state[id]));
    const done = open.splice(0, at + 1);
    if (done.length) requestAnimationFrame(() => setTimeout(() => {
      for (const [start] of done) taken.push(performance.now() - start);
    }, 0));
  });
  for (let i = 1; i <= moves; i++) {
    const start = performance.now(), to = low + 1 + ((i * 7) % notches);
    open.push([start, to]);
    slider.value = to; slider.dispatchEvent(new Event("input"));
    await new Promise(done => setTimeout(done, Math.max(0, 50 - (performance.now() - start))));
  }
  await new Promise(done => setTimeout(done, 1500));
  return { taken, unanswered: open.length };
}"""


def main() -> int:
    """Print the figures of one run; `--json` keeps them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sliders", description=__doc__)
    parser.add_argument("--moves", type=int, default=120, help="of each kind (default 120)")
    parser.add_argument("--law", default="chinchilla", help="the law that is fitted (default chinchilla)")
    parser.add_argument("--target", default="flops", help="what is asked for: flops, dollars, gpu_days, loss, size")
    parser.add_argument("--nice", type=int, default=0, help="priority of server and browser; below 0 needs the right")
    parser.add_argument("--json", metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args()
    if options.nice:
        os.nice(options.nice)  # what is started here has it too
    with tempfile.TemporaryDirectory() as folder, _served(folder) as (address, server), _browser() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        start = time.perf_counter()
        page.goto(address)
        page.locator("#tables a").click()
        page.locator("#law").select_option(options.law)
        page.locator("#go:enabled").click()
        page.locator("#N-was").filter(has_text="as planned").wait_for(timeout=300_000)
        fitted = time.perf_counter() - start
        if options.target != "flops":
            page.locator("#target").select_option(options.target)
            page.get_by_role("button", name="Ask").click()
            page.wait_for_url("**target=*")
            page.locator("#N-was").filter(has_text="as planned").wait_for()
        main_control = {"loss": "loss", "size": "size"}.get(options.target, "budget")
        ids = [id for id in (main_control, "served", "cap", "sigmas") if page.locator(f"#{id}").count()]
        page.evaluate(_ONE_BY_ONE, {"moves": 20, "ids": ids})  # compiles in the browser, and is not counted
        page.wait_for_timeout(2000)
        before = _seconds(server)
        one = page.evaluate(_ONE_BY_ONE, {"moves": options.moves, "ids": ids})
        page.wait_for_timeout(1000)
        middle = _seconds(server)
        dragged = page.evaluate(_DRAGGED, {"moves": options.moves, "id": "served"})
        after = _seconds(server)
    figures: dict[str, Any] = {
        "law": options.law,
        "target": options.target,
        "load": os.getloadavg()[0],
        "until the first plan, s": fitted,
        "one by one, drawn, ms": _figures(one["drawn"]),
        "one by one, shown, ms": _figures(one["seen"]),
        "dragged, shown, ms": _figures(dragged["taken"]),
        "unanswered": dragged["unanswered"],
        "server, CPU ms a move, one by one": (middle[0] - before[0]) / options.moves * 1e3,
        "browser, CPU ms a move, one by one": (middle[1] - before[1]) / options.moves * 1e3,
        "server, CPU ms a move, dragged": (after[0] - middle[0]) / options.moves * 1e3,
        "browser, CPU ms a move, dragged": (after[1] - middle[1]) / options.moves * 1e3,
        "faults": faults,
    }
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {number:.0f}" for key, number in value.items())
        print(f"{name:<36} {value:.3g}" if isinstance(value, float) else f"{name:<36} {value}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(bool(faults))


@contextmanager
def _served(folder: str) -> Iterator[tuple[str, int]]:
    """The page in its own process, as a command: its address, and the process."""
    js.synthetic.demo_frame().to_csv(Path(folder) / "runs.csv", index=False)
    command = [sys.executable, "-m", "jaxscale", "app", "runs.csv", "--no-browser", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        opened = running.chromium.launch(executable_path=path, args=_FLAGS)
        yield opened
        opened.close()


def _seconds(server: int) -> tuple[float, float]:
    """Processor time so far: of the server, and of all else that this process started."""
    fields = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                text = Path(f"/proc/{name}/stat").read_text()
            except OSError:  # it ended
                continue
            fields[int(name)] = text.rpartition(")")[2].split()

    def mine(pid: int) -> bool:
        while pid in fields and pid != os.getpid():
            pid = int(fields[pid][1])
        return pid == os.getpid()

    tick = os.sysconf("SC_CLK_TCK")
    seconds = {pid: (int(f[11]) + int(f[12])) / tick for pid, f in fields.items() if pid != os.getpid() and mine(pid)}
    return seconds[server], sum(seconds.values()) - seconds[server]


def _figures(taken: list[float]) -> dict[str, float]:
    median, most = np.percentile(taken, (50, 95))
    return {"median": float(median), "95th percentile": float(most), "largest": max(taken)}


if __name__ == "__main__":
    sys.exit(main())
