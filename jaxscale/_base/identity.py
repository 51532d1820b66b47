"""What a program is, in words that mean the same in another process: its code and everything that it closes over.

Code is told by where it stands in a package whose version, or whose very source, is part of what is told. What cannot
be told so, such as a user's function or a package edited after it was imported, has no identity: better none than the
same for two.
"""

import enum
import hashlib
import time
import types
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

_DEEPEST = 60
_IMPORTED = time.time()
_Jitted: Any = type(jax.jit(lambda: None))


class Unknown(Exception):
    """Something has no identity."""


@cache
def _homes() -> tuple[tuple[str, str], ...]:
    """Folders whose code is told by name, with what tells it."""
    ours = Path(__file__).parent.parent
    source = hashlib.sha256()
    for path in sorted(ours.rglob("*.py")):
        about = path.stat()
        if max(about.st_mtime, about.st_ctime) > _IMPORTED:  # what runs here may be what the file held before
            raise Unknown
        source.update(f"{path.relative_to(ours)}\0".encode() + path.read_bytes())
    known = {"jaxscale": (ours, source.hexdigest())}
    known |= {m.__name__: (Path(str(m.__file__)).parent, m.__version__) for m in (jax, np, optax)}
    return tuple((f"{folder}/", f"{name} {told}") for name, (folder, told) in known.items())


def identity_of(value: Any) -> str | None:
    """Of a function or of what may stand in one; None where it cannot be told."""
    try:
        return "\n".join((*(told for _, told in _homes()), _told(value, 0)))
    except (Unknown, OSError):
        return None


def _told(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        raise Unknown
    inner = partial(_told, depth=depth + 1)
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes, range):
        return f"{kind.__name__}:{value!r}"
    if kind is np.ndarray or isinstance(value, np.generic):
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise Unknown
        return f"array:{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(value, jax.Device):
        return f"device:{value.platform}:{value.id}"
    if isinstance(value, type):
        return _home_of(value)
    if isinstance(value, enum.Enum):
        return f"{_home_of(kind)}.{value.name}"
    if isinstance(value, types.FunctionType):
        return _told_function(value, inner)
    if isinstance(value, _Jitted):
        return f"jit({inner(value.__wrapped__)})"  # with what options is told by the code that made it
    if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, types.ModuleType):
        return f"builtin:{value.__self__.__name__}.{value.__name__}"
    if isinstance(value, np.ufunc) and getattr(np, value.__name__, None) is value:
        return f"ufunc:{value.__name__}"
    if isinstance(value, types.MethodType):
        return f"method({inner(value.__func__)} of {inner(value.__self__)})"
    if isinstance(value, partial) and kind is partial:
        return f"partial({inner(value.func)}, {inner(value.args)}, {inner(value.keywords)})"
    if isinstance(value, tuple | list):
        name = kind.__name__ if kind in (tuple, list) else _home_of(kind)
        return f"{name}({', '.join(map(inner, value))})"
    if isinstance(value, dict | types.MappingProxyType) and kind in (dict, types.MappingProxyType):
        return f"mapping({', '.join(f'{inner(k)}: {inner(v)}' for k, v in value.items())})"
    if isinstance(value, frozenset | set) and kind in (frozenset, set):
        return f"set({', '.join(sorted(map(inner, value)))})"
    if is_dataclass(value):
        parts = (f"{f.name}={inner(getattr(value, f.name))}" for f in fields(value))
        return f"{_home_of(kind)}({', '.join(parts)})"
    raise Unknown


def _told_function(function: types.FunctionType, inner: Any) -> str:
    code = function.__code__
    place = next((code.co_filename.removeprefix(at) for at, _ in _homes() if code.co_filename.startswith(at)), None)
    if place is None:
        raise Unknown
    try:
        cells = [inner(cell.cell_contents) for cell in function.__closure__ or ()]
    except ValueError as error:  # an empty cell
        raise Unknown from error
    defaults = inner((function.__defaults__, function.__kwdefaults__))
    return f"function:{place}:{code.co_qualname}:{_told_code(code)}({', '.join(cells)}; {defaults})"


def _told_code(code: types.CodeType) -> str:
    """What code does: two functions may stand on one line."""
    constants = [_told_constant(c) for c in code.co_consts]
    parts = (code.co_firstlineno, code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, constants)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _told_constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return _told_code(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _home_of(kind: type) -> str:
    """Of a class; one made inside a function may hold what is told nowhere."""
    if "<locals>" in kind.__qualname__:
        raise Unknown
    if kind.__module__.partition(".")[0] not in ("jaxscale", "jax", "numpy", "optax", "builtins"):
        raise Unknown
    return f"{kind.__module__}.{kind.__qualname__}"
