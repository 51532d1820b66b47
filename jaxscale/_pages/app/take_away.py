"""Files to download: of what the sliders say, and of the scenarios kept."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from jaxscale._base.errors import InputError
from jaxscale._base.plain_data import json_text
from jaxscale._pages.app.asked_plan import AskedPlan, asked_for
from jaxscale._pages.app.table_fit import TableFit
from jaxscale._pages.content import Content
from jaxscale._pages.page import page_of
from jaxscale._pages.reproduction import lines_of

_MOST_KEPT = 20
_MOVED = """\
# One exponent is {sigmas!r} standard errors away; the other constants follow as they move together.
j = draws.law.parameter_names.index({name!r})
covariance = np.cov(draws.draws.T)
along = covariance[:, j] / covariance[j, j]
to = draws.theta[j] + {sigmas!r} * np.sqrt(covariance[j, j])
theta = draws.theta + along * (to - draws.theta[j])
cloud = draws.draws + along * (to - draws.draws[:, [j]])
params = {{p.name: p.to_natural(float(x)) for p, x in zip(draws.law.parameters, theta)}}
draws = dataclasses.replace(draws, params=params, theta=theta, draws=cloud)"""


@dataclass(frozen=True)
class Taken:
    """What files are of. name: of the table's file; asked: what the sliders say; kept: scenarios."""

    name: str
    fit: TableFit
    asked: AskedPlan
    kept: tuple[AskedPlan, ...] = ()


def kept_of(texts: Iterable[str]) -> tuple[AskedPlan, ...]:
    """Scenarios as a link holds them: target:flops,budget:1e22.

    Raises:
        InputError: one cannot be read, or there are more than a page keeps.
    """
    found = [{pair.partition(":")[0]: pair.partition(":")[2] for pair in text.split(",")} for text in texts]
    if len(found) > _MOST_KEPT:
        raise InputError(f"a table holds up to {_MOST_KEPT} scenarios; remove some")
    return tuple(map(AskedPlan.of, found))


def _report(taken: Taken) -> str:
    plan = asked_for(taken.fit, taken.asked)
    result = taken.fit.result
    if taken.asked.sigmas:  # of other constants than the fit's
        return plan.report_html()
    return page_of(Content(result, (plan,), table=taken.name, reading=taken.fit.reading.options))


def _plan(taken: Taken) -> str:
    return json_text(asked_for(taken.fit, taken.asked).to_dict()) + "\n"


def _table(taken: Taken) -> str:
    """A row for what the sliders say, and one for each scenario kept: what was asked for, then the plan's columns."""
    rows = []
    for k, asked in enumerate((taken.asked, *taken.kept)):
        plan = asked_for(taken.fit, asked)
        frame = plan.to_frame()
        if asked.target == "size":
            frame["N"] = asked.size  # held, which a plan does not repeat
        given = {
            "scenario": f"kept {k}" if k else "now",
            "asked": asked.words(taken.fit),
            "unit": plan.unit,
            "tokens_served": asked.served,
            "tokens_cap": asked.cap,
            "dollars_per_hour": asked.hourly,
            "exponent_sigmas": asked.sigmas or 0.0,
        }
        rows.append({**given, **frame.iloc[0].to_dict()})
    return pd.DataFrame(rows).to_csv(index=False)


def _python(taken: Taken) -> str:
    """Lines that make these numbers again, run beside the file of the table."""
    plan = asked_for(taken.fit, taken.asked)
    python, _ = lines_of(taken.fit.result, (plan,), table=taken.name, reading=taken.fit.reading.options)
    lines, sigmas, j = python.splitlines(), taken.asked.sigmas, taken.fit.exponent
    if sigmas and j is not None:
        drawn = next(i for i, line in enumerate(lines) if line.startswith("draws = "))
        lines[drawn + 1 : drawn + 1] = _MOVED.format(
            sigmas=sigmas, name=taken.fit.result.law.parameter_names[j]
        ).splitlines()
        place = lines.index("import jaxscale as js")
        lines[place:place] = ["import dataclasses", "", "import numpy as np", ""]
        lines[-1] = 'plan.report_html("report.html")'
    return "\n".join([*lines, "print(plan)"]) + "\n"


FILES: Mapping[str, tuple[str, Callable[[Taken], str]]] = {
    "report.html": ("text/html; charset=utf-8", _report),
    "plan.json": ("application/json", _plan),
    "table.csv": ("text/csv; charset=utf-8", _table),
    "analysis.py": ("text/x-python; charset=utf-8", _python),
}
