"""A run under way: least squares and Student's t written out, planted curves, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxscale as js
from studies import under_way


def curves(count: int = 8, seed: int = 0, progress: float = 0.5, kind: str = "Gaussian") -> tuple[js.Runs, np.ndarray]:
    """Finished runs and one called new, by the study; and all losses."""
    p, loss, _ = under_way.curves("cosine", kind, count, np.random.default_rng(seed))
    return under_way.table(p, loss, progress), loss


def test_the_end_is_a_regression_on_the_loss_at_the_same_progress():
    """By SciPy's regression and the interval of a new observation; curves without noise are read off as they are."""
    rng = np.random.default_rng(2)
    p = np.arange(1, 41) / 40
    level, last = rng.uniform(2, 4, 7), rng.uniform(0.7, 0.8, 7)
    loss = np.exp(level[:, None] + np.outer(np.log(last), np.log(4 * p) / np.log(4)))  # a power of p each
    found = js.watch(under_way.table(p, loss, 0.25), "new", 1.0, goal=float(loss[-1, -1]))
    x, y = level[:-1], np.log(loss[:-1, -1])
    line = stats.linregress(x, y)
    left = y - line.intercept - line.slope * x
    error = np.sqrt(left @ left / 4 * (1 + 1 / 6 + (level[-1] - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()))
    value = line.intercept + line.slope * level[-1]
    assert np.log([found.now, found.foretold]) == pytest.approx([level[-1], value])
    assert np.log(found.interval) == pytest.approx(value + stats.t(4).ppf([0.05, 0.95]) * error)
    assert found.chance == pytest.approx(stats.t(4).cdf((np.log(loss[-1, -1]) - value) / error))


def test_runs_of_other_lengths_are_aligned_by_their_share_of_tokens():
    runs, _ = curves()
    D = runs.variables["D"].copy()
    for k, name in enumerate(dict.fromkeys(runs.clusters)):
        D[np.array(runs.clusters) == name] *= 1e9 * 3**k
    longer = js.Runs({"D": D}, runs.response, clusters=runs.clusters)
    found, plain = js.watch(longer, "new", 1e9 * 3**8), js.watch(runs, "new")
    assert found.path[:, 1:] == pytest.approx(plain.path[:, 1:], rel=1e-9)
    assert (found.seen, found.progress) == (pytest.approx(0.5 * 3**8 * 1e9), pytest.approx(0.5))
    with pytest.raises(js.InputError, match=r"the other runs end after 1B to 2.19T; say what new will see"):
        js.watch(longer, "new")


def test_it_says_whether_to_stop():
    runs, loss = curves()
    end = float(loss[-1, -1])
    good, bad = (js.watch(runs, "new", goal=end * x) for x in (1.2, 0.8))
    open_ = js.watch(runs, "new", goal=bad.foretold * 1.001)
    assert bad.stop and bad.advice.startswith("Stop it") and bad.decided_at <= bad.progress
    assert not good.stop and good.advice.startswith("Let it run") and good.decided_at is None
    assert open_.advice.startswith("Go on") and 0.05 < open_.chance < 0.95
    assert "Stop it" in str(bad) and "8 finished runs" in str(bad)
    nearer = js.watch(runs, "new", goal=good.foretold * 0.9935)
    assert nearer.progress < nearer.settles_at < 1 and "Look again at D = " in nearer.advice
    frame = bad.to_frame()
    assert list(frame) == ["progress", "D", "loss", "low", "high"] and frame["progress"].iloc[-1] == 1
    without = js.watch(runs, "new", without=["run 0", "run 1"])
    assert "With 6 finished runs" in str(without) and "Without a goal" in str(without)


def test_it_says_where_the_others_do_not_reach():
    runs, _ = curves(kind="largest")
    assert "below that of every finished run" in str(js.watch(runs, "new"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"run": "other"}, "no run 'other'; there are 'run 0'"),
        ({"without": ["none"]}, "no run 'none'"),
        ({"without": [f"run {k}" for k in range(5)]}, "3 finished runs beside new; 4 are needed"),
        ({"until": 0.5}, "it is over"),
        ({"until": 100.0}, "is 0.5 % done; from 2 % on"),
        ({"goal": -1}, "goal must be a positive number"),
        ({"stop_below": 0.7}, "stop_below is a chance"),
    ],
)
def test_what_cannot_be_told_is_refused(options, words):
    with pytest.raises(js.InputError, match=words):
        js.watch(curves()[0], **{"run": "new", **options})


