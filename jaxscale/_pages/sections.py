"""The parts of a page about a decision, as HTML: of the report, which is a file, and of what a server shows."""

from collections.abc import Callable
from typing import Any

from jaxscale._base.measure import Measure
from jaxscale._base.report import Lines, Report, Table
from jaxscale._base.text import escape_html
from jaxscale._base.verdict import Reason
from jaxscale._base.version import __version__
from jaxscale._pages.content import Content
from jaxscale._pages.markup import Markup, join, table_html, tag
from jaxscale._pages.page_charts import Figure
from jaxscale._pages.sliders import Sliders
from jaxscale.laws import Law

_CARDS = (("N", "Best size N"), ("D", "Training tokens D"), ("ratio", "Tokens per parameter"))
_KEPT = {"N": "N", "D": "D", "ratio": "D/N", "loss": "loss"}


# --- The first screen ---
def decision_of(content: Content) -> Markup:
    """The first screen: the decision, how far to trust it, its numbers."""
    kind = _law_of(content)
    runs = "" if content.result is None else f" · {content.result.record.count:,} runs"
    first, *more = content.trust
    verdict = content.verdict
    worst = "" if verdict is None else {r.severity: r.severity for r in reversed(verdict.reasons)}
    level = "fatal" if "fatal" in worst else "warning" if "warning" in worst or verdict is None else None
    cards = (
        tag(
            "div",
            tag("dt", a.name),
            tag("dd", a.value, class_="big"),
            tag("dd", a.interval or _without(content, a.key)),
        )
        for a in content.answers
    )
    shown = f"{100 * content.level:g} % intervals below each number"
    return join(
        tag("p", f"{kind.full_name}{runs} · jaxscale {__version__}", class_="sub"),
        tag("h1", content.headline),
        tag(
            "div",
            tag("p", tag("strong", first)),
            *(tag("p", sentence) for sentence in more),
            class_=f"trust {level}" if level else "trust",
            role="note",
            aria_label="How far to trust this",
        ),
        tag("dl", *cards, class_="answers", id="decision", aria_label=shown) if content.answers else None,
    )


def _without(content: Content, key: str) -> str:
    """What stands in place of an interval."""
    asked = key == "loss" and content.decided is not None and content.decided.reach_loss is not None
    return "as asked for" if asked else "no interval"


def _law_of(content: Content) -> Law:
    return content.result.law if content.result is not None else content.plans[0].law


def findings_of(content: Content, say: Callable[[str], str] = str) -> Markup | None:
    """What speaks for the fit and against it; `say` puts it in words of the page."""
    if content.verdict is None:
        return None
    reasons = content.verdict.reasons
    if not reasons:
        return tag("p", "Every check passed.")
    rows = (
        [tag("p", "Rows are counted from 1 below the header.", class_="note")] if any(r.rows for r in reasons) else []
    )
    return join(tag("ul", *(_finding(reason, say) for reason in reasons), class_="findings"), *rows)


def _finding(reason: Reason, say: Callable[[str], str]) -> Markup:
    return tag(
        "li", tag("b", reason.severity), " ", say(reason.text), " ", tag("code", reason.code), class_=reason.severity
    )


# --- Sliders ---
def sliders_section(sliders: Sliders) -> Markup:
    """The sliders with their answers and scenarios; what fills and moves them is `web/explore.js`."""
    if sliders.model is None:
        return tag("p", f"No sliders: {sliders.note}")
    model = sliders.model
    heading = model["response"]["heading"]
    counted = Measure(data=model["response"]["data"]).counted
    cards = [*((id, counted(title)) for id, title in _CARDS), ("loss", heading[:1].upper() + heading[1:])]
    bill = model["bill"] is not None
    answers = [
        tag("div", tag("dt", title), *(tag("dd", id=f"{id}-{part}", class_=c) for part, c in _PARTS))
        for id, title in cards
    ]
    if bill:
        shown = f"{100 * model['bill']['mfu']:g} % of the peak of {model['bill']['device']}, assumed"
        answers.append(
            tag("div", tag("dt", "Bill (dollars)"), tag("dd", id="bill-now", class_="big"), tag("dd", shown))
        )
    header = [model.get("scenario", f"budget ({model['unit']})")]
    header += [cell for id, _ in cards for cell in (_KEPT[id], model["band"].removesuffix(" interval"))]
    header += ["bill"] if bill else []
    table = tag(
        "table",
        tag("caption", f"Scenarios kept: N in parameters, D in {model['response']['data']}, {heading}"),
        tag(
            "thead",
            tag(
                "tr",
                tag("th", "changed", scope="col"),
                *(tag("th", cell, scope="col", class_="number") for cell in header),
                tag("td"),
            ),
        ),
        tag("tbody"),
        id="scenarios",
    )
    buttons = tag(
        "p",
        tag("button", "Keep as scenario", type="button", id="keep"),
        " ",
        tag("button", "Back to the plan", type="button", id="reset"),
        class_="screen",
    )
    panel = tag("div", *map(_control, model["controls"]), class_="controls")
    region = tag(
        "div",
        tag("p", sliders.note),
        panel,
        buttons,
        tag("dl", *answers, class_="answers"),
        tag("p", id="said"),
        tag("p", id="spoken", role="status", class_="unseen"),
        tag("div", id="along", class_="host"),
        tag("div", table, id="kept", class_="scroll", tabindex="0", role="region", aria_label="Scenarios", hidden=True),
        id="explore",
        role="group",
        aria_label="What if",
        hidden=True,
    )
    without = tag("p", "The sliders need JavaScript, which does not run here; all else can be read.", id="without")
    return join(without, region)


