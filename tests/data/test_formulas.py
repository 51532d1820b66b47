"""The grammar of computed columns: what is written is what is computed, and anything else is refused in words."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxscale._base.errors import InputError, JaxscaleError
from jaxscale._data.formulas import Applied, Named, Negative, Number, Pair, Term, looks_like_one, parse

COLUMNS = ["steps", "batch", "val/loss", "params (M)", "6nd", "größe", "step", "a b"]
VALUES = {name: np.array([1.5 + i, 2.0, 0.25 * (i + 1)]) for i, name in enumerate(COLUMNS)}

_LEVEL = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_TERMS = st.recursive(
    st.floats(0, 1e30).map(Number) | st.sampled_from(COLUMNS).map(Named),
    lambda inner: (
        st.builds(Negative, inner)
        | st.builds(Applied, st.sampled_from(["ln", "log2", "log10", "exp", "sqrt"]), inner)
        | st.builds(Pair, st.sampled_from("+-*/^"), inner, inner)
    ),
    max_leaves=12,
)


def written(term: Term, least: int = 0) -> str:
    """A term as text, with brackets only where they are needed."""
    match term:
        case Number(value):
            return repr(value)
        case Named(name):
            return name if name[0].isalpha() else f"'{name}'"
        case Applied(function, of):
            return f"{function}({written(of)})"
        case Negative(of):
            text, level = f"-{written(of, 3)}", 3
        case Pair(sign, left, right):
            level = _LEVEL[sign]
            sides = (level + 1, 3) if sign == "^" else (level, level + 1)
            text = f"{written(left, sides[0])} {sign} {written(right, sides[1])}"
    return f"({text})" if level < least else text


def names_of(term: Term) -> set[str]:
    match term:
        case Named(name):
            return {name}
        case Pair(_, left, right):
            return names_of(left) | names_of(right)
        case Negative(of) | Applied(_, of):
            return names_of(of)
    return set()


@given(_TERMS)
def test_what_is_written_is_what_is_meant(term: Term) -> None:
    """Round trip of every tree; a tree without a column is refused."""
    text = written(term)
    if not names_of(term):
        with pytest.raises(InputError, match="names no column"):
            parse(text, COLUMNS)
        return
    formula = parse(text, COLUMNS)
    assert formula.term == term
    assert set(formula.columns) == names_of(term)


@given(_TERMS.filter(names_of))
def test_values_are_those_of_python_arithmetic(term: Term) -> None:
    """The second route: the text with Python's own precedence, evaluated by Python on NumPy arrays in this test."""
    text = written(term)
    for i, name in sorted(enumerate(COLUMNS), key=lambda pair: -len(pair[1])):  # step after steps
        text = text.replace(f"'{name}'", f"v[{i}]") if not name[0].isalpha() else text.replace(name, f"v[{i}]")
    scope = {"v": list(VALUES.values()), "ln": np.log} | {f: getattr(np, f) for f in ("log2", "log10", "exp", "sqrt")}
    text = re.sub(r"(?<![\w\[])([0-9][0-9.]*(?:e[+-]?[0-9]+)?)", r"F(\1)", text.replace("^", "**"))
    with np.errstate(all="ignore"):
        expected = eval(text, {"__builtins__": {}, "F": np.float64} | scope)
    np.testing.assert_array_equal(parse(written(term), COLUMNS).of(VALUES), expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("steps*batch", 1.5 * 2.5),
        ("steps ** 2", 2.25),
        ("-steps^2", -2.25),
        ("2^3^2 + 0*steps", 512),
        ("steps - 1 - 1", -0.5),
        ("8/steps/2", 8 / 1.5 / 2),
        ("1−steps", -0.5),
        ("steps×2·2÷4", 1.5),
        ("steps*524_288", 1.5 * 524288),
        ("70B*steps", 70e9 * 1.5),
        ("steps*1.4T", 1.4e12 * 1.5),
        ("steps*.5e1", 7.5),
        ("ln(steps)", math.log(1.5)),
        ("ln (steps)", math.log(1.5)),
        ("val/loss*2", 7),
        ("params (M)*1e6", 4.5e6),
        ("'params (M)'*1e6", 4.5e6),
        ('"6nd"*2', 11),
        ("`a b`+a b", 17),
        ("größe*1", 6.5),
        ("step+steps", 9),
    ],
)
def test_formulas(text: str, value: float) -> None:
    assert parse(text, COLUMNS).of(VALUES)[0] == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step*batches", "there is no column 'batches'; did you mean 'batch'"),
        ("x*y", "there is no column 'x'; there are 'steps', 'batch'"),
        ("log(steps)", "write ln, log2 or log10"),
        ("6steps", r"6steps is no number; write products with \*"),
        ("6nd*2", "6nd.* is no number"),
        ("1.2.3*steps", "is no number"),
        ("1e999*steps", "too large"),
        ("1,5*steps", "',' cannot stand in one"),
        ("steps*", r"expected a column, a number or a bracket, found the end"),
        ("*steps", r"expected a column, a number or a bracket, found \*"),
        ("(steps", "expected a closing bracket, found the end"),
        ("steps)", r"expected an operation or the end, found \)"),
        ("steps batch", "expected an operation or the end, found batch"),
        ("ln steps", "expected a bracket after ln, found steps"),
        ("'steps", "a quote is not closed"),
        ("2*3", "names no column"),
        ("steps" + "*steps" * 200, "longer than 500 characters"),
        ("(" * 100 + "steps" + ")" * 100, "nested more than 40 deep"),
        ("-" * 100 + "steps", "nested more than 40 deep"),
        ("steps" + "^steps" * 60, "nested more than 40 deep"),
        ("__import__('os').system('true')*steps", "there is no column '__import__'"),
        ("open('/etc/passwd')*steps", "there is no column 'open'"),
        ("steps.__class__*1", r"'\.' cannot stand in one"),
        ("(lambda: 1)*steps", "there is no column 'lambda'"),
        ("[steps]*2", r"'\[' cannot stand in one"),
        ("steps if 1 else 2*steps", "expected an operation or the end, found|no column 'if'"),
        ("steps*{0}", "'{' cannot stand in one"),
        ("steps@steps*1", "'@' cannot stand in one"),
        ("steps*\x1b[2J", r"'\\x1b' cannot stand in one"),
        ("steps*\u202ebatch", r"'\\u202e' cannot stand in one"),
        ("steps//batch", "expected a column, a number or a bracket, found /"),
    ],
)
def test_what_is_no_formula_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse(text, COLUMNS)
    assert str(error.value).isprintable() and len(str(error.value)) < 500


