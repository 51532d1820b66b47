"""Experts: published figures, and the laws that are left at one number of them."""

from collections.abc import Callable

import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, of, random_params, respond, sizes_and_tokens

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("clark_routed:s_base", {"N": 1e8, "E": 1}, "2.74415"),
    ("clark_routed:s_base", {"N": 1e8, "E": 64}, "2.43053"),
    ("clark_routed:s_base", {"N": 1.3e9, "E": 64}, "2.04978"),
    ("krajewski_granularity:moe", {"N": 64e8, "D": 4.37e9, "G": 8}, "3.0444"),
    ("krajewski_granularity:moe", {"N": 1e8, "D": 4.37e9, "G": 8}, "3.9004"),
    ("krajewski_granularity:moe", {"N": 64e9, "D": 28.94e9, "G": 16}, "2.4218"),
    ("krajewski_granularity:moe", {"N": 192e9, "D": 72.90e9, "G": 16}, "2.1828"),
    ("krajewski_granularity:moe", {"N": 448e9, "D": 137.60e9, "G": 32}, "2.0203"),
    ("krajewski_granularity:moe", {"N": 4480e9, "D": 941.07e9, "G": 32}, "1.6500"),
    ("krajewski_granularity:moe", {"N": 19200e9, "D": 2.96e12, "G": 64}, "1.4649"),
    ("krajewski_granularity:moe", {"N": 64000e9, "D": 7.94e12, "G": 64}, "1.3337"),
    ("abnar_sparsity:abnar", {"N": 1e9, "D": 2e10, "S": 0}, "2.565681"),
    ("abnar_sparsity:abnar", {"N": 1e9, "D": 2e10, "S": 0.9}, "2.701872"),
    ("abnar_sparsity:abnar", {"N": 1e10, "D": 1e11, "S": 0.95}, "2.190219"),
    ("abnar_sparsity:abnar", {"N": 1.88e10, "D": 1.102e11, "S": 0.98}, "2.169335"),
    ("ludziejewski_joint_moe:ludziejewski", {"N": 1e9, "D": 2e10, "E": 1}, "2.577600"),
    ("ludziejewski_joint_moe:ludziejewski", {"N": 1e9, "D": 2e10, "E": 8}, "2.508777"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def _joint(form: str, *args: float) -> object:
    return of("ludziejewski_joint_moe:ludziejewski", form, *args)


CLOSED_FORMS: list[tuple[str, Callable[[], object], str]] = [
    ("clark, one expert", lambda: of("clark_routed:s_base", "experts", 1), "1.847"),
    ("clark, endless experts", lambda: of("clark_routed:s_base", "experts", 1e12), "314.478"),
    ("clark, 5M with 128", lambda: of("clark_routed:s_base", "effective_size", 5e6, 128), "5.18e7"),
    ("clark, cut-off S-BASE", lambda: of("clark_routed:s_base", "cutoff_size"), "1.0e12"),
    ("clark, cut-off RL-R", lambda: of("clark_routed:rl_r", "cutoff_size"), "3.2e10"),
    ("clark, cut-off HASH", lambda: of("clark_routed:hash", "cutoff_size"), "2.2e11"),
    ("joint, 1e20, 1", lambda: _joint("allocation", 1e20, 1).N, "1.7269e9"),
    ("joint, 1e20, 1", lambda: _joint("allocation", 1e20, 1).D, "9.6512e9"),
    ("joint, 1e20, 8", lambda: _joint("allocation", 1e20, 8).N, "9.9000e8"),
    ("joint, 1e20, 8", lambda: _joint("allocation", 1e20, 8).D, "1.6835e10"),
    ("joint, 1e20, 32", lambda: _joint("allocation", 1e20, 32).N, "6.7417e8"),
    ("joint, 1e20, 32", lambda: _joint("allocation", 1e20, 32).D, "2.4722e10"),
    ("joint, 1e22, 1", lambda: _joint("allocation", 1e22, 1).N, "1.8878e10"),
    ("joint, 1e22, 8", lambda: _joint("allocation", 1e22, 8).N, "1.4480e10"),
    ("joint, 1e22, 32", lambda: _joint("allocation", 1e22, 32).N, "1.2282e10"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "printed"), [c[1:] for c in CLOSED_FORMS], ids=[c[0] for c in CLOSED_FORMS])
def test_published_closed_form(value, printed):
    assert float(value()) == as_printed(printed)


# --- Statements about published constants ---


def test_krajewski_published_losses_are_a_little_above_the_rounded_law():
    size = 64 * np.array([1e8, 1e9, 3e9, 7e9, 70e9, 300e9, 1e12])
    tokens = np.array([4.37e9, 28.94e9, 72.90e9, 137.60e9, 941.07e9, 2.96e12, 7.94e12])
    published = [3.133, 2.491, 2.245, 2.076, 1.694, 1.503, 1.367]
    law = laws.instance("krajewski_granularity:moe").predict(
        N=size, D=tokens, G=np.array([8, 16, 16, 32, 32, 64, 64.0])
    )
    np.testing.assert_allclose(law, published, rtol=0.035)


@pytest.mark.parametrize(("router", "off"), [("s_base", 0.004), ("rl_r", 0.015), ("hash", -0.008)])
def test_printed_routing_constants_are_too_rounded_to_predict_with(router, off):
    """What they are off by, against the refit, over the sizes and experts of the runs."""
    N, E = np.meshgrid(np.geomspace(1.5e7, 1.3e9, 7), 2.0 ** np.arange(10))
    printed, refitted = (laws.instance(f"clark_routed:{x}").predict(N=N, E=E) for x in (router, f"{router}_recomputed"))
    assert np.mean(printed / refitted - 1) == pytest.approx(off, abs=2e-3)
    assert f"{off:+.1%}"[0] in laws.clark_routed.constants[router].note


def test_joint_moe_published_coefficients():
    experts = np.array([1, 2, 4, 8, 16, 32])
    printed = [
        (30.3640, -0.1817, 53.9838, -0.1965),
        (27.7982, -0.1780, 66.8401, -0.2065),
        (24.8462, -0.1731, 87.7022, -0.2192),
        (21.8330, -0.1676, 119.9126, -0.2338),
        (19.0159, -0.1617, 167.5073, -0.2494),
        (16.5424, -0.1557, 234.6726, -0.2652),
    ]
    np.testing.assert_allclose(np.transpose(_joint("coefficients", experts)), printed, rtol=3e-3)
    ours = (("30.3993", "-.1818", "53.8434", "-.1964"), ("16.5454", "-.1557", "234.6293", "-.2653"))
    for E, row in zip((1, 32), ours, strict=True):
        assert [float(x) for x in _joint("coefficients", E)] == [as_printed(x) for x in row]
    for C, E, size, tokens in (  # Table 1, rounded
        (1e20, 1, 1.7e9, 9.7e9),
        (1e20, 8, 990e6, 17e9),
        (1e20, 32, 669e6, 24.9e9),
        (1e22, 1, 18.8e9, 88.6e9),
        (1e22, 8, 14.4e9, 115.8e9),
        (1e22, 32, 12.2e9, 136.9e9),
    ):
        np.testing.assert_allclose(_joint("allocation", C, E), (size, tokens), rtol=0.02)


# --- Laws that are other laws at some values of their parameters or variables ---


def _joint_at_one_number_of_experts() -> tuple:
    p, at, experts = random_params("ludziejewski_joint_moe"), sizes_and_tokens(), np.linspace(1, 64, COUNT)
    at_experts = closed("ludziejewski_joint_moe", "as_chinchilla", p, experts)
    return respond("ludziejewski_joint_moe", p, **at, E=experts), respond("chinchilla", at_experts, **at)


def _granular_at_one_granularity() -> tuple:
    p, at, G = random_params("krajewski_granularity"), sizes_and_tokens(), np.geomspace(1, 64, COUNT)
    as_chinchilla = closed("krajewski_granularity", "as_chinchilla", p, G)
    return respond("krajewski_granularity", p, **at, G=G), respond("chinchilla", as_chinchilla, **at)


def _fine_granularity() -> tuple:
    p, at = random_params("krajewski_granularity"), sizes_and_tokens()
    plain = {"A": p["a"], "B": p["b"], "E": p["c"], "alpha": p["alpha"], "beta": p["beta"]}
    return respond("krajewski_granularity", p, **at, G=1e300), respond("chinchilla", plain, **at)


def _routed_with_one_expert() -> tuple:
    """One expert: a power law in N."""
    p, at = random_params("clark_routed"), sizes_and_tokens()
    alpha = -(p["a"] + p["c"] * np.log10(p["E_start"]))
    amplitude = 10 ** (p["d"] + p["b"] * np.log10(p["E_start"]))
    one = respond("clark_routed", p, N=at["N"], E=1.0)
    return one, respond(laws.power_law("N", floor=False), {"A": amplitude, "alpha": alpha}, N=at["N"])


REDUCTIONS: list[tuple[str, Callable[[], tuple], float]] = [
    ("joint law at fixed experts is chinchilla", _joint_at_one_number_of_experts, 1e-12),
    ("krajewski at fixed granularity is chinchilla", _granular_at_one_granularity, 1e-13),
    ("krajewski at endless granularity", _fine_granularity, 1e-12),
    ("clark with one expert is a power law", _routed_with_one_expert, 1e-11),
]


@pytest.mark.parametrize(("sides", "rtol"), [r[1:] for r in REDUCTIONS], ids=[r[0] for r in REDUCTIONS])
def test_reduction(sides, rtol):
    ours, theirs = sides()
    assert np.shape(ours) == (COUNT,)
    np.testing.assert_allclose(ours, np.broadcast_to(theirs, (COUNT,)), rtol=rtol)


# --- By a second route: the formula as printed, in natural units ---


def test_more_experts_help_below_the_cutoff_alone():
    params = laws.instance("clark_routed:s_base").params
    cutoff = float(of("clark_routed:s_base", "cutoff_size"))
    for size, sign in ((0.5 * cutoff, -1), (2 * cutoff, 1)):
        losses = laws.clark_routed.predict(params, N=size, E=np.array([1, 4, 16, 64, 256]))
        assert np.all(sign * np.diff(losses) > 0)
    effective = float(of("clark_routed:s_base", "effective_size", 5e6, 128))
    dense, routed = (laws.clark_routed.predict(params, N=n, E=e) for n, e in ((effective, 1), (5e6, 128)))
    assert dense == pytest.approx(routed, rel=1e-12)
