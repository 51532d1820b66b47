"""Runs of a project of Trackio, which keeps no states. The extra is `trackio`."""

from collections.abc import Iterator
from typing import Any

from jaxscale._base.errors import InputError
from jaxscale._base.text import listed, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.trackers.run_rows import TrackedRun

_OWN = {"step": "_step", "timestamp": "_timestamp"}


def trackio_runs(place: str, shown: str, progress: Progress, history: bool = False) -> Iterator[TrackedRun]:
    """The runs of a project on this machine, in TRACKIO_DIR or Trackio's own folder, with their history if asked.

    Raises InputError.
    """
    if not place or "/" in place:
        raise InputError(f"{shown} names no project; write trackio:PROJECT")
    from trackio import Api  # pyright: ignore[reportMissingImports]
    from trackio.sqlite_storage import SQLiteStorage  # pyright: ignore[reportMissingImports]

    projects = list(SQLiteStorage.get_projects())
    if place not in projects:
        there = f"there are {listed(projects)}" if projects else "Trackio has none on this machine"
        raise InputError(f"{shown}: there is no project {quoted(place)}; {there}")
    runs = list(Api().runs(place))
    for done, run in enumerate(runs, 1):
        logged = sorted(SQLiteStorage.get_logs(place, run.name, run_id=run.id), key=lambda one: one.get("step") or 0)
        logged = [{_OWN.get(str(name), str(name)): value for name, value in entry.items()} for entry in logged]
        summary: dict[str, Any] = {}
        for entry in logged:
            summary |= {name: value for name, value in entry.items() if value is not None}
        config = {name: value for name, value in (run.config or {}).items() if not name.startswith("_")}
        created = (run.config or {}).get("_Created")
        yield TrackedRun(run.name, run.id, None, created, config, summary, logged if history else ())
        progress(done, len(runs), "reading runs")
