"""The pictures of a report: bars of accuracies, changes by class, confusion, learning curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fractalvid.finetune.report.findings import Findings, summarise
from fractalvid.finetune.report.statistics import Spread
from fractalvid.finetune.results.read import ACCURACIES, MODES, RunResult, by_mode, read_history
from fractalvid.finetune.results.scores import Floats, Integers
from fractalvid.pages.charts import COLOURS, INK, MUTED, look, new_figure, plain, save, svg
from fractalvid.utils.files import write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_READABLE = 60
"""Classes whose names still fit beside a matrix on a page."""
_MOST_NAMES = 120
"""Classes that the PNG of a matrix names: with the 600 of Kinetics it would have 260 million pixels."""


def draw_bars(path: Path, results: Sequence[RunResult], title: str) -> None:
    """Write a PNG: a bar per initialisation and mode (mean top-1, deviation as whiskers), the single runs as dots."""
    modes = by_mode(results)
    summary = [(mode, entry) for mode, runs in modes.items() for entry in summarise(runs)]
    with look({}):
        figure = new_figure(2.2 + 1.3 * len(summary), 4.2)
        axes = figure.add_subplot()
        colours = {label: f"C{k}" for k, label in enumerate(dict.fromkeys(entry["label"] for _, entry in summary))}
        for x, (_, entry) in enumerate(summary):
            top1: Spread = entry["top1"]
            axes.bar(x, top1.mean, width=0.6, color=colours[entry["label"]], alpha=0.8, yerr=top1.deviation, capsize=5)
            values = [run.metrics["top1"] for run in entry["runs"]]
            axes.plot([x] * len(values), values, "o", color="black", markersize=3, alpha=0.6)
            axes.annotate(f"{top1.mean:.1f}", (x, 0), (0, 4), textcoords="offset points", ha="center", color="white")
        axes.axhline(100 / results[0].metrics["classes"], color="grey", linestyle=":", linewidth=1, label="chance")
        axes.legend(loc="upper left", frameon=False, fontsize=8)
        named = [entry["label"] + (f"\n{MODES.get(mode, mode)}" if len(modes) > 1 else "") for mode, entry in summary]
        axes.set_xticks(range(len(summary)), [plain(name) for name in named])
        axes.set(ylabel="top-1 accuracy (%)", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        write_with(path, lambda file: save(figure, file, format="png", dpi=140))


def accuracy_bars(findings: Findings) -> str:
    """Horizontal bars of the headline accuracy, its interval as a line, the single runs as dots, chance dotted."""
    metric = findings.metric
    with look():
        figure = new_figure(5.2, 0.9 + 0.55 * len(findings.labels))
        axes = figure.add_subplot()
        furthest = 0.0
        for row, entry in enumerate(findings.summary):
            mean = entry[metric].mean
            axes.barh(row, mean, height=0.62, color=COLOURS[row % len(COLOURS)])
            values = [run.metrics[metric] for run in entry["runs"]]
            axes.plot(values, [row] * len(values), "o", color="#ffffff", markersize=3, alpha=0.75)
            interval = findings.intervals.get(entry["label"], {}).get(metric)
            ends = [mean, *values]
            if interval is not None:
                axes.plot([interval.low, interval.high], [row + 0.2] * 2, color=INK, linewidth=1.2)
                ends.append(interval.high)
            furthest = max(furthest, *ends)
            axes.text(1.03 * max(ends), row, f"{mean:.1f}", va="center")
        axes.axvline(100 / findings.results[0].metrics["classes"], color=MUTED, linestyle=":", linewidth=1, zorder=3)
        axes.set_yticks(range(len(findings.labels)), [plain(label) for label in findings.labels])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set(xlim=(0, 1.2 * furthest or 1), xlabel=f"{ACCURACIES[metric]} accuracy (%)")
        return svg(figure)


def class_bars(findings: Findings) -> str:
    """Each class's change from the first initialisation to the last, or its accuracy where there is one; sorted."""
    first, last = (findings.class_accuracy[findings.labels[k]] for k in (0, -1))
    changes = len(findings.labels) > 1
    change = last - first if changes else first
    order = [int(k) for k in np.argsort(-change, kind="stable") if np.isfinite(change[k])]
    named = len(order) <= _READABLE
    with look():
        figure = new_figure(10, 3.4)
        axes = figure.add_subplot()
        colours = [COLOURS[2] if change[k] >= 0 else COLOURS[4] for k in order]
        axes.bar(range(len(order)), change[order], width=0.75, color=colours)
        names = [_short(findings.class_names[k]) for k in order] if named else []
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="points" if changes else "top-1 (%)", xlim=(-0.8, len(order) - 0.2))
        return svg(figure)


