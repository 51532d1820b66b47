"""A verdict and its reasons."""

import pytest

from jaxscale._base.errors import InputError
from jaxscale._base.verdict import Margin, Reason, Verdict


def test_a_verdict_is_trustworthy_unless_a_reason_is_fatal():
    info, warning, fatal = (Reason(s, s, f"{s} text") for s in ("info", "warning", "fatal"))
    assert str(Verdict()) == "trustworthy" and Verdict().codes == ()
    assert str(Verdict((warning, info))) == "trustworthy, with warnings: warning"
    assert str(Verdict((fatal, warning))) == "NOT TRUSTWORTHY: fatal text"
    assert [Verdict(r).trustworthy for r in ((), (info,), (warning,), (fatal,), (warning, fatal))] == [True] * 3 + [
        False
    ] * 2


def test_the_worst_reason_comes_first_and_equals_keep_their_order():
    kinds = ("info", "fatal", "warning", "fatal", "info", "warning")
    reasons = [Reason(f"code_{k}", kind, "text") for k, kind in enumerate(kinds)]
    assert [int(code[-1]) for code in Verdict.of(reasons).codes] == [1, 3, 2, 5, 0, 4]


def test_a_verdict_comes_back_from_plain_data_and_not_where_it_contradicts_itself():
    verdict = Verdict.of([Reason("a", "warning", "one", (3, 1), ("E",)), Reason("b", "fatal", "two")])
    data = verdict.to_dict()
    assert data["trustworthy"] is False and data["reasons"][0]["code"] == "b"
    assert Verdict.from_dict(data) == verdict
    scoped = Verdict.of(verdict.reasons, 1e22, (Margin("the best N", float("inf"), 2.0),))
    assert Verdict.from_dict(scoped.to_dict()) == scoped and scoped.to_dict()["margins"][0]["known"] is None
    unscoped = {k: v for k, v in data.items() if k not in ("scope", "margins")}
    assert Verdict.from_dict(unscoped) == verdict
    older = [{k: v for k, v in reason.items() if k not in ("rows", "params")} for reason in data["reasons"]]
    assert Verdict.from_dict(data | {"reasons": older}).codes == verdict.codes
    for odd in (
        {"trustworthy": True},
        {"trustworthy": None},
        {"reasons": [{**data["reasons"][0], "severity": "dire"}]},
    ):
        with pytest.raises(InputError, match="contradicts"):
            Verdict.from_dict(data | odd)


def test_margins_are_told_at_the_scope():
    margins = Margin("the best N", 1.437, 2.0), Margin("the least loss", 1.0042, 1.03)
    assert Verdict(scope=2e22, margins=margins).margin == (
        "At 2e22 FLOPs, 10 times the largest run, the best N is known to x1.44 (the line is x2) and the least loss is "
        "known to 0.42 % (the line is 3 %), by 90 % intervals; if the law holds, both lie within x1.79 and 0.67 % in "
        "97 of 100 tables."
    )
    assert margins[0].bound == pytest.approx(1.437**1.6, rel=1e-12)
    unknown = Verdict(scope=2e22, margins=(Margin("the best N", 4e9, 2.0), margins[1])).margin
    assert unknown.endswith("the least loss is known to 0.42 % (the line is 3 %).")
    assert str(Margin("the best N", 4e9, 2.0)) == "the best N is not known (the line is x2)"
    assert Verdict(scope=2e22).margin == Verdict(margins=margins).margin == ""