def test_a_table_is_read_with_all_of_its_checkpoints():
    runs, _ = curves()
    frame = pd.DataFrame({"run": runs.clusters, "tokens": 1e9 * runs.variables["D"], "loss": runs.response})
    assert js.watch(frame, "new", "1B").foretold == pytest.approx(js.watch(runs, "new").foretold)
    with pytest.raises(js.InputError, match="rows name no run"):
        js.watch(js.Runs({"D": runs.variables["D"]}, runs.response), "new")


def with_rates(count: int = 6, own: str = "cosine", odd: str = "cosine", progress: float = 0.5) -> pd.DataFrame:
    """Checkpoints with learning rates that warm up over shares of their own: cosines to nothing, but for one finished
    run and the new one, which may be held at their peak, or fall only in the last fifth."""
    p, loss, _ = under_way.curves("cosine", "Gaussian", count, np.random.default_rng(0))
    runs = under_way.table(p, loss, progress)
    shapes = {
        "cosine": lambda p: (1 + np.cos(np.pi * p)) / 2,
        "constant": lambda p: np.ones_like(p),
        "decay": lambda p: np.minimum(1, (1 - p) / 0.2),
    }
    names, D = np.array(runs.clusters), runs.variables["D"]
    rate = np.empty(len(D))
    for k, name in enumerate(dict.fromkeys(names)):
        shape = own if name == "new" else odd if name == "run 0" else "cosine"
        rate[names == name] = (
            3e-4 * 2**k * shapes[shape](D[names == name]) * np.minimum(1, D[names == name] * 50 / (k + 1))
        )
    return pd.DataFrame({"run": names, "tokens": 1e9 * D, "loss": runs.response, "train/learning_rate": rate})


def test_runs_of_another_schedule_are_refused_by_their_learning_rates():
    rate = {"lr": "train/learning_rate"}
    plain = js.watch(with_rates(), "new", "1B")
    assert js.watch(with_rates(), "new", "1B", **rate).interval == plain.interval
    assert "'train/learning_rate' was not used" in str(plain)
    with pytest.raises(js.InputError, match=r"runs 'run 0', .* had another schedule of learning rates than new: after"):
        js.watch(with_rates(own="constant"), "new", "1B", **rate)
    with pytest.raises(js.InputError, match=r"run 'run 0' had another.*leave them out \(without=, --without\)"):
        js.watch(with_rates(odd="constant"), "new", "1B", **rate)
    left = js.watch(with_rates(odd="constant"), "new", "1B", without=["run 0"], **rate)
    assert len(left.finished) == 5
    # What has not happened yet: a decay of some of the finished runs.
    with pytest.raises(js.InputError, match=r"more than one schedule of learning rates.*'run 0' 1, 'run 1' 0\.\d+ of"):
        js.watch(with_rates(odd="decay", progress=0.15), "new", "1B", **rate)


