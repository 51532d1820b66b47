"""Which pictures a record has, the one that says most first."""

import inspect
from collections.abc import Callable
from typing import Any

from jaxscale._analyses.approaches.envelope import Envelope
from jaxscale._analyses.approaches.isoflop import IsoFlop
from jaxscale._analyses.approaches.side_by_side import Approaches
from jaxscale._analyses.comparison.comparison import Comparison
from jaxscale._analyses.comparison.skills import Skills
from jaxscale._analyses.deciding.chosen_runs import NextRuns
from jaxscale._analyses.deciding.forecast import Forecast
from jaxscale._analyses.deciding.multiplier import Multiplier
from jaxscale._analyses.deciding.score import Score
from jaxscale._analyses.deciding.watched import Watched
from jaxscale._analyses.diagnostics.bias import Bias
from jaxscale._analyses.diagnostics.influence import Influence
from jaxscale._analyses.diagnostics.multiverse import Multiverse
from jaxscale._analyses.diagnostics.profile import Profile
from jaxscale._base.errors import InputError
from jaxscale._base.text import quoted
from jaxscale._fitting.draws import Draws
from jaxscale._fitting.result import FitResult
from jaxscale._planning.plan import Plan
from jaxscale._planning.recipes.written_recipe import Recipe
from jaxscale._planning.what_if import WhatIf
from jaxscale.laws import Instance
from jaxscale.plot import _pictures
from jaxscale.plot._picture import Picture

PICTURES: dict[type, tuple[Callable[..., Picture], ...]] = {
    FitResult: (
        _pictures.overview,
        _pictures.residuals,
        _pictures.observed,
        _pictures.starts,
        _pictures.contours,
        _pictures.extrapolation,
        _pictures.isoflops,
        _pictures.backtest,
        _pictures.chain,
        _pictures.valley,
    ),
    Instance: (_pictures.valley,),
    Plan: (_pictures.frontier, _pictures.price_of_size, _pictures.tornado),
    WhatIf: (_pictures.what_if,),
    IsoFlop: (_pictures.isoflops,),
    Envelope: (_pictures.envelope,),
    Approaches: (_pictures.approaches, _pictures.isoflops),
    Profile: (_pictures.profile,),
    Draws: (_pictures.pairs,),
    NextRuns: (_pictures.next_runs,),
    Bias: (_pictures.bias,),
    Influence: (_pictures.influence,),
    Multiverse: (_pictures.multiverse,),
    Comparison: (_pictures.held_out, _pictures.backtest, _pictures.coverage),
    Multiplier: (_pictures.multiplier,),
    Recipe: (_pictures.recipe,),
    Forecast: (_pictures.forecast,),
    Score: (_pictures.score, _pictures.coverage),
    Skills: (_pictures.skills,),
    Watched: (_pictures.watch,),
}


def picture_of(record: Any, name: str | None = None, **options: Any) -> Picture:
    """The picture of that name, or the first one of the record's.

    Raises:
        InputError: the record has no such picture, or the picture no such option.
    """
    kind = next(kind for kind in PICTURES if isinstance(record, kind))
    pictures = {one.__name__: one for one in PICTURES[kind]}
    name = next(iter(pictures)) if name is None else name
    if name not in pictures:
        raise InputError(f"a {kind.__name__} has no picture {quoted(name)}; choose one of {', '.join(pictures)}")
    _, *taken = inspect.signature(pictures[name]).parameters
    if strange := [option for option in options if option not in taken]:
        raise InputError(f"the picture {quoted(name)} takes no {strange[0]}=; it takes {', '.join(taken)}")
    return pictures[name](record, **options)
