"""Best sizes with and without a law from a shell: the answer is that of the Python function."""

import json

import pytest

import jaxscale as js


@pytest.fixture
def sweep(folder):
    """A sweep of budgets, as a file."""
    js.synthetic.demo_frame().to_csv(folder / "sweep.csv", index=False)
    return folder


def test_isoflop(jaxscale, sweep):
    choices = ("--method", "parabola", "--points", "all", "--draws", "20", "--seed", "2", "--level", "0.8")
    status, out, _ = jaxscale("isoflop", "sweep.csv", *choices, "--json")
    found = json.loads(out)
    expected = js.isoflop("sweep.csv", method="parabola", points=None, draws=20, seed=2, level=0.8)
    assert (status, found["verdict"]) == (0, expected.verdict)
    assert (found["N"]["exponent"], found["N"]["interval"]) == (expected.N.exponent, list(expected.N.interval))
    assert [row["N"] for row in found["rows"]] == pytest.approx(expected.to_frame()["N"].tolist(), nan_ok=True)
    assert expected.verdict in " ".join(jaxscale("isoflop", "sweep.csv", *choices)[1].split())


def test_envelope(jaxscale, folder):
    tokens = [1e9 * 2**k for k in range(8)]
    rows = [f"{n},{d},{1.8 + 480 * n**-0.35 + 2000 * d**-0.37},r{n:g}" for n in (1e7, 3e7, 1e8, 3e8) for d in tokens]
    (folder / "curves.csv").write_text("\n".join(["params,tokens,loss,run", *rows]))
    status, out, err = jaxscale("envelope", "curves.csv", "--how", "hull", "--draws", "0", "--json")
    found = json.loads(out)
    assert err == ""  # the run is found by its name, and every row is taken: no word of last rows
    expected = js.envelope(js.read_runs("curves.csv", run="run"), how="hull", draws=0)
    assert (status, found["verdict"], found["curves"]) == (0, expected.verdict, 4)
    assert [row["N"] for row in found["rows"]] == expected.to_frame()["N"].tolist()


def test_approaches_passes_every_choice_on(jaxscale, sweep, monkeypatch):
    asked = []
    monkeypatch.setattr(js, "approaches", lambda runs, **choices: asked.append((runs, choices)) or js.laws.get("none"))
    budgets = ("--budget", "1e21", "--budget", "100 PF-days")
    jaxscale("approaches", "sweep.csv", *budgets, "--non-embedding", "47491", "--draws", "7")
    jaxscale("approaches", "sweep.csv", "--non-embedding", "params")
    (runs, choices), (others, more) = asked
    assert (runs.count, choices["budgets"], choices["non_embedding"]) == (54, [1e21, 1e17 * 86400], 47491)
    assert (choices["draws"], choices["level"], choices["seed"]) == (7, 0.9, 0)
    assert more["non_embedding"] == "M"
    assert others.variable("M").tolist() == pytest.approx(others.variable("N").tolist(), rel=1e-12)


@pytest.mark.slow
def test_approaches(jaxscale, sweep):
    status, out, _ = jaxscale("approaches", "sweep.csv", "--draws", "20", "--json")
    found, expected = json.loads(out), js.approaches("sweep.csv", draws=20)
    assert (status, found["verdict"], found["agree"]) == (0, expected.verdict, expected.agree)
    assert [row["a"] for row in found["rows"]] == [None, *expected.to_frame()["a"].tolist()[1:]]
    assert found["fit"]["params"] == dict(expected.fit.params)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("isoflop", "runs.csv", "--method", "cubic"), "method"),
        (("isoflop", "runs.csv", "--points", "some"), "--points takes all or a whole number from 1 on"),
        (("isoflop", "runs.csv", "--budget", "$2M"), "--budget: '$2M' is in dollars"),
        (("isoflop", "runs.csv", "--draws", "-1"), "--draws takes a whole number from 0 on"),
        (("envelope", "runs.csv", "--how", "low"), "how must be one of curves, hull, bins"),
        (("approaches", "runs.csv", "--non-embedding", "bare"), "bare"),
        (("approaches", "runs.csv", "--level", "all"), "--level: 'all' is not a number"),
    ],
)
def test_what_cannot_be_asked_about_sizes(jaxscale, arguments, message):
    status, out, err = jaxscale(*arguments)
    assert (status, out) == (2, "")
    assert message in err
