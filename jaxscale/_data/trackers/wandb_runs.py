"""Runs of a project of Weights & Biases, through its public API. The extra is `wandb`."""

from collections.abc import Iterator

from jaxscale._base.errors import InputError
from jaxscale._base.text import inert
from jaxscale._base.validation import Progress
from jaxscale._data.trackers.run_rows import TrackedRun

_A_PAGE, _A_PAGE_OF_STEPS = 200, 10_000
_SECONDS = 60  # for one answer


def wandb_runs(place: str, shown: str, progress: Progress, history: bool = False) -> Iterator[TrackedRun]:
    """The runs of `ENTITY/PROJECT`, in the order in which they were made, with their history if asked.

    Raises InputError.
    """
    parts = place.strip("/").split("/")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise InputError(f"{shown} names no project; write wandb:ENTITY/PROJECT, as in the address of its page")
    import wandb  # pyright: ignore[reportMissingImports]

    try:
        api = wandb.Api(timeout=_SECONDS)
        try:
            runs = api.runs("/".join(parts), per_page=_A_PAGE, lazy=False)  # config and summary with each page
        except TypeError:  # before it was lazy
            runs = api.runs("/".join(parts), per_page=_A_PAGE)
        total = len(runs)
        for done, run in enumerate(runs, 1):
            summary = {name: value for name, value in dict(run.summary_metrics).items() if name != "_wandb"}
            logged = [*run.scan_history(page_size=_A_PAGE_OF_STEPS)] if history else ()
            yield TrackedRun(run.name, run.id, run.state, run.created_at, run.config, summary, logged)
            progress(done, total, "reading runs")
    except Exception as error:  # its own, those of requests, and ValueError for a project that is not there
        words = " ".join(f"{error}".split())[:200].rstrip(".") or type(error).__name__
        raise InputError(
            f"{shown} cannot be read: {inert(words)}. Is the name right, may you read the project, and are you logged "
            "in (`wandb login`, or WANDB_API_KEY)?"
        ) from None
