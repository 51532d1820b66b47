"""A sweep and its fits, made once for all tests of what an optimum is worth."""

import pytest
from helpers import LAW, sweep

import jaxscale as js


@pytest.fixture(scope="session")
def runs() -> js.Runs:
    return sweep()


@pytest.fixture(scope="session")
def quick(runs) -> js.FitResult:
    return js.fit(LAW, runs, intervals="quick")


@pytest.fixture(scope="session")
def full(runs) -> js.FitResult:
    return js.fit(LAW, runs)
