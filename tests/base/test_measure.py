"""What a response is called and counted in: names, units, and the two ways that numbers go."""

import math

import numpy as np
import pytest

from jaxscale._base.measure import Measure
from jaxscale._data.runs import Runs, read_quietly

# loss_unit and per_cent, a number of the law's, the same as people count it (by hand), and the words for it.
WAYS = [
    ("nats", False, 2.0, 2.0, "loss", "nats per token", "loss"),
    ("bits", False, 2.0, 2.0 / math.log(2.0), "loss", "bits", "loss (bits)"),
    ("bpb:4.3", False, 2.0, 2.0 / (4.3 * math.log(2.0)), "loss", "bits per byte", "loss (bits per byte)"),
    ("perplexity", False, 2.0, math.e**2, "perplexity", "", "perplexity"),
    ("accuracy", False, 0.3, 0.7, "accuracy", "", "accuracy"),
    ("accuracy", True, 0.3, 70.0, "accuracy", "%", "accuracy (%)"),
    ("error", True, 0.3, 30.0, "error", "%", "error (%)"),
    ("error", False, 0.3, 0.3, "error", "", "error"),
]


def measured(unit: str, per_cent: bool) -> Measure:
    """The measure of a table in that unit, read from its cells."""
    cells = {"nats": [3.1, 2.0], "bits": [4.0, 3.0], "perplexity": [20.0, 8.0]}.get(unit.partition(":")[0], [0.6, 0.3])
    column = unit.partition(":")[0] if unit != "nats" else "loss"
    shown = [f"{100 * x:g}%" for x in cells] if per_cent else cells
    frame = {"params": [1e8, 1e9], "tokens": [1e9, 1e10], column: shown}
    return Runs.from_frame(frame, loss=column, loss_unit=unit).record.measure


@pytest.mark.parametrize(("unit", "per_cent", "law", "given", "name", "word", "heading"), WAYS)
def test_numbers_go_both_ways_and_have_names(unit, per_cent, law, given, name, word, heading):
    measure = measured(unit, per_cent)
    assert (measure.given_name, measure.given_unit, measure.heading) == (name, word, heading)
    np.testing.assert_allclose(measure.to_given(law), given, rtol=1e-14)
    np.testing.assert_allclose(measure.to_law(given), law, rtol=1e-14)
    step = 1e-6
    by_difference = (measure.to_given(law + step) - measure.to_given(law - step)) / (2 * step)
    np.testing.assert_allclose(measure.slope(law), by_difference, rtol=1e-8)
    low, high = measure.ends(law, law * 1.1)
    assert low < high and measure.falls == (by_difference < 0)
    proportional = np.isclose(measure.to_given(2 * law), 2 * given)
    assert measure.linear == proportional
    assert (
        measure.converted == (not np.isclose(given, law) and given != law) and bool(measure.said()) == measure.converted
    )
    assert Measure.from_dict(measure.to_dict()) == measure


@pytest.mark.parametrize(
    ("column", "options", "expected"),
    [
        ("val_loss", {}, ("loss", "nats per token")),
        ("L", {"loss": "L"}, ("loss", "nats per token")),
        ("WER (%)", {"response": "WER (%)"}, ("WER", "%")),
        ("WER (%)", {"loss": "WER (%)"}, ("WER", "%")),
        ("wer", {"loss": "wer"}, ("wer", "")),
        ("wer", {"loss": "wer", "loss_unit": "error"}, ("wer", "")),
        ("top1_error_pct", {"response": "top1_error_pct"}, ("top1_error", "%")),
        ("elo", {"response": "elo"}, ("elo", "")),
        ("Val BPB", {"loss": "Val BPB"}, ("loss", "bits per byte")),
        ("val_bpc", {"loss": "val_bpc"}, ("loss", "bits per character")),
        ("ppl", {"loss": "ppl"}, ("loss", "nats per token")),  # read as what it is called
        ("latency (ms)", {"response": "latency (ms)"}, ("latency (ms)", "")),
    ],
)
@pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")
def test_a_column_says_what_the_response_is(column, options, expected):
    frame = {"params": [1e8, 2e8, 1e9], "tokens": [1e9, 2e9, 1e10], column: [1.9, 1.8, 1.7]}
    measure = Runs.from_frame(frame, **options).record.measure
    assert (measure.name, measure.unit) == expected


def test_a_law_that_knows_better_is_believed_and_its_parameters_are_in_what_is_predicted():
    assert Measure("WER", "%").under("loss", "nats per token") == Measure("WER", "%")
    assert Measure().under("loss", "bits per character").unit == "bits per character"
    assert Measure("mmlu_err", "").under("error", "") == Measure("mmlu_err", "")
    assert Measure().under("task_loss", "nats") == Measure("task_loss", "nats")
    assert Measure("Eff Params", "").under("optimum", "as the instance says") == Measure("Eff Params", "")
    assert [Measure("WER", "%").of_parameter(u) for u in ("nats per token", "nats hours^alpha", "nats^(1/k) N")] == [
        "%", "% hours^alpha", "%^(1/k) N",
    ]  # fmt: skip
    assert Measure("elo", "").of_parameter("nats per token") == "elo"
    assert Measure("loss", "nats", "bits").of_parameter("nats tokens^beta") == "nats tokens^beta"


def test_older_files_say_only_what_the_response_is_called():
    assert Measure.from_dict(None) == Measure() and Measure.from_dict(None, "err") == Measure("err", "")


@pytest.mark.parametrize(
    ("column", "data"),
    [
        ("images", "images"), ("n_train_images", "images"), ("hours", "hours"), ("training hours", "hours"),
        ("demonstrations", "demonstrations"), ("num_demos", "demos"), ("chars", "characters"),
        ("n_chars", "characters"),
        ("example", "examples"), ("train examples", "examples"), ("queries", "queries"), ("trajectory", "trajectories"),
        ("tokens", "tokens"), ("train_tokens", "tokens"), ("image_tokens", "tokens"), ("x", "tokens"), ("D", "tokens"),
    ],
)  # fmt: skip
def test_words_of_data_follow_the_column(column: str, data: str) -> None:
    table = {"params": [1e6, 3e6, 1e7, 3e7], column: [1e6, 2e6, 4e6, 8e6], "loss": [3.0, 2.5, 2.2, 2.0]}
    runs = read_quietly(table, D=column)
    measure = runs.record.measure
    assert (measure.data, measure.unit) == (data, "nats per token" if data == "tokens" else "nats")
    assert measure.of_parameter("nats tokens^beta") == f"nats {data}^beta"
    assert Measure.from_dict(measure.to_dict(), "loss") == measure
    _label, words = next(line for line in runs.record.lines() if line[0] == "D")
    assert f"to 8M {data}" in words
    assert not [note for note in runs.record.notes if note.severity == "fatal"]
    computed = read_quietly(table, D=f"{column}*2")
    assert computed.record.measure.data == "tokens"
