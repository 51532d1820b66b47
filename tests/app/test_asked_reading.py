"""What the page asks of a table is what `read_runs` is asked: formulas, filters, weights; messages name its fields."""

import pytest

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._pages.app.asked_reading import Reading, on_page
from jaxscale._pages.app.browsers import HeldTable
from jaxscale._pages.app.uploads import guess, read
from jaxscale._pages.reproduction import lines_of

NAMES = ["params", "tokens", "flops", "loss", "w", "se", "steps", "name", "lr"]


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"N": "", "C": "-", "loss": "loss", "law": "chinchilla"}, {"C": False, "loss": "loss"}),
        ({"D": "=steps*batch*length"}, {"D": "steps*batch*length"}),
        ({"where": "flops < 1e22\n\n name != bad "}, {"where": ["flops < 1e22", "name != bad"]}),
        (
            {"weights": "w", "run": "name", "checkpoints": "best"},
            {"weights": "w", "run": "name", "checkpoints": "best"},
        ),
        ({"loss_se": "se", "decimal": ",", "on_bad": "drop"}, {"loss_se": "se", "decimal": ",", "on_bad": "drop"}),
        ({"loss_unit": "bpb", "token_bytes": "4.3"}, {"loss_unit": "bpb:4.3"}),
        ({"loss_unit": "nats", "on_bad": "raise", "token_bytes": "4"}, {"loss_unit": "nats"}),
        ({"loss_unit": "", "on_bad": "raise"}, {}),
        ({"best_of": "lr, w", "units": "N=1e6, D=1B"}, {"best_of": ["lr", "w"], "units": {"N": 1e6, "D": 1e9}}),
    ],
)
def test_fields_become_options(given, options):
    assert Reading.of(given, NAMES).options == options


def test_what_is_minimised_and_from_where_goes_to_the_fit():
    reading = Reading.of({"objective": "lower-edge", "starts": "500"}, NAMES)
    assert reading.fitting == {"objective": js.LowerEdge(0.1), "starts": 500}
    assert reading.further and not reading.options
    assert Reading.of({"starts": "paper"}, NAMES).fitting == {"starts": "paper"} and Reading().fitting == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"N": "size"}, "there is no column size"),
        ({"weights": "-"}, "there is no column -"),
        ({"loss": 3}, "loss must be text"),
        ({"where": "x" * 3000}, "at most 2,000"),
        ({"law": "mine.py:law"}, "law is one of"),
        ({"on_bad": "ignore"}, "A row that cannot be used is one of"),
        ({"units": "N=many"}, "not a number"),
    ],
)
def test_fields_that_cannot_be_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        Reading.of(given, NAMES)


def test_a_table_is_read_as_the_command_line_reads_it_and_python_says_how():
    frame = js.synthetic.demo_frame()
    frame = frame.assign(steps=frame.tokens / 1e6, w=1.0 + (frame.params > 1e9)).drop(columns=["tokens"])
    given = {"D": "=steps*1e6", "where": "loss < 3.9", "weights": "w"}
    table = HeldTable("runs.csv", frame, Reading.of(given, frame.columns))
    runs = read(table)
    wanted = js.read_runs(frame, D="steps*1e6", where=["loss < 3.9"], weights="w")
    assert runs.sha256 == wanted.sha256 and runs.weights is not None
    found = guess(table)
    assert found.count == f"{wanted.count} runs; {54 - wanted.count} rows left out by the filter"
    assert found.columns["D"] == "steps*1e6"
    assert guess(table, Reading.of({"D": "=steps*"}, frame.columns)).problem
    assert guess(table, Reading.of({"where": "nothing < 3"}, frame.columns)).problem
    other = js.fit("chinchilla", runs, intervals=None)
    python, shell = lines_of(other, (), table="runs.csv", reading=table.reading.options)
    assert "where=['loss < 3.9']" in python and "D='steps*1e6'" in python and "weights='w'" in python
    assert "--weights w" in shell and "-D 'steps*1e6'" in shell and "--col" not in shell
    with_errors = js.read_runs(frame.assign(se=0.01), D="steps*1e6", loss_se="se")
    python, shell = lines_of(js.fit("chinchilla", with_errors, intervals=None, starts=20), ())
    assert "starts=20" in python and "--starts 20" in shell
    assert "loss_se='se'" in python and "weights" not in python and "--loss-se se" in shell


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('left out: on_bad="drop" (--on-bad drop)',
         "left out: “A row that cannot be used: is left out, and the report says so”"),
        ('say loss_unit="bpb:4.3" (--loss-unit bpb:4.3)',
         "say “Unit of the loss: bits per byte” and “Bytes of a token: 4.3”"),
        ('Name it with loss="..." (--loss)', "Name it with “Loss”"),
        ("filter the rows out (where=, --where), or", "filter the rows out (“Keep only rows where”), or"),
        ("best_of=['lr'] (--best-of lr) keeps", "“Keep the best of a sweep over: lr” keeps"),
        ('one, where="corpus == web" (--where)', "one, “Keep only rows where: corpus == web”"),
        ('units={"N": 1e6} (--unit N=1e6)', "“Multiply cells: N=1e6”"),
        ("row 1 holds 'abc'\nRows count from 1", "row 1 holds 'abc'. Rows count from 1"),
        ("try starts=500 (--starts 500) or", "try “Starts: 500” or"),
        ("starts='paper' (--starts paper)", "“Starts: the law's published grid”"),
        ("edge, objective=LowerEdge(0.1) (--objective lower-edge:0.1)",
         "edge, “What is minimised: lower edge, a tenth of the runs below”"),
        ("by objective=Huber('matched') (--delta matched)", "by “What is minimised: Huber, matched to the noise”"),
        ('column \'x\': loss="eval/ppl", loss_unit="perplexity" (--loss eval/ppl --loss-unit perplexity) reads it',
         "column 'x': “Loss: eval/ppl” and “Unit of the loss: perplexity” reads it"),
        ("'$5' is in dollars, but cost six_nd is in FLOPs; for dollars choose dollars:h100,mfu=.4,price=2",
         "'$5' is in dollars, but cost six_nd is in FLOPs; choose dollars, GPU-days or FLOPs beside the amount"),
        ("of N alone: jaxscale fit --law power_law", "of N alone: on the command line, jaxscale fit --law power_law"),
        ("use kind='pairs' (--kind pairs)", "use kind='pairs' (on the command line, --kind pairs)"),
        ('name the run, run="..." (--run-column COLUMN)', "name the run, “Run that a row is of”"),
        ("--where \"state != ''\" keeps all", "“Keep only rows where: state != ''” keeps all"),
        ("without (C=False, -C none)", "without (“Compute C (FLOPs): none”)"),
        ('N="params_b" (-N \'params_b\')', "“Parameters N: params_b”"),
    ],
)  # fmt: skip
def test_messages_speak_of_the_fields_of_the_page(said, shown):
    assert on_page(said) == shown
