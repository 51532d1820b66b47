"""A fit that tells how far it is, ends when it is told to, and tells failures in words."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import jaxscale as js
from jaxscale._pages.app import fit_job
from jaxscale._pages.app.asked_reading import Reading
from jaxscale._pages.app.browsers import HeldTable
from jaxscale._pages.app.fit_job import FitJob


@pytest.fixture
def workers():
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def table():
    return HeldTable("demo.csv", js.synthetic.demo_frame())


def told(job, until):
    lines, known = [], 0
    while not lines or not ("done" in lines[-1] or "error" in lines[-1] or until(lines[-1])):
        line, known = job.next_line(known)
        lines.append(line)
    return lines


def test_a_fit_that_is_stopped_ends_where_it_next_tells_how_far_it_is(workers, table, monkeypatch):
    heard, ended = [], threading.Event()

    def fit(law, runs, progress):
        try:
            for k in range(1000):
                heard.append(k)
                progress(k, 1000, "searching")
                told_once.wait(5)
        finally:
            ended.set()

    told_once = threading.Event()
    monkeypatch.setattr(fit_job.js, "fit", fit)
    job = FitJob(table, workers)
    lines = told(job, lambda line: line.get("of") == 1000)
    assert lines[-1]["what"] == "finishing the best starts"
    job.stop()
    told_once.set()
    assert told(job, lambda line: False)[-1]["stopped"]
    assert ended.wait(5) and len(heard) <= 3
    assert table.fitted is None
    assert workers.submit(lambda: 1).result(5) == 1  # the next fit begins


def test_one_that_waits_for_another_is_stopped_at_once(workers, table):
    free = threading.Event()
    workers.submit(free.wait, 5)
    job = FitJob(table, workers)
    line, known = job.next_line(0)
    assert (line.keys(), known) == ({"seconds"}, 0)  # a sign of life
    job.stop()
    assert job.next_line(0)[0]["stopped"]
    free.set()


def test_a_fit_goes_on_while_a_page_is_loaded_again_and_ends_when_nobody_comes_back(workers, table):
    free = threading.Event()
    workers.submit(free.wait, 5)
    job = FitJob(table, workers, alone=0.05)
    with job.heard():  # the page as it was, and again
        with job.heard():
            pass
        time.sleep(0.15)
        assert not job.ended
    assert job.next_line(0)[0]["stopped"] and job.ended
    free.set()


def test_failures_are_told(workers, table, monkeypatch):
    table.reading = Reading.of({"loss": "params", "N": "loss", "C": "-"}, set(table.frame.columns))
    table.frame = table.frame.assign(params="abc")
    assert "abc" in told(FitJob(table, workers), lambda line: False)[-1]["error"]

    def broken(*_, **__):
        raise RuntimeError("\x1b[31mno")

    monkeypatch.setattr(fit_job.js, "fit", broken)
    table.reading, table.frame = Reading(), js.synthetic.demo_frame()
    (*_, last) = told(FitJob(table, workers), lambda line: False)
    assert "internal failure, RuntimeError" in last["error"] and "\x1b" not in last["error"]


@pytest.mark.slow
def test_a_real_fit_tells_its_stages_and_stops_between_them(workers, table):
    lines = told(FitJob(table, workers), lambda line: False)
    assert lines[-1]["done"] is True
    stages = list(dict.fromkeys(line["what"] for line in lines if "what" in line))
    order = ["reading the runs", "trying starts", "finishing the best starts", "certifying the optimum", "intervals"]
    assert [s for s in stages if s in order] == order
    assert isinstance(table.fitted.result, js.FitResult) and len(table.fitted.draws.draws) == 300
    other = HeldTable("demo.csv", js.synthetic.demo_frame())
    job = FitJob(other, workers)
    told(job, lambda line: line.get("what") == "finishing the best starts")
    job.stop()
    workers.submit(lambda: None).result(60)
    assert other.fitted is None
