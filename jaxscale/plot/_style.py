"""One look for every picture: colours that colour-blind eyes and grey print tell apart, and sizes."""

from jaxscale.plot._charts.chart import Role

INK, MUTED, GRID = "#222222", "#6b6b6b", "#e4e4e4"
_COLOURS = {
    "fit": "#2a6fbb",
    "odd": "#c4321f",
    "other": "#d55e00",
    "third": "#00785a",
    "fourth": "#b0578d",
    "fifth": "#8c6d00",
    "sixth": "#3d8fc4",
    "ink": INK,
    "muted": MUTED,
}
# viridis, darkened where white paper would swallow it: 4:1 or more against white
_SCALE = ("#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f8f7c", "#2f8a50", "#5a8a2e", "#7f7a00")

SETTINGS = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that pictures are the same everywhere
    "text.color": INK,
    "text.parse_math": False,  # a $ in somebody's name is a $
    "text.usetex": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "white",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "figure.dpi": 110,
    "svg.fonttype": "none",
    "svg.hashsalt": "jaxscale",  # the same picture has the same bytes
    "pdf.fonttype": 42,
}


def colour(role: Role) -> str:
    """The colour of a role, or of a place from 0 to 1 on the scale of what is in order."""
    if isinstance(role, str):
        return _COLOURS[role]
    place = min(max(role, 0.0), 1.0) * (len(_SCALE) - 1)
    k = min(int(place), len(_SCALE) - 2)
    first, second = ([int(_SCALE[j][i : i + 2], 16) for i in (1, 3, 5)] for j in (k, k + 1))
    mixed = (round(a + (place - k) * (b - a)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{c:02x}" for c in mixed)
