"""The common look of reports: charts by matplotlib as SVG in a page, parts under headings."""

import contextlib
import html
import io
import os
import sys
import warnings
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, LINE = "#e2e3e5", "#8e9299", "#2c2f35"
COLOURS = ("#6f8fae", "#e0a458", "#7fa877", "#b07aa1", "#c96f5e", "#5fb0b0")
LOOK: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
}

REPORT_STYLE = """
body { max-width: 62rem; }
h2 { font-size: 1.15rem; font-weight: 650; margin: 3rem 0 .6rem; }
section > p { max-width: 52rem; color: var(--muted); margin: 0 0 1.1rem; }
.headline { font-size: 1.2rem; margin: 0 0 .4rem; max-width: none; }
.headline b { color: var(--accent); font-weight: 650; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; align-items: center; }
.columns > * { min-width: 0; }
.charts { display: grid; gap: 1.5rem 1.75rem; grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
.charts figure { margin: 0; min-width: 0; max-width: 36rem; }
.charts figcaption { color: var(--muted); font-size: .85rem; margin-top: .4rem; }
.wide { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit !important; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
th { color: var(--muted); font-weight: 500; }
th:first-child, td:first-child { text-align: left; }
pre { margin: 0 0 1rem; padding: .9rem 1.1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; overflow-x: auto; font: .8rem/1.65 ui-monospace, Menlo, Consolas, monospace; }
pre .note { color: var(--muted); }
.time { display: flex; height: .6rem; border-radius: 3px; overflow: hidden; gap: 2px; margin: 0 0 1rem; }
.time span { min-width: 2px; }
.dot { display: inline-block; width: .65rem; height: .65rem; border-radius: 2px; margin-right: .6rem; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted);
  font-size: .82rem; overflow-wrap: anywhere; }
@media (max-width: 44rem) { .columns { grid-template-columns: 1fr; }
  table { font-size: .82rem; } th, td { padding: .4rem .5rem .4rem 0; }
  .wide th { white-space: normal; } }
"""


def section(title: str, text: str, body: str) -> str:
    """A part of a page: a heading, a paragraph, and HTML."""
    lead = f"<p>{html.escape(text)}</p>\n" if text else ""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{lead}{body}\n</section>"


def captioned(chart: str, text: str) -> str:
    """A chart (`svg`) with what it shows under it, as HTML."""
    return f"<figure>{chart}<figcaption>{html.escape(text)}</figcaption></figure>"


def chart_row(*captioned_charts: str) -> str:
    """Charts beside each other on a wide screen, and under each other, as large as they can be, on a phone."""
    return f'<div class="charts">{"".join(captioned_charts)}</div>'


def scrolled(table: str) -> str:
    """A table that scrolls by itself where the screen is narrower, so that the page does not."""
    return f'<div class="wide">{table}</div>'


def plain(text: str) -> str:
    """A label that matplotlib takes literally: `$` would begin a formula, and legends leave out what begins by `_`."""
    hidden = "\u200b" if text.startswith("_") else ""  # of no width
    return hidden + text.replace("$", r"\$")


@contextlib.contextmanager
def look(settings: Any = LOOK) -> Iterator[None]:
    """Within, figures have matplotlib's defaults and `settings`, whatever the user's own file of settings says."""
    _import_matplotlib()
    from matplotlib import style

    with style.context(["default", settings]):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of a size in inches, for files only: no window, and no backend that the environment names."""
    _import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _import_matplotlib() -> None:
    """Import matplotlib, whatever MPLBACKEND names.

    A notebook hands the name of its own backend down to all that it starts. Where that is not installed, matplotlib
    refuses to be imported.
    """
    if "matplotlib" in sys.modules:
        return
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named:  # for whoever draws on a screen in this process
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def save(figure: "Figure", file: IO[Any], **options: Any) -> None:
    """`figure.savefig`, without a warning for each character that matplotlib's font lacks.

    A picture shows a box for it; the text of an SVG is drawn by the browser, whose fonts have it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ \(.*\) missing from", UserWarning)
        figure.savefig(file, **options)


def svg(figure: "Figure") -> str:
    """A chart as an SVG element."""
    file = io.StringIO()
    save(figure, file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
