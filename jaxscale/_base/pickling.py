"""How records that hold a user's function are pickled: the function by its name, as pickle does, or by its code where
the package cloudpickle is there to write it."""

import pickle
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Self

Carried = Callable[..., Any] | bytes


def carried(function: Callable[..., Any], owner: str) -> Carried:
    """A function as a pickle can hold it: itself where its module names it, else its code in bytes, see `unpacked`.

    Raises:
        pickle.PicklingError: see `packed`.
    """
    try:
        pickle.dumps(function)
    except Exception:  # a function may hold anything, and anything may raise what it likes
        return packed(function, owner)
    return function


def unpacked(function: Carried) -> Callable[..., Any]:
    """The function that `carried` made ready. Runs what unpickling its code runs, and nothing more."""
    return pickle.loads(function) if isinstance(function, bytes) else function


def packed(value: Any, owner: str) -> bytes:
    """A pickle of something that may hold a user's functions, for `pickle.loads`.

    Raises:
        pickle.PicklingError: one has no name in a module, or holds what cannot be pickled, and cloudpickle is missing
            or cannot write it either; the message says what to do.
    """
    try:
        return pickle.dumps(value)
    except Exception as error:
        cure = "or pip install cloudpickle, which is then used for it"
        try:
            import cloudpickle  # pyright: ignore[reportMissingImports]

            return cloudpickle.dumps(value)
        except ImportError:
            pass
        except Exception as later:
            cure = f"without what cannot be pickled ({later})"
        raise pickle.PicklingError(
            f"{owner} cannot be pickled: its function is a lambda, stands inside another function, or holds what "
            f"cannot be pickled. Write it with `def` at the top of a module, {cure}"
        ) from error


class ItsOwnCopy:
    """Mixin of what never changes and is told apart by identity: a copy would be compiled anew."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class HoldsFunction(ItsOwnCopy):
    """Mixin of frozen records with a field that holds a function, which users may have written."""

    def __reduce__(self) -> tuple[Any, ...]:
        parts = {f.name: getattr(self, f.name) for f in fields(self)}  # pyright: ignore[reportArgumentType]
        owner = f"{type(self).__name__} {parts['name']!r}" if "name" in parts else "a quantity of your own"
        return _again, (type(self), {k: carried(x, owner) if callable(x) else x for k, x in parts.items()})


def _again(kind: type, parts: dict[str, Any]) -> Any:
    return kind(**{k: unpacked(x) if isinstance(x, bytes) else x for k, x in parts.items()})
