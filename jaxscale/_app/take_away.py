"""Files to download: of what the sliders say."""

from collections.abc import Callable, Mapping

from jaxscale._app.asked_plan import AskedPlan, asked_for
from jaxscale._app.table_fit import TableFit
from jaxscale._base.files import json_text
from jaxscale._base.text import inert
from jaxscale._pages.reproduction import lines_of


def _report(table: TableFit, asked: AskedPlan) -> str:
    plan = asked_for(table, asked)
    if asked.sigmas:  # of other constants than the fit's
        return plan.report_html()
    return table.result.report_html(plans=plan)


def _plan(table: TableFit, asked: AskedPlan) -> str:
    return json_text(asked_for(table, asked).to_dict())


def _table(table: TableFit, asked: AskedPlan) -> str:
    return asked_for(table, asked).to_frame().to_csv(index=False)


def _python(table: TableFit, asked: AskedPlan) -> str:
    python, _ = lines_of(table.result, (asked_for(table, asked),))
    if asked.sigmas:
        python = (
            f"# One exponent was moved by {inert(asked.sigmas)} standard errors: no line makes that again.\n{python}"
        )
    return python + "\n"


FILES: Mapping[str, tuple[str, Callable[[TableFit, AskedPlan], str]]] = {
    "report.html": ("text/html; charset=utf-8", _report),
    "plan.json": ("application/json", _plan),
    "table.csv": ("text/csv; charset=utf-8", _table),
    "analysis.py": ("text/x-python; charset=utf-8", _python),
}
