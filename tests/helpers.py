"""What several test files share: one list of laws with a truth each, and the arithmetic of printed figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest

from jaxscale import laws


@dataclass(frozen=True)
class LawCase:
    """A law with true parameters and the range of each variable in which its runs lie.

    `identifiable` is false where runs of those variables cannot determine every parameter.
    """

    law: laws.Law
    truth: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    identifiable: bool = True

    @property
    def label(self) -> str:
        return "-".join((self.law.name, *(f"{k}={v}" for k, v in self.law.options.items())))

    def random_params(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """`count` parameter sets around the truth, each parameter off by about a fifth."""
        rng = np.random.default_rng(seed)
        return {name: value * np.exp(0.2 * rng.standard_normal(count)) for name, value in self.truth.items()}

    def random_variables(self, count: int, seed: int) -> dict[str, np.ndarray]:
        """`count` runs spread evenly in the logs of the variables."""
        rng = np.random.default_rng(seed)
        return {name: np.exp(rng.uniform(*np.log(range_), count)) for name, range_ in self.ranges.items()}


_N, _D, _C, _S, _LOSS = (1e3, 1e15), (1e6, 1e16), (1e10, 1e31), (1e2, 1e8), (0.5, 20.0)


def _published(label: str, identifiable: bool = True, **ranges: tuple[float, float]) -> LawCase:
    instance = laws.instance(label)
    return LawCase(instance.law, instance.params, ranges, identifiable)


LAW_CASES: tuple[LawCase, ...] = (
    _published("chinchilla:besiroglu", N=_N, D=_D),
    _published("pearce_song:besiroglu", N=_N, D=_D),
    _published("chinchilla_a1:N", C=_C),
    _published("chinchilla_a2:D", C=_C),
    _published("porian_alloc:tuned", C=_C),
    _published("kaplan_n:kaplan", N=_N),
    _published("kaplan_d:kaplan", D=_D),
    _published("kaplan_c:kaplan", C=_C),
    _published("kaplan_cmin:kaplan", C=_C),
    _published("kaplan_nd:kaplan", N=_N, D=_D),
    _published("kaplan_ns:kaplan", N=_N, S_min=_S),
    _published("kaplan_bcrit:kaplan", loss=_LOSS),
    _published("kaplan_alloc:N", C=_C),
    _published("kaplan_frontier:kaplan", identifiable=False, C=_C),
    LawCase(laws.power_law(), {"A": 300.0, "E": 1.7, "alpha": 0.34}, {"N": _N}),
    LawCase(laws.power_law("C", floor=False), {"A": 30.0, "alpha": 0.05}, {"C": _C}),
)

each_law = pytest.mark.parametrize("case", LAW_CASES, ids=lambda case: case.label)


def as_printed(text: str) -> object:
    """Equals every number that rounds to `text` at its last digit: `2.3e4` is anything from 22,500 to 23,500."""
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return pytest.approx(float(value), rel=0, abs=0.5001 * 10.0**exponent)
