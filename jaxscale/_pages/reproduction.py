"""Lines of Python and of a shell that make the numbers of a report again; what no line can say is a comment in them."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxscale import laws
from jaxscale._base.text import inert
from jaxscale._fitting.result import FitResult
from jaxscale._pages.spending import words_of
from jaxscale._planning.plan import Plan
from jaxscale._planning.request import Request
from jaxscale._problem.objectives import Huber
from jaxscale.laws import Law
from jaxscale.limits import Limit

_METHODS = {"profile": "profile", "powell_sandwich": "quick", "leverage_sandwich": "quick"}  # the rest is resampled
_KINDS = {"pairs": "pairs", "bayesian": "bayesian", "wild": "wild"}


@dataclass
class Reproduction:
    """The lines of both languages, and what neither can say."""

    python: list[str] = field(default_factory=list)
    shell: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def both(self) -> tuple[str, str]:
        """Each with the notes as comments in front."""
        comments = [f"# {inert(note)}" for note in self.notes]
        python = "\n".join([*comments, "import jaxscale as js", "", *self.python])
        return python, "\n".join([*comments, *self.shell])


def lines_of(
    result: FitResult | None, plans: tuple[Plan, ...], table: str = "", reading: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """Python, and commands for a shell. table: the file of the runs; reading: options of `read_runs`, as it was called
    where that is known."""
    made = Reproduction()
    if result is not None:
        _reading_and_fit(result, made, table, reading or {})
    names = []
    for k, plan in enumerate(plans, start=1):
        name = "plan" if len(plans) == 1 else f"plan_{k}"
        if _plan(plan, result, name, made):
            names.append(name)
    if result is not None:
        given = f", plans=[{', '.join(names)}]" if names else ""
        made.python.append(f'result.report_html("report.html"{given})')
        files = "".join(f" --plan {name}.json" for name in names)
        made.shell.append(f"jaxscale report fit.json{files} -o report.html")
    return made.both()


def _call(name: str, *arguments: str, **options: Any) -> str:
    """A call in Python; options that are None are left out."""
    given = [f"{key}={_literal(value)}" for key, value in options.items() if value is not None]
    return f"{name}({', '.join((*arguments, *given))})"


class _Code(str):
    """Python that stands for itself."""


def _literal(value: Any) -> str:
    return str(value) if isinstance(value, _Code) else repr(value)


def _command(*words: str, **options: Any) -> str:
    """A command of jaxscale: flags by name, lists repeated, None left out."""
    parts = ["jaxscale", *words]
    for flag, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                name = f"-{flag}" if len(flag) == 1 else f"--{flag.replace('_', '-')}"
                parts += [name] if one is True else [name, shlex.quote(_shell(one))]
    return " ".join(parts)


def _shell(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float) else inert(value)


def _law(law: Law) -> tuple[str, str, bool]:
    """A law in Python, on the command line, and whether jaxscale knows it."""
    known = law.name in laws.names() or bool(law.steps)
    if getattr(laws, law.name, None) is law:
        return f"js.laws.{law.name}", law.name, True
    return f"js.laws.get({law.full_name!r})" if known else "law", law.full_name, known


def _reading_and_fit(result: FitResult, made: Reproduction, table: str, asked: Mapping[str, Any]) -> None:
    record, runs = result.record, result.runs
    told = f"{table} is your table" if table else "runs.csv stands for your table"
    made.notes.append(f"{told}; the SHA-256 of its runs is {result.runs_sha256}")
    table = table or "runs.csv"
    columns = {k: c for k, c in record.columns.items() if isinstance(c, str)}
    if len(columns) < len(record.columns):
        made.notes.append("the columns of a vector are not written here")
    response = [*record.ranges][-1:] if record.ranges else []
    names = {k: ("response" if [k] == response and k != "loss" else k) for k in columns}
    given: dict[str, Any] = {names[k]: column for k, column in columns.items() if k.isidentifier()}
    where, measure = record.filters or None, record.measure
    reading = {
        "where": where,
        "on_bad": "drop" if record.dropped else None,
        "loss_unit": None if measure.loss_unit in ("nats", "error") else measure.loss_unit,
    }
    read = {**given, **reading, **asked}
    made.python.append("runs = " + _call("js.read_runs", repr(table), **read))
    flags: dict[str, Any] = {key: c for key, c in given.items() if key in ("N", "D", "C", "loss", "response")}
    flags |= {key: "none" for key, column in asked.items() if column is False}
    flags |= {"run_column": given.get("run"), "weights": given.get("weights"), "loss_se": given.get("loss_se")}
    flags |= {"col": [f"{k}={c}" for k, c in given.items() if k not in (*flags, "run", "U")]}
    flags |= {"checkpoints": asked.get("checkpoints"), "decimal": asked.get("decimal")}
    flags |= {"best_of": ",".join(asked["best_of"]) if "best_of" in asked else None}
    flags["unit"] = [f"{symbol}={factor!r}" for symbol, factor in asked.get("units", {}).items()]
    reading |= {key: asked[key] for key in ("on_bad", "loss_unit") if key in asked}
    if runs is not None and runs.weights is not None and "weights" not in columns:
        made.notes.append("the runs had weights: weights= (--weights) names their column")
    python, shell, is_known = _law(result.law)
    if not is_known:
        made.notes.append("the law is your own: law, in Python; --law path.py:name on the command line")
    if result.shared:
        made.notes.append("the group was fitted together with others, by fit_many(..., share=...)")
    if result.optimizer != "damped_newton":
        made.notes.append("another optimizer was given: optimizer=")
    method = result.intervals.method
    kind = _METHODS.get(method, "bootstrap") if result.intervals.params else "none"
    drawn = result.intervals.draws if kind == "bootstrap" else None
    matched = result.noise is not None
    objective = result.objective
    code = 'Huber("matched")' if matched and objective.kind == "huber" else repr(objective)
    code = "StudentT()" if matched and objective.kind == "student" else code
    starts = {"paper": "paper", "number": result.starts.finished}.get(result.starts.mode)
    if result.starts.mode == "given":
        made.notes.append("starts of your own were given: starts=")
    options = {
        "objective": None if objective == Huber() and not matched else _Code(f"js.{code}"),
        "starts": starts,
        "intervals": _Code("None") if kind == "none" else kind,
        "draws": drawn,
        "level": result.level if result.level != 0.9 else None,
        "fixed": dict(result.fixed) or None,
        "tied": [tuple(t) for t in result.tied] or None,
        "bounds": dict(result.bounds) or None,
        "priors": dict(result.priors) or None,
        "seed": result.seed or None,
    }
    verb = "js.fit_chain" if result.law.steps else "js.fit"
    made.python.append("result = " + _call(verb, python, "runs", **options))
    if objective.overestimate != 1 and objective.kind != "lower_edge":
        made.notes.append("overestimate= is given in Python alone")
    name = {"lower_edge": "lower-edge"}.get(objective.kind, objective.kind)
    name += "-raw" if (objective.kind, objective.space) == ("squared", "raw") else ""
    name += f":{objective.shape['q']!r}" if objective.kind == "lower_edge" else ""
    delta = "matched" if matched and objective.kind == "huber" else objective.delta
    made.shell.append(
        _command(
            "fit", shlex.quote(table), law=shell if is_known else "path.py:name", **flags, where=list(record.filters),
            on_bad=reading["on_bad"], loss_unit=reading["loss_unit"],
            objective=None if name == "huber" else name,
            delta=delta if objective.kind == "huber" and (matched or objective != Huber()) else None,
            starts=starts, intervals=None if drawn else kind, bootstrap=drawn, level=options["level"],
            fix=[f"{k}={v!r}" for k, v in result.fixed.items()], tie=[",".join(t) for t in result.tied],
            bounds=[f"{k}={_end(low)}:{_end(high)}" for k, (low, high) in result.bounds.items()],
            prior=[f"{k}={c!r}:{w!r}" for k, (c, w) in result.priors.items()], seed=options["seed"], o="fit.json",
        )
    )  # fmt: skip


def _end(value: float | None) -> str:
    return "" if value is None else repr(value)


def _plan(plan: Plan, result: FitResult | None, name: str, made: Reproduction) -> bool:
    """The lines of one plan; False where it cannot be written."""
    request = plan.request
    if request is None:
        made.notes.append(f"{name}.json is the file of the plan")
        return True
    source, file = _source(plan, request, result, made)
    cost = words_of(request.cost)
    if cost is None and request.cost.name == "table":
        cost = ("table", None)
    if cost is None:
        made.notes.append(f"cost= of {name} was made in Python: {request.cost.name} in {request.cost.unit}")
    limits, flags = _limits(request, made)
    text, tokens = cost or ("six_nd", None)
    python = repr(text) if tokens is None else f"js.costs.get({text!r}, inference_tokens={tokens!r})"
    level = None if request.level == (request.source.level or 0.9) else request.level
    targets = [float(t) for t in request.targets]
    asked = {"budgets" if request.goal == "loss" else "reach_loss": targets}
    options = {
        "cost": None if (text, tokens) == ("six_nd", None) else _Code(python),
        "limits": limits or None,
        "fixed": dict(request.fixed) or None,
        "level": level,
    }
    made.python.append(f"{name} = " + _call("js.frontier", source, **asked, **options))
    given = [float(plan.response.to_given(t)) for t in targets]
    made.shell.append(
        _command(
            "frontier", shlex.quote(file),
            budget=targets if request.goal == "loss" else None, reach=given if request.goal == "cost" else None,
            cost=None if text == "six_nd" else text, inference_tokens=tokens, limit=flags, level=level,
            o=f"{name}.json",
        )
    )  # fmt: skip
    return True


def _source(plan: Plan, request: Request, result: FitResult | None, made: Reproduction) -> tuple[str, str]:
    """What the plan was made from, in Python and on the command line."""
    record = request.source.record
    draws = getattr(record, "draws", None)
    if draws is None or isinstance(draws, int):
        if result is not None:
            return "result", "fit.json"
        constants = ", ".join(f"{k}={v!r}" for k, v in plan.params.items())
        name, published = plan.law.name, getattr(record, "name", "own")
        if published in plan.law.constants:
            return f"js.laws.get({plan.law.full_name!r}).published[{published!r}]", f"{name}:{published}"
        return f"js.laws.get({plan.law.full_name!r}).at({constants})", name
    method, seed = str(getattr(record, "method", "")), getattr(record, "seed", None)
    kind = _KINDS.get(method.removeprefix("cluster_"))
    if kind is None:
        made.notes.append("draws is the js.Draws that the plan was made from, draws.json its file")
    elif not any(line.startswith("draws = ") for line in made.python):
        made.python.append("draws = " + _call("js.bootstrap", "result", kind=kind, draws=len(draws), seed=seed))
        made.shell.append(_command("bootstrap", "fit.json", draws=len(draws), kind=kind, seed=seed, o="draws.json"))
    return "draws", "draws.json"


def _limits(request: Request, made: Reproduction) -> tuple[dict[str, Any], list[str]]:
    """Limits by key, and as values of --limit."""
    python: dict[str, Any] = {}
    flags: list[str] = []
    for limit in request.limits:
        key, value = limit.name, limit.values.get(limit.main or "")
        if value is None or not _is_bound(limit):
            made.notes.append(f"a limit was given in other words: {limit.described()}")
            continue
        top, _, end = key.rpartition("_")
        if "_per_" in top:
            low, high = python.get(top, (None, None))
            python[top] = (low, value) if end == "max" else (value, high)
        else:
            python[key] = value
        flags.append(f"{key}={value!r}")
    if request.unique is not None:
        python["U"] = request.unique
        each = request.unique if isinstance(request.unique, tuple) else (request.unique,)
        flags.append(f"U={','.join('-' if x is None else repr(x) for x in each)}")
    return python, flags


def _is_bound(limit: Limit) -> bool:
    return limit.main == limit.name and limit.name.endswith(("_max", "_min")) and set(limit.values) == {limit.name}
