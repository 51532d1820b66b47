"""The page begins: quickly, on this machine alone, with its address printed; and what prevents it is a sentence."""

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from helpers import ROOT

import jaxscale as js
from jaxscale._pages.app import serve as served
from jaxscale._pages.app.serve import serve


def test_a_port_that_is_taken_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(js.InputError, match="cannot listen"):
        serve(port=taken.getsockname()[1], browser=False, say=lambda _: None)
    with pytest.raises(js.InputError, match="cannot listen"):
        serve(port=99_999, browser=False, say=lambda _: None)


def test_without_its_extra_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(js.MissingExtraError, match=r"jaxscale\[app\]'.*pip install -e '\.\[app\]'"):
        serve(browser=False)


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_only_this_machine_unless_told_otherwise(monkeypatch, host, warned):
    uvicorn = pytest.importorskip("uvicorn")
    said, hosts = [], []

    def run(server, sockets):
        hosts.append(sockets[0].getsockname()[0])
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr("jaxscale._pages.app.warming.warm", lambda: None)
    serve(host=host, port=0, browser=False, say=said.append)
    assert hosts == ["0.0.0.0" if warned else "127.0.0.1"]
    assert ("not encrypted" in said[0]) == warned
    assert re.search(r"http://\S+:\d+/#token=[\w-]{32}\n", said[-1])


def test_names_that_are_this_page():
    assert served._hosts("127.0.0.1", 80) == ("127.0.0.1:80", "[::1]:80", "localhost:80")
    assert served._hosts("10.0.0.7", 80) == ("10.0.0.7:80",)
    assert f"{socket.gethostname()}:80" in served._hosts("0.0.0.0", 80)


@pytest.mark.slow
def test_the_command_serves_a_table_soon(tmp_path):
    """Three seconds, counted in processor time, since other work may hold the cores."""
    js.synthetic.demo_frame().to_csv(tmp_path / "runs.csv", index=False)
    command = [sys.executable, "-m", "jaxscale", "app", "runs.csv", "--no-browser", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    seconds = []
    for _ in range(3):
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=environment)
        try:
            line = process.stderr.readline()
            with open(f"/proc/{process.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            seconds.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
            address = re.search(r"http://\S+?/", line)[0]
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert b"Drop a table" in answer.read()
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{address}api/tables", timeout=60)
        finally:
            process.terminate()
            process.wait(60)
            process.stderr.close()
    print("seconds of CPU until it listens:", seconds)
    assert min(seconds) <= 3.0
    assert os.listdir(tmp_path) == ["runs.csv"]
