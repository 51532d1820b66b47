"""Programs are compiled, or taken from the store, while somebody still looks for their table."""

import threading
import warnings

import jaxscale as js
from jaxscale._pages.app.asked_plan import TARGETS, AskedPlan, answer_to
from jaxscale._pages.app.table_fit import TableFit, table_fit


def warmed(table: TableFit) -> TableFit:
    """The fit, after every kind of question about it was asked once: each target, and one that nothing can answer."""
    row = table.content.plans[0].rows[-1]
    asked = {"loss": {"loss": table.result.response.to_given(row.loss)}, "size": {"size": row.N, "budget": row.budget}}
    for target in TARGETS:
        answer_to(table, AskedPlan.of({"target": target, "sigmas": 1.0} | asked.get(target, {"budget": row.budget})))
    answer_to(table, AskedPlan("flops", budget=1e12, served=1e15, cap=1e9))
    return table


def warm() -> threading.Thread:
    """Fit the demo set and ask of it, in a thread that ends with the process."""

    def work() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warmed(table_fit(js.fit("chinchilla", js.synthetic.demo_runs())))

    thread = threading.Thread(target=work, name="warming", daemon=True)
    thread.start()
    return thread
