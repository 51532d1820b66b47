"""The page as HTML: one to drop a table on, and one for each table, before and after its fit."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxscale._base.text import format_number, inert, plural
from jaxscale._pages.app.asked_plan import TARGETS, AskedPlan
from jaxscale._pages.app.asked_reading import (
    CHOICES,
    COLUMNS,
    FORMULA,
    NONE,
    ROLES,
    TEXTS,
    laws_offered,
    on_page,
)
from jaxscale._pages.app.browsers import HeldTable
from jaxscale._pages.app.slider_model import PRESETS, sliders_at
from jaxscale._pages.app.uploads import MOST_BYTES, MOST_ROWS, Guess, guess
from jaxscale._pages.markup import Markup, in_script, join, tag
from jaxscale._pages.page import script, style
from jaxscale._pages.sections import card_section, decision_of, findings_of, fit_section, plans_of, sliders_section

_SCRIPTS = ("numbers", "contour", "chart", "planner", "grid", "engine", "asked", "quick", "explore", "server", "app")
_SHOWN, _CELL = 5, 40
_FORMULAS = {"N": "millions * 1e6", "D": "steps * batch * length", "C": "pf_days * 8.64e19", "loss": "ln(perplexity)"}
_FILES = (
    ("report.html", "Report (HTML)"),
    ("plan.json", "Plan (JSON)"),
    ("table.csv", "Table (CSV)"),
    ("analysis.py", "Python"),
)


def page_script() -> str:
    """All of the page's JavaScript."""
    return script(_SCRIPTS)


def page_style() -> str:
    """Its style sheet, which is the report's."""
    return style()


# Controls are disabled until the page's script listens to them.
def drop_page() -> str:
    """Where a table is dropped."""
    limits = f"CSV, TSV, Parquet, JSON lines or Excel; up to {MOST_BYTES // 2**20} MiB and {MOST_ROWS:,} rows"
    drop = tag(
        "div",
        tag("label", "Table of finished runs", for_="file"),
        tag("input", type="file", id="file", disabled=True, accept=".csv,.tsv,.txt,.json,.jsonl,.parquet,.xlsx,.gz"),
        tag("p", f"One row for each run. Choose a file, or drop it anywhere: {limits}.", class_="note"),
        id="drop",
        class_="drop",
    )
    link = tag(
        "form",
        tag("label", "Or a link that somebody sent", for_="link-in"),
        tag("input", type="url", id="link-in", autocomplete="off", placeholder="http://…/#…"),
        tag("button", "Open", type="submit"),
        id="open-link",
        class_="asked",
    )
    body = join(
        tag("header", tag("h1", "What to train next"),
            tag("p", "Drop a table of finished training runs. It stays in the memory of this computer.", class_="sub")),
        tag("main", drop, tag("p", id="message", role="alert"), link, tag("ul", id="tables", class_="findings")),
    )  # fmt: skip
    return _page("jaxscale", body, {"page": "drop", "most": MOST_BYTES})


def table_page(table: HeldTable, first: AskedPlan | None, problem: str = "") -> str:
    """A table: its columns, and after a fit what it says. problem: with what was asked for, in words."""
    fitted = table.fitted
    data: dict[str, Any] = {"page": "table", "id": table.id, "fields": [*ROLES, *COLUMNS, *CHOICES, *TEXTS, "law"]}
    data["fitting"] = table.job is not None and not table.job.ended
    parts: list[Markup | None] = []
    content = None
    if fitted is None or first is None:
        header = tag("header", tag("p", tag("a", "Another table", href="/"), class_="sub"), tag("h1", table.name))
        parts.append(tag("section", tag("h2", "Columns"), _columns(table), aria_label="Columns"))
    else:
        content, sliders = fitted.content, sliders_at(fitted, first)
        data |= {"target": first.target, "runs": fitted.result.runs_sha256[:16], "model": sliders.model}
        data["charts"] = {f.id: f.to_dict() for f in content.figures}
        where = join(table.name, " · ", tag("a", "another table", href="/"))
        header = tag("header", tag("p", where, class_="sub"), decision_of(content))
        change = tag("details", tag("summary", "Columns and law: look again, or change them"), _columns(table))
        parts += [
            change,
            _section("trust", "What speaks for it and against it", findings_of(content, on_page)),
            _section(
                "explore-title", "What if", _asking(table, first, problem), sliders_section(sliders), _taking(table)
            ),
            _section("plan", "The plan", plans_of(content, on_page)),
            _section("fit", "The fit", fit_section(content, on_page)),
            _section("card", "Fit card", card_section(content, on_page)),
        ]
    title = f"{content.headline} · " if content else ""
    return _page(f"{title}{table.name} · jaxscale", join(header, tag("main", *parts)), data)


