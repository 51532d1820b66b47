"""A report is one file that fetches nothing, runs nothing but its own script, and says one thing in all its forms."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import referencing
from helpers import ROOT

import jaxscale as js
from jaxscale._base.text import format_number
from jaxscale._pages.markup import in_script, tag
from jaxscale._pages.page import script
from jaxscale._pages.sliders import sliders_of

HOSTILE = '<script>alert(1)</script> "x" \'y\' & </script><img src=x onerror=alert(2)> \u202e\x1b[31m `"""'
WEB = ROOT / "jaxscale" / "_pages" / "web"
SVG = "http://www.w3.org/2000/svg"


class Page(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag):
        self._in = ""

    def handle_data(self, data):
        if self._in in ("script", "style"):
            self.raw.append((self._in, data))
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def html(fitted, plan) -> str:
    return fitted.report_html(plans=plan)


def test_the_same_records_give_the_same_bytes_and_a_file_gets_them(fitted, plan, html, tmp_path):
    path = tmp_path / "report.html"
    assert fitted.report_html(path, plans=[plan]) == html == path.read_text("utf-8")
    assert plan.report_html() == html  # a plan knows the fit that it was made from
    assert len(html.encode()) < 2e6
    assert str(tmp_path) not in html


def test_every_number_of_the_decision_is_that_of_the_plan_in_each_form(fitted, plan, html):
    row = plan.rows[1]
    document = json.loads(fitted.report_html(plans=plan, form="json"))
    markdown = fitted.report_html(plans=plan, form="md")
    decision = document["decision"]
    assert decision["intervals"] == {k: list(v) for k, v in row.intervals.items()}
    words = " ".join(Page(html).words)
    for name in ("N", "D", "tokens_per_param", "loss"):
        assert decision[name] == getattr(row, name)
        digits, suffixes = (4, False) if name == "loss" else (3, True)
        value, low, high = (format_number(x, digits, suffixes) for x in (decision[name], *decision["intervals"][name]))
        assert f"| {value} | {low} to {high} |" in markdown
        assert value in words and f"{low} to {high}" in words
    assert document["plans"] == [plan.to_dict()]
    schemas = [json.loads((files("jaxscale") / "schemas" / f"{n}.json").read_text("utf-8"))
               for n in ("report", "fit", "plan", "compare", "card")]  # fmt: skip
    registry = referencing.Registry().with_resources(
        [(s["$id"], referencing.Resource.from_contents(s)) for s in schemas]
    )
    check = jsonschema.Draft202012Validator(schemas[0], registry=registry)
    check.validate(document)
    for key in document:
        assert not check.is_valid({k: v for k, v in document.items() if k != key})


def test_nothing_is_fetched_and_nothing_runs_but_what_the_policy_names(html):
    page = Page(html)
    assert set(re.findall(r"[a-z]+://[^\s\"'`)]*", html)) == {SVG}
    assert not [(e, a) for e, a in page.elements if {"src", "srcset", "action", "style"} & a.keys() or "on" in
                {k[:2] for k in a}]  # fmt: skip
    assert {a["href"] for _, a in page.elements if "href" in a} >= {"data:,", "#trust"}
    assert all(a["href"][0] == "#" or a["href"] == "data:," for _, a in page.elements if "href" in a)
    policy = next(a["content"] for e, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
              for (_, text), (kind, a) in zip(page.raw, [e for e in page.elements if e[0] in ("script", "style")],
                                              strict=True) if a.get("type") != "application/json"}  # fmt: skip
    assert set(re.findall(r"'sha256-[^']+'", policy)) == hashes
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_what_a_table_holds_stays_text(fitted, plan):
    """Names of a law, of columns, of a filter and a title, made to act. (Without runs nothing is compiled.)"""
    law = replace(fitted.law, name=HOSTILE, formula=HOSTILE, source=HOSTILE)
    record = replace(fitted.record, columns={"N": HOSTILE, "D": "d", "loss": "l"}, filters=(HOSTILE,))
    odd = replace(fitted, law=law, record=record, runs=None)
    odd_plan = replace(plan, law=law, label=HOSTILE, notes=(HOSTILE,))
    text = odd.report_html(plans=odd_plan, title=HOSTILE)
    page = Page(text)
    assert [e for e, _ in page.elements if e in ("script", "img")] == ["script", "script"]
    assert not [k for _, a in page.elements for k in a if k.startswith("on")]
    data = next(t for kind, t in page.raw if kind == "script")
    assert not set(data) & set("<>&")
    assert json.loads(data)["charts"]
    words = "".join(page.words)
    assert "<script>alert(1)</script>" in words and "\\x1b[31m" in words and "\u202e" not in text
    markdown = odd.report_html(plans=odd_plan, title=HOSTILE, form="md")
    assert "<script>" not in markdown.split("```")[0]


