"""The documentation: every block of its pages runs, and the site builds without a warning or a broken link."""

import ast
import base64
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browsing import chromium
from helpers import ROOT

import jaxscale as js
from jaxscale._cli.app import run
from studies import under_way

DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
NEED_A_CLUSTER = {"cluster.md"}  # what it shows is run by tests/cluster; here it must only be Python


def builder(name: str = "build"):
    """docs/build.py, or another module there."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    return importlib.import_module(name)


@cache
def generated(page: str) -> str:
    """A page that is made from jaxscale itself."""
    return builder().GENERATED[page]()


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, text) of every block of code, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is_and_can_be_read(page):
    for language, text in blocks(page):
        assert language in {"python", "console", "text"}, text
        if language == "python":
            ast.parse(text)
        if language == "console":
            assert re.match(r"\$ jaxscale |pip install |python ", text), text


def test_every_study_and_benchmark_that_is_named_is_there():
    named = {name for page in PAGES for name in re.findall(r"python -m ([\w.]+)", (DOCS / page).read_text("utf-8"))}
    assert "studies.coverage" in named
    assert [name for name in named if importlib.util.find_spec(name) is None] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the first page leaves behind: the table, and the fit of it with quick intervals."""
    there = tmp_path_factory.mktemp("docs")
    js.synthetic.demo_frame().to_csv(there / "runs.csv", index=False)
    js.fit("chinchilla", js.read_runs(there / "runs.csv"), intervals="quick").save(there / "fit.json")
    p, loss, _ = under_way.curves("cosine", "Gaussian", 8, np.random.default_rng(0))
    curves = under_way.table(p, loss, 0.4).to_frame().replace({"new": "big"})
    curves.assign(D=1e12 * curves["D"]).to_csv(there / "curves.csv", index=False)
    return there


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page not in NEED_A_CLUSTER])
def test_every_block_runs(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    names: dict = {}
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), names)
        for command in re.findall(r"^\$ jaxscale (.*)$", text, flags=re.MULTILINE) if language == "console" else ():
            capsys.readouterr()
            assert run(shlex.split(command)) == 0, command
            said = capsys.readouterr()
            assert said.out.strip() or " -o " in command, f"jaxscale {command} printed nothing"


# What is made from jaxscale itself


@pytest.mark.slow
def test_generated_pages_hold_every_law_command_and_format():
    pages = {name: generated(name) for name in builder().GENERATED}
    for name in js.laws.names():
        law = js.laws.get(name)
        section = re.search(rf"^### .*{{ #{name} }}$(.*?)(?=^##|\Z)", pages["laws.md"], flags=re.MULTILINE | re.DOTALL)
        assert section, name
        assert law.serves.split("`")[0][:20] in section[1].replace("\\", ""), name
        assert all(f"\n| {key} |" in section[1].replace("\\", "") for key in law.constants), name
    listed = re.findall(r"^## (\S+)$", pages["command-line.md"], flags=re.MULTILINE)
    assert {"fit", "frontier", "what-if", "laws"} <= set(listed) and len(listed) >= 25
    assert "`--inference-tokens" in pages["command-line.md"]
    schemas = [path.stem for path in (ROOT / "jaxscale" / "schemas").glob("*.json")]
    assert all(f"## jaxscale.{name}/1" in pages["formats.md"] for name in schemas)


def test_every_public_name_is_in_the_reference_with_its_arguments():
    api = builder("api_pages")
    pages = {one: generated(one) for one in builder().GENERATED if one.startswith("api-")}
    functions = {n: getattr(js, n) for n in api.public_names() if inspect.isfunction(getattr(js, n))}
    records = {n: getattr(js, n) for n in api.public_names() if inspect.isclass(getattr(js, n))}
    assert len(functions) > 30 and len(records) > 25
    for page, names in (("api-functions.md", functions), ("api-records.md", records)):
        headings = re.findall(r"^## (\w+) \{", pages[page], flags=re.MULTILINE)
        assert headings == list(names)
    for name, function in functions.items():
        section = re.search(rf"^## {name} .*?(?=^## |\Z)", pages["api-functions.md"], flags=re.MULTILINE | re.DOTALL)[0]
        source = inspect.getsourcefile(inspect.unwrap(function))
        assert f"Source: `{Path(source).relative_to(ROOT).as_posix()}`" in section
        told = inspect.getdoc(function) or ""
        for argument in inspect.signature(function).parameters:
            assert re.search(rf"^    {argument}\b|\W{argument}\b", section), (name, argument)
            assert name == "fit_stream" or re.search(rf"\b{argument}\b", told), f"{name} says nothing of {argument}"
    for space in api.NAMESPACES:
        for name, one in api.members_of(getattr(js, space)):
            assert f"## {space}.{name} {{" in pages["api-namespaces.md"] and inspect.getdoc(one), f"{space}.{name}"


