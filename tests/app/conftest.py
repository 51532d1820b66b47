"""A fit that sliders start from, and a browser's way to the page without a browser."""

from collections.abc import Callable
from typing import Any

import pytest

import jaxscale as js
from jaxscale._pages.app.browsers import Browsers, HeldTable
from jaxscale._pages.app.table_fit import TableFit, table_fit

TOKEN = "the-token"


@pytest.fixture(scope="session")
def fitted() -> TableFit:
    """The demo set, fitted."""
    return table_fit(js.fit("chinchilla", js.synthetic.demo_runs(), intervals="quick"))


@pytest.fixture
def held(fitted: TableFit) -> HeldTable:
    """Its table, as it is held after the fit."""
    return HeldTable("demo.csv", js.synthetic.demo_frame(), fitted=fitted)


@pytest.fixture
def enter() -> Callable[..., tuple[Any, Browsers, str]]:
    """A client that has shown the token, with the browsers behind it and its secret."""
    from starlette.testclient import TestClient

    from jaxscale._pages.app.routes import application

    def entered(known: Browsers | None = None) -> tuple[Any, Browsers, str]:
        known = known or Browsers(TOKEN)
        client = TestClient(application(known, ("testserver",)), headers={"origin": "http://testserver"})
        assert client.post("/api/enter", json={"token": TOKEN}).status_code == 200
        return client, known, client.cookies["jaxscale"]

    return entered
