"""The objectives a user may choose: what is summed over the runs and minimised."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.files import number
from jaxscale._base.robust import HUBER_TURN
from jaxscale._base.text import quoted
from jaxscale._problem.losses import HuberLoss, Loss, StudentLoss

Space = Literal["log", "raw"]
Matched = Literal["matched"]
FIRST_DELTA = 1e-3  # of the Huber fit that shows the noise, where an objective is matched to it


class Written:
    """An objective as it stands in a file."""

    kind: ClassVar[str]
    numbers: ClassVar[tuple[str, ...]] = ()  # those of its own that a file holds
    space: Space

    @property
    def shape(self) -> dict[str, Any]:
        """Its own numbers by name."""
        return {name: getattr(self, name) for name in self.numbers}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a file, see `objective_from`."""
        return {name: getattr(self, name) for name in ("kind", "space", "delta", *self.numbers, "overestimate")}


@dataclass(frozen=True)
class Huber(Written):
    """Sum over runs of w Huber_delta(residual): squares up to delta, straight lines beyond (Hoffmann et al. 2022, Eq.
    3).

    The residual is log predicted - log observed ("log") or their plain difference ("raw"). `overestimate` multiplies
    the weight of runs that the law predicts too high. `delta="matched"` is 1.345 robust standard deviations of the
    residuals of a first fit with delta 1e-3; the fit's own `objective` says which number that was.
    """

    delta: float | Matched = FIRST_DELTA
    overestimate: float = 1.0
    space: Space = "log"
    kind: ClassVar[str] = "huber"
    numbers: ClassVar[tuple[str, ...]] = ("delta",)

    def __post_init__(self):
        _check(self, "delta", "overestimate")

    @property
    def matched(self) -> bool:
        """Whether delta waits for the noise of a first fit."""
        return self.delta == "matched"

    def at(self, sigma: float) -> "Huber":
        """The objective for residuals of that (robust) standard deviation."""
        return replace(self, delta=HUBER_TURN * sigma) if self.matched else self

    @property
    def words(self) -> str:
        """What is minimised, for a reader."""
        return "Huber matched to the noise" if self.delta == "matched" else f"Huber {self.delta:.4g}"

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """Shapes of the misfit fitted one after the other, each from the optimum of the one before: one. Where delta
        is not known yet, that of the first fit, whose residuals are about `scale` times a relative error."""
        delta = FIRST_DELTA * scale if self.delta == "matched" else self.delta
        return (HuberLoss(np.float64(delta), np.float64(self.overestimate)),)


@dataclass(frozen=True)
class SquaredError(Written):
    """Half the sum over runs of w residual^2, on logs ("log") or on the response itself ("raw")."""

    space: Space = "log"
    overestimate: float = 1.0
    kind: ClassVar[str] = "squared"
    matched: ClassVar[bool] = False
    delta: ClassVar[float] = float("inf")  # squares everywhere
    words: ClassVar[str] = "least squares"

    def __post_init__(self):
        _check(self, "overestimate")

    def at(self, sigma: float) -> "SquaredError":
        """The same: squares have no scale."""
        return self

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """One stage."""
        return (HuberLoss(np.float64(self.delta), np.float64(self.overestimate)),)


@dataclass(frozen=True)
class AbsoluteError(Written):
    """Sum over runs of w |residual| (least absolute deviations), reached through Huber fits of ever smaller delta.

    `delta` is the last one, as a share of the typical response: the optimum of a log loss moves in the fourth digit
    of A from 1e-6 to 1e-9, and in the seventh beyond.
    """

    delta: float = 1e-6
    space: Space = "log"
    overestimate: float = 1.0
    kind: ClassVar[str] = "absolute"
    matched: ClassVar[bool] = False
    words: ClassVar[str] = "least absolute deviations"

    def __post_init__(self):
        _check(self, "delta", "overestimate")

    def at(self, sigma: float) -> "AbsoluteError":
        """The same: absolute values have no scale."""
        return self

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """Shapes of the misfit fitted one after the other, for a response whose typical size in the residual's space is
        `scale`."""
        first = max(1e-2, self.delta)
        steps = max(1, round(2 * np.log10(first / self.delta)) + 1)
        sizes = (scale * d for d in np.geomspace(first, self.delta, steps))
        return tuple(HuberLoss(np.float64(d), np.float64(self.overestimate)) for d in sizes)


