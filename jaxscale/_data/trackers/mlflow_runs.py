"""Runs of an MLflow experiment: a folder, a database or a server. The extra is `mlflow`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.text import PATH_LIMIT, inert, listed, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.trackers.run_rows import TrackedRun, by_step

_A_PAGE = 1000
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
_FOLDERS = {"MLFLOW_ALLOW_FILE_STORE": "true"}  # which it reads only when told so


def mlflow_runs(place: str, shown: str, progress: Progress, history: bool = False) -> Iterator[TrackedRun]:
    """The runs of `PLACE#EXPERIMENT`: a folder, the file of a database, or the address of a tracking server, and the
    name or ID of an experiment, which may be left out where only one has runs. Without a place it is that of
    MLFLOW_TRACKING_URI or MLflow's own default. With `history` every value of each metric too. Raises InputError.
    """
    place, _, wanted = place.partition("#")
    path = expanded(place)
    if place and "://" not in place and not path.exists():
        if wanted or "/" in place or place.startswith("."):
            raise InputError(f"{shown}: there is no folder or file {quoted(place)}")
        place, wanted = "", place  # the name of an experiment
    with _environment(_PATIENCE | _FOLDERS):
        import mlflow  # pyright: ignore[reportMissingImports]

        uri = _uri(place) if place else str(mlflow.get_tracking_uri())
        _check_is_there(uri, shown, by_default=not place)
        client = mlflow.MlflowClient(tracking_uri=uri)
        experiments = {str(one.name): str(one.experiment_id) for one in client.search_experiments()}
        names = {number: name for name, number in experiments.items()}
        if wanted and wanted not in experiments and wanted not in names:
            raise InputError(f"{shown}: there is no experiment {quoted(wanted)}; there are {listed(list(experiments))}")
        if not wanted:
            filled = [name for name, number in experiments.items() if client.search_runs([number], max_results=1)]
            if len(filled) > 1:
                where = inert(f"mlflow:{place}#{filled[0]}", 200)
                raise InputError(f"{shown} has several experiments, {listed(filled)}; choose one: '{where}'")
            wanted = filled[0] if filled else ""
        token: Any = None
        done = 0
        while wanted:
            page = client.search_runs([experiments.get(wanted, wanted)], max_results=_A_PAGE, page_token=token)
            for run in page:
                tags = {name: text for name, text in run.data.tags.items() if not name.startswith("mlflow.")}
                summary = {**run.data.metrics, **({"tags": tags} if tags else {})}
                info = run.info
                logged = {name: _logged(client, info.run_id, name) for name in run.data.metrics} if history else {}
                named = (info.run_name, info.run_id, info.status, info.start_time)
                yield TrackedRun(*named, run.data.params, summary, by_step(logged))
            token, done = page.token, done + len(page)
            if not token:
                return
            progress(done, done + _A_PAGE, "reading runs")


def _logged(client: Any, run: str, metric: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in client.get_metric_history(run, metric)]


def _uri(place: str) -> str:
    if "://" in place:
        return place
    path = expanded(place).resolve()
    if path.is_file():
        return f"sqlite:///{path}"
    return (path / "mlruns" if (path / "mlruns").is_dir() else path).as_uri()


def _check_is_there(uri: str, shown: str, by_default: bool) -> None:
    """Raises InputError for a folder or database that MLflow would make, empty, in order to read it."""
    parts = urlparse(uri)
    if parts.scheme not in ("", "file", "sqlite"):
        return
    path = Path(unquote(parts.path.removeprefix("/") if parts.scheme == "sqlite" else parts.path))
    if not path.exists():
        missing = f"there is no {'database' if parts.scheme == 'sqlite' else 'folder'} {quoted(path, PATH_LIMIT)}"
        default = ", where MLflow looks by default; write mlflow:FOLDER, or set MLFLOW_TRACKING_URI" * by_default
        raise InputError(f"{shown}: {missing}{default}")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables that are not set, set for a while."""
    fresh = {name: text for name, text in values.items() if name not in os.environ}
    os.environ.update(fresh)
    try:
        yield
    finally:
        for name in fresh:
            os.environ.pop(name, None)