def test_a_notebook_is_a_page_with_its_pictures(tmp_path):
    notebook_pages = builder("notebook_pages")
    png = base64.b64encode(b"picture").decode()
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mone\x1b[0m\n", "two\n"]},
        {"data": {"image/png": png, "text/plain": "x"}, "metadata": {"image/png": {"alt": "What [it] shows"}}},
        {"data": {"text/html": "<style>b</style>\n<table><tr><td>7</td></tr></table>", "text/plain": "7"}},
        {"data": {"text/html": "<iframe srcdoc='x'></iframe>", "text/plain": "page"}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text."]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": outputs},
    ]
    text = notebook_pages.page("09_x", {"cells": cells}, tmp_path / "pictures")
    assert text.startswith("# Title\n") and "```python\nprint(1)\n```" in text and "```text\none\ntwo\n```" in text
    assert "![What  it  shows](pictures/09_x-1.png)" in text
    assert (tmp_path / "pictures" / "09_x-1.png").read_bytes() == b"picture"
    assert "<td>7</td>" in text and "<style" not in text and "iframe" not in text


def test_no_generated_page_is_kept():
    assert not [name for name in builder().GENERATED if (DOCS / name).exists()]


class Links(HTMLParser):
    """Addresses and anchors of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.to, self.anchors, self.fetched = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        self.anchors |= {at[name] for name in ("id", "name") if at.get(name)}
        if tag == "a" and at.get("href"):
            self.to.append(at["href"])
        if tag in {"img", "script", "iframe", "source"} and at.get("src"):
            self.fetched.append(at["src"])
        if tag == "link" and at.get("href") and at.get("rel") not in ("canonical", "next", "prev"):
            self.fetched.append(at["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built from notebooks as they lie here, and what the builder said."""
    for name in ("zensical", "latex2mathml"):
        pytest.importorskip(name, reason="the site is built with pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site") / "site"
    command = [sys.executable, str(DOCS / "build.py"), "--notebooks", str(ROOT / "notebooks"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


@pytest.mark.slow
def test_the_site_builds_without_a_warning_or_a_broken_link(site):
    site, told = site
    assert "warning" not in told.lower()
    notebooks = builder("notebook_pages")
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in site.glob("*.html") if path.stem != "404"}
    made = {Path(name).stem for name in (*PAGES, *builder().GENERATED)}
    assert {path.stem for path in pages} == made | set(notebooks.names())
    contents = (DOCS / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(f": {name}.md\n" in contents for name in sorted(made | set(notebooks.names())))
    for path, links in pages.items():
        html = path.read_text(encoding="utf-8")
        assert "arithmatex" not in html, f"{path.name}: a formula was not turned into MathML"
        assert [src for src in links.fetched if re.match(r"(https?:)?//", src)] == [], path.name
        for address in [*links.to, *links.fetched]:
            if re.match(r"https?:|mailto:", address):
                continue
            file, _, anchor = address.partition("#")
            target = Path(os.path.normpath(path.parent / file)) if file else path
            assert target.exists(), f"{path.name}: {address}"
            assert not anchor or target not in pages or anchor in pages[target].anchors, f"{path.name}: {address}"


@pytest.mark.slow
def test_the_site_is_searched_when_it_is_opened_from_a_file(site):
    with chromium() as browser:
        page = browser.new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site[0] / "how-to.html").as_uri())
        page.locator("html.js").wait_for()
        page.keyboard.press("/")
        page.wait_for_function("() => document.activeElement.shadowRoot?.querySelector('input')")
        page.keyboard.type("moonlight", delay=60)
        found = "() => document.activeElement.shadowRoot.textContent"
        page.wait_for_function(f"() => ({found})().includes('moonlight_frontier')")
        assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
