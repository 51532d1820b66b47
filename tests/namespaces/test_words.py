"""Budgets, costs and limits in words: each says what the same thing in numbers says."""

import jax
import numpy as np
import pytest

from jaxscale import costs, limits, reference
from jaxscale._base.errors import InputError
from jaxscale.costs._words import read_devices

DOLLARS = "dollars:h100,mfu=.4,price=2"
_DAY = 86400
_H100 = 989e12  # dense 16-bit FLOP/s


@pytest.mark.parametrize(
    ("text", "flops"),
    [
        ("512 x H100 x 45 days @ 40%", 512 * 0.4 * _H100 * 45 * _DAY),
        ("512 H100 for 45 days at 40 % MFU", 512 * 0.4 * _H100 * 45 * _DAY),
        ("512×h100×45 days@.4", 512 * 0.4 * _H100 * 45 * _DAY),
        ("64 x tpu-v5p x 2 weeks @ 55%", 64 * 0.55 * 459e12 * 14 * _DAY),
        ("3e6 H100-hours @ 40%", 3e6 * 0.4 * _H100 * 3600),
        ("100 PF-days", 1e17 * _DAY),
        ("1 PFLOP/s-day", 1e15 * _DAY),
        ("5.76e23 FLOPs", 5.76e23),
        ("576 ZFLOPs", 5.76e23),
        ("1e24", 1e24),
        (1e24, 1e24),
    ],
)
def test_budgets_in_flops(text, flops):
    assert costs.budget(text) == pytest.approx(flops, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "cost", "amount"),
    [
        ("$2M", DOLLARS, 2e6),
        ("2,000,000 dollars", DOLLARS, 2e6),
        ("3e6 GPU-hours", DOLLARS, 6e6),
        ("512 x H100 x 45 days", DOLLARS, 512 * 45 * 24 * 2),
        ("512 x H100 x 45 days @ 40%", "days:512,h100,mfu=.4", 45),
        ("3e6 GPU-hours", "gpu_hours:h100", 3e6),
        ("2 weeks", "days:512,h100", 14),
        ("5 GWh", "kwh:h100", 5e6),
        ("1000 H100-days", "kwh:h100,watts=700,pue=1.1", 24e3 * 0.7 * 1.1),
    ],
)
def test_budgets_in_the_unit_of_the_cost(text, cost, amount):
    assert costs.budget(text, cost) == pytest.approx(amount, rel=1e-12)


def test_what_device_hours_buy_is_what_their_flops_buy():
    """Two routes: hours over the rate of the cost, and FLOPs by the peak."""
    for cost in (DOLLARS, "days:512,h100,mfu=.4", "gpu_hours:h100,mfu=.4", "kwh:h100,mfu=.4"):
        flops, spent = (costs.budget("512 x H100 x 45 days @ 40%", of) for of in ("six_nd", cost))
        with jax.enable_x64(True):
            np.testing.assert_allclose(costs.get(cost).compute(flops / 6e12, 1e12), spent, rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "cost", "message"),
    [
        ("lots", "six_nd", "'lots' is not a number.*or in words: 100 PF-days"),
        ("$2M", "six_nd", "in dollars, but cost six_nd is in FLOPs; .*price that you pay"),
        ("45 days", "six_nd", "say on what: '512 x H100 x 45 days @ 40%'"),
        ("3e6 GPU-hours", "six_nd", "does not say on what; of H100s, say, write 3e6 H100-hours @ 40%$"),
        ("20000 GPU-days @ 30%", "six_nd", "write 20000 H100-days @ 30%$"),
        ("512 x H100 x 45 days", "six_nd", "does not say at what share of the peak"),
        ("512 x B300 x 45 days @ 40%", "six_nd", "no accelerator 'b300'; choose one of v100"),
        ("512 x H100 x 45 days @ 140%", "six_nd", "up to 100 %, got '140%'"),
        ("512 x H100 x 45 days @ 50%", DOLLARS, "has mfu 0.5, and the cost has 0.4"),
        ("512 x A100 x 45 days", DOLLARS, "has peak 312T, and the cost has 989T"),
        ("600 x H100 x 45 days", "days:512,h100", "has devices 600, and the cost has 512"),
        ("1e24 FLOPs", DOLLARS, "is in FLOPs, but cost six_nd is in dollars"),
    ],
)
def test_what_is_no_budget(text, cost, message):
    with pytest.raises(InputError, match=message):
        costs.budget(text, cost)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        (DOLLARS, costs.six_nd.dollars("h100", mfu=0.4, price=2)),
        ("dollars:H100,price=2,mfu=40%", costs.six_nd.dollars("h100", mfu=0.4, price=2)),
        ("days:512,a100", costs.six_nd.days(512, "a100")),
        ("gpu_hours:h100,peak=1979T", costs.six_nd.gpu_hours("h100", peak=1979e12)),
        ("kwh:h100,watts=700", costs.six_nd.kwh("h100", watts=700)),
        ("moe:active=.25", costs.moe(0.25)),
        ("kaplan:omega=47491", costs.kaplan(47491)),
        ("kaplan_ctx:8192,aspect=100", costs.kaplan_ctx(8192, 100)),
        ("moe:.25 in dollars:h100,mfu=.3,price=2", costs.moe(0.25).dollars("h100", mfu=0.3, price=2)),
    ],
)
def test_costs_with_arguments(text, cost):
    found = costs.get(text)
    assert (found.unit, found.assumptions, found.log_cost) == (cost.unit, cost.assumptions, cost.log_cost)
    served, by_hand = costs.get("dollars:h100,price=2", inference_tokens="5T"), costs.six_nd.with_inference(5e12)
    assert served.assumptions == by_hand.dollars("h100", price=2).assumptions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dollars:a100", "dollars needs price; write it like dollars:h100,mfu=.4,price=2"),
        ("dollars:h100,price=2,speed=3", "no argument 'speed'; it takes accelerator, price, mfu, peak"),
        ("dollars:h100,price=dear", "dollars, price: 'dear' is not a number"),
        ("days:h100", "days, devices: 'h100' is not a number"),
        ("days", "days needs devices"),
        ("moe:.1,active=.2", "active is given twice"),
        ("six_nd in euros:2", "a cost is in one of dollars, gpu_hours, days, kwh"),
        ("miles", "no cost model 'miles'; choose one of six_nd.*dollars:h100"),
    ],
)
def test_what_is_no_cost(text, message):
    with pytest.raises(InputError, match=message):
        costs.get(text)


