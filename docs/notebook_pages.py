"""Notebooks as pages: prose, code, and what each cell printed and drew, with the pictures as files beside the page."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
_MOST_LINES = 60  # of what a cell printed
_COLOURED = re.compile(r"\x1b\[[0-9;]*m")


def names() -> list[str]:
    """Every notebook, in order."""
    return sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


def run(name: str) -> dict[str, Any]:
    """The notebook with its outputs, run in a fresh kernel."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}}).execute()
    return json.loads(nbformat.writes(notebook))


def read(name: str, folder: Path | None = None) -> dict[str, Any]:
    """The notebook as it is kept, or as it was run, in a folder."""
    return json.loads(((folder or NOTEBOOKS) / f"{name}.ipynb").read_text(encoding="utf-8"))


def page(name: str, notebook: Mapping[str, Any], pictures: Path) -> str:
    """The page of a notebook; its pictures are written into that folder, which lies beside the page."""
    parts = list(_cells(name, notebook, pictures))
    heading, _, rest = parts[0].partition("\n")
    told = f"This page is the notebook `notebooks/{name}.ipynb` of the repository, with what it printed and drew."
    return "\n\n".join([heading, told, rest.strip(), *parts[1:]]) + "\n"


def _cells(name: str, notebook: Mapping[str, Any], pictures: Path) -> Iterator[str]:
    drawn = 0
    for cell in notebook["cells"]:
        text = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            yield text
        elif cell["cell_type"] == "code" and text:
            yield f"```python\n{text}\n```"
            for output in cell.get("outputs", ()):
                data = output.get("data", {})
                if "image/png" in data:
                    drawn += 1
                    yield _picture(f"{name}-{drawn}", output, pictures)
                elif words := _words(output, data):
                    yield words


def _picture(name: str, output: Mapping[str, Any], pictures: Path) -> str:
    pictures.mkdir(parents=True, exist_ok=True)
    data = "".join(output["data"]["image/png"])
    (pictures / f"{name}.png").write_bytes(base64.b64decode(data))
    alt = output.get("metadata", {}).get("image/png", {}).get("alt", "A picture of what the text says.")
    alt = re.sub(r"[\[\]<>]", " ", alt)
    return f"![{alt}]({pictures.name}/{name}.png)"


def _words(output: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """A table, or what was printed; nothing of a page within the page."""
    html = "".join(data.get("text/html", ""))
    if "<table" in html and "<iframe" not in html:
        table = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
        lines = (line.strip() for line in re.sub(r"<table[^>]*>", "<table>", table).splitlines())
        return "\n".join(['<div style="overflow-x: auto">', *filter(None, lines), "</div>"])  # wide ones on a phone
    if html:
        return "*Shown in the notebook: a page to move sliders in.*" if "<iframe" in html else ""
    text = "".join(output.get("text", "")) or "".join(data.get("text/plain", ""))
    lines = _COLOURED.sub("", text).rstrip().splitlines()
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], "..."]
    return "\n".join(["```text", *(line.replace("```", "'''") for line in lines), "```"]) if lines else ""
