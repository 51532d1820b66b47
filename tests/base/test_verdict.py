"""A verdict and its reasons."""

from jaxscale._base.verdict import Reason, Verdict


def test_a_verdict_is_trustworthy_unless_a_reason_is_fatal():
    info, warning, fatal = (Reason(s, s, f"{s} text") for s in ("info", "warning", "fatal"))
    assert str(Verdict()) == "trustworthy" and Verdict().codes == ()
    assert str(Verdict((warning, info))) == "trustworthy, with warnings: warning"
    assert str(Verdict((fatal, warning))) == "NOT TRUSTWORTHY: fatal text"
    assert [Verdict(r).trustworthy for r in ((), (info,), (warning,), (fatal,), (warning, fatal))] == [True] * 3 + [
        False
    ] * 2
