"""Sizes that stand in the names of models: `pythia-1.4b`, `OPT 125M`, `Qwen1.5-0.5B`."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from jaxscale._base.text import inert, quoted
from jaxscale._base.verdict import Reason
from jaxscale._data.wording import valued_flag

NOMINAL_SIZES = "nominal_sizes"  # the code of what is noticed
_FACTORS = {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12}
# Not the 7B of 8x7B, which are experts, and not what counts tokens.
_SIZE = re.compile(
    r"(?<![A-Za-z0-9.])([0-9]+(?:[.p][0-9]+)?)[ _-]?(bn|[kmbt])(?![A-Za-z0-9])(?![ _-]*tok)", re.IGNORECASE
)
_LOOKED_AT = 1000
_MOST = 0.9  # of the names of a column have a size where it is offered


def size_in(name: str) -> float | None:
    """The one size that a name says, in parameters; None where it says none, or several."""
    found = {float(number.lower().replace("p", ".")) * _FACTORS[unit.lower()] for number, unit in _SIZE.findall(name)}
    return found.pop() if len(found) == 1 else None


def sizes_in(cells: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The size in each name, nan where there is no one size, and which cells those are."""
    sizes = {name: size_in(name) for name in set(map(str, cells))}
    values = np.array([np.nan if (size := sizes[name]) is None else size for name in map(str, cells)])
    return values, np.isnan(values)


def sizes_note(
    frame: pd.DataFrame, unused: Sequence[str], variables: Mapping[str, np.ndarray], formula: str
) -> Iterator[Reason]:
    """What is said of sizes in names: how they are asked for where a table has no other, that they are rounded where
    `formula` computes N of them."""
    if re.search(r"\bsize\(", formula):
        yield Reason(
            NOMINAL_SIZES,
            "warning",
            "N are the sizes that models are called by: rounded, and nobody says whether embeddings are in them; "
            "name a column of counted parameters if there is one",
        )
    if "N" in variables:
        return
    for name in unused:
        cells = frame[name].head(_LOOKED_AT)
        if pd.api.types.is_numeric_dtype(cells) or inert(name) != name:
            continue
        values, missing = sizes_in(cells)
        if len(cells) and missing.mean() <= 1 - _MOST and len(np.unique(values[~missing])) > 1:
            formula = f"size({name})" if re.fullmatch(r"[A-Za-z_]\w*", name) else f"size(`{name}`)"
            yield Reason(
                NOMINAL_SIZES,
                "info",
                f'the names in column {quoted(name)} have sizes: N="{formula}" '
                f"({valued_flag('N', repr(formula))}) takes them, rounded as they are",
            )
            return
