"""The chart of a recipe has the recipe's numbers."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import HOSTILE, check_words

import jaxscale as js
from jaxscale.plot._charts import recipe_chart
from jaxscale.plot._charts.chart import Bars, Dots, Rule


@pytest.fixture(scope="module")
def made() -> js.Recipe:
    return js.recipe(N=8e9, D=1.6e11, devices="512 x H100 @ 40%", batch="step_law")


def test_shapes_batches_and_memory_are_those_of_the_record(made):
    shapes, batches, memory = recipe_chart.recipe(made).panels
    (bars,) = (mark for mark in shapes.marks if isinstance(mark, Bars))
    assert bars.end.tolist() == [100 * p.off for p in made.proposals]
    drawn = np.sort(np.concatenate([m.x for m in batches.marks if isinstance(m, Dots)]))
    assert drawn.tolist() == sorted(rule.batch for rule in made.rules)
    assert [m.at for m in batches.marks if isinstance(m, Rule) and m.label == "chosen"] == [made.batch]
    *_, top = (mark for mark in memory.marks if isinstance(mark, Bars))
    np.testing.assert_allclose(top.end, [m.total / 1e9 for m in made.memory])
    assert [m.at for m in memory.marks if isinstance(m, Rule)] == [made.machine.memory / 1e9]


def test_words_of_recipes_overlap_none(made, monkeypatch):
    for one in (made, js.recipe(N=8e9, D=1.6e11), replace(made, label=HOSTILE)):
        check_words(one.plot(), monkeypatch)
