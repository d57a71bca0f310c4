"""The page that `fractalvid demo` ends with: one file with clips, curves, the comparison and the commands."""

import html
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fractalvid.cli.demo.commands import Part
from fractalvid.cli.demo.verdict import Rows, slow_start, verdict
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
from fractalvid.utils.messages.phrases import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TIMES = ("#4f5b66", "#66788a", "#8597a6", "#e0a458", "#6f8fae", "#7fa877")

REAL_THING = """# pre-train the small network, in about 20 minutes on two CPU cores ...
pretrain --recipe small_cpu --out runs/small_cpu
# ... or R3D-18 on a GPU
pretrain --recipe r3d_18 --out runs/r3d_18

# compare with training from scratch on HMDB51 (a folder per class in DIR, the official split files in SPLITS)
finetune compare --target hmdb51 --data DIR --annotations SPLITS --splits 1 2 3 \\
    --init scratch fractal=runs/small_cpu/weights.safetensors --out runs/hmdb51"""


@dataclass(frozen=True)
class DemoResult:
    """Everything that the page shows."""

    parts: Sequence[Part]
    fractals: Sequence[Clip]
    actions: Sequence[Clip]
    pretraining: Rows
    """`metrics.jsonl` of the pre-training: rows of kind train (loss) and val (top1, a share)."""
    fine_tuning: Mapping[str, Sequence[Rows]]
    """For each initialisation the `metrics.jsonl` of its runs: rows of kind val (top1, in percent)."""
    comparison: Mapping[str, Any]
    """`comparison.json` of `finetune compare`; the first initialisation is the one to compare with."""


def render_report(result: DemoResult) -> str:
    """The page as HTML: one file, nothing loaded from anywhere."""
    total = sum(part.seconds for part in result.parts)
    sections = [
        _top(result.comparison, total),
        section("Result", _about(result.comparison), _comparison(result.comparison)),
        section(
            "What the network was pre-trained on",
            "Fractals in motion, invented from a seed. The task: name the class of a clip never seen before.",
            clip_grid(result.fractals, size=112, columns=8, limit=5_000_000),
        ),
        section(
            "What it was then asked",
            "Which action is this? Twelve stick-figure actions with random bodies, clothes, cameras and "
            "backgrounds, drawn by the program, so that the demo needs no download.",
            clip_grid(result.actions, size=144, columns=6, limit=3_000_000),
        ),
        section("Learning curves", slow_start(result.fine_tuning), _curves(result)),
        section("Where the time went", "", _times(result.parts, total)),
        section(
            "The commands",
            "This is what the demo ran:",
            _code([wrapped(part.command) for part in result.parts]),
        ),
        section("The real thing", "The same two steps on real video:", _code(REAL_THING.splitlines())),
        "<footer>A few minutes show that every part works; they are no benchmark. Both sides train for few epochs, "
        "where what was learned before counts most; after three times as many they know these actions about alike. "
        "For a comparison to rely on, give both sides more time and several seeds (--minutes, --seeds).</footer>",
    ]
    return page("fractalvid demo", "\n".join(sections), REPORT_STYLE)


def _top(comparison: Mapping[str, Any], seconds: float) -> str:
    base, *others = comparison["initialisations"]
    text = "".join(f"<b>{entry['top1']['mean']:.1f} %</b> after pre-training on fractals, " for entry in others[:1])
    text += f"{base['top1']['mean']:.1f} % from scratch: {html.escape(verdict(comparison))}"
    return (
        f'<h1>fractalvid demo</h1>\n<p class="lead">Invent classes, render clips, pre-train, fine-tune, '
        f'compare: the whole chain in {_duration(seconds)}.</p>\n<p class="headline">{text}.</p>'
    )


def _about(comparison: Mapping[str, Any]) -> str:
    """What was compared, with how far chance alone may move a single accuracy."""
    metrics = comparison["runs"][0]["metrics"]
    videos, top1 = metrics["videos"], comparison["initialisations"][0]["top1"]["mean"] / 100
    error = 100 * (max(top1 * (1 - top1), 1e-9) / videos["test"]) ** 0.5
    runs = comparison["initialisations"][0]["top1"]["n"]
    return (
        f"{metrics['classes']} actions, {videos['train']} training and {videos['test']} test clips; "
        f"{metrics['model']}, {metrics['epochs']} epochs for each of {counted(runs, 'seed')}; "
        "equal but for the initial weights. "
        f"Chance is {100 / metrics['classes']:.1f} %; each accuracy is uncertain by about "
        f"±\u00a0{error:.1f} points from the size of the test set alone, "
        "a difference by more, and another seed would move both."
    )


def _comparison(comparison: Mapping[str, Any]) -> str:
    head = "<tr><th>start from</th><th>top-1 %</th><th>top-5 %</th><th>class mean %</th></tr>"
    body = "".join(
        f"<tr><td>{html.escape(entry['label'])}</td>"
        + "".join(f"<td>{_spread(entry[name])}</td>" for name in ("top1", "top5", "mean_class"))
        + "</tr>"
        for entry in comparison["initialisations"]
    )
    table = scrolled(f"<table>{head}{body}</table>")
    return f'<div class="columns">{table}{_bars(comparison)}</div>'


def _spread(value: Mapping[str, float | None]) -> str:
    text = f"{value['mean']:.1f}"
    return text if value["deviation"] is None else f"{text} ± {value['deviation']:.1f}"


