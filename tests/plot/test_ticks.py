"""Where ticks stand and what they say."""

import numpy as np
import pytest

from jaxscale.plot._charts.ticks import tick_texts, ticks


@pytest.mark.parametrize(
    ("low", "high", "log", "form", "most", "texts"),
    [
        (5e7, 3e10, True, "count", 6, ["100M", "300M", "1B", "3B", "10B", "30B"]),
        (1e18, 1e25, True, "count", 4, ["1e19", "1e21", "1e23", "1e25"]),
        (1.2e9, 3.9e9, True, "count", 4, ["2B", "3B"]),
        (2.31, 2.64, False, "plain", 6, ["2.35", "2.40", "2.45", "2.50", "2.55", "2.60"]),
        (-0.7, 0.6, False, "plain", 5, ["−0.50", "−0.25", "0.00", "0.25", "0.50"]),
        (0.0, 9.0, False, "count", 6, ["0", "2", "4", "6", "8"]),
        (0.5, 200.0, True, "plain", 6, ["1", "3", "10", "30", "100"]),
        (0, 2e-5, False, "plain", 4, ["0", "1e-5", "2e-5"]),
        (3e5, 9e5, False, "plain", 4, ["400000", "600000", "800000"]),
    ],
)
def test_ticks_read_as_people_write(low, high, log, form, most, texts):
    places = ticks(low, high, log, form == "count", most)
    assert tick_texts(places, form, log) == texts


def test_ticks_are_round_inside_and_never_too_many():
    rng = np.random.default_rng(0)
    for _ in range(500):
        low = 10 ** rng.uniform(-12, 20)
        high = low * 10 ** rng.uniform(0.01, 12)
        for log in (True, False):
            places = ticks(low, high, log, False, 5)
            slack = 1e-6 * (low if log else high - low)
            assert len(places) <= 5 and all(low - slack <= t <= high * (1 + 1e-6) for t in places)
            assert len(set(tick_texts(places, "plain", log))) == len(places)
