"""Charts of chains and valleys, of records whose numbers are known beforehand."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from pictures import HOSTILE, check_words, with_runs

import jaxscale as js
from jaxscale.laws import Law, Parameter, Variable
from jaxscale.plot._charts import chain_chart, valley_chart
from jaxscale.plot._charts.chart import Area, Dots, Line, Span

CHAIN = js.laws.chinchilla >> js.laws.get("gadre_err")


def marks(panel, kind) -> list:
    return [mark for mark in panel.marks if isinstance(mark, kind)]


@pytest.fixture(scope="module")
def chained(fitted) -> js.FitResult:
    """A chain at given constants: error = eps - k exp(-gamma loss)."""
    truth = {**fitted.params, "epsilon": 0.85, "k": 2.0, "gamma": 0.9}
    params = {name: truth[name] for name in CHAIN.parameter_names}
    variables = {k: fitted.runs.variables[k] for k in ("N", "D")}
    loss = np.asarray(fitted.predict(**variables))
    error = 0.85 - 2.0 * np.exp(-0.9 * loss) + 0.01 * np.sin(np.arange(len(loss)))
    runs = js.Runs({**variables, "loss": loss}, error, "error")
    return replace(with_runs(fitted, runs), law=CHAIN, params=params)


def test_each_step_of_a_chain_is_drawn_and_the_whole(chained):
    assert CHAIN.parameter_names[-3:] == ("epsilon", "k", "gamma")
    first, second, whole = chain_chart.chain(chained).panels
    (dots,) = marks(first, Dots)
    np.testing.assert_allclose(dots.x, dots.y, rtol=1e-6)  # the loss is the law's own
    (curve,) = marks(second, Line)
    np.testing.assert_allclose(curve.y, 0.85 - 2.0 * np.exp(-0.9 * curve.x), rtol=1e-6)
    (dots,) = marks(whole, Dots)
    np.testing.assert_allclose(dots.y - dots.x, 0.01 * np.sin(np.arange(54)), atol=1e-6)


def test_a_law_of_one_step_is_no_chain(fitted):
    with pytest.raises(js.InputError, match="law chinchilla is no chain; fit one"):
        fitted.plot("chain")


def valley_law(rate: str = "lr") -> Law:
    def log_loss(p, **logs):
        return jnp.log(p.E + p.k * (logs[f"log_{rate}"] - p.m) ** 2 + p.h * (logs["log_B"] - p.b) ** 2)

    parameters = (*(Parameter(name) for name in ("E", "k", "h")), *(Parameter(n, "identity") for n in ("m", "b")))
    variables = (Variable(rate, "", "learning rate"), Variable("B", "tokens", "batch"))
    return Law("valley", log_loss, variables=variables, parameters=parameters)


BETWEEN = {"lr": (1e-4, 1e-2), "B": (1e5, 1e7)}


@pytest.fixture(scope="module")
def valley():
    return valley_law().at(E=2.0, k=0.02, h=0.01, m=np.log(1e-3), b=np.log(1e6))


def test_a_valley_has_its_best_and_what_is_as_good(valley):
    (panel,) = valley_chart.valley(valley, between=BETWEEN, within=0.005).panels
    (best,) = marks(panel, Dots)
    assert (best.x[0], best.y[0]) == (pytest.approx(1e-3, rel=0.03), pytest.approx(1e6, rel=0.03))
    (flat,) = marks(panel, Area)
    step = np.log(100) / 200
    for values, centre, bend in ((flat.x, 1e-3, 0.02), (flat.y, 1e6, 0.01)):  # E + k u^2 < 1.005 E
        reach = np.sqrt(0.005 * 2.0 / bend)
        assert np.log(values.max() / centre) == pytest.approx(reach, abs=step)
        assert np.log(values.min() / centre) == pytest.approx(-reach, abs=step)


def test_a_valley_over_one_setting(valley):
    (panel,) = valley_chart.valley(valley, ("lr",), at={"B": 1e6}, between=BETWEEN).panels
    (line,), (flat,) = marks(panel, Line), marks(panel, Span)
    np.testing.assert_allclose(line.y, 2.0 + 0.02 * np.log(line.x / 1e-3) ** 2, rtol=1e-6)
    assert np.log(flat.high / 1e-3) == pytest.approx(np.sqrt(0.5), abs=np.log(100) / 200)


def test_a_best_at_the_edge_is_said_and_where_none_is_better_none_is_drawn(monkeypatch):
    picture = js.plot.valley(js.synthetic.demo_truth(), between={"N": (1e8, 1e11), "D": (1e9, 1e13)})
    assert "at the edge of 'N', 'D'" in picture.alt and picture.chart.title.startswith("The best lies at the edge")
    rate = js.laws.step_law.published["lr"].plot(between={"N": (1e8, 1e11), "D": (1e9, 1e13)})
    assert not marks(rate.chart.panels[0], Dots) and rate.alt == "optimum over N and D."
    for one in (picture, rate):
        check_words(one, monkeypatch)


def test_what_a_valley_lacks_is_said(valley):
    for options, words in (
        ({}, "published constants have no runs: say between which lr"),
        ({"over": ("lr",), "between": BETWEEN}, "say at which B the valley is drawn: at="),
        ({"over": ("x",)}, "has no variable 'x' to draw over; it takes 'lr', 'B'"),
        ({"over": ("lr", "lr")}, "one variable or two that differ"),
        ({"within": 0.0}, "within is a share of the response"),
        ({"between": {"lr": (1e-3, 1e-3)}}, "lr takes one value"),
    ):
        with pytest.raises(js.InputError, match=words):
            js.plot.valley(valley, **options)


def test_words_of_chains_and_valleys_overlap_none(chained, valley, monkeypatch):
    check_words(chained.plot("chain"), monkeypatch)
    check_words(valley.plot(between=BETWEEN), monkeypatch)
    law = replace(chained.law, name=HOSTILE, steps=tuple(replace(s, name=HOSTILE) for s in chained.law.steps))
    check_words(replace(chained, law=law).plot("chain"), monkeypatch)