_PARTS = (("now", "big"), ("band", None), ("was", None))


def _control(control: dict[str, Any]) -> Markup:
    id = control["id"]
    return tag(
        "div",
        tag("label", control["label"], for_=id),
        tag("output", id=f"{id}-out", for_=id, aria_live="off"),
        tag("input", type="range", id=id, min=control["low"], max=control["high"], step=1, value=0,
            aria_describedby=f"{id}-note", autocomplete="off"),
        tag("small", control["note"], id=f"{id}-note"),
        class_="control",
    )  # fmt: skip


# --- Records and pictures ---
def _figures(content: Content, section: str) -> Markup | None:
    """Pictures of a section, drawn here; where scripts run the page draws them again, as wide as there is room."""
    mine = [f for f in content.figures if f.section == section]
    alone = [_figure(f) for f in mine if not f.beside]
    beside = [_figure(f) for f in mine if f.beside]
    return join(tag("div", *beside, class_="pair") if beside else None, *alone)


def _figure(figure: Figure) -> Markup:
    picture = tag("div", figure.drawn, id=figure.id, class_="host")
    return tag("figure", tag("figcaption", figure.chart.title), picture)


def _report(report: Report, say: Callable[[str], str] = str) -> Markup:
    parts: list[Markup | None] = [tag("h3", report.title)]
    parts += [tag("p", tag("strong", report.verdict))] if report.verdict else []
    for block in report.blocks:
        if isinstance(block, Table):
            parts.append(table_html(block))
        else:
            parts.append(tag("h3", block.title) if block.title else None)
            parts.append(tag("ul", *(tag("li", say(line)) for line in block.lines)))
    return join(*parts)


def plans_of(content: Content, say: Callable[[str], str] = str) -> Markup | None:
    """Tables and pictures of the plans; `say` puts sentences in words of the page."""
    if not content.plans:
        return None
    reports = content.plan_reports()
    return join(*(_report(report, say) for report in reports), _figures(content, "plan"))


def fit_section(content: Content, say: Callable[[str], str] = str) -> Markup | None:
    """Pictures of the fit, and its report without the verdict; `say` puts sentences in words of the page."""
    if content.result is None:
        return None
    report = content.result.report()
    told = tuple(b for b in report.blocks if not (isinstance(b, Lines) and b.title == "Findings"))  # said above
    law = content.result.law
    formula = f"{law.formula}, {law.source}".strip(", ")
    return join(
        tag("p", formula) if formula else None,
        _figures(content, "fit"),
        _report(Report(report.title, None, told), say),
    )


def comparison_section(content: Content) -> Markup | None:
    """Which law extrapolates."""
    if content.comparison is None:
        return None
    return join(_report(content.comparison.report()), _figures(content, "comparison"))


def card_section(content: Content, say: Callable[[str], str] = str) -> Markup | None:
    """The fit card; `say` puts sentences in words of the page."""
    if content.result is None:
        return None
    parts = []
    for name, lines in content.result.card().sections.items():
        if name != "Findings":  # they stand above
            rows = (tag("tr", tag("th", label, scope="row"), tag("td", say(text))) for label, text in lines)
            table = tag("table", tag("caption", name), tag("tbody", *rows), class_="card")
            parts.append(tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=name))
    return join(*parts)


def again_section(content: Content) -> Markup:
    """Lines that make the numbers again."""
    python, shell = content.lines
    parts = [(tag("h3", title), tag("pre", tag("code", _code(text)), tabindex="0", aria_label=title))
             for title, text in (("In Python", python), ("In a shell", shell)) if text]  # fmt: skip
    return join(*(piece for pair in parts for piece in pair))


def _code(text: str) -> Markup:
    """Lines, each made inert on its own, since what breaks a line would be shown as an escape."""
    return Markup("\n").join(Markup(escape_html(line)) for line in text.splitlines())
