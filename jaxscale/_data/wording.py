"""How an option of reading is written, in Python and on the command line: errors show both."""

from jaxscale._base.text import inert

_FLAGS = {
    "N": "-N",
    "D": "-D",
    "C": "-C",
    "loss": "--loss",
    "response": "--response",
    "where": "--where",
    "on_bad": "--on-bad",
    "loss_unit": "--loss-unit",
    "by": "--by",
    "decimal": "--decimal",
    "run": "--run-column",
    "loss_se": "--loss-se",
    "best_of": "--best-of",
    "checkpoints": "--checkpoints",
    "encoding": "--encoding",
}


def flag(option: str) -> str:
    """The flag of an option."""
    return _FLAGS[option]


def valued_flag(option: str, value: str) -> str:
    """The flag of an option, or of any variable by its symbol, with its value."""
    return f"{_FLAGS[option]} {value}" if option in _FLAGS else f"--col {inert(option)}={value}"


def spelt(option: str, value: str) -> str:
    """An option with its value in both ways: `on_bad="drop" (--on-bad drop)`."""
    return f'{inert(option)}="{value}" ({valued_flag(option, value)})'


def column_of(symbol: str, column: str = "") -> str:
    """How the column of a symbol is named in both ways: `N="..." (-N COLUMN)`."""
    return f'{inert(symbol)}="{column or "..."}" ({valued_flag(symbol, f"{column!r}" if column else "COLUMN")})'
