"""What FIT names on a command line: a file of fits, a law with constants, a law in a Python file."""

import re
import runpy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jaxscale as js
from jaxscale._base.errors import InputError
from jaxscale._base.text import inert, quoted
from jaxscale._cli import arguments


def law_named(text: str) -> Any:
    """The law of that name, `name(option=value)`, or of that name in a Python file, whose code is run."""
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        return js.laws.get(text)
    if not Path(path).is_file():
        raise InputError(f"--law: there is no file {quoted(path)}")
    try:
        found = runpy.run_path(path, run_name="jaxscale_user_law")
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--law: running {quoted(path)} failed: {type(error).__name__}: {inert(error, 200)}"
        ) from error
    if not isinstance(found.get(name), js.Law):
        known = ", ".join(key for key, value in found.items() if isinstance(value, js.Law)) or "none"
        raise InputError(f"--law: {quoted(path)} holds no law named {quoted(name)}; it holds: {known}")
    return found[name]


def _at(texts: Iterable[str] | None) -> dict[str, str]:
    """What --at gives by name."""
    return arguments.pairs(arguments.apart(texts), "--at", "NAME=VALUE,NAME=VALUE")


def _constants(given: dict[str, str]) -> tuple[dict[str, float], dict[str, float]]:
    """Values of --at by name, and standard errors of those written 1.9+-0.03."""
    values, errors = {}, {}
    for name, text in given.items():
        value, *error = re.split(r"±|\+/?-", text, maxsplit=1)
        values[name] = arguments.number(value, f"--at {name}")
        if error:
            errors[name] = arguments.number(error[0], f"--at {name}")
    return values, errors


def _law_alone(source: str, law: str | None) -> Any:
    """The law that FIT names, where it names no more than a law; else None."""
    if Path(source).is_file():
        return None
    if law is not None:
        return law_named(law)
    return js.laws.get(source) if source.partition("(")[0] in js.laws.names() else None


def record(source: str, law: str | None, at: Iterable[str] | None = None) -> Any:
    """What FIT names: the record in a file, a law with published constants, or a law with those of --at."""
    given = _at(at)
    return _record(source, law, _law_alone(source, law) if given else None, given)


def record_at(source: str, law: str | None, at: Iterable[str] | None) -> tuple[Any, dict[str, float]]:
    """What FIT names, as in `record`, and by name those numbers of --at that are no constants of its law."""
    given = _at(at)
    alone = _law_alone(source, law) if given else None
    own = {name: text for name, text in given.items() if alone is not None and name in alone.parameter_names}
    rest = {name: arguments.number(text, f"--at {inert(name)}") for name, text in given.items() if name not in own}
    return _record(source, law, alone, own), rest


def _record(source: str, law: str | None, alone: Any, constants: dict[str, str]) -> Any:
    if constants:
        if alone is None:
            raise InputError(
                f"--at gives the constants of a law, and FIT {quoted(source)} is not the name of one; give a law such "
                "as chinchilla, or leave --at out"
            )
        values, errors = _constants(constants)
        return alone.at(**values, standard_errors=errors or None)
    if Path(source).is_file():
        return js.load(source, law=None if law is None else law_named(law))
    if law is not None or not (source in js.laws.names() or (":" in source and not source.endswith(".json"))):
        problem = "a folder, not a file" if Path(source).is_dir() else "not a file that exists"
        raise InputError(
            f"FIT {quoted(source)} is {problem}; give one that `jaxscale fit -o` wrote, or law:instance"
            " such as chinchilla:besiroglu, or a law with --at NAME=VALUE,..."
        )
    return js.laws.instance(source)


def members(record: Any, group: str | None) -> list[tuple[str, Any]]:
    """The fits in a record with the names of their groups, or the one asked for; a record of one fit has no name."""
    if not isinstance(record, js.Fits):
        if group is not None:
            raise InputError(f"--group {quoted(group)}: FIT holds one fit and no groups; leave --group out")
        return [("", record)]
    found: list[tuple[str, Any]] = [(name, one) for name, one in record if group in (None, name)]
    if not found and group is None:
        raise InputError("FIT holds no fits")
    if not found:
        names = ", ".join(quoted(name) for name, _ in list(record)[:10])
        raise InputError(f"--group {quoted(group)}: there is no such group; the file has {names}")
    if group is not None and failed(found[0][1]):
        raise InputError(f"--group {quoted(group)}: its fit failed: {inert(found[0][1].text)}")
    return found


def fitted(source: str, law: str | None, group: str | None) -> Any:
    """The one fit that FIT names, with the runs it was made from."""
    found = members(record(source, law), group)
    if len(found) != 1:
        raise InputError(f"FIT {quoted(source)} holds {len(found)} fits; choose one with --group")
    if not isinstance(found[0][1], js.FitResult):
        raise InputError(
            found[0][1].text
            if failed(found[0][1])
            else f"FIT {quoted(source)} is no fit, and this needs its runs; give a file that `jaxscale fit -o` wrote"
        )
    return found[0][1]


def failed(one: Any) -> bool:
    """Whether a group has the reason of a failure where others have their fit."""
    return not hasattr(one, "law")


def doubt(under: Sequence[str] | None, minimise: str | None, law: str | None) -> dict[str, Any]:
    """What a plan over a doubt is called with: `laws`, `draws`, or FIT=WEIGHT for each law."""
    least = {} if minimise is None else {"minimise": minimise}
    if not under:
        return least
    if list(under) in (["laws"], ["draws"]):
        return least | {"under": under[0]}
    fits, weights = [], []
    for text in under:
        source, equals, weight = text.rpartition("=")
        if not equals:
            raise InputError(f"--under takes laws, draws, or FIT=WEIGHT for each of several laws; got {quoted(text)}")
        found = members(record(source, law if Path(source).is_file() else None), None)
        if len(found) != 1 or failed(found[0][1]):
            raise InputError(f"--under {quoted(source)} holds no single fit; give a file of one")
        fits.append(found[0][1])
        weights.append(arguments.number(weight, f"--under {inert(source)}"))
    return least | {"under": fits, "weights": weights}
