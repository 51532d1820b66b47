"""Scores of public models by families: three ways of saying what a larger member will reach, as least squares in NumPy.

Each takes logs of size and tokens, the family of every model (-1 where it is of none that is known), and scores
(models, benchmarks), nan where there is none; chance is what guessing scores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from jaxscale._base.plain_data import fields_of

_MOST_STEPS, _TOLERANCE, _LARGEST_DAMPING = 300, 1e-8, 1e12
_RIDGE = 1e-4  # of all values, relative to the squares of scores: settles what no score says, such as turned skills
_COMPONENTS = 3  # of scores, as in the paper


class Models(NamedTuple):
    """log_N, log_D, family: (models,). scores: (models, benchmarks). chance: (benchmarks,)."""

    log_N: np.ndarray
    log_D: np.ndarray
    family: np.ndarray
    scores: np.ndarray
    chance: np.ndarray

    def some(self, which: np.ndarray) -> "Models":
        """Some of the models."""
        return Models(self.log_N[which], self.log_D[which], self.family[which], self.scores[which], self.chance)


class _Parts:
    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return fields_of(self)


@dataclass(frozen=True, eq=False)
class SharedSkills(_Parts):
    """Scores chance + (1 - chance) sigmoid(load . skill + floor), skills slope . input + level of the family.

    inputs: which, of logs less `centre` over `scale`, (2,) each. slope: (skills, inputs). own: levels (skills,
    families). load: (benchmarks, skills). floor, chance: (benchmarks,).
    """

    inputs: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    slope: np.ndarray
    own: np.ndarray
    load: np.ndarray
    floor: np.ndarray
    chance: np.ndarray

    def inputs_of(self, log_N: np.ndarray, log_D: np.ndarray) -> np.ndarray:
        """The inputs of models, (models, inputs)."""
        n, d = (np.stack([log_N, log_D]) - self.centre[:, None]) / self.scale[:, None]
        log_C = (log_N + log_D - self.centre.sum()) / self.scale.max()
        every = {"log C": log_C, "log N": n, "log D": d, "log N log D": n * d}
        return np.column_stack([every[name] for name in self.inputs])

    def __call__(self, log_N: np.ndarray, log_D: np.ndarray, family: np.ndarray) -> np.ndarray:
        """Scores (models, benchmarks) of logs of size and tokens and numbers of families, (models,) each."""
        levels = _levels(family, self.own.shape[1])[:, 1:]
        skill = self.inputs_of(log_N, log_D) @ self.slope.T + levels @ self.own.T
        return self.chance + (1 - self.chance) * _sigmoid(skill @ self.load.T + self.floor)


@dataclass(frozen=True, eq=False)
class Components(_Parts):
    """A score chance + (1 - chance) sigmoid(top[0] + top[1:] . components), components a line in log C less `centre`
    with a level and those of families: line (2 + families, components)."""

    centre: np.ndarray
    line: np.ndarray
    top: np.ndarray
    chance: np.ndarray

    def __call__(self, log_N: np.ndarray, log_D: np.ndarray, family: np.ndarray) -> np.ndarray:
        """Scores (models, 1) of logs of size and tokens and numbers of families, (models,) each."""
        columns = np.column_stack([log_N + log_D - self.centre, _levels(family, len(self.line) - 2)])
        return self.chance + (1 - self.chance) * _sigmoid(self.top[0] + columns @ self.line @ self.top[1:])[:, None]


Predictor = SharedSkills | Components


def predictor_from(data: Mapping[str, Any]) -> Predictor:
    """A fit from plain data: its fields by name. Raises KeyError, TypeError or ValueError where it is none."""
    kind = SharedSkills if "inputs" in data else Components
    arrays = {f.name: np.array(data[f.name], np.float64) for f in fields(kind) if f.name != "inputs"}
    if not all(np.isfinite(x).all() for x in arrays.values()):
        raise ValueError("a fit holds numbers that are not finite")
    return SharedSkills(tuple(map(str, data["inputs"])), **arrays) if "inputs" in data else Components(**arrays)


def sigmoid_of_compute(models: Models, target: int, own: bool = False) -> Predictor:
    """The target alone: a sigmoid of log C, the same for all, or with an efficiency of its own for each family."""
    families = int(models.family.max()) + 1 if own else 0
    one = models._replace(scores=models.scores[:, [target]], chance=models.chance[[target]])
    return _skills(one, ("log C",), 1, families)


def skills_of_families(models: Models, skills: int) -> Predictor:
    """Skills that are linear in log N, log D and their product, with a level of each family; scores are sigmoids of
    skills above chance (Maia Polo et al. 2024, arXiv 2412.06540)."""
    return _skills(models, ("log N", "log D", "log N log D"), skills, int(models.family.max()) + 1)


def principal_components(models: Models, target: int) -> Predictor:
    """Principal components of the other scores, linear in log C with a level of each family; the target is a sigmoid of
    them (Ruan et al. 2024, arXiv 2405.10938). The slope in log C is the same for all families here."""
    others = np.delete(models.scores, target, axis=1)
    filled, mean = _completed(others)
    _, _, axes = np.linalg.svd(filled - mean, full_matrices=False)
    axes = axes[: min(_COMPONENTS, len(axes))]
    components = (filled - mean) @ axes.T
    log_C = models.log_N + models.log_D
    families = int(models.family.max()) + 1
    centre = log_C.mean()
    columns = np.column_stack([log_C - centre, _levels(models.family, families)])
    ridge = np.sqrt(_RIDGE) * np.eye(columns.shape[1])
    ridge[1, 1] = 0.0  # the level of all
    line = np.linalg.lstsq(
        np.vstack([columns, ridge]),
        np.vstack([components, np.zeros((len(ridge), components.shape[1]))]),
        rcond=None,
    )[0]
    spread = components.std(axis=0)
    known = np.isfinite(models.scores[:, target])
    chance = models.chance[[target]]
    top = _of_components(components[known] / spread, models.scores[known, target], float(chance[0]))
    return Components(np.array(centre), line / spread, top, chance)


def _completed(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores with what is missing put in by their first component, again and again, and their means."""
    missing = ~np.isfinite(scores)
    filled = np.where(missing, np.nanmean(scores, axis=0), scores)
    for _ in range(50 if missing.any() else 0):
        mean, before = filled.mean(axis=0), filled
        left, sizes, right = np.linalg.svd(filled - mean, full_matrices=False)
        filled = np.where(missing, mean + sizes[0] * np.outer(left[:, 0], right[0]), scores)
        if np.array_equal(filled, before):
            break
    return filled, filled.mean(axis=0)


