"""Real event files, written in the test: each folder of a run is one row, with config, last values and state."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from jaxscale._base.errors import InputError
from jaxscale._data.runs import read_quietly
from jaxscale._data.tables import read_frame


def plain(tag: str, value: float) -> summary_pb2.Summary:
    """A scalar as PyTorch writes it; `scalar_pb` is as TensorFlow does."""
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])


def ended(status: int) -> summary_pb2.Summary:
    info = plugin_data_pb2.HParamsPluginData(session_end_info=plugin_data_pb2.SessionEndInfo(status=status))
    said = metadata.create_summary_metadata(info)
    value = summary_pb2.Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=said, tensor=metadata.NULL_TENSOR)
    return summary_pb2.Summary(value=[value])


def write(folder: Path, events: Mapping[int, list[summary_pb2.Summary]]) -> None:
    writer = EventFileWriter(str(folder))
    for step, summaries in events.items():
        for summary in summaries:
            writer.add_event(event_pb2.Event(wall_time=1e9 + step, step=step, summary=summary))
    writer.close()


@pytest.mark.parametrize("scalar", [plain, scalar_pb])
def test_the_last_values_of_each_run_are_read(tmp_path: Path, scalar) -> None:
    for k, loss in enumerate([3.5, 3.25, np.nan]):
        start = [summary_v2.hparams_pb({"n_params": 1e7 * 4**k, "act": "gelu", "tied": True})]
        logged = {s: [scalar("val/loss", 4.0 if s < 20 else loss), scalar("tokens", 1e8 * s)] for s in (10, 20)}
        write(tmp_path / f"d{k}", {0: start, **logged, 30: [ended(api_pb2.STATUS_SUCCESS)]})
    frame = read_frame(f"tensorboard:{tmp_path}")
    assert frame["name"].tolist() == ["d0", "d1", "d2"] and frame["state"].tolist() == ["finished"] * 3
    assert frame.loc[1].drop(["name", "state", "created"]).to_dict() == {
        "config.n_params": 4e7,
        "config.act": "gelu",
        "config.tied": True,
        "val/loss": 3.25,
        "tokens": 2e9,
        "_step": 20,
        "_timestamp": 1e9 + 20,
    }
    runs = read_quietly(f"tensorboard:{tmp_path}")
    assert runs.response.tolist() == [3.5, 3.25] and runs.variables["N"].tolist() == [1e7, 4e7]
    assert "'d2' (row 3) has 'val/loss' NaN" in runs.record.notes[0].text


def test_folders_of_a_split_and_of_hyper_parameters_belong_to_their_run(tmp_path: Path) -> None:
    write(tmp_path / "a" / "train", {1: [scalar_pb("loss", 3.0)]})
    write(tmp_path / "a" / "validation", {2: [scalar_pb("loss", 3.125)]})
    write(tmp_path / "b", {1: [plain("loss", 2.5), text_pb("model_config/text_summary", json.dumps({"n_layer": 4}))]})
    write(tmp_path / "b" / "1700000000.5", {0: [summary_v2.hparams_pb({"lr": 0.5}), plain("hp", 1.0)]})
    write(tmp_path / "b", {3: [plain("loss", 2.25)]})  # went on after it was stopped
    frame = read_frame(f"tensorboard:{tmp_path}").set_index("name")
    assert frame.loc["a", ["train/loss", "validation/loss", "_step"]].tolist() == [3.0, 3.125, 2]
    assert frame.loc["b", ["loss", "hp", "config.lr", "config.model_config.n_layer"]].tolist() == [2.25, 1.0, 0.5, 4]


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for place, words in [("", "names no folder"), (tmp_path / "no", "there is no folder"), (tmp_path, "no file below")]:
        with pytest.raises(InputError, match=words):
            read_frame(f"tensorboard:{place}")
