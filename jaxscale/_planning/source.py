"""What a plan is made from: a law with parameters, and how sure they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.text import quoted
from jaxscale.laws import Law


@dataclass(frozen=True, eq=False)
class Source:
    """A law with parameters, read once from a fit, draws or an instance; None or empty where it carries no more.

    Attributes:
        law, params: the law, and its parameters by name in natural units.
        theta: the parameters unconstrained, (n_params,), in the law's order.
        label: for people.
        covariance: of theta: names, matrix (n_names, n_names), method; unnamed parameters were fixed, tied ones are all
            named.
        draws: (n_draws, n_params) of theta, resampled or sampled; taken before the covariance.
        level: of the intervals.
        ranges: of the runs behind it, (least, greatest) by variable.
        trustworthy: whether its verdict says so; True where there is none.
        scope: the largest compute that its verdict speaks of, see `Verdict`; None where there is none.
        of_text: whether it is of language models, whose N and D have possible values.
        at_noise: estimates by other objectives, each with `params` and the `way` it was found.
        record: what it was read from.
        response: what is predicted and planned for.
        standard_errors: those published, in natural units, where nothing is known of how they go together.
        drifts: by what the response of the runs may drift with, how theta moves per decade of it.
    """

    law: Law
    params: Mapping[str, float]
    theta: np.ndarray
    label: str
    covariance: Any = None
    draws: np.ndarray | None = None
    level: float | None = None
    ranges: Mapping[str, tuple[float, float]] | None = None
    trustworthy: bool = True
    scope: float | None = None
    of_text: bool = False
    at_noise: Sequence[Any] = ()
    record: Any = None
    response: Measure = field(default_factory=Measure)
    drifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    standard_errors: Mapping[str, float] = field(default_factory=dict)

    def without_uncertainty(self) -> "Source":
        """The law and its point estimate alone."""
        return Source(self.law, self.params, self.theta, self.label, of_text=self.of_text, response=self.response)

    def moved(self, name: str, theta: float) -> "Source":
        """With one parameter at another unconstrained value; the cloud of draws moves with its centre."""
        k = self.law.index(name)
        new = self.theta.copy()
        new[k] = theta
        params = {**self.params, name: self.law.parameters[k].to_natural(theta)}
        draws = None if self.draws is None else self.draws + (new - self.theta)
        return replace(self, params=params, theta=new, draws=draws, at_noise=(), record=None, drifts={})

    def standard_error(self, name: str) -> float:
        """Of theta: of the logarithm of a positive parameter, say.

        Raises:
            InputError: there is neither a covariance that names it, nor a cloud of draws, nor was one published.
        """
        if self.covariance is not None and name in self.covariance.names:
            k = list(self.covariance.names).index(name)
            return float(np.sqrt(np.asarray(self.covariance.matrix)[k][k]))
        if self.draws is not None:
            return float(self.draws[:, self.law.index(name)].std(ddof=1))
        if name in self.standard_errors:
            k = self.law.index(name)
            return float(self.standard_errors[name] / self.law.parameters[k].slope(self.theta[k]))
        raise InputError(f"the standard error of {name} is not known here; give a value, or a factor such as x1.1")


def source_of(given: Any) -> Source:
    """What a plan can be made from, of a fit, draws, an instance, or anything with their attributes.

    Raises:
        InputError: it carries no law with all of its parameters, or draws or a covariance of another shape.
    """
    if isinstance(given, Source):
        return given
    law, params = getattr(given, "law", None), getattr(given, "params", None)
    if not isinstance(law, Law) or not isinstance(params, Mapping):
        raise InputError(
            f"a plan is made from a fit, draws or a law with published constants, got {quoted(type(given).__name__)}; "
            'give the result of fit, or something like laws.chinchilla.published["besiroglu"]'
        )
    law.check(params)
    theta = getattr(given, "theta", None)
    draws = getattr(given, "draws", None)
    if draws is not None:
        draws = np.asarray(draws, dtype=np.float64)
        if draws.ndim != 2 or draws.shape[1] != len(law.parameters) or not len(draws):
            raise InputError(f"draws must have the shape (count, {len(law.parameters)}), got {draws.shape}")
    covariance = getattr(given, "covariance", None)
    if covariance is not None:
        _check_covariance(law, covariance)
    return Source(
        law=law,
        params=dict(params),
        theta=law.theta(params) if theta is None else np.asarray(theta, dtype=np.float64),
        label=getattr(given, "label", None) or law.name,
        covariance=covariance,
        draws=draws,
        level=getattr(given, "level", None),
        ranges=getattr(getattr(given, "record", None), "ranges", None),
        trustworthy=getattr(getattr(given, "verdict", None), "trustworthy", True),
        scope=getattr(getattr(given, "verdict", None), "scope", None),
        of_text=law.of_text and getattr(getattr(given, "record", None), "counts_tokens", True),
        at_noise=getattr(given, "at_noise", ()),
        record=given,
        response=getattr(given, "response", None) or Measure().under(law.response.name, law.response.unit),
        drifts=getattr(given, "drifts", {}),
        standard_errors=getattr(getattr(given, "constants", None), "standard_errors", {}),
    )


def _check_covariance(law: Law, covariance: Any) -> None:
    names, shape = list(covariance.names), np.shape(covariance.matrix)
    if [name for name in names if name not in law.parameter_names] or shape != (len(names), len(names)):
        raise InputError(
            f"the covariance names {', '.join(names)} and has shape {shape}; it must be square, one row "
            f"for each name, and the names among {', '.join(law.parameter_names)}"
        )
