"""The API reference, from docstrings and signatures: every public name with its meaning, arguments, errors, source."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from html import escape
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, NamedTuple, get_args, get_origin

import jaxscale as js

_ROOT = Path(js.__file__).resolve().parent.parent
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
_ITEM = re.compile(r"^    (\*{0,2}\w[\w, *]*): ?(.*)$")
_WIDE = 96  # letters of a signature in one line
NAMESPACES = ("laws", "costs", "limits", "plot", "synthetic", "datasets", "reference", "optim")


class Docstring(NamedTuple):
    """A docstring taken apart: paragraphs, (name, text) of each section's items, and paragraphs after a section."""

    paragraphs: list[str]
    sections: dict[str, list[tuple[str, str]]]
    after: list[str]


def public_names() -> list[str]:
    """What `import jaxscale as js` gives, in order."""
    return sorted(name for name in dir(js) if not name.startswith("_"))


def functions_page() -> str:
    """Every public function."""
    found = {name: getattr(js, name) for name in public_names() if inspect.isfunction(getattr(js, name))}
    head = "What can be asked, as `js.NAME(...)`. The command line has a command of the same name for most."
    return _page("Functions", head, [(name, function_words(name, one), one) for name, one in found.items()])


def records_page() -> str:
    """Every public class."""
    found = {name: getattr(js, name) for name in public_names() if inspect.isclass(getattr(js, name))}
    head = (
        "What comes back, and what goes in. Records are frozen: `print` shows them, `to_frame()` is a table, `save` "
        "and `to_dict` are their [file](formats.md), `plot()` their pictures."
    )
    return _page("Records", head, [(name, class_words(name, one), one) for name, one in found.items()])


def namespaces_page() -> str:
    """What the public modules hold: functions and classes; the laws have a page of their own."""
    entries = []
    for space in NAMESPACES:
        module = getattr(js, space)
        for name, one in members_of(module):
            words = class_words if inspect.isclass(one) else function_words
            entries.append((f"{space}.{name}", words(f"{space}.{name}", one), one))
    head = (
        "The modules beside the functions: `js.costs.six_nd`, `js.limits.days(...)`. Each of the [laws](laws.md) is a "
        "name of `js.laws` too, `js.laws.chinchilla`."
    )
    return _page("Namespaces", head, entries)


def members_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Public functions and classes that are a module's own."""
    listed = getattr(module, "__all__", None)
    inside = hasattr(module, "__path__")
    for name, one in sorted(vars(module).items()):
        home = getattr(one, "__module__", "")
        own = home.startswith(f"{module.__name__}.") if inside else home == module.__name__
        if (name in listed if listed else own and name[0] != "_") and (inspect.isfunction(one) or inspect.isclass(one)):
            yield name, one


def function_words(name: str, function: Any) -> str:
    """Signature, meaning, arguments, errors and source of a function."""
    node = _definition(function)
    assert isinstance(node, ast.FunctionDef)
    code = "\n".join([_signature(name, node), *_aliases(node, inspect.unwrap(function).__globals__)])
    parts = [f"```python\n{code}\n```", *_described(function.__doc__), _source(function)]
    return "\n\n".join(parts)


def class_words(name: str, cls: type) -> str:
    """Fields, meaning, methods and source of a class."""
    node = _definition(cls)
    assert isinstance(node, ast.ClassDef)
    fields = [
        f"    {field.target.id}: {ast.unparse(field.annotation)}"
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.target.id[0] != "_"
    ]
    parts = ["```python\n" + "\n".join([f"class {name}", *fields]) + "\n```", *_described(cls.__doc__)]
    rows = [f"| `{_signature(method, one)}` | {_cell(words)} |" for method, one, words in _methods(cls)]
    if rows:
        parts.append("\n".join(["| method | meaning |", "| :--- | :--- |", *rows]))
    return "\n\n".join([*parts, _source(cls)])


def _page(title: str, head: str, entries: list[tuple[str, str, Any]]) -> str:
    rows = [
        f"| [`{name}`](#{_anchor(name)}) | {_cell(taken_apart(one.__doc__).paragraphs[0])} |"
        for name, _, one in entries
    ]
    parts = [f"# {title}", head, "\n".join(["| name | what it is |", "| :--- | :--- |", *rows])]
    parts += [f"## {name} {{ #{_anchor(name)} }}\n\n{words}" for name, words, _ in entries]
    return "\n\n".join(parts) + "\n"


def _anchor(name: str) -> str:
    return name.replace(".", "-")


def _definition(one: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]