def _bars(comparison: Mapping[str, Any]) -> str:
    """Horizontal bars of top-1 accuracy, the single runs as dots, chance as a dotted line."""
    entries = comparison["initialisations"]
    with look():
        figure = new_figure(5, 0.9 + 0.55 * len(entries))
        axes = figure.add_subplot()
        for row, entry in enumerate(entries):
            mean = entry["top1"]["mean"]
            axes.barh(row, mean, height=0.62, color=COLOURS[row % len(COLOURS)])
            runs = [run["metrics"]["top1"] for run in comparison["runs"] if run["label"] == entry["label"]]
            axes.plot(runs, [row] * len(runs), "o", color="#ffffff", markersize=3, alpha=0.75)
            axes.text(max([mean, *runs]) + 1.5, row, f"{mean:.1f}", va="center")
        axes.axvline(100 / comparison["runs"][0]["metrics"]["classes"], color=MUTED, linestyle=":", linewidth=1)
        axes.set_yticks(range(len(entries)), [plain(entry["label"]) for entry in entries])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set(xlim=(0, 105), xlabel="top-1 accuracy (%); dots: single runs, dotted: chance")
        return svg(figure)


def _curves(result: DemoResult) -> str:
    """Loss and accuracy of the pre-training, and the test accuracy while fine-tuning."""
    return chart_row(
        captioned(_loss(result.pretraining), "Pre-training: loss on clips of the step. It should fall."),
        captioned(
            _new_clips(result.pretraining),
            "Pre-training: classes named right on new clips. It should rise; the more classes, the more slowly.",
        ),
        captioned(
            _tests(result.fine_tuning),
            "Fine-tuning: actions named right on test clips, a line a run. What is compared is the end of each.",
        ),
    )


_CHART = (4.2, 2.9)
"""Width and height of a curve's chart in inches: a third of the page, or all of a phone."""


def _loss(rows: Rows) -> str:
    with look():
        figure = new_figure(*_CHART)
        axes = figure.add_subplot()
        _line(axes, rows, "train", "loss", color=COLOURS[1])
        axes.set(xlabel="step", ylabel="cross-entropy (nats)")
        return svg(figure)


def _new_clips(rows: Rows) -> str:
    with look():
        figure = new_figure(*_CHART)
        axes = figure.add_subplot()
        _line(axes, rows, "val", "top1", color=COLOURS[1], scale=100, marker="o")
        axes.set(xlabel="step", ylabel="top-1 accuracy (%)", ylim=(0, None))
        return svg(figure)


def _tests(curves: Mapping[str, Sequence[Rows]]) -> str:
    with look():
        figure = new_figure(*_CHART)
        axes = figure.add_subplot()
        for number, (label, runs) in enumerate(curves.items()):
            colour = COLOURS[number % len(COLOURS)]
            for run, rows in enumerate(runs):
                _line(axes, rows, "val", "top1", color=colour, marker="o", label=None if run else plain(label))
        axes.set(xlabel="step", ylabel="top-1 accuracy (%)", ylim=(0, 100))
        if curves:
            axes.legend()
        return svg(figure)


def _line(
    axes: "Axes",
    rows: Rows,
    kind: str,
    name: str,
    *,
    color: str,
    scale: float = 1,
    marker: str = "",
    label: str | None = None,
) -> None:
    """One quantity of a `metrics.jsonl` against the step."""
    points = [(row["step"], scale * row[name]) for row in rows if row["kind"] == kind and name in row]
    steps, values = zip(*points, strict=True) if points else ((), ())
    marker = marker or ("o" if len(points) == 1 else "")
    axes.plot(steps, values, color=color, marker=marker, markersize=3.5, linewidth=1.6, label=label)


def _times(parts: Sequence[Part], total: float) -> str:
    colours = [_TIMES[number % len(_TIMES)] for number in range(len(parts))]
    bar = "".join(
        f'<span style="flex: {max(part.seconds, 0.01):.2f} 0 0; background: {colour}"></span>'
        for part, colour in zip(parts, colours, strict=True)
    )
    rows = "".join(
        f'<tr><td><span class="dot" style="background: {colour}"></span>{html.escape(part.title)}</td>'
        f"<td>{_duration(part.seconds)}</td><td>{100 * part.seconds / max(total, 1e-9):.0f} %</td></tr>"
        for part, colour in zip(parts, colours, strict=True)
    )
    end = f"<tr><td>all</td><td>{_duration(total)}</td><td></td></tr>"
    return f'<div class="time">{bar}</div>' + scrolled(f"<table>{rows}{end}</table>")


def _duration(seconds: float) -> str:
    """As `3 min 20 s` or `4.5 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def wrapped(command: str, width: int = 100) -> str:
    """A command over several lines, broken before options only, so that it can be copied, read and run."""
    groups: list[str] = []  # an option with its values
    for word in shlex.split(command):
        if groups and not word.startswith("--"):
            groups[-1] += f" {shlex.quote(word)}"
        else:
            groups.append(shlex.quote(word))
    lines = groups[:1]
    for group in groups[1:]:
        if len(lines[-1]) + 1 + len(group) > width - 2:
            lines.append("   ")
        lines[-1] += f" {group}"
    return " \\\n".join(lines)


def _code(lines: Sequence[str]) -> str:
    marked = [
        f'<span class="note">{html.escape(line)}</span>' if line.startswith("#") else html.escape(line)
        for line in lines
    ]
    return "<pre>" + "\n".join(marked) + "</pre>"