def test_markup_escapes_whatever_it_is_given():
    assert tag("p", "<b>", tag("i", "&"), title='"') == '<p title="&quot;">&lt;b&gt;<i>&amp;</i></p>'
    assert in_script({"a": "</script>&\u2028"}) == '{"a":"\\u003c/script\\u003e\\u0026\\u2028"}'


def test_the_javascript_makes_elements_only_and_asks_for_nothing():
    assert "fetch(" not in script()
    assert {p.name for p in WEB.iterdir()} >= {"engine.js", "planner.js", "chart.js", "look.css"}
    for path in WEB.glob("*.js"):
        code = path.read_text("utf-8")
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|import\(|XMLHttp|WebSocket"
            r"|localStorage|\.cookie|\.style\b|Date\b|Math\.random",
            code,
        )
        found += ["fetch"] if "fetch(" in code and path.stem not in ("server", "app") else []  # these are of no report
        assert not found, (path.name, found)
        assert set(re.findall(r"[a-z]+://[^\s\"'`)]*", code)) <= {SVG}
        assert code.startswith('"use strict";')
    assert "url(" not in (WEB / "look.css").read_text("utf-8")


def test_published_constants_are_reported_without_a_verdict_of_a_fit():
    plan = js.frontier(js.laws.chinchilla.published["besiroglu"], [1e24])
    page = Page(plan.report_html())
    words = " ".join(page.words)
    assert "published or given, not fitted here" in words and "no interval" in words
    assert not [a for _, a in page.elements if a.get("id") in ("trust", "card")]
    assert "published['besiroglu']" in words


def test_data_that_are_no_tokens_are_called_so_by_sliders_and_scenarios_too(plan):
    images = replace(plan, response=replace(plan.response, data="images"))
    model = sliders_of(images, images.rows[-1]).model
    assert model is not None and model["response"]["data"] == "images"
    controls = {one["id"]: (one["label"], one["unit"]) for one in model["controls"]}
    assert controls["served"] == ("Images served", "images") and controls["cap"] == ("Cap on training images", "images")
    words = " ".join(Page(images.report_html()).words)
    assert "Images per parameter" in words and "Scenarios kept: N in parameters, D in images" in words
    section = words[words.index("Explore") :] if "Explore" in words else words
    assert "Training tokens" not in section and "Tokens per" not in section


def test_a_fit_without_a_plan_is_planned_for_at_ten_times_its_largest_run(fitted):
    document = json.loads(fitted.report_html(form="json"))
    largest = float(fitted.runs.variable("C").max())
    assert document["decision"]["budget"] == pytest.approx(10 * largest, rel=0.5)
    assert any("ten times the compute of the largest run" in sentence for sentence in document["trust"])


def test_a_plan_that_keeps_to_no_limits_says_so_first(fitted, plan):
    none = dict.fromkeys(("N", "D", "loss", "tokens_per_param", "cost"), np.nan)
    empty = {"variables": {}, "intervals": {}, "sensitivities": {}, "shadow_price": {}, "regret": {}}
    rows = tuple(
        replace(r, status="infeasible", note="the limits contradict each other", **none, **empty) for r in plan.rows
    )
    text = replace(fitted, runs=None).report_html(plans=replace(plan, rows=rows))
    assert "No plan for budget 1e24 FLOPs: the limits contradict each other" in text
    assert "No sliders: There is no plan to start from." in text


def test_what_cannot_be_reported_is_refused_in_words(fitted, plan, tmp_path):
    other = js.frontier(js.laws.chinchilla.published["besiroglu"], [1e24])
    with pytest.raises(js.InputError, match="with other constants than this fit"):
        fitted.report_html(plans=[plan, other])
    with pytest.raises(js.InputError, match=r"\.html, \.md or \.json"):
        fitted.report_html(tmp_path / "report.pdf", plans=plan)
    with pytest.raises(js.InputError, match="takes plans"):
        fitted.report_html(plans=[np.arange(3)])
    (tmp_path / "x.json").write_text('{"format": "jaxscale.fit/1"}')
    with pytest.raises(js.InputError, match=r"not jaxscale\.plan/1; make one by jaxscale frontier"):
        fitted.report_html(plans=tmp_path / "x.json")
    with pytest.raises(js.InputError, match="takes a comparison"):
        fitted.report_html(plans=plan, compare=3)
