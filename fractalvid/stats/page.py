"""The page that `fractalvid stats` makes: one file with the figures of banks and sets side by side."""

import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.pages import (
    COLOURS,
    INK,
    MUTED,
    REPORT_STYLE,
    Clip,
    captioned,
    chart_row,
    clip_grid,
    look,
    new_figure,
    page,
    plain,
    scrolled,
    section,
    svg,
)
from fractalvid.stats.config import StatsConfig
from fractalvid.stats.guide import guide
from fractalvid.stats.measure import BY_VARIATION
from fractalvid.stats.probe import VIEWS
from fractalvid.stats.results import BINS, FIGURES, Figure, SourceStats
from fractalvid.stats.table import NONE, left_out, percent, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = ("occupancy", "brightness", "motion", "path", "exponent")
_UNITS = {
    "occupancy": "share of the pixels (%)",
    "brightness": "mean grey level (% of white)",
    "motion": "change a frame, of the mean grey level",
    "path": "length of the path (frame widths)",
    "exponent": "exponent α of the amplitude spectrum",
}
_DISTANCES = (0.0, 0.6)
_MERGED = 2
"""Bins of a summary that are drawn as one."""
_VIEWS = {"video": "clips", "shuffled": "frames shuffled", "frame": "a single frame"}
_PAGE_STYLE = """
body { max-width: 68rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 1.6rem 0 .5rem; overflow-wrap: anywhere; }
th { white-space: normal; overflow-wrap: anywhere; vertical-align: bottom; }
dl { display: grid; grid-template-columns: 13rem 1fr; gap: .35rem 1rem; margin: 0; font-size: .9rem; }
dt { color: var(--muted); }
dd { margin: 0; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; font-size: .85rem; overflow-wrap: anywhere; }
.key.key { color: var(--ink); margin: 0 0 1rem; }
td.read { color: var(--muted); white-space: normal; min-width: 8rem; }
@media (max-width: 44rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin: 0 0 .6rem; } }
"""


def render_page(
    sources: Sequence[SourceStats], config: StatsConfig, extremes: Mapping[str, Sequence[Clip]], command: str
) -> str:
    """The page as HTML: one file, nothing loaded from anywhere.

    Args:
        sources: what was measured.
        config: how.
        extremes: clips at the ends of the distributions, by the name of their source.
        command: that made it.
    """
    names = ", ".join(source.name for source in sources)
    clips = sum(source.clips for source in sources)
    parts = [
        f'<h1>Quality figures</h1>\n<p class="lead">{clips:,} clips of {html.escape(names)}</p>',
        section(
            "Side by side",
            "Mean ± standard deviation over clips; in brackets a 95 % interval. What is usual was measured with this "
            "command's defaults: 200 classes at 128 × 128.",
            _table(sources),
        ),
        section(
            "Over clips",
            "How many of the clips have which value: a peak is where most are; dashed, the mean. Clips beyond an end "
            "count in the last bin.",
            _key(sources) + _histograms(sources),
        ),
        section("Spectrum", _about_spectrum(config), chart_row(f"<figure>{_spectra(sources, config)}</figure>")),
        _told_apart(sources),
        _variations(sources),
        section("At the ends", "The clips with the least and the most of a figure.", _extremes(extremes)),
        section("What was measured", "", _definitions(sources, config)),
        f"<footer>{html.escape(command)}<br>{_notes(sources)}</footer>",
    ]
    return page("Quality figures", "\n".join(part for part in parts if part), REPORT_STYLE + _PAGE_STYLE)


def _table(sources: Sequence[SourceStats]) -> str:
    head = "".join(f"<th>{_dot(n)}{html.escape(source.name)}</th>" for n, source in enumerate(sources))
    body = "".join(
        f'<tr title="{html.escape(row.about)}"><td>{html.escape(row.label)}</td>'
        + "".join(f"<td>{html.escape(value)}</td>" for value in row.values)
        + f'<td class="read">{guide(row.label).good}</td><td class="read">{guide(row.label).usual}</td></tr>'
        for row in rows(sources)
    )
    return scrolled(f"<table><tr><th></th>{head}<th>good</th><th>usual of fractals</th></tr>{body}</table>")


