"""What `--json` prints is what a schema that ships with the package says."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pandas as pd
import pytest
from helpers import table

import jaxscale as js


def check(text: str) -> dict:
    """The document in a text, which begins with its format and has a schema of that name."""
    document = json.loads(text)
    name = document["format"].removeprefix("jaxscale.").removesuffix("/1")
    assert list(document)[:2] == ["format", "jaxscale_version"]
    schema = json.loads((files("jaxscale") / "schemas" / f"{name}.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    for key in document:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate({k: v for k, v in document.items() if k != key})
    return document


@pytest.fixture(scope="module")
def groups(tmp_path_factory) -> str:
    """A file of a fit and of one that failed."""
    flat = {**table(), "loss": np.full(30, -1.0)}
    path = tmp_path_factory.mktemp("groups") / "fits.json"
    js.fit_many("chinchilla", {"good": pd.DataFrame(table()), "bad": pd.DataFrame(flat)}, intervals=None).save(path)
    return str(path)


def test_predictions(jaxscale, groups):
    _, out, _ = jaxscale("predict", "chinchilla:besiroglu", "-N", "1B", "-D", "20B", "--json")
    assert check(out)["rows"][0]["value"] > 1
    good, bad = check(jaxscale("predict", groups, "-N", "1B", "-D", "20B", "--json")[1])["rows"]
    assert good["trustworthy"] is True and bad["value"] is None and bad["error"]


def test_best_models(jaxscale, groups):
    for more in (("--budget", "1e21"), ("--reach", "2.5")):
        good, bad = check(jaxscale("allocate", groups, *more, "--json")[1])["rows"]
        assert good["N"] > 1e6 and set(bad) == {"group", "error"}
    unreachable = check(jaxscale("allocate", "chinchilla:besiroglu", "--reach", "1.0", "--json")[1])
    assert unreachable["rows"][0]["N"] is None


def test_laws(jaxscale):
    every = check(jaxscale("laws", "--json")[1])["laws"]
    assert [law["name"] for law in every] == list(js.laws.names())
    (law,) = check(jaxscale("laws", "besiroglu", "--json")[1])["laws"]
    assert law["constants"]["besiroglu"]["params"] == js.laws.instance("chinchilla:besiroglu").params


def test_known_models(jaxscale):
    rows = check(jaxscale("models", "--json")[1])["rows"]
    frame = js.reference_models().to_frame()
    assert [row["N"] for row in rows] == frame["N"].tolist()


@pytest.mark.slow
def test_solve_says_how_much_of_one_variable_reaches_a_response(jaxscale, tmp_path):
    """By hand: E + A H^-alpha = 5 at H = (A / (5 - E))^(1 / alpha)."""
    hours = np.geomspace(1, 5000, 12)
    rows = "\n".join(f"{h:.6g},{3 + 40 * h**-0.4:.8g}" for h in hours)
    (tmp_path / "wer.csv").write_text(f"hours,wer\n{rows}\n")
    law = "power_law(variable=H)"
    options = ("--col", "H=hours", "--response", "wer", "--intervals", "none")
    status, _, err = jaxscale("fit", str(tmp_path / "wer.csv"), "--law", law, *options, "-o", str(tmp_path / "h.json"))
    assert status == 0, err
    status, out, _ = jaxscale("solve", str(tmp_path / "h.json"), "--reach", "5", "--json")
    (row,) = json.loads(out)["rows"]
    assert status == 0 and row["variables"]["H"] == pytest.approx((40 / 2) ** (1 / 0.4), rel=1e-5)
    status, out, err = jaxscale("allocate", str(tmp_path / "h.json"), "--reach", "5")
    assert (status, out) == (2, "") and "solve" in err
    status, out, err = jaxscale("solve", str(tmp_path / "h.json"))
    assert (status, out) == (2, "") and "--reach" in err and "--budget" not in err
