"""The chart of skills has the errors of the record, whatever benchmarks are called."""

import numpy as np
import pandas as pd
import pytest
from pictures import HOSTILE, check_words

import jaxscale as js
from jaxscale.plot._charts import skills_chart
from jaxscale.plot._charts.chart import Dots

ERRORS = {
    "sigmoid of compute": [0.05, 0.08, np.nan],
    "with families": [0.04, 0.06, np.nan],
    "skills": [0.06, 0.03, 0.02],
    "principal components": [0.05, 0.04, 0.03],
}


@pytest.fixture
def found() -> js.Skills:
    names = ("mmlu", "gsm8k", HOSTILE)
    errors = pd.DataFrame({**ERRORS, "families": [3, 3, 1]}, index=pd.Index(names, name="benchmark"))
    return js.Skills(names, ("a", "b", "c"), 9, 0, dict.fromkeys(names, 0.0), errors, {})


def test_errors_and_their_means_are_drawn_in_points(found):
    (panel,) = skills_chart.skills(found).panels
    assert panel.y.names[:3] == ("mean of all", "mmlu", "gsm8k")  # the benchmark that is told best is at the top
    drawn = {mark.label: mark.x for mark in panel.marks if isinstance(mark, Dots)}
    assert list(drawn) == list(ERRORS)
    for way, errors in ERRORS.items():
        np.testing.assert_allclose(drawn[way], [100 * np.nanmean(errors), *(100 * x for x in errors)])


def test_words_of_skills_overlap_none(found, monkeypatch):
    picture = found.plot()
    check_words(picture, monkeypatch)
    assert "skills 3.7" in picture.alt
