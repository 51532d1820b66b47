"""`Picture`: a figure that a notebook shows once, that is the same file every time, and that carries its words."""

import base64
import io
from functools import cache
from typing import Any, Protocol

from jaxscale._base.errors import MissingExtraError
from jaxscale.plot._charts.chart import Chart
from jaxscale.plot._style import SETTINGS

_NOTHING_OF_TODAY = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
_ABOUT = {"svg": ("Title", "Description"), "pdf": ("Title", "Subject"), "png": ("Title", "Description")}


class Picture(Protocol):
    """A matplotlib `Figure` (what that has, it has), with `chart`, the numbers it shows, and `alt`, a sentence or two
    for who cannot see it."""

    chart: Chart
    alt: str
    axes: list[Any]

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write the picture; the ending of the name says how (png, svg, pdf). The same picture gives the same bytes."""
        ...


def matplotlib() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise MissingExtraError("pictures need matplotlib: pip install 'jaxscale[plot]'") from None
    return matplotlib


@cache
def picture_class() -> Any:
    """The class of pictures, made when the first one is: it stands on matplotlib, which not everybody has."""
    package = matplotlib()

    class JaxscalePicture(package.figure.Figure):
        chart: Chart
        alt: str

        def savefig(self, fname: Any, **options: Any) -> None:
            name = str(options.get("format") or getattr(fname, "name", fname)).rpartition(".")[2].lower()
            if name in _ABOUT:
                about = dict(zip(_ABOUT[name], (self.chart.title, self.alt), strict=True))
                options["metadata"] = _NOTHING_OF_TODAY[name] | about | options.get("metadata", {})
            with package.rc_context(SETTINGS):
                super().savefig(fname, **options)

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
            drawn = io.BytesIO()
            self.savefig(drawn, format="png")
            width = round(self.get_figwidth() * 96)
            data = {"image/png": base64.b64encode(drawn.getvalue()).decode(), "text/plain": self.alt}
            return data, {"image/png": {"alt": self.alt, "width": width}}

        def __repr__(self) -> str:
            return f"<Picture: {self.alt}>"

    return JaxscalePicture
