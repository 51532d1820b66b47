"""Learning-rate schedules: published figures, and the sums step by step."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers import COUNT, LAW_CASES, SCHEDULES, as_printed, random_params, respond

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---


_PEAK, _STEPS = 3e-4, 21840


_WARMUP = _PEAK * np.arange(1, 2161) / 2160


_CONSTANT = np.concatenate([_WARMUP, np.full(_STEPS, _PEAK)])


_COSINE = np.concatenate([_WARMUP, _PEAK * (0.55 + 0.45 * np.cos(np.pi * np.linspace(0, 1, _STEPS)))])


PREDICTIONS = [
    ("multi_power_law:400m", {"lr": _CONSTANT}, "2.660994"),
    ("multi_power_law:100m", {"lr": _CONSTANT}, "2.901933"),
    ("multi_power_law:25m", {"lr": _CONSTANT}, "3.237146"),
    ("multi_power_law:400m", {"lr": _COSINE}, "2.601654"),
    ("multi_power_law:100m", {"lr": _COSINE}, "2.859222"),
    ("multi_power_law:25m", {"lr": _COSINE}, "3.206861"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


# --- Laws that are other laws at some values of their parameters or variables ---


def _constant_rate(law: str) -> tuple:
    p = random_params(law)
    lr = 1e-3 * np.ones((COUNT, 50))
    area = {"A": p["A"], "E": p["L0"], "alpha": p["alpha"]}
    return respond(law, p, lr=lr), respond(laws.power_law("S1"), area, S1=0.05)


def _no_gain_from_falls() -> tuple:
    p, lr = random_params("multi_power_law"), SCHEDULES[np.arange(COUNT) % len(SCHEDULES)]
    area = {"A": p["A"], "E": p["L0"], "alpha": p["alpha"]}
    return respond("multi_power_law", {**p, "B": 0.0}, lr=lr), respond(laws.power_law("S1"), area, S1=lr.sum(axis=1))


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("tissue at a constant rate", lambda: _constant_rate("tissue_annealing"), 1e-12),
    ("multi-power law at a constant rate", lambda: _constant_rate("multi_power_law"), 1e-12),
    ("multi-power law without B", _no_gain_from_falls, 1e-12),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def _by_hand_multi_power(p: dict, lr: np.ndarray) -> float:
    start = int(np.argmax(np.diff(lr) < 0)) + 1  # the first step with a lower rate than the one before
    area = np.sum(lr)
    gain = sum(
        (lr[k - 1] - lr[k]) * (1 - (p["C"] * lr[k] ** -p["gamma"] * np.sum(lr[k:]) + 1) ** -p["beta"])
        for k in range(start, len(lr))
    )
    return p["L0"] + p["A"] * area ** -p["alpha"] - p["B"] * gain


def _by_hand_tissue(p: dict, lr: np.ndarray) -> float:
    start = int(np.argmax(np.diff(lr) < 0)) + 1
    momentum, total = 0.0, 0.0
    for k in range(start, len(lr)):
        momentum = p["lam"] * momentum + lr[k - 1] - lr[k]
        total += momentum
    return p["L0"] + p["A"] * np.sum(lr) ** -p["alpha"] - p["C"] * total


@pytest.mark.parametrize(
    ("name", "by_hand"), [("multi_power_law", _by_hand_multi_power), ("tissue_annealing", _by_hand_tissue)]
)
def test_schedules_step_by_step(name, by_hand):
    case = next(case for case in LAW_CASES if case.law.name == name)
    falling = [lr[lr > 0] for lr in SCHEDULES if np.any(np.diff(lr) < 0)]
    expected = [by_hand(case.truth, lr) for lr in falling]
    padded = np.stack([np.pad(lr, (0, 70 - len(lr))) for lr in falling])  # zeros at the end are no steps
    np.testing.assert_allclose(case.law.predict(case.truth, lr=padded), expected, rtol=1e-12)


def test_a_falling_rate_lowers_loss_at_equal_area():
    """Rates that never rise after warm-up gain something; the gain is what B or C scales."""
    for name, gain in (("multi_power_law", "B"), ("tissue_annealing", "C")):
        case = next(case for case in LAW_CASES if case.law.name == name)
        falls = np.array([lr for lr in SCHEDULES if np.any(np.diff(lr) < 0) and np.all(np.diff(lr)[10:] <= 0)])
        none = case.law.predict({**case.truth, gain: 1e-30}, lr=falls)
        assert len(falls) >= 8
        assert np.all(case.law.predict(case.truth, lr=falls) < none)