def _key(sources: Sequence[SourceStats]) -> str:
    """Which colour is which source's."""
    return (
        '<p class="key">'
        + "".join(f"<span>{_dot(n)}{html.escape(s.name)}</span>" for n, s in enumerate(sources))
        + "</p>"
    )


def _dot(number: int) -> str:
    return f'<span class="dot" style="background: {COLOURS[number % len(COLOURS)]}"></span>'


class _Histogram(NamedTuple):
    """What a histogram shows: a line a source.

    Attributes:
        label: of the figure's row, by which its guide is found.
        title: what is shown, in words.
        unit: of its values, for the axis.
        counted: what the shares are of.
        span: the ends of the bins, in the unit.
        lines: of each source that has the figure its place, the shares in percent (BINS,) and the mean in the unit.
    """

    label: str
    title: str
    unit: str
    counted: str
    span: tuple[float, float]
    lines: list[tuple[int, NDArray[np.float64], float]]


def _histograms(sources: Sequence[SourceStats]) -> str:
    """How the figures are distributed over clips, and the distance of frames over classes."""
    shown = [_of_clips(sources, figure) for figure in FIGURES if figure.name in _SHOWN]
    shown.append(_of_classes(sources))
    return chart_row(
        *(
            captioned(_histogram(one), f"{one.title[0].upper()}{one.title[1:]}. {guide(one.label).text}")
            for one in shown
            if one.lines
        )
    )


def _of_clips(sources: Sequence[SourceStats], figure: Figure) -> _Histogram:
    scale = 100 if figure.percent else 1
    lines = [
        (n, 100 * np.array(summary.histogram), scale * summary.mean)
        for n, source in enumerate(sources)
        if (summary := source.figures[figure.name]) is not None
    ]
    span = figure.span[0] * scale, figure.span[1] * scale
    return _Histogram(figure.label, figure.label, _UNITS[figure.name], "clips (%)", span, lines)


def _of_classes(sources: Sequence[SourceStats]) -> _Histogram:
    lines = []
    for n, source in enumerate(sources):
        values = np.array([value for value in source.by_class["distance"] if np.isfinite(value)])
        if len(values):
            counts, _ = np.histogram(np.clip(values, *_DISTANCES), BINS, _DISTANCES)
            lines.append((n, 100 * counts / len(values), float(values.mean())))
    unit = "difference in brightness, of white"
    return _Histogram("… within a class", "frame distance within a class", unit, "classes (%)", _DISTANCES, lines)


def _histogram(shown: _Histogram) -> str:
    edges = np.linspace(*shown.span, BINS + 1)
    with look():
        chart = new_figure(4.4, 3)
        axes = chart.add_subplot()
        for n, shares, mean in shown.lines:
            colour = COLOURS[n % len(COLOURS)]
            merged = shares.reshape(-1, _MERGED).sum(axis=1)
            axes.stairs(merged, edges[::_MERGED], color=colour, linewidth=1.6)
            axes.stairs(merged, edges[::_MERGED], color=colour, alpha=0.18, fill=True)
            axes.axvline(mean, color=colour, linestyle="--", linewidth=1)
        axes.set(xlabel=shown.unit, ylabel=shown.counted, xlim=_used(shown, edges), ylim=(0, None))
        return svg(chart)


