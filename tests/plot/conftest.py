"""The one fit that pictures are drawn of."""

import pytest

import jaxscale as js


@pytest.fixture(scope="session")
def fitted() -> js.FitResult:
    """The fit of the demo table."""
    return js.fit("chinchilla", js.synthetic.demo_runs(), intervals="quick")
