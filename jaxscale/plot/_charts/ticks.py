"""Ticks that read 70B, 1.4T, 5.8e23: where they stand and what they say, without matplotlib."""

import math
from itertools import pairwise

from jaxscale._base.text import format_number

_LINEAR_BELOW = 6.0  # a log axis shorter than this factor reads better in even steps
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(low: float, high: float, log: bool, whole: bool, most: int) -> list[float]:
    """At most `most` round numbers from low to high, whole ones if asked for: even steps, or on a log axis 1-2-5, 1-3
    or powers of ten."""
    most = max(most, 2)
    if not log or high / low < _LINEAR_BELOW:
        return even_ticks(low, high, most, whole and high - low > 2)
    least, largest = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**e for e in range(least, largest + 1) for m in steps]
        found = [t for t in found if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(found) <= most:
            break
    stride = math.ceil(len(found) / most)
    return found[(len(found) - 1) % stride :: stride]


def even_ticks(low: float, high: float, most: int, whole: bool = False) -> list[float]:
    """Multiples of the smallest round step (a whole one if asked for) that makes no more than `most` of them."""
    if not high > low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (m * power for m in (*_STEPS, 20.0, 25.0, 50.0, 100.0)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most and (not whole or step == round(step)):
            return [k * step for k in range(first, last + 1)]
    return [low]


def tick_texts(values: list[float], form: str, log: bool) -> list[str]:
    """What stands at ticks. Numbers of even steps have as many decimals as tell them apart."""
    if form == "count":
        return [count(v) for v in values]
    if not values:
        return []
    largest = max(abs(v) for v in values)
    steps = [b - a for a, b in pairwise(values)]
    if largest >= 1e5 or (largest and largest < 1e-3) or not steps:
        return [_minus(format_number(v, 4, suffixes=False)) for v in values]
    even = max(steps) < 1.001 * min(steps)
    if not even or (log and largest > 50 * min(abs(v) for v in values)):
        return [_minus(format_number(v, 4, suffixes=False)) for v in values]
    decimals = max(0, -math.floor(math.log10(steps[0]) + 1e-9))
    decimals += abs(steps[0] * 10**decimals - round(steps[0] * 10**decimals)) > 1e-6
    return [_minus(f"{0.0 if abs(v) < steps[0] / 1e6 else v:.{decimals}f}") for v in values]


def count(value: float) -> str:
    """A count with three digits: 70B, 1.4T, 5.8e23."""
    if 0 < abs(value) < 1e-3:
        return format_number(value, 3, suffixes=False)
    return format_number(value, 3)


def _minus(text: str) -> str:
    return "−" + text[1:] if text.startswith("-") else text
