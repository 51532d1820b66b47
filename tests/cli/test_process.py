"""Warnings are a line each."""

import warnings

import jaxscale as js


def test_our_warnings_are_a_line_each_and_those_of_others_are_not_shown(jaxscale, monkeypatch):
    get = js.laws.get

    def warn(name):
        warnings.warn("units\x1b[2J look odd", js.DataWarning, stacklevel=1)
        warnings.warn("something inside", DeprecationWarning, stacklevel=1)
        return get(name)

    monkeypatch.setattr(js.laws, "get", warn)
    status, _, err = jaxscale("laws", "chinchilla")
    assert (status, err) == (0, "warning: units\\x1b[2J look odd\n")
