"""--plot: the picture of a record in the file named, and refusals before any work is done."""

import pytest

import jaxscale as js

PLAN = ("frontier", "chinchilla:besiroglu", "--budget", "1e21", "--budget", "1e22")


def test_a_plan_is_drawn_beside_its_report(jaxscale, folder):
    status, out, err = jaxscale(*PLAN, "--plot", "plan.svg")
    assert status == 0 and "1e21" in out and "wrote 'plan.svg'" in err
    text = (folder / "plan.svg").read_text(encoding="utf-8")
    assert "best size N (parameters)" in text and "budget (FLOPs)" in text
    plan = js.frontier(js.laws.chinchilla.published["besiroglu"], [1e21, 1e22])
    plan.plot().savefig("same.svg")
    assert (folder / "same.svg").read_text(encoding="utf-8") == text


def test_a_recipe_is_drawn_beside_its_yaml(jaxscale, folder):
    status, out, err = jaxscale("recipe", "-N", "8B", "-D", "160B", "-o", "recipe.yaml", "--plot", "recipe.svg")
    assert (status, out) == (0, "") and "wrote 'recipe.yaml'" in err and "wrote 'recipe.svg'" in err
    assert "layers x width" in (folder / "recipe.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*PLAN, "--plot", "plan.jpg"), "--plot 'plan.jpg': give a name that ends in .png, .svg or .pdf"),
        ((*PLAN, "--plot", "none/plan.png"), "--plot 'none/plan.png': the folder 'none' does not exist"),
        (("fit", "runs.csv", "--by", "corpus", "--plot", "fit.png"), "--plot draws one fit, and --by makes many"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_any_work(jaxscale, asked, arguments, words):
    status, out, err = jaxscale(*arguments)
    assert (status, out) == (2, "") and words in err


def test_without_matplotlib_the_extra_is_named(jaxscale, monkeypatch):
    monkeypatch.setattr("jaxscale._cli.arguments.find_spec", lambda name: None)
    status, _, err = jaxscale(*PLAN, "--plot", "plan.png")
    assert status == 2 and "jaxscale[plot]" in err


BEGINS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.mark.slow  # a fit, plans, a comparison
def test_every_command_that_the_readme_names_draws_each_kind_of_file(jaxscale, folder):
    js.synthetic.demo_frame().to_csv(folder / "runs.csv", index=False)
    asked = {
        "fit": ("runs.csv", "--intervals", "quick", "-o", "fit.json"),
        "frontier": ("fit.json", "--budget", "1e22", "-o", "plan.json"),
        "what-if": ("fit.json", "--budget", "1e22", "--max-tokens", "1e11"),
        "compare": ("runs.csv", "--laws", "chinchilla,kaplan_nd", "--holdout", "C > 1e20"),
        "approaches": ("runs.csv", "--draws", "20"),
    }
    for k, (command, words) in enumerate(asked.items()):
        kind = ("png", "svg", "pdf")[k % 3]
        status, _, err = jaxscale(command, *words, "--plot", f"{command}.{kind}")
        assert status == 0 and f"wrote '{command}.{kind}'" in err, (command, err)
        assert (folder / f"{command}.{kind}").read_bytes().startswith(BEGINS[kind])
