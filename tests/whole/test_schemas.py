"""Every file jaxscale writes is what its schema says, and the schemas refuse what is not."""

import copy
import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
import referencing
from helpers import table

import jaxscale as js
from jaxscale._problem.problem import Noise

NAMES = (
    *("fit", "fits", "draws", "plan", "what_if", "compare", "card", "recipe", "multiplier", "forecast", "score"),
    *("isoflop", "envelope", "watch"),
)
ANSWERS = ("profile", "influence", "multiverse", "approaches")  # which take refits
SCHEMAS = {
    name: json.loads((files("jaxscale") / "schemas" / f"{name}.json").read_text("utf-8")) for name in NAMES + ANSWERS
}
EACH = [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in ANSWERS)]
REGISTRY = referencing.Registry().with_resources(
    [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in SCHEMAS.values()]
)


def check(name: str, document: dict) -> None:
    jsonschema.Draft202012Validator(SCHEMAS[name], registry=REGISTRY).validate(document)


def tables() -> tuple[js.Runs, js.Runs]:
    """A sweep of budgets, and five training curves."""
    places = [(k, d) for k in range(5) for d in 1e9 * 2.0 ** np.arange(8)]
    N, D = np.array([(3e6 * 3.0**k, d) for k, d in places]).T
    loss, names = 1.8 + 480 * N**-0.35 + 2000 * D**-0.37, [f"r{k}" for k, _ in places]
    curves = js.read_runs(pd.DataFrame({"N": N, "D": D, "loss": loss, "run": names}), run="run", checkpoints="all")
    return js.read_runs(js.synthetic.demo_frame()), curves


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, list[dict]]:
    """Of the formats in ANSWERS."""
    runs, (sweep, curves) = js.Runs.from_frame(table()), tables()
    plain = js.fit("chinchilla", runs, intervals="quick")
    groups = ["a", "b", "b"] * 10
    written = {
        "profile": [js.profile(plain, "alpha"), js.profile(plain, at={"N": 1e10, "D": 1e11})],
        "influence": [
            js.influence(plain, exact=False),
            js.influence(plain, budget=1e22, exact=False, by=groups),
        ],
        "multiverse": [js.multiverse(runs, budget=1e22, objectives={"a": js.Huber(), "b": js.Huber(2e-3)})],
        "approaches": [js.approaches(sweep, draws=20, non_embedding=47491), js.approaches(curves, draws=0)],
    }
    folder = tmp_path_factory.mktemp("answers")
    return {name: [saved(record, folder / f"{name}.json") for record in records] for name, records in written.items()}


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> dict[str, list[dict]]:
    """Real outputs of every format, as they come back from JSON."""
    runs = js.Runs.from_frame(table())
    plain = js.fit("chinchilla", runs, intervals="quick")
    pins = {"fixed": {"E": 1.8}, "tied": [("alpha", "beta")], "bounds": {"A": (1, None)}}
    pinned = js.fit("chinchilla", runs, intervals=None, objective=js.SquaredError(space="raw"), starts=16, **pins)
    odd = table()
    odd["loss"][3] *= 1.3
    noted = js.fit("chinchilla", js.Runs.from_frame(odd), intervals=None, bounds={"E": (2.0, None)})
    flat, bad = ({**table(), name: np.full(30, value)} for name, value in (("D", 2e9), ("loss", -1.0)))
    frames = {name: pd.DataFrame(columns) for name, columns in (("good", table()), ("flat", flat), ("bad", bad))}
    student = replace(plain, objective=js.StudentT(4, 0.005), noise=Noise(0.005, 1.0, 2.5e-5), priors={"E": (1.7, 0.1)})
    many = js.fit_many("chinchilla", frames, intervals=None)
    rows = pd.concat(frame.assign(corpus=name, width=64) for name, frame in frames.items())
    crossed = js.fit_many("chinchilla", rows, by=["corpus", "width"], intervals=None)
    shared = js.fit_many(js.laws.power_law("N"), frames, share={"alpha": 0.1, "E": 0}, draws=20)
    made = js.bootstrap(plain, draws=20)
    plans = [
        js.frontier(source, [1e21, 1e24]) for source in (plain, pinned, made, js.laws.instance("chinchilla:besiroglu"))
    ]
    plans.append(js.frontier(plain, [1e21, 1e24], under="draws"))  # few points: a program that other tests compile
    compared = [js.compare(runs, ["chinchilla", "muennighoff"], rolling="C", cuts=2)]
    changed = [js.what_if(plans[0], set={"beta": "+1sigma"}), js.what_if(plans[3], limits={"D_max": 1e12})]
    recipes = [
        js.recipe(plans[0], row=1, batch=4e6, devices="2048 x H100 @ 40%"),
        js.recipe(N=1e9, D=2e10, count="with_head"),
    ]
    cards = [fit.card() for fit in (plain, pinned, noted)]
    multipliers = [js.multiplier({"a": plain, "b": made}, at=1e22), js.multiplier({"a": plain, "b": pinned}, at=1e22)]
    forecasts = [
        js.forecast(plain, [{"N": 1e10, "D": 1e11}]),
        js.forecast(plain, plans[0]),
        js.forecast(pinned, plans[1]),
    ]
    scores = [js.score(forecasts[0], js.Runs.from_frame({"N": [1e10, 1e9], "D": [1e11, 1e11], "loss": [2.2, 2.5]}))]
    sweep, curves = tables()
    written = {
        "isoflop": [js.isoflop(sweep, method=method, draws=20, points=None) for method in ("parabola", "unbiased")],
        "envelope": [js.envelope(curves, count=10, draws=0), js.envelope(curves, how="hull", count=10, draws=20)],
        "fit": [plain, pinned, noted, student], "fits": [many, shared, crossed], "draws": [made], "plan": plans,
        "what_if": changed,
        "compare": compared, "card": cards, "recipe": recipes, "multiplier": multipliers,
        "forecast": forecasts, "score": scores,
        "watch": [js.watch(curves, "r4", 4e11), js.watch(curves, "r4", 4e11, goal=2.0)],
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("records")
    return {name: [saved(record, folder / f"{name}.json") for record in records] for name, records in written.items()}


@pytest.fixture
def made(name, request) -> dict[str, list[dict]]:
    """The documents among which those of that format are."""
    return request.getfixturevalue("answers" if name in ANSWERS else "documents")


def saved(record, path) -> dict:
    """What the file of a record holds, which is what the record says of itself."""
    record.save(path)
    assert path.read_text("utf-8") == json.dumps(record.to_dict(), indent=1, allow_nan=False) + "\n"
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("name", NAMES + ANSWERS)
def test_schema_is_a_schema(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", EACH)
def test_what_is_written_is_what_the_schema_says(name, made):
    for document in made[name]:
        check(name, document)


@pytest.mark.parametrize("name", EACH)
def test_every_file_begins_with_its_format_and_what_wrote_it(name, made):
    for document in made[name]:
        assert list(document.items())[:2] == [("format", f"jaxscale.{name}/1"), ("jaxscale_version", js.__version__)]


def test_the_documents_cover_failures_and_missing_numbers(documents):
    assert [entry["ok"] for entry in documents["fits"][0]["fits"]] == [True, True, False]
    assert any(document["covariance"] is None for document in documents["fit"])
    assert any(document["objective"]["delta"] is None for document in documents["fit"])
    reasons = [reason for document in documents["fit"] for reason in document["verdict"]["reasons"]]
    assert any(reason["rows"] == [4] for reason in reasons) and any(reason["params"] == ["E"] for reason in reasons)
    assert any(row["intervals"] == {} for document in documents["plan"] for row in document["rows"])


def paths(node, path=()):
    """Every place in a document, as a sequence of keys."""
    yield path
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from paths(child, (*path, key))


def changed(document, path, value):
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize("name", EACH)
def test_schema_refuses_a_missing_or_unknown_entry_at_the_top(name, made):
    document = made[name][0]
    for key in document:
        with pytest.raises(jsonschema.ValidationError):
            check(name, changed(document, (key,), ...))
    with pytest.raises(jsonschema.ValidationError):
        check(name, document | {"made_on": "a Tuesday"})


@pytest.mark.parametrize("name", EACH)
def test_schema_refuses_code_and_other_kinds_in_place_of_any_entry(name, made):
    document = made[name][0]
    for path in [p for p in paths(document) if p and len(p) <= 2]:
        with pytest.raises(jsonschema.ValidationError):
            check(name, changed(document, path, {"__reduce__": ["a", {"b": "c"}]}))
