"""Accuracy over the axis of a study, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fractalvid.finetune.report.findings import Findings
from fractalvid.finetune.report.statistics import Spread
from fractalvid.finetune.results.read import ACCURACIES, MODES
from fractalvid.finetune.study.axes import ORDERED
from fractalvid.finetune.study.design import Study
from fractalvid.pages.charts import look, new_figure, plain, save
from fractalvid.utils.files import write_with

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_study(path: Path, study: Study, parts: Sequence[Findings], title: str) -> None:
    """Write a PNG: of each mode the mean of every column with its interval, the single runs as dots.

    Amounts are joined by a line. What starts without a pre-training is a dashed line across, chance a dotted one.
    """
    trained = [column.label for column in study.columns if column.config is not None]
    with look({}):
        figure = new_figure(max(4.5, 2.0 + 1.0 * len(trained)), 3.8)
        axes = figure.add_subplot()
        for number, findings in enumerate(parts):
            _draw_mode(axes, findings, trained, number, joined=study.axis in ORDERED)
        axes.axhline(100 / parts[0].results[0].metrics["classes"], color="grey", linestyle=":", linewidth=1)
        axes.set_xticks(range(len(trained)), [plain(label) for label in trained])
        axes.set(xlabel=study.axis, ylabel=f"{ACCURACIES[parts[0].metric]} (%)", xlim=(-0.6, len(trained) - 0.4))
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        write_with(path, lambda file: save(figure, file, format="png", dpi=140))


def _draw_mode(axes: "Axes", findings: Findings, trained: Sequence[str], number: int, *, joined: bool) -> None:
    name, colour, shift = MODES[findings.results[0].mode], f"C{number}", 0.08 * number
    metric, entries = findings.metric, {entry["label"]: entry for entry in findings.summary}
    places = [x for x, label in enumerate(trained) if label in entries]
    means = [_mean(entries[trained[x]], metric) for x in places]
    at = [x + shift for x in places]
    axes.plot(at, means, f"o{'-' * joined}", color=colour, markersize=6, linewidth=1.2, label=name)
    for x, place in zip(at, places, strict=True):
        interval = findings.intervals.get(trained[place], {}).get(metric)
        if interval is not None:
            axes.plot([x, x], [interval.low, interval.high], color=colour, linewidth=1.2)
        values = [run.metrics[metric] for run in entries[trained[place]]["runs"]]
        axes.plot([x + 0.04] * len(values), values, ".", color="black", markersize=3, alpha=0.6)
    for style, label in zip(("--", "-.", (0, (1, 1))), (one for one in entries if one not in trained), strict=False):
        axes.axhline(
            _mean(entries[label], metric), color=colour, linestyle=style, linewidth=1, label=plain(f"{name}, {label}")
        )


def _mean(entry: dict[str, Any], metric: str) -> float:
    value: Spread = entry[metric]
    return value.mean
