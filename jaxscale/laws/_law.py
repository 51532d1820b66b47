"""What a law is: a formula for one run, the variables it reads, the parameters it is fitted with, and what was
published.

A `Law` is a definition and never holds a fitted number: JAX treats it as static, and parameters travel beside it as
data.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.pickling import ItsOwnCopy
from jaxscale._base.pictured import Pictured
from jaxscale._base.programs import kept
from jaxscale._base.settings import as_usual, in_float64
from jaxscale.laws._chain_names import names_in_chain, power_in_chain
from jaxscale.laws._compiled import program_of_response, program_of_slopes, rows_compiled_for
from jaxscale.laws._constants import GivenCovariance, Published, Repetition, covariance_of
from jaxscale.laws._convexity import Bend, bends_of
from jaxscale.laws._faults import in_words, number_of
from jaxscale.laws._formula import OfLoss, one_number
from jaxscale.laws._math import floating, log
from jaxscale.laws._parameterized import Parameterized
from jaxscale.laws._parameters import LOSS, D, N, Parameter, Params, Variable, variable_of


@dataclass(frozen=True, eq=False)
class Law(Parameterized, ItsOwnCopy):
    """A scaling law: `function(params, **logs) -> log response` for one run; batching is done elsewhere.

    Args:
        name: short lower-case name.
        function: the formula. Its first argument is a `Params`; variables come by keyword, logged ones as `log_N`,
            others under their own name. It returns the log of the response where that is positive, else the response.
        variables: `Variable`s or names.
        parameters: `Parameter`s or names (a bare name is a positive parameter, fitted in logs).
        response: what is predicted.
        positive: for bare names, which of them are positive: "all" or a list.
        formula, source, note: for people.
        serves: the decision it helps with, in a sentence.
        seen_to: the largest scale at which it was seen to hold, by its sources; empty where they do not say.
        published: named constants, see `Published`. `law.published["name"]` is an `Instance`.
        closed_forms: exact results by name, functions `f(params, ...)` of natural values, pure JAX.
        ranges: limits that every plan by it keeps to, as `jaxscale.limits` writes them: {"G_min": 1, "N_a_per_N_max":
            1}. A limit of the same name that a plan is given takes the place of its own.
        repeated: its form where data is repeated, or None if no such form is known.
        steps: the two laws that `first >> second` is made of, else none.
        along_runs: whether it describes losses all along a run, so that every checkpoint is fitted, not the last alone.
    """

    name: str
    function: Callable[..., Any]
    variables: tuple[Variable, ...] = (N, D)
    parameters: tuple[Parameter, ...] = ()
    response: Variable = LOSS
    positive: Literal["all"] | tuple[str, ...] = "all"
    formula: str = ""
    source: str = ""
    note: str = ""
    serves: str = ""
    seen_to: str = ""
    constants: Mapping[str, Published] = field(default_factory=dict, repr=False)
    closed_forms: Mapping[str, Callable[..., Any]] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    ranges: Mapping[str, float] = field(default_factory=dict, repr=False)
    repeated: Repetition | None = field(default=None, repr=False)
    steps: "tuple[Law, ...]" = field(default=(), repr=False)
    along_runs: bool = field(default=False, repr=False)

    def __post_init__(self):
        variables = tuple(variable_of(v) if isinstance(v, str) else v for v in self.variables)
        response = variable_of(self.response) if isinstance(self.response, str) else self.response
        parameters = tuple(self._parameter(p) if isinstance(p, str) else p for p in self.parameters)
        if not parameters:
            raise InputError(f"law {self.name!r} has no parameters; give their names: parameters=('E', 'A', 'alpha')")
        names = [x.name for x in (*variables, *parameters, response)] + [part for v in variables for part in v.parts]
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise InputError(
                f"law {self.name!r} uses the name {doubled[0]!r} twice; "
                "names of variables, parameters and response must differ"
            )
        for mine, value in (("variables", variables), ("response", response), ("parameters", parameters)):
            object.__setattr__(self, mine, value)
        object.__setattr__(self, "closed_forms", MappingProxyType(dict(self.closed_forms)))

    def _parameter(self, name: str) -> Parameter:
        return Parameter(name, "log" if self.positive == "all" or name in self.positive else "identity")

    @classmethod
    def from_loss(
        cls,
        loss: Callable[..., Any],
        *,
        name: str | None = None,
        positive: Literal["all"] | tuple[str, ...] = "all",
        **more: Any,
    ) -> "Law":
        """A law from a formula in natural units; names come from its signature.

        `lambda E, A, alpha, *, N: E + A * N**-alpha` has the parameters E, A, alpha (before the star) and the
        variable N (after it). All parameters are taken as positive unless `positive` lists those that are.

        How fast it is fitted: powers, exponentials, logarithms, `jnp.logaddexp`, `jax.nn.logsumexp` and sums over a
        `jnp.stack` of terms run as fast as the laws that ship. On CPUs an arctangent or an error function takes about
        four times as long as a power, a loop twice, and arithmetic on an array of constants (`jnp.linspace`) 10 to 50
        times: write sums out term by term, and sigmoids and hyperbolic tangents with `jnp.exp`.
        """
        kinds = inspect.signature(loss).parameters.values()
        parameters = tuple(k.name for k in kinds if k.kind is k.POSITIONAL_OR_KEYWORD)
        variables = tuple(k.name for k in kinds if k.kind is k.KEYWORD_ONLY)
        if not parameters or not variables or len(parameters) + len(variables) != len(kinds):
            raise InputError(
                "write the formula as `lambda E, A, alpha, *, N, D: ...`: "
                "parameters before the star, variables after it"
            )
        variables = more.pop("variables", variables)
        chosen = parameters if positive == "all" else positive
        law = cls(
            name or getattr(loss, "__name__", "law").strip("<>"),
            loss,
            variables,
            tuple(Parameter(p, "log" if p in chosen else "identity") for p in parameters),
            **more,
        )

        return replace(law, function=OfLoss(loss, parameters, law.variables, law.response))

    def __rshift__(self, then: "Law") -> "Law":
        """A chain: what this law predicts is the one variable of `then`, as in `chinchilla >> gadre_err`.

        Its parameters are those of both; where a name occurs twice, the one of `then` gets the ending `_2` (`_3`, ...).
        The same two laws give the same object. Fit a chain with `fit_chain`.

        Raises:
            InputError: `then` does not take what this law predicts.
        """
        return _chain(self, then) if isinstance(then, Law) else NotImplemented

    @property
    def full_name(self) -> str:
        """The name with all options, `bnsl(breaks=2, variable=C)`; `laws.get` reads it back."""
        given = ", ".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.name}({given})" if given else self.name

    @property
    def raw_names(self) -> frozenset[str]:
        """Names of the variables that are not logged; the shares of a whole are, one by one."""
        return frozenset(v.name for v in self.variables if not v.logged)

    @property
    def of_text(self) -> bool:
        """Whether it is of language models: of the loss by parameters N and tokens D, at its first step."""
        first = self.steps[0] if self.steps else self
        units = {v.name: v.unit for v in first.variables}
        return (units.get("N"), units.get("D"), first.response.name) == ("parameters", "tokens", "loss")

    @property
    def convex(self) -> bool:
        """Whether its objective, the log of the response (or the response that need not be positive, with its sign
        turned where higher is better), is convex in the logs of its variables, whatever the parameters: then a plan has
        one optimum. Found by taking the formula apart; what cannot be shown is taken for not convex. Variables that are
        not positive count as held.
        """
        return self._bends[0] in self._bent_well

    @property
    def one_valley(self) -> bool:
        """Whether the objective is convex, or rises with something that is, as the error of a chain does with the loss:
        then a plan has no optimum but the best."""
        return self._bends[1] in self._bent_well

    @property
    def _bent_well(self) -> tuple[Bend, ...]:
        well: Bend = "concave" if self.response.better == "higher" else "convex"
        return "constant", "affine", well

    @cached_property
    def _bends(self) -> tuple[Bend, Bend]:
        chosen = [v.logged for v in self.variables]
        if any(v.domain == "vector" for v in self.variables):
            return "unknown", "unknown"

        def formula(held: tuple, free: tuple) -> Any:
            theta, others, logs = held[: len(self.parameters)], iter(held[len(self.parameters) :]), iter(free)
            return self.log_response(theta, [next(logs) if is_free else next(others) for is_free in chosen])

        return bends_of(formula, len(self.parameters) + chosen.count(False), chosen.count(True))

    @property
    def published(self) -> "Mapping[str, Instance]":
        """The named constants, each with this law attached: it can be predicted and planned with like a fit."""
        return MappingProxyType({name: Instance(self, name, c) for name, c in self.constants.items()})

    def at(
        self, *, standard_errors: Mapping[str, float] | None = None, covariance: Any = None, **params: float
    ) -> "Instance":
        """The law with constants of one's own: they go wherever published ones, or a fit, go.

        `chinchilla.at(E=1.9, A=310, B=1200, alpha=.33, beta=.31)`. Numbers are data: other ones compile nothing.

        Args:
            standard_errors: by name, in the parameters' own units; then predictions and plans have intervals. A
                parameter without one is taken as known.
            covariance: instead of standard errors, (n_parameters, n_parameters) in the parameters' own units and in
                their order, or a data frame with their names as rows and columns.
            **params: every parameter's value in its own unit.

        Raises:
            InputError: a parameter is missing, unknown or outside its range, or a covariance is none.
        """
        self.theta(params)  # each value is checked to lie in its range
        values = {name: float(params[name]) for name in self.parameter_names}
        found = covariance_of(self.parameters, values, standard_errors, covariance)
        errors = dict(standard_errors or {})
        return Instance(self, "own", Published(values, "given by the user", "own", errors), found)

    def log_response(self, theta: Iterable[Any], logs: Iterable[Any]) -> Array:
        """Log response (or response, if its domain is not positive) of one run; pure JAX.

        Args:
            theta: unconstrained parameters, a sequence of scalars in the order of `parameters`.
            logs: the variables, logged where positive, a sequence in the order of `variables`.
        """
        params = self.params_of_theta(dict(zip(self.parameter_names, theta, strict=True)))
        return self.evaluate(params, **{v.argument: x for v, x in zip(self.variables, logs, strict=True)})

    def evaluate(self, params: Params, **logs: Any) -> Array:
        """The law's function, with its faults told in words; pure JAX.

        Raises:
            InputError: the function raised something, which is the cause of this, or returned no number.
        """
        with in_words(f"law {self.name!r}"):
            inputs = (one_number(v, logs[v.argument]) for v in self.variables)
            return number_of(self.function(params, **logs), *params.raw.values(), *inputs)

    @as_usual()
    def __call__(self, params: Mapping[str, Any], **variables: Any) -> Array:
        """The response in natural units; pure JAX, broadcasts, follows the caller's dtype.

        Args:
            params: natural values by name.
            **variables: natural values of every variable, numbers or arrays that broadcast together.
        """
        self.check_names("variable", variables, [v.name for v in self.variables])
        logs = {v.argument: _in_logs(v, variables[v.name]) for v in self.variables}
        value = self.evaluate(Params(params), **logs)
        return jnp.exp(value) if self.response.logged else value

    def predict(self, params: Mapping[str, float], **variables: Any) -> Any:
        """The response in natural units, computed in float64: a float, or a NumPy array of the variables' common shape.

        Raises:
            InputError: a variable or parameter is missing or unknown, a value is outside its domain, or is traced; or a
                law of one's own gives nan for every run.
        """
        self.check_names("parameter", params, self.parameter_names)
        self.check_names("variable", variables, [v.name for v in self.variables])
        if any(isinstance(x, Tracer) for x in (*params.values(), *variables.values())):
            call = ", ".join(f"{v.name}={v.name}" for v in self.variables)
            raise InputError(
                f"predict is for numbers; inside jit, grad or vmap call the law itself: law(params, {call})"
            )
        natural = {}
        for v in self.variables:
            try:
                natural[v.name] = np.asarray(variables[v.name], dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError(f"{v.name} must be a number or numbers, got {variables[v.name]!r}") from None
            if v.domain == "positive" and not np.all(natural[v.name] > 0):
                raise InputError(f"{v.name} must be positive, got {variables[v.name]!r}")
        tails = {v.name: natural[v.name].shape[-1:] if v.domain == "vector" else () for v in self.variables}
        shapes = {name: x.shape[: x.ndim - len(tails[name])] for name, x in natural.items()}
        try:
            shape = np.broadcast_shapes(*shapes.values())
        except ValueError:
            told = ", ".join(f"{name} {s}" for name, s in shapes.items())
            raise InputError(f"the variables have shapes that do not go together: {told}") from None
        count = int(np.prod(shape))
        if count == 0:
            return np.empty(shape)
        # Run by run, as formulas are written, and padded, so that another number of runs compiles nothing.
        index = np.minimum(np.arange(rows_compiled_for(count, any(tails.values()))), count - 1)
        runs = {k: np.broadcast_to(x, shape + tails[k]).reshape(count, *tails[k])[index] for k, x in natural.items()}
        with in_float64(), in_words(f"law {self.name!r}"):
            value = np.asarray(program_of_response(self)({k: np.float64(x) for k, x in params.items()}, runs))[:count]
        if not self.source and np.isnan(value).all():
            self._refuse_nan(value, params, {name: x[:count] for name, x in runs.items()})
        return float(value[0]) if shape == () else value.reshape(shape)

    def _refuse_nan(self, value: np.ndarray, params: Mapping[str, float], runs: Mapping[str, np.ndarray]) -> None:
        """Say that a law of one's own is no number, unless what it was asked for is none."""
        if all(np.isfinite(x).all() for x in (*params.values(), *runs.values())):
            at = ", ".join(f"{name} = {x[0]:.4g}" for name, x in runs.items() if x.ndim == 1)
            many = f" for all {len(value)} runs, the first" if len(value) > 1 else ""
            raise InputError(
                f"law {self.name!r} is not a number (nan){many} at {at}; look in its formula for a root or a logarithm "
                "of what is negative, or 0 / 0"
            )

    def predict_interval(
        self, params: Mapping[str, float], covariance: Any, *, level: float = 0.9, **variables: Any
    ) -> tuple[float, tuple[float, float] | None]:
        """The response for one run, and its interval by the delta method from a covariance of theta (None without one).

        The interval is the error of the law, not the scatter of a run around it.
        """
        value = self.predict(params, **variables)
        if np.ndim(value):
            raise InputError("predict_interval takes one run; give numbers, not arrays")
        if covariance is None:
            return value, None
        with in_float64():
            logs = tuple(_in_logs(v, np.float64(variables[v.name])) for v in self.variables)
            slope = np.asarray(program_of_slopes(self)(jnp.asarray(self.theta(params)), logs))
        slope = slope[[self.index(name) for name in covariance.names]]
        variance = slope @ covariance.matrix @ slope
        if not 0 <= variance < np.inf:
            return value, None
        half = NormalDist().inv_cdf((1 + level) / 2) * float(np.sqrt(variance))
        ends = (value * np.exp(-half), value * np.exp(half)) if self.response.logged else (value - half, value + half)
        return value, (float(ends[0]), float(ends[1]))

    def __repr__(self) -> str:
        variables, parameters = (", ".join(x.name for x in xs) for xs in (self.variables, self.parameters))
        return f"Law({self.name}: {self.response.name}({variables}); {parameters})"


