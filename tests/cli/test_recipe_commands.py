"""What exactly to train, from a shell."""

import json

import pytest

import jaxscale as js

NAMED = "chinchilla:besiroglu"


def test_recipes_are_those_of_python(jaxscale, folder):
    plan = js.frontier(js.laws.instance(NAMED), [1e21, 1e24])
    plan.save(folder / "plan.json")
    options = ("--devices", "2048 x H100 @ 40%", "--kv-heads", "8", "--batch", "4M", "--json")
    expected = js.recipe(plan, row=1, devices="2048 x H100 @ 40%", kv_heads=8, batch="4M").to_dict()
    for source in ((NAMED, "--budget", "1e24"), ("plan.json", "--row", "1")):
        status, out, _ = jaxscale("recipe", *source, *options)
        found = json.loads(out)
        assert status == 0
        assert found | {"label": ""} == expected | {"label": ""}
    sizes = ("-N", "8B", "-D", "160B")
    assert json.loads(jaxscale("recipe", *sizes, "--json")[1])["plan"]["loss"] is None
    assert json.loads(jaxscale("recipe", NAMED, *sizes, "--json")[1])["plan"]["loss"] == pytest.approx(
        js.laws.instance(NAMED).predict(N=8e9, D=1.6e11)
    )
    text = jaxscale("recipe", *sizes, "--ffn", "plain", "--tied", "--aspect", "32:64", "--wish", "40")[1]
    assert "plain feed-forward" in text and "none is chosen" in text


def test_yaml_is_written_where_the_name_says_so(jaxscale, folder):
    status, out, err = jaxscale("recipe", "-N", "1B", "-D", "20B", "-o", "recipe.yaml")
    assert (status, out, err) == (0, "", "wrote 'recipe.yaml'\n")
    assert (folder / "recipe.yaml").read_text() == js.recipe(N=1e9, D=2e10).to_yaml()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give PLAN, the file of a plan; or FIT with --budget; or -N and -D"),
        (("-N", "1B"), "give N and D together"),
        ((NAMED, "--budget", "1e24", "-N", "1B", "-D", "20B"), "not both"),
        (("runs.csv",), "cannot read 'runs.csv': it is no JSON"),
        (("-N", "1B", "-D", "20B", "--aspect", "64"), "--aspect takes LEAST:MOST"),
        (("-N", "1B", "-D", "20B", "--layers", "many"), "--layers takes a whole number from 1 on"),
    ],
)
def test_what_cannot_be_is_refused(jaxscale, words, said):
    status, out, err = jaxscale("recipe", *words)
    assert (status, out) == (2, "")
    assert said in err
