"""What to cite: every law's papers are found in its source, and entries are whole."""

import pytest

from jaxscale import laws
from jaxscale._fitting.bibtex import bibtex

UNPUBLISHED = {"power_law", "log_law", "domain_alloc"}  # everybody's, and a collection


@pytest.mark.parametrize("name", sorted(set(laws.names()) - {"bnsl"}))
def test_every_law_is_cited_by_its_papers(name):
    law = laws.get(name)
    text = bibtex(law.source, name, "huber", "pairs_bias_corrected")
    papers = law.source.count("arXiv ")
    assert text.count("eprint = ") == papers and (papers or name in UNPUBLISHED)
    assert text.count("{") == text.count("}") and text.count("\n@") == papers + 2
    keys = [line[line.index("{") : -1] for line in text.splitlines() if line.startswith("@")]
    assert len(set(keys)) == len(keys) and all(key[1:].isalnum() for key in keys)


def test_authors_and_methods():
    text = bibtex("Pearce and Song 2024 (arXiv 2406.12907)", "pearce_song", "squared", "profile")
    assert "@misc{pearce2024,\n  author = {Pearce and Song}," in text and "schrader1980" in text
    assert "huber1964" not in text and "note = {The law pearce\\_song}" in text
    assert "author = {{Llama team}}" in bibtex("Llama team 2024 (arXiv 2407.21783)", "x", "student", "none")
