"""What is noticed in a table: units, conventions, duplicates, groups."""

import numpy as np
import pytest
from helpers import FOUR, four_runs

from jaxscale._data.runs import Runs

# Tables of a few made-up rows are doubtful by nature; what is warned of has tests in test_reading.py.
pytestmark = pytest.mark.filterwarnings("ignore::jaxscale.DataWarning")

N, D, LOSS = FOUR.values()


@pytest.mark.parametrize(
    ("changes", "options", "codes", "words"),
    [
        ({}, {}, [], ""),
        ({"params": [0.1, 0.3, 1, 3]}, {}, ["suspicious_units"], "N has a median of 0.65 parameters"),
        ({"tokens": [2, 10, 50, 200]}, {}, ["suspicious_units"], "D has a median of 30 tokens"),
        ({"tokens": None, "flops": [1, 2, 3, 4]}, {}, ["suspicious_units"], "PF-days"),
        ({"loss": [30, 20, 15, 11]}, {}, ["suspicious_units"], "perplexity"),
        ({"loss": None, "val_ppl": LOSS}, {"loss": "val_ppl"}, [], ""),
        ({"loss": None, "loss_bits": LOSS}, {"loss": "loss_bits"}, [], ""),
        ({"loss": None, "loss_bits": LOSS}, {"loss": "loss_bits", "loss_unit": "nats"}, [], ""),
        ({"loss": None, "c4_bpb": LOSS}, {"loss": "c4_bpb"}, ["suspicious_units"], 'loss_unit="bits"'),
        ({"loss": None, "loss_bits": LOSS}, {"loss": "loss_bits", "loss_unit": "bits"}, [], ""),
        ({"loss": None, "habits": LOSS}, {"loss": "habits"}, [], ""),
        ({"flops": [6.6 * n * d for n, d in zip(N, D, strict=True)]}, {}, [], ""),
        ({"flops": [9 * n * d for n, d in zip(N, D, strict=True)]}, {}, ["mixed_conventions"], "1.5 times 6 N D"),
        (
            {"flops": [k * n * d for k, n, d in zip([6, 6, 18, 6], N, D, strict=True)]},
            {},
            ["mixed_conventions"],
            "from 1 to 3; row 3 is",
        ),
        (
            {"params": [1e8, 3e9, 1e8, 1e8], "tokens": [1e9] * 4, "loss": [3, 2, 3, 3]},
            {},
            ["duplicate_rows"],
            "2 rows repeat another in all variables and the response: 1, 3, 4",
        ),
    ],
)
def test_notes(changes: dict, options: dict, codes: list[str], words: str) -> None:
    record = Runs.from_frame(four_runs(**changes), **options).record
    assert [note.code for note in record.notes] == codes
    assert words in "".join(note.text for note in record.notes)
    assert {note.severity for note in record.notes} <= {"warning"}


@pytest.mark.parametrize(
    ("factor", "severity"), [(9.9, "warning"), (10.1, "fatal"), (0.11, "warning"), (1e-9, "fatal")]
)
def test_compute_in_another_unit_is_fatal(factor: float, severity: str) -> None:
    """C ten times off 6 N D, up or down, is no matter of what is counted."""
    flops = [factor * 6 * n * d for n, d in zip(N, D, strict=True)]
    notes = Runs.from_frame(four_runs(flops=flops)).record.notes
    assert [note.severity for note in notes if note.code == "mixed_conventions"] == [severity]


@pytest.mark.parametrize(
    ("name", "noted"),
    [(name, False) for name in ("images", "n_samples", "hours of speech", "imagesSeen", "demonstrations", "num_games")]
    + [(name, True) for name in ("tokens", "num_iterations", "train_steps", "tokens (of images)")],
)
def test_what_holds_for_tokens_is_not_asked_of_other_data(name: str, noted: bool) -> None:
    """Fewer than one a parameter, and few in all: no matter for images, another unit for tokens and steps."""
    data = {"params": N, name: [n / 500 for n in N], "flops": [1e9 * n for n in N], "loss": [3.0, 2.9, 2.8, 2.7]}
    notes = Runs.from_frame(data, D=name).record.notes
    assert {"suspicious_units", "mixed_conventions"} & {note.code for note in notes} == (
        {"suspicious_units", "mixed_conventions"} if noted else set()
    )


def test_a_count_that_stays_small_in_the_unit_of_its_header_is_noted() -> None:
    """The unit is applied; what it gives is no more plausible than without."""
    frame = four_runs(**{"params": None, "Model size (K)": [0.1, 0.2, 0.4, 0.8]})
    (note,) = Runs.from_frame(frame, N="Model size (K)").record.notes
    assert (note.code, note.severity) == ("suspicious_units", "warning")
    assert note.text.startswith("N has a median of 300 parameters: if column 'Model size (K)' is in larger units")


def test_rows_of_a_note_are_numbers() -> None:
    flops = [k * n * d for k, n, d in zip([6, 6, 18, 6], N, D, strict=True)]
    (note,) = Runs.from_frame(four_runs(flops=flops)).record.notes
    assert note.rows == (3,)
    (note,) = Runs.from_frame({"N": [1e8, 1e8, 1e9, 1e8], "loss": [3, 3, 2, 3]}).record.notes
    assert note.rows == (1, 2, 4)


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        (["web", "code", "books"] * 10, True),
        (["web", "code", None] * 10, True),
        (["web"] * 30, False),
        ([f"run{i}" for i in range(30)], False),
        (["1", "2", "3"] * 10, False),
        ([1.0, 2.0, 3.0] * 10, False),
        ([["web"], ["code"], ["books"]] * 10, False),
    ],
)
def test_a_column_of_few_words_may_name_groups(cells: list, noted: bool) -> None:
    frame = {"params": np.geomspace(1e8, 1e9, 30), "loss": np.linspace(4, 3, 30), "corpus": cells}
    notes = Runs.from_frame(frame).record.notes
    assert [(n.code, n.severity) for n in notes] == [("possible_groups", "info")] * noted
    assert all("'corpus' has" in n.text and "--by 'corpus'" in n.text for n in notes)
    if noted:  # a part with one value, or a fit that uses the column, has nothing to say
        assert Runs.from_frame(frame, where="corpus == web").record.notes == ()
        assert Runs.from_frame(frame, run="corpus", on_bad="drop").record.notes == ()
