"""The report as one HTML file: its own style and script, whose hashes are all that its policy lets run, no address."""

import base64
import hashlib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from jaxscale._pages.content import Content
from jaxscale._pages.markup import Markup, in_script, join, tag
from jaxscale._pages.sections import (
    again_section,
    card_section,
    comparison_section,
    decision_of,
    findings_of,
    fit_section,
    plans_of,
    sliders_section,
)

_SCRIPTS = ("numbers", "contour", "chart", "planner", "grid", "engine", "explore", "start")


def page_of(content: Content) -> str:
    """The whole file."""
    parts = [
        ("trust", "What speaks for it and against it", findings_of(content)),
        ("explore-title", "What if", sliders_section(content.sliders)),
        ("plan", "The plan", plans_of(content)),
        ("fit", "The fit", fit_section(content)),
        ("comparison", "Which law extrapolates", comparison_section(content)),
        ("card", "Fit card", card_section(content)),
        ("again", "How to make this again", again_section(content)),
    ]
    shown = [(id, title, body) for id, title, body in parts if body]
    links = (tag("li", tag("a", title, href=f"#{id}")) for id, title, _ in shown)
    sections = (tag("section", tag("h2", title, id=id), body, aria_labelledby=id) for id, title, body in shown)
    body = join(
        tag("header", decision_of(content), tag("nav", tag("ul", *links), aria_label="Contents", class_="screen")),
        tag("main", *sections),
        tag("script", in_script(_data(content)), type="application/json", id="data"),
        tag("script", script()),
    )
    policy = (
        f"default-src 'none'; script-src {_hash(script())}; style-src {_hash(style())}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", content.headline),
        tag("link", rel="icon", href="data:,"),
        tag("style", style()),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


@lru_cache(maxsize=8)
def script(names: tuple[str, ...] = _SCRIPTS) -> Markup:
    """The JavaScript of a page: these files of `web/`, one after the other."""
    folder = files("jaxscale._pages") / "web"
    return Markup("\n".join((folder / f"{name}.js").read_text("utf-8") for name in names))


@cache
def style() -> Markup:
    """The page's style sheet."""
    return Markup((files("jaxscale._pages") / "web" / "look.css").read_text("utf-8"))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(content: Content) -> dict[str, Any]:
    return {"charts": {f.id: f.to_dict() for f in content.figures}, "model": content.sliders.model}