def test_a_name_that_may_be_two_columns_is_put_in_quotes() -> None:
    columns = ["val/loss", "val", "loss"]
    with pytest.raises(InputError, match="'val/loss' is a column, and its parts 'val', 'loss' are as well; put quotes"):
        parse("2*val/loss", columns)
    assert parse("2*'val/loss'", columns).columns == ("val/loss",)
    assert parse("2*'val'/'loss'", columns).columns == ("val", "loss")


@given(st.text(alphabet="steps*batch/()^+-'\"1e6 .,ln\n_[]{}é\0", max_size=40))
def test_any_text_is_a_formula_or_a_sentence(text: str) -> None:
    try:
        parse(text, COLUMNS).of(VALUES)
    except JaxscaleError as error:
        assert str(error)  # noqa: PT017 - a formula may also come out


@pytest.mark.parametrize("text", ["step*batch", "1-x", "x^2", "steps/8", "8/steps", "ln(z)", "val/loss - 1"])
def test_what_is_meant_as_a_formula(text: str) -> None:
    assert looks_like_one(text, COLUMNS)


@pytest.mark.parametrize("text", ["stepz", "val-loss", "val/los", "model/params", "param (M)", "my-column", "steps2/x"])
def test_what_is_meant_as_a_name(text: str) -> None:
    assert not looks_like_one(text, COLUMNS)
