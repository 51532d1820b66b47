"""Builds the documentation site, offline: `python docs/build.py [FOLDER]` (needs `pip install 'jaxscale[docs]'`).

Pages are the Markdown files beside this one, and those that are made from jaxscale itself, `GENERATED`: the laws from
their registry, the command line from its program, the file formats from their schemas, the API from its docstrings; and
the notebooks, which are run first (some minutes) unless `--notebooks` names a folder where they lie as they were run.
Nothing generated is kept in the repository, so nothing can be out of date. A broken link or any other warning of the
builder is an error.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from html import escape, unescape
from importlib import resources
from pathlib import Path
from typing import Any

import api_pages
import notebook_pages

import jaxscale as js

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
_PICTURES = ROOT / "studies" / "drawn"
# GitHub lets a backslash stand before any sign, the builder before these alone.
_NOT_ESCAPED = re.compile(r"\\([^\w\s`*_{}\[\]()>#+.!|\\-])")
_MATHS = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def laws_page() -> str:
    """Every law that ships, family by family: formula, decision, scale, variables, parameters, constants."""
    from jaxscale._base.report import to_markdown
    from jaxscale._cli.printing import law_report

    families: dict[str, list[js.Law]] = {}
    for name in js.laws.names():
        families.setdefault(_family(name), []).append(js.laws.get(name))
    every = [law for laws in families.values() for law in laws]
    constants = [published.status for law in every for published in law.constants.values()]
    status = {word: constants.count(word) for word in dict.fromkeys(constants)}
    told = ", ".join(f"{count} {word}" for word, count in sorted(status.items(), key=lambda item: -item[1]))
    parts = [
        "# The laws",
        f"{len(every)} laws ship with jaxscale, with {len(constants)} sets of published constants ({told}). Verified "
        "constants were read in the primary source, recomputed ones follow from public data or other verified ones, "
        "the rest are neither. Each law says what it serves to decide, and up to which scale it was seen to hold. A "
        "law of your own is one formula, see [how to](how-to.md#write-a-law-of-my-own).",
        "\n".join(
            ["| family | laws |", "| :--- | :--- |"]
            + [
                f"| {_sentence(family)} | {', '.join(f'[`{law.name}`](#{law.name})' for law in laws)} |"
                for family, laws in families.items()
            ]
        ),
    ]
    for family, laws in families.items():
        parts.append(f"## {_sentence(family)}")
        for law in laws:
            title, _, rest = to_markdown(law_report(law)).partition("\n")
            rest = _NOT_ESCAPED.sub(lambda found: escape(found[1]), rest)
            rest = re.sub(r"^### (.*)$", r"**\1**", rest, flags=re.MULTILINE)
            parts.append(f"### {title.removeprefix('## ')} {{ #{law.name} }}\n{rest}".rstrip())
    return "\n\n".join(parts) + "\n"


def _family(law: str) -> str:
    homes = [home for name, home in sys.modules.items() if re.fullmatch(r"jaxscale\.laws\.[a-z]\w*", name)]
    return next(home.__doc__ or "" for home in homes if law in vars(home) and home.__doc__)


def _sentence(text: str) -> str:
    return re.split(r"(?<! al)[.:](?:\s|$)", " ".join(text.split()))[0].replace("|", r"\|")


def command_line_page() -> str:
    """Every command with its arguments and options, as its `--help` has them."""
    from typer.main import get_command

    from jaxscale._cli.app import app

    program: Any = get_command(app)
    commands: Mapping[str, Any] = program.commands
    parts = [
        "# Command line",
        "One command calls one public function of the same name. `-o FILE` writes JSON, `--json` prints it, otherwise "
        "a report to read is printed. Exit status: 0 done, 1 done but not trustworthy where `--strict` was asked for, "
        "2 bad input, 3 an internal failure. Numbers may be written `70B`, `1.4T`, `5.76e23`.",
        "\n".join(
            ["| command | what it does |", "| :--- | :--- |"]
            + [f"| [`{name}`](#{name}) | {_cell(_paragraphs(c.help)[0])} |" for name, c in commands.items()]
        ),
    ]
    for name, command in commands.items():
        parts.append(f"## {name}")
        parts += [_prose(text) for text in _paragraphs(command.help)]
        context = command.make_context(name, [], resilient_parsing=True)
        usage = " ".join(["jaxscale", name, *command.collect_usage_pieces(context)])
        parts.append(f"```text\n{usage}\n```")
        rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
        if rows:
            table = [f"| `{names}` | {_cell(words)} |" for names, words in rows]
            parts.append("\n".join(["| argument | meaning |", "| :--- | :--- |", *table]))
    return "\n\n".join(parts) + "\n"


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) for part in (text or "").replace("\f", "").split("\n\n") if part.strip()]


def _prose(text: str) -> str:
    """Text in which nothing but code in backticks acts as markup."""
    parts = re.split(r"(`[^`]*`)", text)
    parts[::2] = [re.sub(r"([*_\[\]])", r"\\\1", escape(part, quote=False)) for part in parts[::2]]
    return "".join(parts)


def _cell(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", _prose(" ".join(text.split())))
    parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
    return "".join(parts)


def formats_page() -> str:
    """The files that jaxscale writes, from the schemas that ship with it."""
    parts = [
        "# File formats",
        "Every record that has `save` writes plain JSON, and `-o FILE` writes the same. A file begins with its format "
        "and the version that wrote it; a newer jaxscale reads older files. Numbers that are not finite are null. No "
        "clock, path or device is in a file, so the same call gives the same bytes. The schemas ship with the package, "
        "in `jaxscale/schemas`. `js.load` reads fits, sets of fits and draws. Fits of many sets go into one Parquet "
        "file, see [past one machine](cluster.md).",
    ]
    folder = resources.files("jaxscale") / "schemas"
    for path in sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda p: p.name):
        schema = json.loads(path.read_text(encoding="utf-8"))
        parts += [f"## {schema['title']}", _prose(schema["description"])]
        rows = [
            f"| `{name}` | {kind}{'' if needed else ', not always there'} | {_cell(words)} |"
            for name, kind, needed, words in _fields(schema)
        ]
        parts.append("\n".join(["| field | kind | meaning |", "| :--- | :--- | :--- |", *rows]))
    return "\n\n".join(parts) + "\n"


def _fields(schema: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str, bool, str]]:
    """(name, kind, always there, description) of each field, with those of objects and of lists of objects below."""
    for name, one in schema.get("properties", {}).items():
        items = one.get("items", {})
        yield f"{before}{name}", _kind(one), name in schema.get("required", ()), one.get("description", "")
        for below, mark in ((one, "."), (items if isinstance(items, dict) else {}, "[].")):
            yield from _fields(below, f"{before}{name}{mark}")


def _kind(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(one) for one in schema["anyOf"]))
    if "$ref" in schema:
        return f"see {schema['$ref'].rpartition('/')[2].removeprefix('urn:jaxscale:').replace(':', '/')}"
    kind = schema.get("type", "anything")
    return " or ".join(kind) if isinstance(kind, list) else kind


GENERATED: Mapping[str, Callable[[], str]] = {
    "laws.md": laws_page,
    "command-line.md": command_line_page,
    "formats.md": formats_page,
    "api-functions.md": api_pages.functions_page,
    "api-records.md": api_pages.records_page,
    "api-namespaces.md": api_pages.namespaces_page,
}


def write_pages(folder: Path, notebooks: Mapping[str, Any]) -> None:
    """Every page as the builder reads it, the notebooks (by name), and the pictures, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in HERE.iterdir():
        if path.suffix == ".md":
            text = path.read_text(encoding="utf-8").replace("../studies/drawn/", "drawn/")
            (folder / path.name).write_text(text, encoding="utf-8")
        elif path.suffix in (".slurm", ".js"):
            shutil.copy(path, folder)
    for name, make in GENERATED.items():
        (folder / name).write_text(make(), encoding="utf-8")
    for name, notebook in notebooks.items():
        text = notebook_pages.page(name, notebook, folder / "pictures")
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    shutil.copytree(_PICTURES, folder / "drawn", dirs_exist_ok=True)


