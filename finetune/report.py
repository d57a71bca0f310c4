"""From finished runs to a comparison: mean and deviation as a table, a bar chart and JSON."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.rundir import METRICS
from finetune.targets.base import some
from fractalvid.errors import UserError
from fractalvid.files import write_text, write_with

FILES = ("comparison.md", "comparison.json", "comparison.png")
ACCURACIES = {"top1": "top-1", "top5": "top-5", "mean_class": "mean per class"}


@dataclass(frozen=True)
class RunResult:
    """A finished run: the initialisation it started from, its split, its seed and its `metrics.json`."""

    label: str
    split: str
    seed: int
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over `n` runs; the deviation of a single run is unknown (None)."""

    mean: float
    deviation: float | None
    n: int

    def __str__(self) -> str:
        """As "31.4 ± 1.6", or "31.4" for one run."""
        return f"{self.mean:.1f}" if self.deviation is None else f"{self.mean:.1f} ± {self.deviation:.1f}"


def spread(values: Sequence[float]) -> Spread:
    """Mean and sample standard deviation of values."""
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return Spread(statistics.fmean(values), deviation, len(values))


def read_run(folder: Path, label: str | None = None) -> RunResult:
    """Read the `metrics.json` of a finished run; `label` renames its initialisation."""
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_bytes())
        result = RunResult(label or metrics["init"]["label"], str(metrics["split"]), int(metrics["seed"]), metrics)
        if all(isinstance(metrics[name], float) for name in ACCURACIES):
            return result
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not the result of a fine-tuning run: {error!r}") from error
    except OSError as error:
        raise UserError(f"{folder} holds no finished run: cannot read {METRICS} ({error.strerror})") from error
    raise UserError(f"{path} is not the result of a fine-tuning run: its accuracies are no numbers")


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """The folders of finished runs at or below the given ones, sorted."""
    found = []
    for folder in folders:
        runs = sorted(path.parent for path in folder.rglob(METRICS))
        if not runs:
            raise UserError(f"{folder} holds no finished run (no {METRICS} in it or below it)")
        found += runs
    return sorted(set(found))


_EQUAL = ("target", "classes", "mode", "model", "clip", "views", "crops", "epochs", "batch_size", "lr")


def check_comparable(results: Sequence[RunResult]) -> None:
    """Raise `UserError` for runs that must not stand in one table: other data or budget, or one run twice.

    Target, classes, network, clip, views and budget must be equal, and the numbers of videos in each split.
    """
    for name in _EQUAL:
        values = {json.dumps(result.metrics.get(name), sort_keys=True) for result in results}
        if len(values) > 1:
            raise UserError(f"the runs differ in {name} ({some(sorted(values), 3)}): they do not compare")
    if len({json.dumps(result.metrics.get("class_names")) for result in results}) > 1:
        raise UserError("the runs differ in class_names, the names of their classes: they do not compare")
    for split in dict.fromkeys(result.split for result in results):
        videos = [result.metrics.get("videos", {}) for result in results if result.split == split]
        counts = sorted({f"{v.get('train')} to train and {v.get('test')} to test" for v in videos})
        if len(counts) > 1:
            where = f" of split {split}" if split else ""
            raise UserError(f"the runs{where} differ in videos ({some(counts, 3)}): they do not compare")
    seen = set[tuple[str, str, int]]()
    for result in results:
        key = (result.label, result.split, result.seed)
        if key in seen:
            raise UserError(
                f"two runs of {result.label!r} have split {result.split} and seed {result.seed}; "
                "name them apart with LABEL=..."
            )
        seen.add(key)


