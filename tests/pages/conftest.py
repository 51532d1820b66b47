"""The one fit that reports are made of, and a browser where there is one."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

import jaxscale as js

# Nothing may be looked for outside, and nothing is needed of the machine.
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND",
]  # fmt: skip


@pytest.fixture(scope="session")
def fitted() -> js.FitResult:
    """The fit of the demo table."""
    return js.fit("chinchilla", js.synthetic.demo_runs(), intervals="quick")


@pytest.fixture(scope="session")
def plan(fitted: js.FitResult) -> js.Plan:
    """Two budgets, the larger of which is the decision."""
    return js.frontier(fitted, [1e22, 1e24])


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="drives a browser: pip install playwright")
    if (path := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip("needs Chromium, which a package manager installs")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()