def annealed(progress: float = 0.5) -> tuple[js.Runs, float]:
    """Six finished runs, held constant or with a rate that falls all the way, and one that falls over the last fifth,
    without noise: multiples of one curve of the area under the rate, less 3 % of the area that it has fallen,
    both in closed form; and the end of the last."""
    p = np.arange(1, 61) / 60
    late = np.maximum(p - 0.8, 0.0)
    area = {"constant": p, "linear": p - p**2 / 2, "late": p - 2.5 * late**2}
    rate = {"constant": np.ones(60), "linear": 1 - p, "late": 1 - 5 * late}
    kinds = ["constant", "linear"] * 3 + ["late"]
    size = np.array([1.3, 0.9, 1.1, 1.2, 1.0, 0.8, 1.05])
    loss = np.stack(
        [s * (1.7 + 0.5 * area[k] ** -0.35) * (1 - 0.03 * (p - area[k])) for s, k in zip(size, kinds, strict=True)]
    )
    runs, lr = under_way.table(p, loss, progress), np.concatenate([rate[k] for k in kinds])
    return js.Runs(runs.variables | {"lr": lr[: runs.count]}, runs.response, clusters=runs.clusters), loss[-1, -1]


@pytest.mark.parametrize("progress", [0.3, 0.9])
def test_runs_of_other_schedules_count_where_the_rate_to_come_is_said(progress):
    """Runs of the same share of tokens miss it."""
    runs, end = annealed(progress)
    found = js.watch(runs, "new", 1.0, lr="lr", ahead={0.8: 1, 1: 0})
    plain = js.watch(js.Runs({"D": runs.variables["D"]}, runs.response, clusters=runs.clusters), "new", 1.0)
    assert found.foretold == pytest.approx(end, rel=5e-4) and abs(plain.foretold / end - 1) > 2e-3
    assert found.interval[0] < end < found.interval[1] and found.interval[1] / found.interval[0] < 1.005
    assert "goes on as planned (1 of its peak at 80 %, 0 of its peak at 100 %)" in " ".join(str(found).split())
    held = js.watch(runs, "new", 1.0, lr="lr", ahead="run 2")  # constant from here
    if progress < 0.8:
        assert held.foretold == pytest.approx(1.05 * 2.2, rel=5e-4) and "as that of run 2" in held.ahead


def test_what_of_other_schedules_cannot_be_told_is_refused():
    runs, _ = annealed()
    lr = {"lr": "lr"}
    for options, words in (
        ({"ahead": "run 9"} | lr, "no finished run 'run 9'; there are"),
        ({"ahead": {0.8: 1}} | lr, r"the last at 1, such as \{0.8: 1, 1: 0\} \(--ahead .8=1,1=0\)"),
        ({"ahead": {0.8: 2, 1: 0}} | lr, "shares of the peak rate"),
        ({"ahead": 3} | lr, "shares of the peak rate"),
        (lr, r"say how that of new goes on \(ahead=, --ahead\)|say how its rate goes on \(ahead=, --ahead\)"),
    ):
        with pytest.raises(js.InputError, match=words):
            js.watch(runs, "new", 1.0, **options)
    bare = js.Runs({"D": runs.variables["D"]}, runs.response, clusters=runs.clusters)
    with pytest.raises(js.InputError, match=r"name its column too \(lr=, --lr\)"):
        js.watch(bare, "new", 1.0, ahead={1: 0})
    steady = js.Runs(runs.variables | {"lr": np.ones(runs.count)}, runs.response, clusters=runs.clusters)
    with pytest.raises(js.InputError, match="that of no finished run did: nothing says what it brings"):
        js.watch(steady, "new", 1.0, lr="lr", ahead={0.8: 1, 1: 0})
    assert js.watch(steady, "new", 1.0, lr="lr", ahead={1: 1}).foretold > 0


def test_a_run_that_goes_otherwise_than_the_others_is_told():
    """Of 25 sets of 16 finished runs with a cosine schedule, one that has it too is told by chance in 1 % (of three
    the chance is .2 %), of those that are held constant and then fall about half, at .8 of their way."""
    told = {}
    for own in ("cosine", "decay"):
        for k in range(25):
            rng = np.random.default_rng([7, k])
            p, loss, _ = under_way.curves("cosine", "Gaussian", 16, rng)
            loss[-1] = under_way.curves(own, "Gaussian", 16, rng)[1][-1]
            note = "WENT OTHERWISE" in str(js.watch(under_way.table(p, loss, 0.8), "new", 1.0).notes)
            told[own] = told.get(own, 0) + note
    assert told["cosine"] <= 2 and told["decay"] >= 8