@kept
def _reading(law: Law, name: str) -> Law:
    """A law of one variable that calls it `name`."""
    (old,) = law.variables
    new = replace(old, name=name)

    def function(p: Params, **logs: Array) -> Array:
        return law.function(p, **{old.argument: logs[new.argument]})

    parameters = (
        replace(p, dimension={name if k == old.name else k: power for k, power in p.dimension.items()})
        for p in law.parameters
    )
    return replace(law, function=function, variables=(new,), parameters=tuple(parameters))


@kept
def _chain(first: Law, then: Law) -> Law:
    between = first.response
    if [v.name for v in then.variables] == [between.stands_for]:
        then = _reading(then, between.name)
    if [v.name for v in then.variables] != [between.name]:
        wanted = ", ".join(v.name for v in then.variables)
        raise InputError(
            f"{first.name} >> {then.name}: {first.name} predicts {between.name}, {then.name} takes {wanted}"
        )
    logged, wants_log = (v.domain == "positive" for v in (between, then.variables[0]))
    if wants_log and not logged:
        raise InputError(
            f"{first.name} >> {then.name}: {between.name} of {first.name} may be negative, {then.name} takes its log"
        )
    own = {name: name for name in first.parameter_names}
    taken = (*first.parameter_names, *(v.name for v in first.variables), then.response.name)
    other = names_in_chain(f"{first.name} >> {then.name}", then.parameter_names, taken)

    def function(p: Params, **logs: Array) -> Array:
        value = first.evaluate(p.renamed(own), **logs)
        return then.evaluate(
            p.renamed(other), **{then.variables[0].argument: value if wants_log or not logged else jnp.exp(value)}
        )

    renamed = (
        replace(p, name=other[p.name], dimension={k: power_in_chain(power, other) for k, power in p.dimension.items()})
        for p in then.parameters
    )
    return Law(
        f"{first.full_name} >> {then.full_name}",
        function,
        variables=first.variables,
        parameters=(*first.parameters, *renamed),
        response=then.response,
        formula=f"{first.formula}; {then.formula}",
        source="; ".join(dict.fromkeys((first.source, then.source))),
        serves=then.serves,
        steps=(first, then),
    )