def _page(title: str, body: Markup, data: dict[str, Any]) -> str:
    head = join(
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("link", rel="stylesheet", href="/look.css"),
    )
    body = join(
        body,
        tag("script", in_script(data), type="application/json", id="data"),
        tag("script", src="/app.js"),
    )
    return f"<!doctype html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _section(id: str, title: str, *parts: Markup | None) -> Markup | None:
    if not any(parts):
        return None
    return tag("section", tag("h2", title, id=id), *parts, aria_labelledby=id)


# --- Columns ---
def _columns(table: HeldTable) -> Markup:
    """Which column is what and which rows count, to be corrected, and the first rows."""
    found, given = guess(table), table.reading.given
    names = [str(name) for name in table.frame.columns]
    recognised = _recognised(found)
    roles = [_role(role, label, names, given.get(role, ""), recognised[role]) for role, label in ROLES.items()]
    laws = [(name, name, name == table.reading.law) for name in laws_offered()]
    further = [_text("where", given), *(_column(id, label, names, given.get(id, "")) for id, label in COLUMNS.items())]
    further += [_choice(id, *_words(id, given)) for id in CHOICES if id != "loss_unit"]
    further += [_text(id, given) for id in TEXTS if id != "where"]
    return join(
        tag(
            "form",
            tag("div", _said(table, found), id="looked", role="status", aria_live="polite"),
            tag("div", *roles, _choice("law", "Law", laws), _choice("loss_unit", *_words("loss_unit", given)),
                class_="controls"),
            tag(
                "details",
                tag("summary", "Rows, weights, how cells are read, how the fit is made"),
                tag("div", *further, class_="controls"),
                id="further",
                open=table.reading.further or bool(found.problem),
            ),
            tag(
                "p",
                tag("button", "Fit", type="submit", id="go", class_="main", disabled=True),
                " ",
                tag("button", "Stop", type="button", id="stop", hidden=True),
            ),
            tag("p", tag("span", id="progress", role="status"), " ", tag("span", id="seconds", aria_hidden="true")),
            tag("progress", id="bar", hidden=True, aria_label="How far the fit is"),
            tag("p", id="message", role="alert"),
            id="columns",
        ),
        _preview(table, names),
    )  # fmt: skip


def _said(table: HeldTable, found: Guess) -> Markup:
    """How the table was read, or why it cannot be; what `app.js` shows again whenever a field changes."""
    if found.problem:
        return tag(
            "p", tag("strong", "The table cannot be read so: "), found.problem, class_="trust warning", id="problem"
        )
    size = f"{plural(len(table.frame), 'row')}, {plural(len(table.frame.columns), 'column')}: {found.count}."
    notes = tag("ul", *(tag("li", note) for note in found.notes)) if found.notes else None
    return join(tag("p", f"{size} What was recognised can be corrected.", id="read"), notes)


def looked_at(table: HeldTable, found: Guess) -> dict[str, Any]:
    """The same as plain data, with what was recognised."""
    size = f"{plural(len(table.frame), 'row')}, {plural(len(table.frame.columns), 'column')}: {found.count}."
    return {"problem": found.problem, "read": size, "notes": list(found.notes), "roles": _recognised(found)}


def _recognised(found: Guess) -> dict[str, str]:
    """What is taken for each role where nobody says more, in words."""
    said = {role: f"recognised: {inert(column, _CELL)}" for role, column in found.columns.items()}
    said |= {role: f"computed: {inert(how, _CELL)}" for role, how in found.computed.items()}
    return {role: said.get(role, "recognise it") for role in ROLES}


def _role(role: str, label: str, names: Sequence[str], given: str, recognised: str) -> Markup:
    """A column, none, or a formula of others, which is then written below."""
    formula = given.removeprefix(FORMULA) if given.startswith(FORMULA) and given not in names else ""
    options = [("", "recognise it" if given else recognised, not given)]
    options += [(name, inert(name, _CELL), given == name) for name in names]
    options += [(FORMULA, "computed from columns …", bool(formula))]
    if role != "loss":
        options.append((NONE, "none", given == NONE))
    written = tag(
        "input", type="text", id=f"{role}-formula", value=formula, hidden=not formula, autocomplete="off",
        placeholder=_FORMULAS[role], aria_label=f"{label}, computed from columns", maxlength=500,
    )  # fmt: skip
    return _choice(role, label, options, written)


