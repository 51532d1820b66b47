"""The page's own JavaScript run outside a page: what its engine answers to states of the sliders."""

from typing import Any

from browsing import run_node

_SCRIPT = """
const Engine = require(process.argv[1]), cases = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = cases.map(({model, states}) => states.map(state => ({...Engine.answer(model, state), curve: null})));
process.stdout.write(JSON.stringify(answers));
"""


def answered(cases: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Answers to `states` by `model` of each case; numbers that are not finite are None."""
    return run_node("engine.js", _SCRIPT, cases)


def state_of(model: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Where the sliders stand at first: on the plan."""
    usual = {"budget": None, "served": None, "cap": None, "price": None, "sigmas": 0.0}
    first = {c["id"]: None if c["none"] == 0 else c["base"] for c in model["controls"]}
    return usual | first | changed
