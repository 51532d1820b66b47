"""The one fit that reports are made of, and a browser where there is one."""

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import chromium

import jaxscale as js


@pytest.fixture(scope="session")
def fitted() -> js.FitResult:
    """The fit of the demo table."""
    return js.fit("chinchilla", js.synthetic.demo_runs(), intervals="quick")


@pytest.fixture(scope="session")
def plan(fitted: js.FitResult) -> js.Plan:
    """Two budgets, the larger of which is the decision."""
    return js.frontier(fitted, [1e22, 1e24])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright, which bears no second one beside it: closed for the tests of other files."""
    with chromium() as opened:
        yield opened