@dataclass(frozen=True)
class StudentT(Written):
    """Misfit of Student's t with v = `freedom` degrees of freedom: sum over runs of w v s^2 / 2 ln(1 + r^2 / (v s^2)).

    Squares within the noise, logarithms far beyond it: the score w r / (1 + r^2 / (v s^2)) falls off, so that a run far
    from the law hardly pulls (Lange, Little & Taylor 1989, JASA 84, Eq. 4, who advise v = 4). It is the negative log
    likelihood times s^2 v / (v + 1), so that runs near the law count as squares do.

    The scale s is not fitted along: with it the likelihood has no bound where the law passes through as many runs as it
    has parameters. `scale="matched"` takes the robust standard deviation of the residuals of a first Huber fit with
    delta 1e-3 (an MM-estimator, Yohai 1987, Ann. Statist. 15); the fit's own `objective` says which number that was.
    `overestimate` and `space` are as in `Huber`.
    """

    freedom: float = 4.0
    scale: float | Matched = "matched"
    overestimate: float = 1.0
    space: Space = "log"
    kind: ClassVar[str] = "student"
    numbers: ClassVar[tuple[str, ...]] = ("scale", "freedom")
    delta: ClassVar[float] = float("inf")  # straight nowhere

    def __post_init__(self):
        _check(self, "freedom", "scale", "overestimate")

    @property
    def matched(self) -> bool:
        """Whether the scale waits for the noise of a first fit."""
        return self.scale == "matched"

    def at(self, sigma: float) -> "StudentT":
        """The objective for residuals of that (robust) standard deviation."""
        return replace(self, scale=sigma) if self.matched else self

    @property
    def words(self) -> str:
        """What is minimised, for a reader."""
        scale = "matched to the noise" if self.scale == "matched" else f"of scale {self.scale:.4g}"
        return f"Student-t({self.freedom:g}) {scale}"

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """One stage; where the scale is not known yet, that of the first fit, see `Huber.losses`."""
        if self.scale == "matched":
            return Huber(overestimate=self.overestimate, space=self.space, delta="matched").losses(scale)
        return (StudentLoss(np.float64(self.scale), np.float64(self.freedom), np.float64(self.overestimate)),)


@dataclass(frozen=True)
class LowerEdge(Written):
    """A law below most runs: sum over runs of w rho(residual), least where a share `q` of the runs lies below the law.

    rho is the tilted absolute value of quantile regression (Koenker & Bassett 1978, Econometrica 46, Eq. 3.1), over q:
    |residual| where the law is too low, (1 - q) / q |residual| where it is too high, rounded off within delta as
    Huber's is (an M-quantile, Breckling & Chambers 1988, Biometrika 75): `Huber(delta, overestimate=(1 - q) / q)`.
    Half of the runs lie below `LowerEdge(0.5)`, which is `Huber()`.

    For runs that untuned settings left above what their size and data allow, some by much. The expectile (squares in
    place of absolute values, Newey & Powell 1987, Econometrica 55) would follow the worst of them: of exponential
    scatter a third lies below the expectile of 0.1.
    """

    q: float = 0.1
    delta: float = FIRST_DELTA
    space: Space = "log"
    kind: ClassVar[str] = "lower_edge"
    numbers: ClassVar[tuple[str, ...]] = ("delta", "q")
    matched: ClassVar[bool] = False

    def __post_init__(self):
        _check(self, "delta")
        if isinstance(self.q, str) or not 0 < self.q <= 0.5:
            raise InputError(
                f"q must lie between 0 and 0.5, the share of the runs below the law (0.1 is 10 %), got {self.q!r}"
            )

    @property
    def overestimate(self) -> float:
        """How many times more runs count that the law predicts too high."""
        return (1 - self.q) / self.q

    @property
    def words(self) -> str:
        """What is minimised, for a reader."""
        return f"lower edge ({100 * self.q:g} % of the runs below)"

    def at(self, sigma: float) -> "LowerEdge":
        """The same: it waits for no noise."""
        return self

    def losses(self, scale: float) -> "tuple[Loss, ...]":
        """One stage."""
        return (HuberLoss(np.float64(self.delta), np.float64(self.overestimate)),)


Objective = Huber | SquaredError | AbsoluteError | StudentT | LowerEdge
OBJECTIVES: dict[str, type] = {k.kind: k for k in (Huber, SquaredError, AbsoluteError, StudentT, LowerEdge)}


def objective_from(data: Mapping[str, Any]) -> Objective:
    """The objective that `to_dict` described. Raises InputError for a kind that is not known."""
    made = OBJECTIVES.get(data["kind"])
    if made is None:
        raise InputError(f"unknown objective {quoted(data['kind'])}")
    own = {name: number(data[name]) for name in made.numbers}
    if made is not LowerEdge:  # whose q says it
        own["overestimate"] = number(data["overestimate"])
    return made(space=data["space"], **own)


def _check(objective: Any, *names: str) -> None:
    for name in names:
        value = getattr(objective, name)
        if value == "matched" and name in ("delta", "scale") and objective.kind != "absolute":
            continue
        if isinstance(value, str) or not value > 0 or np.isinf(value):
            may = " or 'matched'" if name == "scale" or (name == "delta" and objective.kind == "huber") else ""
            raise InputError(f"{name} must be a positive number{may}, got {value!r}")
    if objective.space not in ("log", "raw"):
        raise InputError(f"space must be 'log' or 'raw', got {objective.space!r}")