def confusion_picture(matrix: Integers, names: Sequence[str]) -> str:
    """A confusion matrix, each row in percent of its class."""
    size = float(np.clip(3 + 0.13 * len(names), 4.5, 10))
    with look():
        figure = new_figure(size + 0.8, size)
        axes = figure.add_subplot()
        picture = axes.imshow(_percent(matrix), vmin=0, vmax=100, cmap="magma", interpolation="nearest")
        axes.grid(visible=False)
        if len(names) <= _READABLE:
            shown = [_short(name) for name in names]
            font = max(4.5, 8 - 0.06 * len(names))
            axes.set_xticks(range(len(names)), shown, rotation=90, fontsize=font)
            axes.set_yticks(range(len(names)), shown, fontsize=font)
        axes.set(xlabel="predicted", ylabel="true")
        figure.colorbar(picture, label="% of the class", shrink=0.7)
        return svg(figure)


def draw_confusion(path: Path, matrix: Integers, classes: Sequence[str], title: str) -> None:
    """Write the confusion matrix as a PNG, each row in percent of its class's test videos."""
    named = len(classes) <= _MOST_NAMES
    side = 3 + 0.22 * min(len(classes), _MOST_NAMES)
    with look({}):
        figure = new_figure(side + 1, side)
        axes = figure.add_subplot()
        picture = axes.imshow(_percent(matrix), vmin=0, vmax=100, cmap="viridis")
        names = [_printable(name) for name in classes] if named else []
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
        axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set(xlabel="predicted", ylabel="true", title=title)
        figure.colorbar(picture, label="% of the class", shrink=0.8)
        write_with(path, lambda file: save(figure, file, format="png", dpi=120))


def _percent(matrix: Integers) -> Floats:
    """Counts (K, K) in percent of their row."""
    share: Floats = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    return share


def curves(findings: Findings) -> str:
    """Training loss and test accuracy of every run against the step; empty where no run has a log."""
    histories = [
        (number, [read_history(run) for run in entry["runs"]]) for number, entry in enumerate(findings.summary)
    ]
    every = [row for _, runs in histories for rows in runs for row in rows]
    wanted = [("train", "loss", "training loss")]
    if any(row["kind"] == "val" and "top1" in row for row in every):
        sides = {run.metrics.get("curve_side") for entry in findings.summary for run in entry["runs"]} - {None}
        side = {("val",): "validation", ("test", "val"): "test or validation"}.get(tuple(sorted(sides)), "test")
        wanted.append(("val", "top1", f"{side} top-1, one central view (%)"))
    if not any(row["kind"] == "train" for row in every):
        return ""
    with look():
        figure = new_figure(10, 3.2)
        for axes, (kind, name, title) in zip(figure.subplots(1, len(wanted), squeeze=False)[0], wanted, strict=True):
            for number, runs in histories:
                for k, rows in enumerate(runs):
                    points = [(row["step"], row[name]) for row in rows if row["kind"] == kind and name in row]
                    label = None if k else plain(findings.labels[number])
                    _line(axes, points, COLOURS[number % len(COLOURS)], label)
            axes.set(title=title, xlabel="step")
            axes.title.set_fontsize(10)
            axes.legend(fontsize=8)
        return svg(figure)


def _line(axes: "Axes", points: Sequence[tuple[float, float]], colour: str, label: str | None) -> None:
    steps, values = zip(*points, strict=True) if points else ((), ())
    axes.plot(steps, values, color=colour, label=label, linewidth=1.3, alpha=0.85, marker="o" * (len(points) == 1))


def _short(name: str) -> str:
    """A class name as a tick of an axis."""
    text = _printable(name)
    return text if len(text) <= 24 else f"{text[:23]}…"


def _printable(name: str) -> str:
    """A class name as matplotlib prints it: `$` would start a formula, surrogates have no glyph."""
    return plain(name).encode("utf-8", "replace").decode()