def _signature(name: str, node: ast.FunctionDef) -> str:
    """As the source has it, without `self`; an argument a line where it is long."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + [*given.defaults]
    words = [_argument(a, d) for a, d in zip(positional, defaults, strict=True) if a.arg not in ("self", "cls")]
    if given.vararg:
        words.append(f"*{_argument(given.vararg, None)}")
    elif given.kwonlyargs:
        words.append("*")
    words += [_argument(a, d) for a, d in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    words += [f"**{_argument(given.kwarg, None)}"] if given.kwarg else []
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"{name}({', '.join(words)}){returned}"
    if len(line) <= _WIDE:
        return line
    return "\n".join([f"{name}(", *(f"    {word}," if word != "*" else "    *," for word in words), f"){returned}"])


def _aliases(node: ast.FunctionDef, known: dict[str, Any]) -> Iterator[str]:
    """What names of types in a signature stand for, where they are no classes."""
    annotations = [a.annotation for a in [*node.args.args, *node.args.kwonlyargs] if a.annotation]
    names = [part.id for one in annotations for part in ast.walk(one) if isinstance(part, ast.Name)]
    for name in dict.fromkeys(names):
        meant = known.get(name)
        if not isinstance(meant, type) and (isinstance(meant, UnionType) or (get_origin(meant) and get_args(meant))):
            yield f"# {name} is {re.sub(r'(?:[a-z_]+[.])+', '', str(meant))}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    words = argument.arg + (f": {ast.unparse(argument.annotation)}" if argument.annotation else "")
    if default is None:
        return words
    return f"{words}{' = ' if argument.annotation else '='}{ast.unparse(default)}"


def _methods(cls: type) -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Public methods and properties with their docstrings' first paragraph and errors, inherited ones last."""
    seen: set[str] = set()
    for home in cls.__mro__:
        if not home.__module__.startswith("jaxscale"):
            continue
        body = _definition(home)
        assert isinstance(body, ast.ClassDef)
        for node in body.body:
            if isinstance(node, ast.FunctionDef) and node.name[0] != "_" and node.name not in seen:
                seen.add(node.name)
                doc = taken_apart(ast.get_docstring(node) or "")
                errors = [f"{name}: {text}" for name, text in doc.sections.get("Raises", ())]
                words = " ".join([*doc.paragraphs, *doc.after, *(f"Raises {error}" for error in errors)])
                if words:
                    yield node.name, node, words


def taken_apart(docstring: str | None) -> Docstring:
    """The parts of a docstring in Google's style."""
    paragraphs: list[str] = []
    sections: dict[str, list[tuple[str, str]]] = {}
    after: list[str] = []
    now: list[tuple[str, str]] | None = None
    gap = True
    for line in inspect.cleandoc(docstring or "").splitlines():
        if (section := _SECTION.match(line)) is not None:
            now = sections.setdefault(section[1], [])
        elif not line.strip():
            gap = True
            continue
        elif now is not None and line.startswith("    "):
            item = _ITEM.match(line)
            if item is not None:
                now.append((item[1], item[2]))
            elif now:
                now[-1] = (now[-1][0], f"{now[-1][1]} {line.strip()}")
            else:
                now.append(("", line.strip()))
        else:
            now = None
            here = after if sections else paragraphs
            if gap or not here:
                here.append(line)
            else:
                here[-1] += f"\n{line}"
        gap = False
    return Docstring(paragraphs, sections, after)


def _described(docstring: str | None) -> Iterator[str]:
    found = taken_apart(docstring)
    yield from map(_paragraph, found.paragraphs)
    for section, items in found.sections.items():
        head = {"Args": "argument", "Attributes": "field", "Raises": "error"}.get(section, section.lower())
        rows = [f"| {f'`{name}`' if name else ''} | {_cell(text)} |" for name, text in items]
        yield "\n".join([f"| {head} | meaning |", "| :--- | :--- |", *rows])
    yield from map(_paragraph, found.after)


def _paragraph(text: str) -> str:
    shown = text.startswith(("    ", ">>> ")) or re.search(r"\S {3,}\S", text)  # code, or a table
    return f"```text\n{textwrap.dedent(text)}\n```" if shown else _prose(" ".join(text.split()))


def _source(one: Any) -> str:
    path = Path(inspect.getsourcefile(inspect.unwrap(one)) or "").resolve()
    return f"Source: `{path.relative_to(_ROOT).as_posix()}`"


def _prose(text: str) -> str:
    """Text in which nothing but code in backticks acts as markup."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([*_\[\]$\\])", r"\\\1", escape(part, quote=False)) for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    return _prose(" ".join(text.split())).replace("|", r"\|")
