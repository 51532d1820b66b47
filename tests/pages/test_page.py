"""The page in a browser: its numbers are those of the plan, its sliders plan again, and nobody is left out."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from browsing import axe_source, serious_faults

import jaxscale as js
from jaxscale._base.text import format_number

pytestmark = pytest.mark.slow

HOSTILE = "<script>document.title='run'</script>"
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
# Every word of every picture, with its box and that of the picture.
WORDS = """() => [...document.querySelectorAll(".host svg")].filter(s => s.querySelector("text")).map(s => {
  const box = e => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  return { picture: box(s), words: [...s.querySelectorAll("text")].map(t => [t.textContent, ...box(t)]) };
})"""


@pytest.fixture(scope="module")
def report(fitted, plan, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    fitted.report_html(path, plans=plan, title=HOSTILE)
    return path


@pytest.fixture
def opened(browser, report):
    """Opens the page as asked for; at the end nothing has gone wrong in it and nothing was asked of anybody."""
    faults, contexts = [], []

    def open_page(size: str = "wide", **options):
        context = browser.new_context(viewport=SIZES[size], **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if request.url != report.as_uri() and
                not request.url.startswith("data:") else None)  # fmt: skip
        page.goto(report.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def text(page, id: str) -> str:
    return page.locator(f"#{id}").inner_text()


def test_the_sliders_begin_with_the_plan_and_plan_again(opened, fitted, plan):
    page = opened()
    row = plan.rows[1]
    for id, value, ends in (("N", row.N, row.intervals["N"]), ("D", row.D, row.intervals["D"])):
        assert text(page, f"{id}-now") == format_number(value, 3)
        assert text(page, f"{id}-band") == " to ".join(format_number(x, 3) for x in ends)
        assert text(page, f"{id}-was") == "as planned"
    assert text(page, "loss-now") == format_number(row.loss, 4, suffixes=False)
    # Four notches of budget, tokens served, and a cap, by keys alone.
    page.locator("#budget").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.locator("#served").evaluate("e => { e.value = 84; e.dispatchEvent(new Event('input')); }")
    page.locator("#cap").focus()
    for _ in range(45):
        page.keyboard.press("ArrowLeft")
    page.locator("#said").filter(has_text="the cap on tokens").wait_for()
    cap = 30 * row.D * 10 ** (-0.05 * 45)
    cost = js.costs.six_nd.with_inference(1e9 * 10 ** (0.05 * 84))
    (after,) = js.frontier(fitted, [row.budget * 10**0.2], cost=cost, limits={"D_max": cap}).rows
    assert "D_max" in after.binding
    assert text(page, "N-now") == format_number(after.N, 3)
    assert text(page, "N-band") == " to ".join(format_number(x, 3) for x in after.intervals["N"])
    assert text(page, "loss-now") == format_number(after.loss, 4, suffixes=False)
    assert page.locator("#budget").get_attribute("aria-valuetext") == f"{format_number(row.budget * 10**0.2, 3)} FLOPs"
    page.locator("#keep").click()
    assert format_number(after.N, 3) in text(page, "scenarios")
    page.locator("#reset").click()
    page.locator("#N-was").filter(has_text="as planned").wait_for()
    assert text(page, "N-now") == format_number(row.N, 3)


def test_a_move_is_answered_well_within_a_fifth_of_a_second(opened):
    page = opened()
    taken = page.evaluate("""async () => {
      const root = document.getElementById("explore"), slider = document.getElementById("budget"), taken = [];
      for (let i = 1; i <= 20; i++) {
        const answered = new Promise(done => root.addEventListener("answer", done, { once: true }));
        const start = performance.now();
        slider.value = i; slider.dispatchEvent(new Event("input"));
        await answered;
        taken.push(performance.now() - start);
      }
      return taken;
    }""")
    assert np.median(taken) < 200


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_words_of_pictures_hide_no_others_and_stay_inside(opened, size, script):
    page = opened(size, java_script_enabled=script)
    if script:
        page.locator("#along svg").first.wait_for()
    pictures = page.evaluate(WORDS)
    assert len(pictures) > 12
    for picture in pictures:
        left, top, right, bottom = picture["picture"]
        for word, x0, y0, x1, y1 in picture["words"]:
            assert left - 1 <= x0 and x1 <= right + 1 and top - 1 <= y0 and y1 <= bottom + 1, word
        for (a, *p), (b, *q) in combinations(picture["words"], 2):
            across, down = min(p[2], q[2]) - max(p[0], q[0]), min(p[3], q[3]) - max(p[1], q[1])
            assert across <= 1 or down <= 3.5, (a, b)  # boxes have room above and below the letters
    assert page.evaluate("() => document.documentElement.scrollWidth") == SIZES[size]["width"]


def test_what_is_not_ours_stays_text(opened):
    page = opened()
    assert page.locator("h1").inner_text() == HOSTILE
    assert page.title() == HOSTILE
    assert page.locator("script").count() == 2
    assert page.locator("#without").is_hidden()


def test_without_javascript_the_page_reads(opened, plan):
    page = opened(java_script_enabled=False)
    assert format_number(plan.rows[1].N, 3) in page.locator("#decision").inner_text()
    assert page.locator("#explore").is_hidden()
    assert page.locator("#without").is_visible()
    for id in ("frontier", "swings", "contours", "observed", "residuals"):  # every picture is drawn
        picture = page.locator(f"#{id} [role=img] svg").first
        assert picture.is_visible() and picture.locator(".line, .bar, .points").count()
    named = page.locator("#contours [role=img]").get_attribute("aria-label")
    assert named.startswith("loss (nats per token) over sizes and tokens")


def test_axe_finds_no_serious_fault(browser, report, tmp_path):
    axe = axe_source(tmp_path)
    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=SIZES["wide"], color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto(report.as_uri())
        page.locator("#keep").click()
        rules = "{}" if scheme == "light" else '{ runOnly: ["color-contrast"] }'  # all that the scheme changes
        faults, passes = serious_faults(page, axe, rules)
        context.close()
        assert faults == "[]"
        assert passes >= (20 if scheme == "light" else 1)
