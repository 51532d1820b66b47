"""Files that were damaged, are no fit, or hold a law that must be passed in."""

import json

import numpy as np
import pytest
from helpers import LAW

import jaxscale as js


def test_a_law_of_ones_own_is_passed_in(tmp_path):
    mine = js.Law.from_loss(lambda E, A, alpha, *, N: E + A * N**-alpha, name="mine")
    N = np.geomspace(1e7, 1e11, 60)
    js.fit(
        mine, js.synthetic.observe(mine, {"E": 1.7, "A": 300.0, "alpha": 0.34}, {"N": N}, noise=1e-3), intervals=None
    ).save(tmp_path / "fit.json")
    assert js.load(tmp_path / "fit.json", law=mine).law is mine
    with pytest.raises(js.InputError, match="a law of your own is given as law="):
        js.load(tmp_path / "fit.json")
    with pytest.raises(js.InputError, match="was fitted with law 'mine', not 'chinchilla'"):
        js.load(tmp_path / "fit.json", law=LAW)


def test_a_share_next_to_one_is_read_again(tmp_path):
    """Where 1 - share is 7e-14, double precision tells its logit to three digits."""
    loss = np.linspace(2.0, 4.0, 12)
    errors = js.Runs.from_frame({"c4": loss, "err": 0.999 - np.exp(-0.5 * loss)}, response="err", loss="c4")
    share = 1 - 7e-14
    fitted = js.fit(js.laws.gadre_err, errors, fixed={"epsilon": share}, starts=4, intervals=None)
    fitted.save(tmp_path / "fit.json")
    again = js.load(tmp_path / "fit.json")
    assert again.params == fitted.params and again.params["epsilon"] == share


def _set(*path, value):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def _drop(*path):
    def change(data):
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


# What was done to a good file, and a word of the message. All of it must be an InputError that names the file.
DAMAGED = {
    "another version": (_set("format", value="jaxscale.fit/2"), "this version reads jaxscale.fit/1"),
    "another format": (_set("format", value="somebody.else/1"), "somebody.else/1"),
    "no format": (_drop("format"), "no file that jaxscale wrote"),
    "a format that is a list": (_set("format", value=["jaxscale.fit/1"]), ""),
    "a law that is not known": (_set("law", value="kaplun"), "law="),
    "a law that is a number": (_set("law", value=7), ""),
    "options of a law that it lacks": (_set("law_options", value={"breaks": 2}), ""),
    "a parameter missing": (_drop("theta", "alpha"), "alpha"),
    "a parameter too many": (_set("theta", "gamma", value=1.0), "gamma"),
    "a parameter as text": (_set("theta", "alpha", value="0.3"), "finite number"),
    "a parameter as true": (_set("theta", "alpha", value=True), "finite number"),
    "a parameter as null": (_set("theta", "alpha", value=None), "finite number"),
    "a parameter that is not what theta says": (_set("params", "alpha", value=0.9), "contradict each other"),
    "a huge integer": (_set("theta", "alpha", value=10**400), ""),
    "an objective that is not known": (_set("objective", "kind", value="cubic"), "cubic"),
    "an objective that makes no sense": (_set("objective", "delta", value=-1.0), "delta must be"),
    "a verdict that contradicts itself": (_set("verdict", "trustworthy", value=False), "contradicts"),
    "a severity that is not known": (
        _set("verdict", "reasons", value=[{"code": "x", "severity": "dire", "text": ""}]),
        "",
    ),
    "a covariance of other parameters": (_set("covariance", "names", value=["a", "b", "c", "d", "e"]), "covariance"),
    "a covariance that is not square": (_set("covariance", "matrix", value=[[1.0, 2.0]]), ""),
    "a ragged covariance": (_set("covariance", "matrix", value=[[1.0], [1.0, 2.0]]), ""),
    "an interval with one end": (_set("intervals", "params", "alpha", value=[0.3]), ""),
    "a standard error of another parameter": (
        _set("intervals", "theta_standard_errors", value={"gamma": 0.1}),
        "standard errors",
    ),
    "a run changed": (_set("runs", "data", "loss", 0, value=1.0), "SHA-256"),
    "runs without a hash": (_drop("runs", "sha256"), "sha256"),
    "a count as text": (_set("starts", "count", value="many"), "finite number"),
    "a seed as a list": (_set("seed", value=[]), ""),
    "no verdict": (_drop("verdict"), "verdict"),
    "starts as null": (_set("starts", value=None), ""),
    "ties as a number": (_set("constraints", "tied", value=3), ""),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name, full, tmp_path):
    change, message = DAMAGED[name]
    data = json.loads(json.dumps(full.to_dict()))
    change(data)
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(data), "utf-8")
    with pytest.raises(js.InputError, match=message or None) as caught:
        js.load(path)
    assert "damaged.json" in str(caught.value)


TEXTS = {
    "empty": b"",
    "truncated": None,  # made from a good file below
    "not JSON": b"params: 3",
    "a list": b"[]",
    "a number": b"7",
    "huge nesting": b"[" * 200_000 + b"]" * 200_000,
    "nested objects": b'{"format": ' * 50_000,
    "not text": bytes(range(128, 256)),
    "infinity": b'{"format": "jaxscale.fit/1", "law": Infinity}',
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_no_fit_file_is_refused(name, full, tmp_path):
    path = tmp_path / "other.json"
    full.save(path)
    path.write_bytes(path.read_bytes()[:2000] if TEXTS[name] is None else TEXTS[name])
    with pytest.raises(js.InputError, match=r"other\.json"):
        js.load(path)
