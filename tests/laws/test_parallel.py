"""Parallel streams: published figures, and one stream."""

import numpy as np
import pytest
from helpers import COUNT, as_printed, closed, of, random_params, respond, sizes_and_tokens

from jaxscale import laws

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("parscale:stack_v2_python", {"N": 535813376, "P": 1}, "1.17282"),
    ("parscale:stack_v2_python", {"N": 4414502408, "P": 8}, ".97968"),
    ("parscale:pile", {"N": 535813376, "P": 1}, "2.11070"),
    ("parscale:pile", {"N": 4414502408, "P": 8}, "1.77854"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def test_published_closed_form_of_parallel():
    assert of("parscale:stack_v2_python", "size_factor", 8) == as_printed("1.818")
    assert of("parscale:pile", "size_factor", 8) == as_printed("1.695")


def test_parscale_observations():
    """The losses in the authors' script, of which the law is a fit."""
    for corpus, losses in (("stack_v2_python", (1.1722, 0.9794)), ("pile", (2.1113, 1.7772))):
        ours = laws.instance(f"parscale:{corpus}").predict(N=np.array([535813376, 4414502408]), P=np.array([1, 8]))
        np.testing.assert_allclose(ours, losses, rtol=1e-3)


def test_starts_published_for_parscale():
    assert [len(p.grid) for p in laws.parscale.parameters] == [9, 3, 5, 4]


# --- Reductions ---


def test_one_stream_is_a_power_law():
    p, (N, _) = random_params("parscale"), sizes_and_tokens(32).values()
    bare = {"A": p["A"] ** p["alpha"], "E": p["E"], "alpha": p["alpha"]}
    expected = respond(laws.power_law("N"), bare, N=N)
    np.testing.assert_allclose(respond("parscale", p, N=N, P=1.0), expected, rtol=1e-12)
    streams = np.exp(np.random.default_rng(33).uniform(0, 5, COUNT))
    larger = N * closed("parscale", "size_factor", p, streams)
    np.testing.assert_allclose(
        respond("parscale", p, N=N, P=streams), respond("parscale", p, N=larger, P=1.0), rtol=1e-12
    )
