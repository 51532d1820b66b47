"""Runs in the event files of TensorBoard, without TensorFlow. The extra is `tensorboard`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from jaxscale._base.errors import InputError
from jaxscale._base.folders import expanded
from jaxscale._base.text import PATH_LIMIT, quoted
from jaxscale._base.validation import Progress
from jaxscale._data.trackers.run_rows import TrackedRun, by_step

_EVENTS = "*tfevents*"
_SPLITS = ("train", "validation", "val", "eval", "test")  # folders that Keras and others make below that of the run
_STAMPED = re.compile(r"\d{9,}(\.\d+)?")  # the folder that PyTorch's `add_hparams` makes there
_STATES = {1: "finished", 2: "failed", 3: "running"}  # of the plug-in for hyper-parameters


class _Scalar(NamedTuple):
    """One value of a metric; scalars sort by time of training."""

    step: int
    time: float
    value: float


@dataclass
class _Logged:
    """What the event files of one run hold."""

    config: dict[str, Any] = field(default_factory=dict)
    series: dict[str, list[_Scalar]] = field(default_factory=dict)
    state: str | None = None

    def add(self, part: "_Logged", above: str) -> None:
        """Take in what another folder of the run holds, its metrics with `above` before their names."""
        self.config |= part.config
        self.series |= {above + tag: scalars for tag, scalars in part.series.items() if above + tag not in self.series}
        self.state = part.state or self.state


def tensorboard_runs(place: str, shown: str, progress: Progress, history: bool = False) -> Iterator[TrackedRun]:
    """The runs below a folder, one for each folder with event files. Raises InputError.

    Folders that trainers make below it for a split or for hyper-parameters belong to it, metrics of a split under its
    name (`validation/loss`). Hyper-parameters, and JSON among the texts, are its config, the last value of each scalar
    is its summary, and with `history` every one its history.
    """
    top = expanded(place)
    if not place:
        raise InputError(f"{shown} names no folder; write tensorboard:FOLDER")
    if not top.is_dir():
        raise InputError(f"{shown}: there is no folder {quoted(top, PATH_LIMIT)}")
    folders = sorted({path.parent for path in top.rglob(_EVENTS) if path.is_file()})
    if not folders:
        raise InputError(f"{shown}: no file below that folder has events ({_EVENTS})")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs: dict[Path, _Logged] = {}
    for done, folder in enumerate(folders, 1):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        is_split = folder.name.lower() in _SPLITS and folder != top
        is_part = is_split or (folder.parent in runs and _STAMPED.fullmatch(folder.name))
        run = runs.setdefault(folder.parent if is_part else folder, _Logged())
        run.add(_logged(events), f"{folder.name}/" if is_split else "")
        progress(done, len(folders), "reading event files")
    for folder, run in runs.items():
        name = top.resolve().name if folder == top else str(folder.relative_to(top))
        created = min((min(scalars).time for scalars in run.series.values()), default=None)
        last = {tag: max(scalars) for tag, scalars in run.series.items()}
        summary: dict[str, Any] = {tag: scalar.value for tag, scalar in last.items()}
        summary |= {"_step": max(s.step for s in last.values())} if last else {}
        summary |= {"_timestamp": max(s.time for s in last.values())} if last else {}
        logged = {tag: [(one.step, one.value) for one in scalars] for tag, scalars in run.series.items()}
        yield TrackedRun(name, None, run.state, created, run.config, summary, by_step(logged) if history else ())


def _logged(events: Any) -> _Logged:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_ndarray

    logged = _Logged()
    series = logged.series
    tags = events.Tags()
    for tag in tags["scalars"]:
        series[tag] = [_Scalar(one.step, one.wall_time, one.value) for one in events.Scalars(tag)]
    for tag in tags["tensors"]:
        plugin, tensors = events.SummaryMetadata(tag).plugin_data, events.Tensors(tag)
        if plugin.plugin_name == "scalars":
            series[tag] = [_Scalar(t.step, t.wall_time, float(make_ndarray(t.tensor_proto))) for t in tensors]
        elif plugin.plugin_name == "text":
            logged.config |= _json_in(tag, make_ndarray(tensors[-1].tensor_proto).ravel())
        elif plugin.plugin_name == "hparams":
            said = HParamsPluginData.FromString(plugin.content)
            for name, value in said.session_start_info.hparams.items():
                logged.config[name] = getattr(value, value.WhichOneof("kind") or "string_value")
            if said.HasField("session_end_info"):
                logged.state = _STATES.get(said.session_end_info.status)
    return logged


def _json_in(tag: str, texts: Any) -> dict[str, Any]:
    """A text that is a JSON object, as trainers write their arguments, by the name of its tag."""
    try:
        value = json.loads(texts[-1])
    except (ValueError, IndexError, TypeError):
        return {}
    return {tag.removesuffix("/text_summary"): value} if isinstance(value, dict) else {}
