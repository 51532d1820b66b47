"""HTML made of parts: text is escaped wherever it comes from, and only what was made here is taken as it is."""

import json
import re
from collections.abc import Iterable
from typing import Any

from jaxscale._base.report import Table, numeric_columns
from jaxscale._base.text import escape_html

_EMPTY = {"input", "meta", "link"}
# Inside a script these could end it, or a line of it.
_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}

_PERCENT = re.compile(r"(?<=[0-9]) %")  # the sign stays beside its number
_RANGE = re.compile(r"[^\s–]+(–| to )[^\s–]+|[-–]?")  # an interval, which is not broken


class Markup(str):
    """HTML that is safe as it is."""

    __slots__ = ()

    def join(self, parts: Iterable[str], /) -> "Markup":
        """Markup between markup."""
        return Markup(super().join(parts))


def tag(element: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element. Children are `Markup`, or text to be escaped; None is nothing. Attributes: `class_`, `for_`;
    underscores inside a name are hyphens, True stands alone, and None and False are left out."""
    parts = [element]
    for key, value in attributes.items():
        if value is not None and value is not False:
            word = key.removesuffix("_").replace("_", "-")
            parts.append(word if value is True else f'{word}="{escape_html(value)}"')
    start = f"<{' '.join(parts)}>"
    return Markup(start) if element in _EMPTY else Markup(f"{start}{join(*children)}</{element}>")


def join(*children: Any) -> Markup:
    """Parts one after the other."""
    return Markup(
        "".join(
            c if isinstance(c, Markup) else _PERCENT.sub("\N{NO-BREAK SPACE}%", escape_html(c))
            for c in children
            if c is not None
        )
    )


def in_script(data: Any) -> Markup:
    """Plain data as JSON that nothing in it can end a script element with."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_IN_SCRIPT))


def table_html(table: Table) -> Markup:
    """A table with its title as caption, numbers to the right, that scrolls sideways where it is too wide; the first
    column heads its row."""
    classes = [
        "number" if numeric else "range" if all(_RANGE.fullmatch(row[j]) for row in table.rows) else None
        for j, numeric in enumerate(numeric_columns(table))
    ]
    header = (tag("th", cell, scope="col", class_=c) for cell, c in zip(table.header, classes, strict=True))
    rows = []
    for row in table.rows:
        first, *rest = (
            tag("td" if k else "th", cell, scope=None if k else "row", class_=c)
            for k, (cell, c) in enumerate(zip(row, classes, strict=True))
        )
        rows.append(tag("tr", first, *rest))
    made = tag(
        "table",
        tag("caption", table.title) if table.title else None,
        tag("thead", tag("tr", *header)),
        tag("tbody", *rows),
    )
    label = table.title or ", ".join(filter(None, table.header))
    return join(
        tag("div", made, class_="scroll", tabindex="0", role="region", aria_label=label),
        tag("p", table.note, class_="note") if table.note else None,
    )
