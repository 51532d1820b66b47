"""What flags become: laws, columns, objectives, intervals."""

import pytest
from helpers import table_text

import jaxscale as js


def test_fit_passes_every_choice_on(jaxscale, folder, asked):
    text = table_text().replace("params,tokens,loss", "size,seen,bpt")
    (folder / "odd.csv").write_text(text)
    names = ("-N", "size", "-D", "seen", "--loss", "bpt")
    choices = ("--fix", "E=1.8", "--tie", "alpha,beta", "--objective", "squared-raw", "--starts", "8", "--seed", "5")
    choices += ("--bounds", "alpha=.2:.6", "--bounds", "A=1:", "--bounds", "B= :1k")
    more = ("--intervals", "quick", "--level", "0.8", "--where", "seen > 3B")
    jaxscale("fit", "odd.csv", *names, *choices, *more)
    [(law, runs, options)] = asked
    assert (law, options.pop("progress") is not None) == (js.laws.chinchilla, True)
    assert options == {
        "fixed": {"E": 1.8},
        "tied": [("alpha", "beta")],
        "bounds": {"alpha": (0.2, 0.6), "A": (1.0, None), "B": (None, 1000.0)},
        "priors": {},
        "objective": js.SquaredError(space="raw"),
        "starts": 8,
        "seed": 5,
        "intervals": "quick",
        "level": 0.8,
    }
    assert (runs.count, runs.record.filtered) == (24, 6)


OBJECTIVES = {
    "": js.Huber(1e-3),
    "--delta 0.01": js.Huber(0.01),
    "--delta matched": js.Huber("matched"),
    "--objective student": js.StudentT(),
    "--objective absolute": js.AbsoluteError(),
    "--objective lower-edge": js.LowerEdge(),
    "--objective lower-edge:0.2 --delta 0.01": js.LowerEdge(0.2, 0.01),
}


@pytest.mark.parametrize("arguments", OBJECTIVES)
def test_kinds_of_objectives(jaxscale, asked, arguments):
    jaxscale("fit", "runs.csv", *arguments.split())
    [(_, _, options)] = asked
    assert options["objective"] == OBJECTIVES[arguments]


@pytest.mark.parametrize(
    ("arguments", "intervals", "draws"),
    [
        ((), "auto", None),
        (("--intervals", "none"), None, None),
        (("--intervals", "None"), None, None),
        (("--intervals", "Quick"), "quick", None),
        (("--bootstrap", "50"), "bootstrap", 50),
        (("--bootstrap", "50", "--intervals", "bootstrap"), "bootstrap", 50),
    ],
)
def test_kinds_of_intervals(jaxscale, asked, arguments, intervals, draws):
    jaxscale("fit", "runs.csv", *arguments)
    [(_, _, options)] = asked
    assert (options["intervals"], options.get("draws")) == (intervals, draws)


def test_fit_finds_every_variable_and_response_of_a_law(jaxscale, folder, asked):
    (folder / "steps.csv").write_text("params,steps,loss\n1e6,1e3,4\n1e7,1e4,3\n")
    jaxscale("fit", "steps.csv", "--law", "kaplan_ns", "--col", "S_min=steps")
    (folder / "batches.csv").write_text("l,b\n2,1e6\n3,2e6\n")
    jaxscale("fit", "batches.csv", "--law", "kaplan_bcrit", "--loss", "l", "--response", "b")
    read = [
        ({name: values.tolist() for name, values in runs.variables.items()}, runs.response.tolist())
        for _, runs, _ in asked
    ]
    assert read == [({"N": [1e6, 1e7], "S_min": [1e3, 1e4]}, [4, 3]), ({"loss": [2, 3]}, [1e6, 2e6])]


def test_laws_are_told_apart_by_commas_outside_brackets_and_take_options(monkeypatch, jaxscale):
    asked = []
    monkeypatch.setattr(js, "compare", lambda runs, laws, **_: asked.extend(laws) or js.laws.get("nothing"))
    jaxscale(
        "compare",
        "runs.csv",
        "--laws",
        "chinchilla, bnsl(breaks=2, variable=C),power_law(floor=false)",
        "--rolling",
        "D",
    )
    assert [js.laws.label_of(law) for law in asked] == [
        "chinchilla", "bnsl(breaks=2, variable=C)", "power_law(floor=False)",
    ]  # fmt: skip
    assert asked[1] is js.laws.bnsl(2, "C")


def test_a_unit_overrules_the_header(jaxscale, folder, asked):
    text = table_text().replace("params,tokens,loss", "params (M),tokens,loss")
    (folder / "odd.csv").write_text(text)
    status, _, err = jaxscale("fit", "odd.csv")
    assert status == 2 and "--unit N=1)" in err
    jaxscale("fit", "odd.csv", "--unit", "N=1")
    [(_, runs, _)] = asked
    assert runs.record.conventions["N"] == "read as it is, as asked"
