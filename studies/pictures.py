"""The pictures of the README and the documentation: `python -m studies.pictures` writes them to `studies/drawn`.

Three are of the demo set, one is of what `studies.coverage` found.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js
from jaxscale.plot._charts.chart import Axis, Chart, Dots, Panel, Rule, Span, Whiskers
from jaxscale.plot._draw import draw
from studies.coverage import RESULTS

FOLDER = Path(__file__).parent / "drawn"
SHOWN = ("isoflops", "contours", "residuals")


def coverage_chart(record: dict[str, Any]) -> Chart:
    """How often intervals of each simulated cell held the truth: the mean over parameters and decisions, and its least
    and largest one."""
    cells = record["cells"]
    nominal = 100 * record["level"]
    place = np.arange(len(cells), dtype=np.float64)[::-1]
    mean, least, most = (
        np.array([of([x for x in cell["coverage"].values() if x is not None]) for cell in cells.values()])
        for of in (np.mean, min, max)
    )
    fewest = min(cell["simulations"] for cell in cells.values())
    chance = 200 * math.sqrt(record["level"] * (1 - record["level"]) / fewest)
    marks = (
        Span(nominal - chance, nominal + chance, "x", f"two standard errors of {fewest:,} tables"),
        Rule(nominal, "x", "", "ink", "dashed", f"promised: {nominal:g} %"),
        Whiskers(mean, place, least, most, "x", "least to most of them", "fit"),
        Dots(mean, place, "mean over parameters and decisions", "ink"),
    )
    x = Axis("simulated tables whose truth the interval holds (%)", ends=(min(80.0, least.min() - 1), 100.0))
    y = Axis("", names=tuple(cells)[::-1], ends=(-0.7, len(cells) - 0.3))
    alt = f"{len(cells)} cells of simulated tables: {nominal:g} % intervals hold the truth in {mean.min():.0f} to "
    alt += f"{mean.max():.0f} % of the tables, in the mean over parameters and decisions."
    return Chart("What intervals promise, and hold", alt, (Panel(x, y, marks),), size=(8.4, 0.23 * len(cells) + 1.6))


def main() -> None:
    """Fit the demo set, and write one PNG for each picture."""
    result = js.fit(js.laws.chinchilla, js.synthetic.demo_runs())
    pictures = {name: result.plot(name) for name in SHOWN}
    pictures["coverage"] = draw(coverage_chart(json.loads(RESULTS.read_text(encoding="utf-8"))))
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.savefig(FOLDER / f"{name}.png", dpi=110)
        print(f"{name}: {picture.alt}")


if __name__ == "__main__":
    main()
