"""The pictures of the README, drawn from the demo set: `python -m studies.pictures` writes them to `studies/drawn`."""

from pathlib import Path

import jaxscale as js

FOLDER = Path(__file__).parent / "drawn"
SHOWN = ("isoflops", "contours", "residuals")


def main() -> None:
    """Fit the demo set, and write one PNG for each picture."""
    result = js.fit(js.laws.chinchilla, js.synthetic.demo_runs())
    FOLDER.mkdir(exist_ok=True)
    for name in SHOWN:
        picture = result.plot(name)
        picture.savefig(FOLDER / f"{name}.png", dpi=110)
        print(f"{name}: {picture.alt}")


if __name__ == "__main__":
    main()
