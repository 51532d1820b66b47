"""A browser where there is one, its JavaScript without one, and what judges pages for people who do not see them."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT

# Nothing may be looked for outside this machine.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="drives a browser: pip install playwright")
    if (path := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip("needs Chromium, which a package manager installs")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


def axe_source(folder: Path) -> str:
    """The code of axe-core."""
    if (npm := shutil.which("npm")) is None:
        pytest.skip("needs npm, to get axe-core")
    command = [npm, "pack", "axe-core@4", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not answer")
    if done.returncode:
        pytest.skip("npm cannot get axe-core here")
    shutil.unpack_archive(folder / done.stdout.split()[-1], folder)
    return (folder / "package" / "axe.min.js").read_text("utf-8")


def serious_faults(page: Any, axe: str, rules: str = "{}") -> tuple[str, int]:
    """Serious and critical faults that axe finds in a page ("[]" where there are none), and how many rules passed."""
    page.evaluate(axe)
    found = page.evaluate(f"() => axe.run({rules})")
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    told = json.dumps([(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious], indent=1)
    return told, len(found["passes"])


def run_node(script: str, code: str, given: Any) -> Any:
    """What some code prints as JSON: process.argv[1] is a file of the page's own, standard input `given`."""
    if (node := shutil.which("node")) is None:
        pytest.skip("needs Node, to run JavaScript without a page")
    command = [node, "-e", code, str(ROOT / "jaxscale" / "_pages" / "web" / script)]
    done = subprocess.run(
        command, input=json.dumps(given, allow_nan=False), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
