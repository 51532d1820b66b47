"""Resampled or sampled parameters of a fit, and their file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jaxscale._base import files
from jaxscale._base.errors import InputError
from jaxscale._base.measure import Measure
from jaxscale._base.pictured import Pictured
from jaxscale._base.report import Report, Reporting, Table
from jaxscale._base.text import inert, plain, plural
from jaxscale._base.verdict import Verdict
from jaxscale._data.runs import Runs
from jaxscale._data.runs_file import RunsRecord
from jaxscale._fitting import read_file
from jaxscale._fitting.result import FitResult
from jaxscale._problem.objectives import Objective, objective_from
from jaxscale._trust.drift import read_drifts
from jaxscale.laws import Law

_METHODS = {
    "nuts": "posterior by NUTS",
    "pairs": "runs resampled",
    "cluster_pairs": "independent runs resampled whole",
    "bayesian": "Bayesian weights of the runs",
    "cluster_bayesian": "Bayesian weights of the independent runs",
    "wild": "residuals with random signs",
    "cluster_wild": "residuals with random signs, one for each independent run",
}


@dataclass(frozen=True, eq=False)
class Draws(Reporting, Pictured, files.Saved):
    """Resampled fits: theta of each, (n_draws, n_parameters), beside the point estimate they belong to.

    runs, objective: of that fit, on which other laws can be tried; None where they are not known.
    """

    _format = files.DRAWS_FORMAT

    law: Law
    params: Mapping[str, float]
    theta: np.ndarray
    draws: np.ndarray
    method: str
    seed: int
    level: float
    record: RunsRecord
    verdict: Verdict
    runs_sha256: str
    drifts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    runs: Runs | None = None
    objective: Objective | None = None

    @classmethod
    def of(cls, result: FitResult, draws: np.ndarray, method: str, seed: int) -> "Draws":
        """Draws of theta, (n_draws, n_parameters), of a finished fit."""
        return cls(
            law=result.law,
            params=result.params,
            theta=result.theta,
            draws=draws,
            method=method,
            seed=seed,
            level=result.level,
            record=result.record,
            verdict=result.verdict,
            runs_sha256=result.runs_sha256,
            drifts=result.drifts,
            runs=result.runs,
            objective=result.objective,
        )

    @property
    def label(self) -> str:
        """The law's name."""
        return self.law.name

    @property
    def fitted_by(self) -> str:
        """What was fitted, in words."""
        return f"fitted to {plural(self.record.count, 'run')}"

    @property
    def response(self) -> Measure:
        """What is predicted: its name and unit, and how people count it."""
        return self.record.measure.under(self.law.response.name, self.law.response.unit)

    def to_frame(self) -> pd.DataFrame:
        """One row for each draw, natural values."""
        return pd.DataFrame(self.law.naturals(self.draws), columns=list(self.law.parameter_names))

    def interval(self, name: str, level: float | None = None) -> tuple[float, float]:
        """Percentile interval of a parameter in natural units."""
        column = self.law.naturals(self.draws)[:, self.law.index(name)]
        level = self.level if level is None else level
        low, high = np.quantile(column, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def report(self) -> Report:
        """Spread of every parameter."""
        rows, errors = [], self.law.naturals(self.draws).std(axis=0, ddof=1)
        for k, p in enumerate(self.law.parameters):
            low, high = self.interval(p.name)
            error = f"{errors[k]:.3g}"
            rows.append((p.name, plain(self.params[p.name]), f"{plain(low)} to {plain(high)}", error))
        header = ("name", "value", f"{100 * self.level:g} % of draws", "standard error")
        return Report(self._title(), str(self.verdict), (Table("", header, tuple(rows)),))

    def _title(self) -> str:
        method = _METHODS.get(self.method, self.method)
        return f"{self.law.name} · {len(self.draws)} draws ({method}, seed {self.seed})"

    def __repr__(self) -> str:
        return f"<Draws {self._title()}>"

    def to_dict(self) -> dict[str, Any]:
        """The draws in the format `jaxscale.draws/1`."""
        runs = None if self.runs is None else self.runs.to_data()
        return self._document(
            {
                "fit": {
                    "law": self.law.name,
                    "law_options": dict(self.law.options),
                    "params": dict(self.params),
                    "runs_sha256": self.runs_sha256,
                },
                "ranges": {k: list(v) for k, v in self.record.ranges.items()},
                "count": self.record.count,
                "measure": self.record.measure.to_dict(),
                "verdict": self.verdict.to_dict(),
                "method": self.method,
                "seed": self.seed,
                "level": self.level,
                "names": list(self.law.parameter_names),
                "drifts": {name: dict(moves) for name, moves in self.drifts.items()},
                "runs": None if runs is None or runs["data"] is None else runs,  # None where they are too many
                "objective": None if self.objective is None else self.objective.to_dict(),
                "draws": self.draws.tolist(),
            }
        )


def draws_from(data: Mapping[str, Any], law: Law | None) -> Draws:
    """What `Draws.to_dict` described."""
    law = read_file.law_of(data["fit"], law)
    if tuple(data["names"]) != law.parameter_names:
        found = ", ".join(map(inert, data["names"]))
        raise InputError(f"its draws are of {found}, law {law.name!r} has {', '.join(law.parameter_names)}")
    params = files.numbers(data["fit"]["params"])
    runs, objective = data.get("runs"), data.get("objective")
    return Draws(
        law=law,
        params=params,
        theta=law.theta(params),
        draws=files.matrix(data["draws"], len(law.parameters)),
        method=str(data["method"]),
        seed=int(data["seed"]),
        level=files.level(data["level"]),
        record=RunsRecord(
            int(data["count"]), ranges=files.pairs(data["ranges"]), measure=Measure.from_dict(data.get("measure"))
        ),
        verdict=Verdict.from_dict(data["verdict"]),
        runs_sha256=str(data["fit"]["runs_sha256"]),
        drifts=read_drifts(data.get("drifts")),
        runs=None if runs is None else Runs.from_data(runs),
        objective=None if objective is None else objective_from(objective),
    )