def with_mathml(html: str) -> str:
    """Formulas as MathML, which browsers draw without a script or a font of ours."""
    from latex2mathml.converter import convert

    def drawn(found: re.Match[str]) -> str:
        return convert(unescape(found[2]), display="block" if found[1] == "div" else "inline")

    return _MATHS.sub(drawn, html)


def build(out: Path, notebooks: Mapping[str, Any]) -> None:
    """The site, as HTML that opens from any folder, without a server."""
    with tempfile.TemporaryDirectory() as scratch:
        write_pages(Path(scratch) / "docs", notebooks)
        shutil.copy(HERE / "mkdocs.yml", scratch)
        command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
        if subprocess.run(command, cwd=scratch).returncode:
            raise SystemExit("the site was not built; what is above says why")
        for page in (Path(scratch) / "site").rglob("*.html"):
            page.write_text(with_mathml(page.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(Path(scratch) / "site", out)


def main() -> None:
    """Build where the command line says."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "site", help="where to")
    parser.add_argument("--notebooks", type=Path, help="folder of notebooks that were run; else they are run now")
    given = parser.parse_args()
    notebooks = {}
    for name in notebook_pages.names():
        if given.notebooks is None:
            print(f"running {name}", flush=True)
        notebooks[name] = (
            notebook_pages.run(name) if given.notebooks is None else notebook_pages.read(name, given.notebooks)
        )
    build(given.folder, notebooks)
    print(f"open {given.folder}/index.html")


if __name__ == "__main__":
    main()