def _used(shown: _Histogram, edges: NDArray[np.float64]) -> tuple[float, float]:
    """The part of the axis where there is anything, from 0, with some room."""
    last = max(int(np.flatnonzero(shares)[-1]) for _, shares, _ in shown.lines)
    return float(edges[0]), float(edges[min(last + 1 + BINS // 10, BINS)])


def _line(number: int, source: SourceStats) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "linewidth": 1.4, "label": plain(source.name)}


def _about_spectrum(config: StatsConfig) -> str:
    return (
        "Amplitude against spatial frequency, over all directions and clips; each curve is 1 where the shaded band "
        f"begins, in which the exponent α is fitted ({config.band.low} to {config.band.high} cycles a frame side). "
        "Natural images have an α of about 1 (dotted). Yu, Chen & Gandelsman (2024) found that sets with exponents of "
        "1.2 to 1.4 pre-train best. These are read here as of amplitude: of power they would be twice as large, about "
        "2 for natural images."
    )


def _spectra(sources: Sequence[SourceStats], config: StatsConfig) -> str:
    low, high = config.band.low, config.band.high
    with look():
        chart = new_figure(5.6, 3.6)
        axes = chart.add_subplot()
        axes.axvspan(low, high, color=INK, alpha=0.06, linewidth=0)
        longest = max((len(source.spectrum) for source in sources), default=0)
        for n, source in enumerate(sources):
            amplitude = np.sqrt(np.array(source.spectrum))
            summary = source.figures["exponent"]
            if len(amplitude) >= low and summary is not None:
                line = _line(n, source) | {"label": f"{plain(source.name)}: α = {summary.mean:.2f}"}
                axes.loglog(np.arange(1, len(amplitude) + 1), amplitude / amplitude[low - 1], **line)
        at = np.array([low, max(longest, high)])
        axes.loglog(at, at[0] / at, color=MUTED, linestyle=":", linewidth=1, label="α = 1")
        axes.set(xlabel="cycles a frame side", ylabel="amplitude, of that at the band's begin")
        axes.legend(fontsize=8)
        return svg(chart)


def _told_apart(sources: Sequence[SourceStats]) -> str:
    """Bars of the classifier's accuracy, and of the probe's."""
    charts = []
    if any(source.separability for source in sources):
        charts.append(captioned(_bar_chart(_separability_bars, sources, len(sources)), _ABOUT_CLASSES))
    if any(source.probe for source in sources):
        charts.append(captioned(_bar_chart(_probe_bars, sources, len(sources) * len(VIEWS)), _ABOUT_PROBE))
    if not charts:
        return ""
    text = "How well classes are told apart on clips that were held out. Dotted lines are chance."
    return section("Told apart", text, _key(sources) + chart_row(*charts))


_ABOUT_CLASSES = (
    "A linear classifier of simple features. Well above chance is good: classes look different. Near 100 % there is "
    "little left to learn. Of 200 classes of fractals, with 8 clips each to learn from, it usually names 50 % right."
)
_ABOUT_PROBE = (
    "A small 3D network on classes that share their shapes and differ in motion only; dots are single probes, each of "
    "other shapes. What it names right beyond a single frame it learned from motion, and beyond shuffled frames from "
    "their order: far apart is good. Usual of 8 motions of fractals are 76, 29 and 22 %."
)


def _bar_chart(draw: Callable[["Axes", Sequence[SourceStats]], None], sources: Sequence[SourceStats], bars: int) -> str:
    with look():
        chart = new_figure(5, 0.9 + 0.34 * bars)
        draw(chart.add_subplot(), sources)
        return svg(chart)


def _separability_bars(axes: "Axes", sources: Sequence[SourceStats]) -> None:
    for row, source in enumerate(sources):
        if source.separability is not None:
            value = 100 * source.separability.accuracy
            axes.barh(row, value, height=0.6, color=COLOURS[row % len(COLOURS)])
            axes.plot(
                [100 * source.separability.chance] * 2, [row - 0.4, row + 0.4], color=INK, linestyle=":", linewidth=1
            )
            axes.text(value + 1.5, row, f"{value:.0f}", va="center")
    _bars(axes, [""] * len(sources), "held-out clips named right (%)")


def _probe_bars(axes: "Axes", sources: Sequence[SourceStats]) -> None:
    labels: list[str] = []
    for n, source in enumerate(sources):
        for view, shade in zip(VIEWS, (1.0, 0.65, 0.4), strict=True):
            row = len(labels)
            labels.append(_VIEWS[view])
            if source.probe is None:
                continue
            value = 100 * source.probe.accuracy[view]
            axes.barh(row, value, height=0.7, color=COLOURS[n % len(COLOURS)], alpha=shade)
            single = [100 * one for one in source.probe.single[view]]
            axes.plot(single, [row] * len(single), "o", color="#ffffff", markersize=3, alpha=0.75)
            axes.text(max(value, *single) + 1.5, row, f"{value:.0f}", va="center")
            axes.plot([100 * source.probe.chance] * 2, [row - 0.5, row + 0.5], color=INK, linestyle=":", linewidth=1)
    _bars(axes, labels, "motion only: held-out clips named right (%)")


def _bars(axes: "Axes", labels: Sequence[str], title: str) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlim=(0, 105), ylim=(len(labels) - 0.4, -0.6), xlabel=title)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _variations(sources: Sequence[SourceStats]) -> str:
    """Tables of the variations that classes take."""
    names = {figure.name: figure for figure in FIGURES}
    head = "".join(f"<th>{names[name].label}</th>" for name in BY_VARIATION)
    tables = []
    for n, source in enumerate(sources):
        if not source.by_variation:
            continue
        body = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{values['classes']:.0f}</td>"
            + "".join(f"<td>{_mean(values[column], names[column])}</td>" for column in BY_VARIATION)
            + f"<td>{percent(values['damped'])}</td></tr>"
            for name, values in source.by_variation.items()
        )
        tables.append(
            f'<h3>{_dot(n)}{html.escape(source.name)}</h3><div class="wide"><table><tr><th>variation</th>'
            f"<th>classes</th>{head}<th>clips damped</th></tr>{body}</table></div>"
        )
    about = "Means over the clips of the classes that take a variation, alone or among others."
    return section("By variation", about, "".join(tables)) if tables else ""


