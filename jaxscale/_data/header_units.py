"""The unit that a header or a caller gives to the counts of a column, applied where the cells agree with it."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from jaxscale._base.errors import InputError
from jaxscale._base.text import format_number, inert, quoted
from jaxscale._data.names import meaning_of
from jaxscale._data.unit_words import says_unit, trailing_unit, unit_named, written

# A median above this, with the unit of its header, is no real table's: its cells count one by one already.
_MOST_PLAUSIBLE = {"N": 1e12, "D": 2e14, "U": 2e14, "C": 5e26}
_MOST_THOUSANDS = 1e7
# A median below this is no count of one by one.
_LEAST_PLAUSIBLE = {"N": 1e4, "D": 1e5, "U": 1e5, "C": 1e10}


def factor_of(symbol: str, column: str, named: float | None, median: float, sure: bool) -> float:
    """The factor for cells with that median, of a column whose header gives the factor `named`.

    `sure` says that the name is that of the symbol, so that its unit is meant. Raises InputError, with the option that
    settles it, where header and cells contradict each other.
    """
    if named is None or not math.isfinite(median):
        return 1.0
    if not sure:
        return named if median < _LEAST_PLAUSIBLE[symbol] else 1.0
    if median * named <= _MOST_PLAUSIBLE[symbol] and (named != 1e3 or median <= _MOST_THOUSANDS):
        return named
    raise InputError(
        f"column {quoted(column)} may be {symbol}, and by its name it is in units of {unit_named(named)}, "
        f"but its median is {format_number(median)}: header and cells contradict each other. "
        "If the cells count one by one, say "
        f'units={{"{symbol}": 1}} (--unit {symbol}=1); if they are in that unit, '
        f'units={{"{symbol}": {written(named)}}} (--unit {symbol}={written(named)})'
    )


def factors_said(
    columns: Mapping[str, str | tuple[str, ...]],
    values: Mapping[str, np.ndarray],
    asked: Mapping[str, float],
    computed: Collection[str] = (),
) -> tuple[dict[str, float], dict[str, str]]:
    """The factor of each symbol whose cells are multiplied, as asked or by its header, and what is said of it.

    Columns that are `computed` have no header.
    """
    if missing := [symbol for symbol in asked if symbol not in columns or symbol in ("run", "weights")]:
        raise InputError(
            f"units gives a factor for {quoted(missing[0])} (--unit), which has no column here; columns are read for "
            f"{', '.join(map(inert, columns))}"
        )
    factors, said = {}, {}
    for symbol, array in values.items():
        column = columns.get(symbol)
        if symbol in asked:
            factor, why = asked[symbol], "as asked"
        elif symbol in _MOST_PLAUSIBLE and isinstance(column, str) and column not in computed:
            meaning = meaning_of(column)
            known = meaning is not None and meaning.symbol == symbol
            named = meaning.factor if meaning is not None and known else trailing_unit(column)
            sure = known or says_unit(column)
            middle = 2.0 * float(np.median(array / 2.0))
            factor, why = factor_of(symbol, column, named, middle, sure), "by its name"
        else:
            continue
        if factor != 1.0:
            factors[symbol] = factor
            shown = inert(column, 60) if isinstance(column, str) else inert(symbol)
            said[symbol] = f"{shown}: multiplied by {written(factor)}, {why}"
        elif symbol in asked:
            said[symbol] = "read as it is, as asked"
    return factors, said


def checked(units: Mapping[str, float] | None) -> dict[str, float]:
    """The factors that a caller gives by symbol. Raises InputError for one that is no positive number."""
    if units is None:
        return {}
    if not isinstance(units, Mapping):
        raise InputError(f'units takes factors by symbol, such as units={{"N": 1e6}}, got {quoted(units)}')
    for symbol, factor in units.items():
        number = isinstance(factor, (int, float)) and not isinstance(factor, bool)
        if not (number and 0 < factor < math.inf):
            raise InputError(
                f'units[{quoted(symbol)}] is {quoted(factor)}; give a number above 0: units={{"N": 1e6}} '
                "(--unit N=1e6) multiplies the cells of N by a million, 1 leaves them as they are"
            )
        if symbol == "loss":
            raise InputError('the unit of the loss is given by loss_unit="bits" (--loss-unit bits), not by units')
    return {str(symbol): float(factor) for symbol, factor in units.items()}