def _column(id: str, label: str, names: Sequence[str], given: str) -> Markup:
    options = [("", "none", not given), *((name, inert(name, _CELL), given == name) for name in names)]
    return _choice(id, label, options)


def _words(id: str, given: Mapping[str, str]) -> tuple[str, list[tuple[str, str, bool]]]:
    label, words = CHOICES[id]
    return label, [(v, text, v == given.get(id, "")) for v, text in words.items()]


def _text(id: str, given: Mapping[str, str]) -> Markup:
    label, example, note = TEXTS[id]
    more = {"id": id, "name": id, "autocomplete": "off", "placeholder": example, "aria_describedby": f"{id}-note"}
    field = (
        tag("textarea", given.get(id, ""), rows=2, spellcheck="false", **more)
        if id == "where"
        else tag("input", type="text", value=given.get(id, ""), **more)
    )
    return tag("div", tag("label", label, for_=id), field, tag("small", note, id=f"{id}-note"), class_="control")


def _choice(id: str, label: str, options: Sequence[tuple[str, str, bool]], *more: Markup) -> Markup:
    shown = (tag("option", text, value=value, selected=chosen) for value, text, chosen in options)
    select = tag("select", *shown, id=id, name=id, autocomplete="off")
    return tag("div", tag("label", label, for_=id), select, *more, class_="control")


def _preview(table: HeldTable, names: Sequence[str]) -> Markup:
    rows = [[inert(cell, _CELL) for cell in row] for row in table.frame.head(_SHOWN).itertuples(index=False)]
    made = tag(
        "table",
        tag("caption", f"The first {plural(len(rows), 'row')}"),
        tag("thead", tag("tr", *(tag("th", inert(name, _CELL), scope="col") for name in names))),
        tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows)),
        id="head",
    )
    return tag("div", made, class_="scroll", tabindex="0", role="region", aria_label="The first rows")


# --- What is asked for, and what can be taken away ---
def _asking(table: HeldTable, first: AskedPlan, problem: str) -> Markup:
    amount = first.loss if first.target == "loss" else first.size if first.target == "size" else first.budget
    options = (tag("option", text, value=value, selected=value == first.target) for value, text in TARGETS.items())
    here = f"/tables/{table.id}"
    presets = (
        tag("li", tag("a", words, href=f"{here}?target={target}&amount={_in_url(text)}", class_="preset"))
        for words, target, text in PRESETS
    )
    return join(
        tag(
            "form",
            tag("label", "Amount", for_="amount"),
            tag("input", type="text", id="amount", name="amount", value=_amount(amount), autocomplete="off"),
            tag("label", "of", for_="target"),
            tag("select", *options, id="target", name="target"),
            tag("button", "Ask", type="submit"),
            id="asking",
            class_="asked",
            method="get",
            action=here,
        ),
        tag("p", problem, role="alert", class_="trust warning") if problem else None,
        tag("ul", *presets, class_="presets", aria_label="Budgets to begin with"),
    )


def _amount(x: float | None) -> str:
    """As it can be read back: 3e21, 2.228."""
    return "" if x is None else format_number(x, 6, suffixes=False)


def _in_url(text: str) -> str:
    return text.replace("%", "%25").replace(" ", "%20").replace("@", "%40")


def _taking(table: HeldTable) -> Markup:
    """Files of what the sliders say, and the link to it."""
    links = (
        tag("li", tag("a", words, href=f"/tables/{table.id}/{file}", download=True, class_="file"))
        for file, words in _FILES
    )
    return join(
        tag("h3", "Take away"),
        tag("p", "Of what the sliders say now; the table has a row for each scenario kept too.", class_="note"),
        tag("ul", *links, class_="presets", id="files"),
        tag(
            "div",
            tag("label", "Link to all of this: columns, law, sliders, scenarios; none of the data", for_="link"),
            tag("input", type="text", id="link", readonly=True, autocomplete="off"),
            tag("button", "Copy", type="button", id="copy"),
            class_="asked",
        ),
        tag("p", id="link-said", role="status"),
    )
