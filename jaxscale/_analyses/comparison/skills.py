"""The verb `skills`: what a larger model of a family will score on benchmarks, from the scores of public models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._analyses.comparison.score_fits import (
    Models,
    Predictor,
    predictor_from,
    principal_components,
    sigmoid_of_compute,
    skills_of_families,
)
from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.pictured import Pictured
from jaxscale._base.plain_data import fields_of, plain_data
from jaxscale._base.report import Lines, Report, Reporting, Table
from jaxscale._base.text import format_number, listed, quoted
from jaxscale._data.cells import read_numbers
from jaxscale._data.tables import read_frame
from jaxscale._fitting.read_file import read_file

_SIGMOID, _OWN, _SLOTH, _RUAN = "sigmoid of compute", "with families", "skills", "principal components"
METHODS = {  # ways to foretell scores, and what each is
    _SIGMOID: "a sigmoid of log C, one for all models, as the last step of a chain",
    _OWN: "the same, with an efficiency of its own for each family",
    _SLOTH: "skills of log N, log D and their product, with levels of each family (Sloth, arXiv 2412.06540)",
    _RUAN: "principal components of the other scores, linear in log C with levels of each family (arXiv 2405.10938)",
}


@dataclass(frozen=True, eq=False)
class Skills(Reporting, files.Saved, Pictured):
    """Scores of models by family, fitted in four ways, and what each way missed by on families it had not seen.

    scores: names of the benchmarks. families: those with a level of their own. models: how many were used. errors: mean
    absolute error of held-out models, a row for each benchmark and a column for each way (`families` counts those held
    out): all models of a family are left out but the smallest, and the errors are averaged family by family. chance:
    what guessing scores. dropped: models without a size, tokens or any score.
    """

    scores: tuple[str, ...]
    families: tuple[str, ...]
    models: int
    dropped: int
    chance: Mapping[str, float]
    errors: pd.DataFrame = field(repr=False)
    fits: Mapping[str, Sequence[Predictor]] = field(repr=False)
    predicted: tuple[Mapping[str, Any], ...] = ()
    _format = files.SKILLS_FORMAT

    @property
    def best(self) -> dict[str, str]:
        """Of each benchmark the way that missed by least on families held out."""
        return {score: str(self.errors.loc[score, list(METHODS)].astype(float).idxmin()) for score in self.scores}

    def predict(self, *, N: float, D: float, family: str, by: str | None = None) -> dict[str, float]:
        """Scores of a model of N parameters on D tokens of a family, each by the way that is `best` for it or `by` one.

        Raises:
            InputError: the family or the way is unknown, or N or D is not positive.
        """
        if family not in self.families:
            raise InputError(f"there is no family {quoted(family)}; there are {listed(self.families, 30)}")
        if by is not None and by not in METHODS:
            raise InputError(f"by= (--way) is one of {listed(tuple(METHODS))}; got {quoted(by)}")
        for name, value in (("N", N), ("D", D)):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be a positive number, got {value!r}")
        at = (np.log([N]), np.log([D]), np.array([self.families.index(family)]))
        best = self.best
        return {score: float(_one(self.fits[by or best[score]], k)(*at)[0]) for k, score in enumerate(self.scores)}

    def foretell(self, models: Sequence[Mapping[str, Any]], by: str | None = None) -> "Skills":
        """The record with what models will score in `predicted`: N, D, family, scores.

        Args:
            models: what `predict` takes of each: {"N": 70e9, "D": 15e12, "family": "Llama-3"}.
            by: one way for every score; of each benchmark its best if not given.

        Raises:
            InputError: as of `predict`.
        """
        return replace(self, predicted=tuple({**model, "scores": self.predict(**model, by=by)} for model in models))

    def to_frame(self) -> pd.DataFrame:
        """The errors, a row for each benchmark."""
        return self.errors.copy()

    def to_dict(self) -> dict[str, Any]:
        """The record in the format `jaxscale.skills/1`."""
        parts = fields_of(self)
        del parts["errors"]
        return self._document({**parts, "best": self.best, "rows": plain_data(self.errors)})

    @staticmethod
    def load(path: str | Path) -> "Skills":
        """Read what `save` wrote. Raises InputError for anything else."""
        return read_file(path, None, {files.SKILLS_FORMAT: lambda data, _: _skills_from(data)})

    def report(self) -> Report:
        """What each way missed by, and which it was least for."""
        best = self.best
        rows = tuple(
            (
                score,
                *(f"{self.errors.loc[score, way]:.3f}" for way in METHODS),
                str(self.errors.loc[score, "families"]),
                best[score],
            )
            for score in self.scores
        )
        note = "Mean absolute error; of each family left out the smallest model is known, the others are predicted."
        asked = tuple(
            f"{one['family']}, N {format_number(one['N'])}, D {format_number(one['D'])}" for one in self.predicted
        )
        told = tuple((score, *(f"{one['scores'][score]:.3f}" for one in self.predicted)) for score in self.scores)
        return Report(
            f"{len(self.scores)} benchmarks, {self.models} models, {len(self.families)} families",
            None,
            (
                *((Table("Foretold", ("benchmark", *asked), told),) if asked else ()),
                Table("Left-out families", ("benchmark", *METHODS, "families", "least"), rows, note),
                Lines("Ways", tuple(f"{name}: {meaning}." for name, meaning in METHODS.items())),
            ),
        )


def _skills_from(data: Mapping[str, Any]) -> Skills:
    scores = tuple(files.list_of(data["scores"], str))
    columns = {name: [files.number(row[name], np.nan) for row in data["rows"]] for name in (*METHODS, "families")}
    errors = pd.DataFrame(columns, index=pd.Index([row["benchmark"] for row in data["rows"]], name="benchmark"))
    if tuple(errors.index) != scores:
        raise ValueError("its rows are not of its scores")
    fits = {name: tuple(map(predictor_from, data["fits"][name])) for name in METHODS}
    return Skills(
        scores,
        tuple(files.list_of(data["families"], str)),
        files.typed(data["models"], int),
        files.typed(data["dropped"], int),
        files.numbers(data["chance"]),
        errors.astype({"families": int}),
        fits,
        tuple(_predicted_from(one) for one in files.list_of(data["predicted"], dict)),
    )


def _predicted_from(one: Mapping[str, Any]) -> dict[str, Any]:
    sizes = {name: files.number(one[name]) for name in ("N", "D")}
    return {**sizes, "family": files.typed(one["family"], str), "scores": files.numbers(one["scores"])}


def _one(fits: Sequence[Predictor], k: int) -> Callable[..., np.ndarray]:
    """The k-th score: a fit of each, or one of all."""
    fit, column = (fits[k], 0) if len(fits) > 1 else (fits[0], k)
    return lambda *at: fit(*at)[:, column]


def skills(
    table: Any,
    *,
    scores: Sequence[str],
    family: str,
    N: str = "N",
    D: str = "D",
    chance: Mapping[str, float] | None = None,
    number: int | None = None,
) -> Skills:
    """What larger models of a family will score, from a table of public models and their scores (shares of one).

    Four ways are fitted by least squares to the scores and compared on families left out: a sigmoid of compute, alone
    and with an efficiency of each family; skills that all benchmarks share; principal components of the scores. None of
    them needs a loss.

    Args:
        table: a row for each model: a data frame, or what `read_runs` takes.
        scores: columns of scores between 0 and 1; cells may be empty.
        family: the column of families.
        N, D: columns of parameters and training tokens.
        chance: what guessing scores on a benchmark, by column; 0 where it is not said.
        number: how many skills; two, or one of two benchmarks, if not given.

    Raises:
        InputError: a column is missing or holds no scores, fewer than two benchmarks or three families are left, or no
            family has models of two sizes.
    """
    names = tuple(scores)
    chance = dict(chance or {})
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(
            "give at least two columns of scores, each once: scores=['mmlu', 'gsm8k', ...] (--scores mmlu,gsm8k,...)"
        )
    number = min(2, len(names) - 1) if number is None else number
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number < len(names):
        raise InputError(f"number of skills must be from 1 to {len(names) - 1}, fewer than scores; got {number!r}")
    frame = read_frame(table)
    flags = {family: 'family="..." (--family)', N: 'N="..." (-N)', D: 'D="..." (-D)'}
    for name in (*names, family, N, D):
        if name not in frame.columns:
            mend = f"; name it with {flags[name]}" if name in flags else ""
            raise InputError(f"the table has no column {quoted(name)}; it has {listed(list(frame.columns), 30)}{mend}")
    for name, value in chance.items():
        if name not in names or not 0 <= value < 1:
            raise InputError(f"chance of {quoted(name)} must be of one of the scores, from 0 to below 1; got {value!r}")
    sizes, tokens = (_numbers(frame, name) for name in (N, D))
    values = np.column_stack([_numbers(frame, name) for name in names])
    for k, name in enumerate(names):
        outside = np.flatnonzero((values[:, k] < 0) | (values[:, k] > 1))
        if len(outside):
            raise InputError(
                f"column {quoted(name)}, row {outside[0] + 1}: {values[outside[0], k]:g} is no score between 0 and 1; "
                "divide per cent by 100"
            )
    used = (sizes > 0) & (tokens > 0) & np.isfinite(values).any(axis=1) & frame[family].notna().to_numpy()
    labels, code = np.unique(frame[family].astype(str).to_numpy()[used], return_inverse=True)
    lacking = [name for k, name in enumerate(names) if np.isfinite(values[used, k]).sum() < 3]
    if lacking:
        raise InputError(
            f"column {quoted(lacking[0])} has fewer than three scores of models with size, tokens and family"
        )
    if len(labels) < 3:
        raise InputError(f"{len(labels)} families have models with size, tokens and scores; it takes at least three")
    guess = np.array([chance.get(name, 0.0) for name in names])
    models = Models(np.log(sizes[used]), np.log(tokens[used]), code, values[used], guess)
    return Skills(
        names,
        tuple(map(str, labels)),
        int(used.sum()),
        int(len(used) - used.sum()),
        {name: float(g) for name, g in zip(names, guess, strict=True)},
        _left_out(models, names, number),
        _fitted(models, number),
    )


def _fitted(models: Models, number: int) -> dict[str, Sequence[Predictor]]:
    each = range(models.scores.shape[1])
    return {
        _SIGMOID: tuple(sigmoid_of_compute(models, k) for k in each),
        _OWN: tuple(sigmoid_of_compute(models, k, own=True) for k in each),
        _SLOTH: (skills_of_families(models, number),),
        _RUAN: tuple(principal_components(models, k) for k in each),
    }


def _left_out(models: Models, names: tuple[str, ...], number: int) -> pd.DataFrame:
    """Errors by benchmark and way, averaged over families with models of at least two sizes."""
    errors: dict[str, list[np.ndarray]] = {name: [] for name in METHODS}
    for k in range(int(models.family.max()) + 1):
        mine = np.flatnonzero(models.family == k)
        if len(np.unique(models.log_N[mine])) < 2:
            continue
        smallest = mine[np.argmin(models.log_N[mine] + models.log_D[mine])]
        tried = mine[mine != smallest]
        kept = np.ones(len(models.family), bool)
        kept[tried] = False
        known, asked = models.some(kept), models.some(tried)
        at = (asked.log_N, asked.log_D, asked.family)
        for name, fits in _fitted(known, number).items():
            predicted = np.column_stack([_one(fits, j)(*at) for j in range(len(names))])
            off = np.abs(predicted - asked.scores)
            there = np.isfinite(off)
            mean = np.where(there, off, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
            errors[name].append(np.where(there.any(axis=0), mean, np.nan))
    if not errors[_SIGMOID]:
        raise InputError("no family has models of two sizes, so nothing can be left out")
    columns: dict[str, Any] = {name: np.nanmean(found, axis=0) for name, found in errors.items()}
    columns["families"] = np.isfinite(errors[_SIGMOID]).sum(axis=0)
    return pd.DataFrame(columns, index=pd.Index(names, name="benchmark"))


def _numbers(frame: pd.DataFrame, name: str) -> np.ndarray:
    values, strange = read_numbers(frame[name])
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        raise InputError(f"column {quoted(name)}, row {row + 1}: {quoted(frame[name].iloc[row])} is no number")
    return values
