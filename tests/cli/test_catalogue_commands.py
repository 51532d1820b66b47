"""Laws and known models, looked up from a shell."""

import re

import jaxscale as js


def test_laws_lists_all_and_shows_one(jaxscale):
    status, out, _ = jaxscale("laws")
    assert status == 0
    assert all(re.search(rf"^  {name} ", out, re.MULTILINE) for name in js.laws.names())
    for name in js.laws.names():
        status, out, _ = jaxscale("laws", name)
        assert status == 0
        words = " ".join(out.split())
        law = js.laws.get(name)
        assert law.formula in words and law.serves in words
        not_stated = "its sources do not say" if law.source else "not stated, it is a form for any table"
        assert f"Seen to hold up to: {law.seen_to or not_stated}." in words
        for key, constants in law.constants.items():
            assert f"{key}: {constants.source} ({constants.status})." in words
    assert jaxscale("laws", "besiroglu") == jaxscale("laws", "chinchilla:besiroglu") == jaxscale("laws", "chinchilla")


def test_the_range_of_a_parameter_is_told(jaxscale):
    """Shares were called real."""
    lines = [line.split() for line in jaxscale("laws", "task_accuracy")[1].splitlines()]
    told = {words[0]: " ".join(words[1:]) for words in lines if words}
    assert told["chance"].startswith("between 0 and 1") and told["ceiling"].startswith("between 0 and 1")
    assert told["k"].startswith("positive") and told["x_0"].startswith("real")


def test_known_models(jaxscale):
    status, out, _ = jaxscale("models")
    assert status == 0
    assert "GPT-3" in out
    assert "at its compute" in out


def test_known_models_are_judged_by_a_law_of_size_and_tokens(jaxscale):
    status, out, err = jaxscale("models", "kaplan_n:kaplan")
    assert (status, out) == (2, "")
    assert "by a law of N and D" in err