def _mean(value: float, figure: Figure) -> str:
    if not np.isfinite(value):
        return NONE
    return percent(value) if figure.percent else f"{value:.2f}"


def _extremes(extremes: Mapping[str, Sequence[Clip]]) -> str:
    return "".join(
        f"<h3>{_dot(n)}{html.escape(name)}</h3>" + clip_grid(clips, size=128, columns=6, limit=2_000_000)
        for n, (name, clips) in enumerate(extremes.items())
    )


def _definitions(sources: Sequence[SourceStats], config: StatsConfig) -> str:
    """What each row of the table means, and how it was measured."""
    more = measured_how(config)
    entries = "".join(
        f"<dt>{html.escape(row.label)}</dt><dd>{html.escape(row.about + more.get(row.label, ''))}</dd>"
        for row in rows(sources)
    )
    return f"<dl>{entries}</dl>"


def measured_how(config: StatsConfig) -> dict[str, str]:
    """How figures were measured, by the label of their row; it goes on after what they mean."""
    probe = config.probe
    return {
        "lit pixels": "; in videos, whose encoders leave noise in black, above a grey level of 8"
        if config.above is None
        else f"; black is a grey level of {config.above} or less",
        "nearly full frames": ": over 99 % of the pixels lit, grey levels with a standard deviation under 8",
        "frame distance": ": √(2 tr Σ / 256), Σ their covariance, of four equidistant frames a clip",
        "effective rank": ": exp of the entropy of Σ's normalised eigenvalues (Roy & Vetterli 2007)",
        "classes told apart": (
            ": a linear discriminant on means and deviations of thumbnails over time, octaves of the spectrum, lit "
            f"pixels and the path of the centre, fitted on {config.clips} clips a class, tested on {config.held_out}"
        ),
        "motion probe: clips": (
            f": {probe.motions} classes with the shapes of one class and the motion of {probe.motions}, {probe.train} "
            f"clips each to learn from and {probe.test} held out, {probe.frames} frames of {probe.size} × "
            f"{probe.size}, {probe.steps} steps; a mean over {probe.shapes} shapes"
        ),
    }


def _notes(sources: Sequence[SourceStats]) -> str:
    lines = []
    for source in sources:
        said = "".join(f"; {part}" for part in left_out(source))
        lines.append(f"{source.name}: measured in {source.seconds:.0f} s{said}")
    return "<br>".join(html.escape(line) for line in lines)