def summarise(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """One entry per initialisation, in order of appearance.

    Each holds its runs, a `Spread` of every metric, and, but for the first initialisation, the spread of the
    paired differences in top-1 to the first (over the splits and seeds that both have).
    """
    labels = list(dict.fromkeys(result.label for result in results))
    by_label = {label: [r for r in results if r.label == label] for label in labels}
    base = {(r.split, r.seed): r.metrics["top1"] for r in by_label[labels[0]]}
    summary = []
    for label in labels:
        runs = by_label[label]
        entry: dict[str, Any] = {"label": label, "runs": runs}
        entry |= {name: spread([run.metrics[name] for run in runs]) for name in ACCURACIES}
        paired = [r.metrics["top1"] - base[r.split, r.seed] for r in runs if (r.split, r.seed) in base]
        entry["gain"] = spread(paired) if paired and label != labels[0] else None
        summary.append(entry)
    return summary


def _run_name(result: RunResult) -> str:
    """The split and seed of a run, as a column is headed."""
    return f"split {result.split}, seed {result.seed}" if result.split else f"seed {result.seed}"


def markdown(results: Sequence[RunResult], title: str) -> str:
    """The comparison as Markdown: a table of means and one of the single runs."""
    summary = summarise(results)
    head = [
        "initialisation",
        *(f"{name} (%)" for name in ACCURACIES.values()),
        f"top-1 over {summary[0]['label']}",
        "runs",
    ]
    body = [
        [
            entry["label"],
            *(str(entry[name]) for name in ACCURACIES),
            _signed(entry["gain"]) if entry["gain"] else "",
            str(len(entry["runs"])),
        ]
        for entry in summary
    ]
    columns = list(dict.fromkeys(_run_name(result) for result in results))
    single = [
        [
            entry["label"],
            *({_run_name(r): f"{r.metrics['top1']:.1f}" for r in entry["runs"]}.get(c, "") for c in columns),
        ]
        for entry in summary
    ]
    parts = [f"# {title}", about(results[0].metrics), _table(head, body)]
    parts += ["Top-1 (%) of the single runs:", _table(["initialisation", *columns], single)]
    parts.append("Means ± sample standard deviation over the runs; differences are paired by split and seed.")
    return "\n\n".join(parts) + "\n"


def _signed(value: Spread) -> str:
    text = f"{value.mean:+.1f}"
    return text if value.deviation is None else f"{text} ± {value.deviation:.1f}"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    cells = [[cell.replace("|", r"\|") for cell in line] for line in [head, *body]]
    width = [max(len(line[k]) for line in cells) for k in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, width, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *lines[1:]])


def about(metrics: dict[str, Any]) -> str:
    """One line on what was run: model, clip, budget, views, videos."""
    clip, videos, official = metrics["clip"], metrics["videos"], metrics.get("official_classes")
    of_all = f" of {official}" if official not in (None, metrics["classes"]) else ""
    return (
        f"{metrics['target']}, {metrics['classes']}{of_all} classes, {videos['train']} training and "
        f"{videos['test']} test videos; {metrics['model']}, {clip['clip_len']} frames (stride "
        f"{clip['frame_stride']}) of {clip['size']} x {clip['size']}, "
        f"{metrics['mode']} fine-tuning, {metrics['epochs']} epochs of batch {metrics['batch_size']}; "
        f"{metrics['views']} x {metrics['crops']} views a test video."
    )


def draw_bars(path: Path, results: Sequence[RunResult], title: str) -> None:
    """Write a PNG: a bar per initialisation (mean top-1, deviation as whiskers), the single runs as dots."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    summary = summarise(results)
    figure = Figure(figsize=(2.2 + 1.3 * len(summary), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for x, entry in enumerate(summary):
        top1: Spread = entry["top1"]
        axes.bar(x, top1.mean, width=0.6, color=f"C{x}", alpha=0.8, yerr=top1.deviation, capsize=5)
        values = [run.metrics["top1"] for run in entry["runs"]]
        axes.plot([x] * len(values), values, "o", color="black", markersize=3, alpha=0.6)
        axes.annotate(f"{top1.mean:.1f}", (x, 0), (0, 4), textcoords="offset points", ha="center", color="white")
    axes.axhline(100 / results[0].metrics["classes"], color="grey", linestyle=":", linewidth=1, label="chance")
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    axes.set_xticks(range(len(summary)), [entry["label"].replace("$", r"\$") for entry in summary])
    axes.set(ylabel="top-1 accuracy (%)", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    write_with(path, lambda file: figure.savefig(file, format="png", dpi=140))


def to_json(results: Sequence[RunResult]) -> dict[str, Any]:
    """The comparison as plain data: the summary of each initialisation and all runs."""

    def plain(value: Spread | None) -> dict[str, Any] | None:
        return None if value is None else vars(value).copy()

    return {
        "initialisations": [
            {"label": entry["label"], **{name: plain(entry[name]) for name in (*ACCURACIES, "gain")}}
            for entry in summarise(results)
        ],
        "runs": [{"label": r.label, "split": r.split, "seed": r.seed, "metrics": r.metrics} for r in results],
    }


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison that `write_comparison` wrote."""
    try:
        content = json.loads((folder / "comparison.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"initialisations", "runs"} <= content.keys()


def write_comparison(out: Path, results: Sequence[RunResult]) -> str:
    """Write comparison.md, comparison.json and comparison.png into `out`; return the Markdown."""
    check_comparable(results)
    title = f"Fine-tuning on {results[0].metrics['target']}"
    text = markdown(results, title)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {out}: {error.strerror}; choose another --out") from error
    draw_bars(out / "comparison.png", results, title)
    write_text(out / "comparison.json", json.dumps(to_json(results), indent=2) + "\n")
    write_text(out / "comparison.md", text)
    return text