@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("memory", "80 GB at bf16", limits.memory(80e9, 2)),
        ("memory", "80GB at int4", limits.memory(80e9, 0.5)),
        ("memory", "80G, bytes_per_param=1.5", limits.memory(80e9, 1.5)),
        ("memory", "1 GiB", limits.memory(2**30)),
        ("memory", 80e9, limits.memory(80e9)),
        ("days", "45 on 512 x H100 @ 40%", limits.days(45, 512, "h100", 0.4)),
        ("days", "6 weeks on 512 A100", limits.days(42, 512, "a100")),
        ("latency", "20 ms on 8 x H100 at fp8", limits.latency(0.02, "h100", 1, 8)),
        ("serving_price", "$2 on H100 @ 5%, price=3", limits.serving_price(2, "h100", mfu=0.05, price=3)),
    ],
)
def test_limits_in_words(name, text, limit):
    ((found,), unique) = limits.read_limits({name: text})
    assert unique is None
    assert (found.name, found.values, found.function) == (limit.name, limit.values, limit.function)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("memory", "much", "limit memory: 'much' cannot be read; write it like '80 GB at bf16'"),
        ("memory", "80 XB", "limit memory: '80XB' is not a number"),
        ("memory", "80 GB at bf17", "a precision is one of fp32, bf16"),
        ("memory", "80", "would be 80 bytes"),
        ("latency", "20 ms", "limit latency needs accelerator"),
        ("days", "45", "limit days needs devices, accelerator; write it like '45 on 512 x H100 @ 40%'"),
        ("serving_price", "$2 on A100", "needs price"),
        ("memory", "80 GB on H100", "no argument 'accelerator'"),
    ],
)
def test_what_is_no_limit_in_words(name, text, message):
    with pytest.raises(InputError, match=message):
        limits.read_limits({name: text})


def test_accelerators_are_read_without_a_time():
    read = read_devices("1,024 x H100 @ 40%")
    assert (read.value, read.device, read.mfu) == (1024, reference.accelerator("h100"), 0.4)
    assert read_devices("8 tpu-v5p").mfu is None
    for text, said in {
        "512 x H100 x 45 days": "there is no accelerator|names no accelerators",
        "H100": "names no accelerators",
        "0 x H100": "a whole one, 1 at least",
        "1.5 H100": "a whole one, 1 at least",
        "8 x H100 @ 140%": "a utilisation lies above 0",
    }.items():
        with pytest.raises(InputError, match=said):
            read_devices(text)


def test_limits_are_described_with_their_unit_once():
    assert limits.days(30, devices=1024, accelerator="h100", mfu=0.4).described() == "days 30"
    assert limits.memory(80e9, 2).described() == "memory 80 GB"