def test_the_picture_shows_the_band_and_the_goal():
    chart = js.watch(curves()[0], "new", goal=2.5).plot().chart
    kinds = [type(mark).__name__ for mark in chart.panels[0].marks]
    assert kinds.count("Line") == 10 and "Area" in kinds and "Rule" in kinds


def test_a_run_that_its_tracker_calls_running_is_told_how_it_is_kept():
    runs, _ = curves()
    frame = pd.DataFrame({"run": runs.clusters, "tokens": 1e9 * runs.variables["D"], "loss": runs.response})
    frame["state"] = np.where(frame["run"] == "new", "running", "finished")
    told = r"no run 'new'.*--where \"state != ''\" keeps"
    with pytest.warns(js.DataWarning), pytest.raises(js.InputError, match=told):
        js.watch(frame, "new", "1B")
    kept = js.watch(frame, "new", "1B", where="state != ''")
    assert kept.foretold == pytest.approx(js.watch(runs, "new").foretold)


def test_data_that_are_no_tokens_are_called_by_their_name():
    runs, _ = curves()
    frame = pd.DataFrame({"run": runs.clusters, "images": 1e9 * runs.variables["D"], "loss": runs.response})
    found = js.watch(frame, "new", D="images")
    assert "the share of their images" in str(found) and "tokens" not in str(found)
    assert found.plot().chart.panels[0].x.label == "share of its images seen"


def test_the_study_says_that_intervals_hold():
    """400 sets a cell, standard error 1.5 %: of runs like the others 87 to 93 % but for that, in the mean 89.3; a run
    beyond all others is held about as often, the more the earlier it is."""
    cells = {name: cell for name, cell in under_way.written().items() if "then" not in name}
    assert len(cells) == 27
    alike = np.array([cell["held"] for name, cell in cells.items() if "largest" not in name])
    beyond = np.array([cell["held"] for name, cell in cells.items() if "largest" in name])
    assert alike.min() > 0.87 - 0.015 and alike.max() < 0.93 + 0.015 and 0.885 < alike.mean() < 0.905
    assert beyond.min() > 0.85 and beyond.max() < 0.96
    assert max(max(cell["stopped_of_good"]) for cell in cells.values()) < 0.05


def test_the_study_says_that_intervals_hold_across_schedules():
    """100 sets a cell, standard error 3 %: about as often as among runs of one schedule, and where the
    rate is to fall as that of no finished run did, which is said, between 84 and 100 % of the time."""
    cells = {name: cell for name, cell in under_way.written().items() if "then" in name}
    assert {f"{name}, {gain}, Gaussian, 8" for name in under_way.ACROSS for gain in under_way.GAINS} <= set(cells)
    seen = np.array([cell["held"] for name, cell in cells.items() if not name.startswith(under_way.BEYOND)])
    beyond = np.array([cell["held"] for name, cell in cells.items() if name.startswith(under_way.BEYOND)])
    assert seen.min() > 0.8 and 0.87 < seen.mean() < 0.93 and beyond.min() > 0.8
    others, own = under_way.ACROSS[under_way.BEYOND]
    p, loss, _ = under_way.curves(own, "Gaussian", 6, np.random.default_rng(0), *others)
    found = js.watch(under_way.crossed(p, loss, 0.4, own, others), "new", 1.0, lr="lr", ahead=under_way.planned(own, p))
    assert "FALLS EARLIER OR FURTHER" in str(found.notes) and "as given at 60 places" in str(found.ahead)


@pytest.mark.slow
def test_other_seeds_say_what_the_study_says():
    for kind in ("Gaussian", "t(4)"):
        held = under_way.study("decay", kind, 8, 150, seed=1)["held"]
        assert np.abs(np.array(held) - 0.9).max() < 3.5 * 0.0245
