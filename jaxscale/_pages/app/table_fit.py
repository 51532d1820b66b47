"""A fit that sliders start from: with the draws that its intervals come from, and what a report says of it."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.validation import Progress
from jaxscale._pages.app.asked_reading import Reading
from jaxscale._pages.content import Content
from jaxscale._pages.powers import roles_of
from jaxscale._pages.write_report import usual_budgets

DRAWS = 300  # each planned for itself at every move


@dataclass(frozen=True)
class TableFit:
    """content: of the plan for ten times the compute of the largest run, made from the draws (from the fit, where its
    runs cannot be drawn again). reading: how its table was read."""

    result: js.FitResult
    draws: js.Draws | None
    content: Content
    reading: Reading = field(default_factory=Reading)

    @property
    def source(self) -> js.FitResult | js.Draws:
        """What plans are made from."""
        return self.draws if self.draws is not None else self.result

    @property
    def budget(self) -> float:
        """The budget that the sliders begin at, in FLOPs."""
        row = self.content.decided
        return self.content.plans[0].rows[-1].budget if row is None else row.budget

    @cached_property
    def exponent(self) -> int | None:
        """Which parameter the slider of an exponent moves: that of the tokens, or of the size where that is fixed;
        None where there is no cloud of draws to move, or the law is no sum of two powers."""
        roles = roles_of(self.result.law, np.asarray(self.result.theta))
        if self.draws is None or roles is None:
            return None
        spread = np.std(self.draws.draws, axis=0)
        places = [i for i in (roles["beta"], roles["alpha"]) if i is not None and spread[i] > 1e-10]
        return places[0] if places else None

    def moved(self, sigmas: float) -> js.FitResult | js.Draws:
        """The source with that exponent so many standard errors away: the other constants follow as they move together
        (along the covariance), and what is left of the cloud of draws is what the others then leave open."""
        j, draws = self.exponent, self.draws
        if not sigmas or j is None or draws is None:
            return self.source
        covariance = np.cov(draws.draws.T)
        to = draws.theta[j] + sigmas * np.sqrt(covariance[j, j])
        along = covariance[:, j] / covariance[j, j]
        theta = draws.theta + along * (to - draws.theta[j])
        cloud = draws.draws + along * (to - draws.draws[:, [j]])
        params = {p.name: p.to_natural(float(x)) for p, x in zip(draws.law.parameters, theta, strict=True)}
        return replace(draws, params=params, theta=theta, draws=cloud)


def table_fit(result: js.FitResult, progress: Progress | None = None, reading: Reading | None = None) -> TableFit:
    """With draws and the usual plan; `progress` hears of both. Raises InputError for a law of other variables than N
    and D."""
    budgets = usual_budgets(result)
    if not budgets:
        raise InputError(f"the page plans with laws of N and D; {result.law.name} is none, jaxscale fit takes it")
    draws = None
    if result.intervals.params:  # where the fit knows no intervals, draws of too few runs would feign some
        with suppress(InputError):  # they cannot be drawn again: intervals come from the covariance, or there are none
            draws = js.bootstrap(result, draws=DRAWS, seed=1, progress=progress)
    if progress is not None:
        progress(0, 0, "planning")
    plan = js.frontier(result if draws is None else draws, budgets, progress=progress)
    return TableFit(result, draws, Content(result, (plan,), given=False), reading or Reading())