def _in_logs(variable: Variable, value: Any) -> Any:
    return log(jnp.asarray(floating(value))) if variable.domain == "positive" else jnp.asarray(floating(value))


@dataclass(frozen=True, eq=False)
class Instance(Pictured):
    """A law with constants, published or one's own; goes where a fit goes (`predict`, `frontier`).

    `covariance` is of theta, where somebody said how sure the constants are.
    """

    law: Law
    name: str
    constants: Published
    covariance: GivenCovariance | None = field(default=None, repr=False)

    @property
    def params(self) -> dict[str, float]:
        """Natural values by name."""
        return dict(self.constants.params)

    @property
    def response(self) -> Measure:
        """What is predicted: its name and unit."""
        return Measure().under(self.law.response.name, self.law.response.unit)

    @property
    def label(self) -> str:
        """`law:instance`, as the command line writes it."""
        return f"{self.law.name}:{self.name}"

    def predict(self, **variables: Any) -> Any:
        """The law's response at these constants, see `Law.predict`."""
        missing = [p for p in self.law.parameter_names if p not in self.constants.params]
        if missing:
            raise InputError(f"{self.label} was published without {', '.join(missing)}, so it cannot predict")
        return self.law.predict(self.params, **variables)

    def predict_interval(self, *, level: float = 0.9, **variables: Any) -> tuple[float, tuple[float, float] | None]:
        """The response for one run, and its interval by the delta method (None where nobody said how sure the constants
        are)."""
        return self.law.predict_interval(self.params, self.covariance, level=level, **variables)

    def __repr__(self) -> str:
        values = ", ".join(f"{k}={v:g}" for k, v in self.constants.params.items())
        return f"Instance({self.label}: {values}; {self.constants.status})"