def _of_components(components: np.ndarray, scores: np.ndarray, chance: float) -> np.ndarray:
    """The level and the weights of components whose sigmoid is nearest to the scores, (1 + components,)."""
    columns = np.column_stack([np.ones(len(scores)), components])

    def residuals(x: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        share = _sigmoid(columns @ x)
        slopes = (1 - chance) * share * (1 - share)
        return chance + (1 - chance) * share - scores, lambda: slopes[:, None] * columns

    return _least_squares(residuals, np.zeros(columns.shape[1]))


# --- Skills ---


def _skills(models: Models, inputs: tuple[str, ...], skills: int, families: int) -> SharedSkills:
    """The least squares of scores, with a small ridge."""
    centre = np.array([models.log_N.mean(), models.log_D.mean()])
    scale = np.array([models.log_N.std() + 1e-9, models.log_D.std() + 1e-9])
    none = np.empty(0)
    x = SharedSkills(inputs, centre, scale, none, none, none, none, none).inputs_of(models.log_N, models.log_D)
    level = _levels(models.family, families)[:, 1:]
    known, tests = np.isfinite(models.scores), models.scores.shape[1]
    rows, test = np.nonzero(known)
    observed, chance = models.scores[known], models.chance[test]
    sizes = (skills * x.shape[1], skills * families, tests * skills, tests)
    ends = np.cumsum(sizes)

    def parts(values: np.ndarray) -> tuple[np.ndarray, ...]:
        slope, own, load, floor = np.split(values, ends[:-1])
        return slope.reshape(skills, -1), own.reshape(skills, -1), load.reshape(tests, skills), floor

    # What slopes are made of: of each score its model's inputs and levels, and which test it is of.
    inputs_of, levels_of, tests_of, n = x[rows][:, None, :], level[rows][:, None, :], np.eye(tests)[test], len(rows)
    ridge = np.sqrt(_RIDGE)
    below = np.vstack([np.empty((n, ends[3])), ridge * np.eye(ends[2], ends[3])])  # floors are free

    def residuals(values: np.ndarray) -> tuple[np.ndarray, Callable[[], np.ndarray]]:
        slope, own, load, floor = parts(values)
        skill, weights = (x @ slope.T + level @ own.T)[rows], load[test]
        share = _sigmoid(np.sum(weights * skill, axis=1) + floor[test])

        def slopes() -> np.ndarray:
            steep = ((1 - chance) * share * (1 - share))[:, None]
            by_skill, of_test, whole = (steep * weights)[:, :, None], steep * tests_of, below.copy()
            whole[:n, : ends[0]] = (by_skill * inputs_of).reshape(n, -1)
            whole[:n, ends[0] : ends[1]] = (by_skill * levels_of).reshape(n, -1)
            whole[:n, ends[1] : ends[2]] = (of_test[:, :, None] * skill[:, None, :]).reshape(n, -1)
            whole[:n, ends[2] :] = of_test
            return whole

        return np.r_[chance + (1 - chance) * share - observed, ridge * values[: ends[2]]], slopes

    slope, own, load, floor = parts(_least_squares(residuals, _first_guess(models, x, skills, families)))
    return SharedSkills(inputs, centre, scale, slope, own, load, floor, models.chance)


def _first_guess(models: Models, x: np.ndarray, skills: int, families: int) -> np.ndarray:
    """From principal components of the logits."""
    filled, _ = _completed(models.scores)
    share = np.clip((filled - models.chance) / (1 - models.chance), 0.02, 0.98)
    logits = np.log(share / (1 - share))
    floor = logits.mean(axis=0)
    left, sizes, right = np.linalg.svd(logits - floor, full_matrices=False)
    have = min(skills, len(sizes))
    load = np.zeros((len(floor), skills))
    load[:, :have] = right[:have].T
    skill = np.zeros((len(x), skills))
    skill[:, :have] = left[:, :have] * sizes[:have]
    slope = np.linalg.lstsq(x, skill, rcond=None)[0].T
    return np.r_[slope.ravel(), np.zeros(skills * families), load.ravel(), floor]


def _levels(family: np.ndarray, families: int) -> np.ndarray:
    """A one, and a one in the column of the family (models, 1 + families); none for -1."""
    return np.column_stack([np.ones(len(family)), np.asarray(family)[:, None] == np.arange(families)]).astype(float)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _least_squares(
    residuals: Callable[[np.ndarray], tuple[np.ndarray, Callable[[], np.ndarray]]], start: np.ndarray
) -> np.ndarray:
    """Levenberg-Marquardt; `residuals` gives them (n,), and what tells their Jacobian (n, values)."""
    values, damping = start, 1e-3
    rest, slopes_of = residuals(values)
    for _ in range(_MOST_STEPS):
        slopes = slopes_of()
        height, curvature, gradient = rest @ rest, slopes.T @ slopes, slopes.T @ rest
        size = np.diag(np.diag(curvature) + 1e-12)
        trial, there, slopes_there = values, rest, slopes_of
        while damping < _LARGEST_DAMPING:
            trial = values - np.linalg.solve(curvature + damping * size, gradient)
            there, slopes_there = residuals(trial)
            if there @ there < height:
                break
            damping *= 5
        if not there @ there < height:
            break
        values, rest, slopes_of, damping = trial, there, slopes_there, damping / 10
        if 1 - rest @ rest / height < _TOLERANCE:
            break
    return values
