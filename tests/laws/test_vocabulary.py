"""Sizes of the vocabulary: published figures, and approaches that agree."""

import numpy as np
import pytest
from helpers import as_printed

from jaxscale import laws
from jaxscale._base.errors import InputError

pytestmark = pytest.mark.slow  # every law is a program to compile


# --- Published figures ---

PREDICTIONS = [
    ("tao_vocab_size:isoflop", {"N_nv": 2.87e9, "d": 3200}, "37942"),
    ("tao_vocab_size:derivative", {"N_nv": 2.87e9, "d": 3200}, "40993"),
    ("tao_vocab_size:isoflop", {"N_nv": 7e9, "d": 4096}, "62281"),
    ("tao_vocab_size:derivative", {"N_nv": 7e9, "d": 4096}, "67450"),
    ("tao_vocab_size:isoflop", {"N_nv": 70e9, "d": 8192}, "2.1186e5"),
    ("tao_vocab_size:derivative", {"N_nv": 70e9, "d": 8192}, "230861"),
    ("tao_alloc:N_nv", {"C": 1}, "0.0834"),
    ("tao_alloc:N_v", {"C": 1}, "0.2041"),
    ("tao_vocab:tao", {"N_nv": 1129891136, "V": 96256, "d": 2048, "H": 2.361221e11}, "-5.218044"),
]


@pytest.mark.parametrize(("label", "variables", "printed"), PREDICTIONS)
def test_published_prediction(label, variables, printed):
    assert laws.instance(label).predict(**variables) == as_printed(printed)


def test_published_closed_form_of_characters():
    assert float(laws.tokens_per_character(32000)) == as_printed(".252404")


# --- Vocabulary ---


def test_the_vocabulary_of_approach_1_shares_its_compute():
    C = np.geomspace(1e18, 1e25, 8)
    size, vocabulary = (laws.instance(f"tao_alloc:{q}").predict(C=C) for q in ("N_nv", "N_v"))
    by_size = laws.instance("tao_vocab_size:isoflop").predict(N_nv=size, d=np.full(8, 4096.0))
    np.testing.assert_allclose(by_size * 4096, vocabulary, rtol=1e-11)


def test_true_and_published_vocabulary_differ_in_one_place():
    params, V = laws.instance("tao_vocab:tao").params, np.geomspace(1000, 4e5, 20)
    run = {"N_nv": np.full(20, 1e9), "d": np.full(20, 2048.0)}
    published = laws.tao_vocab().predict(params, V=V, H=np.full(20, 1e11), **run)
    ratio = np.asarray(laws.tokens_per_character(V / 1000) / laws.tokens_per_character(V))
    clean = laws.tao_vocab(as_published=False).predict(params, V=V, H=1e11 * ratio, **run)
    np.testing.assert_allclose(published, clean, rtol=1e-6)
    assert laws.tokens_per_character(3e5) == laws.tokens_per_character(2e5)


# --- Laws made by a call ---

OPTIONS = [
    (lambda: laws.tao_vocab("yes"), "as_published=True"),
]


@pytest.mark.parametrize(("call", "words"), OPTIONS)
def test_options_that_cannot_be(call, words):
    with pytest.raises(InputError, match=words):
        call()
