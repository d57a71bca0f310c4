"""Learning curves of every objective, on a CPU: each run is one `pretrain` command.

`short` shows on a small bank that each does what its loss asks. `longer` shows what features learned without labels are
good for, on classes that were not trained on, and what they have to beat. What is not measured stays as it was.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common import RESULTS, command_line, machine, write
from benchmarks.fractalvid.view_statistics import CLIPS as MATCHED
from benchmarks.fractalvid.view_statistics import matching, references
from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.models import backbone
from fractalvid.pretrain.monitors import MonitorConfig, neighbour_metrics
from fractalvid.pretrain.weights import load_backbone
from fractalvid.stream import FractalStream, StreamConfig

CLASSES, STEPS, HELD_OUT = 20, 240, 160
CLIPS = StreamConfig(clip_len=8, size=32, points=4000)
COMMON = (
    f"--arch r3d_10 --classes {CLASSES} --steps {STEPS} --batch-size 16 --clip-len {CLIPS.clip_len} "
    f"--size {CLIPS.size} --points {CLIPS.points} --lr 2e-3 --val-clips {HELD_OUT} --val-every 40 --log-every 10 "
    "--no-tensorboard --no-progress"
)
HEADS = "--aux-mask 1 --aux-curve 1"
SHORT = "--moco.queue 1024 --moco.momentum 0.99"
"""A queue that so few clips fill, and a key network that can follow in so few steps."""
RUNS = {
    "supervised": "--objective supervised",
    "supervised, heads": f"--objective supervised {HEADS}",
    "moco": f"--objective moco {SHORT}",
    "simclr": "--objective simclr",
    "byol": "--objective byol --byol.momentum 0.99",
}


LONGER_CLASSES, LONGER_STEPS = 1000, 200
MONITORS = MonitorConfig(("knn", "linear", "crops"), monitor_classes=50, monitor_clips=12)
LONGER_COMMON = (
    f"--arch r3d_10 --classes {LONGER_CLASSES} --steps {LONGER_STEPS} --batch-size 32 --clip-len {CLIPS.clip_len} "
    f"--size {CLIPS.size} --points {CLIPS.points} --lr 2e-3 --val-clips 0 --monitors {' '.join(MONITORS.monitors)} "
    f"--monitor-classes {MONITORS.monitor_classes} --monitor-clips {MONITORS.monitor_clips} --val-every 40 "
    "--log-every 10 --threads 1 --torch-threads 1 --no-tensorboard --no-progress"
)
LONGER = {name: RUNS[name] for name in ("moco", "simclr", "byol")}
MEASURES = {
    "crops_knn": "cropped, nearest neighbour",
    "crops_linear": "cropped, linear",
    "heldout_knn": "at rest, nearest neighbour",
    "heldout_linear": "at rest, linear",
}


def main() -> None:
    """Measure a part, draw the curves and write the tables; runs that lie in the folder are not made again."""
    parser = command_line(__doc__)
    parser.add_argument("part", choices=("short", "longer"))
    parser.add_argument("folder", nargs="?", type=Path, help="where runs are kept")
    given = parser.parse_args()
    known = json.loads((RESULTS / "objectives.json").read_text(encoding="utf-8"))
    data = {name: known[name] for name in ("short", "longer") if name in known}
    with tempfile.TemporaryDirectory() as folder:
        data[given.part] = (short if given.part == "short" else longer)(given.folder or Path(folder))
    data[given.part]["machine"] = machine()
    report(data["short"], data["longer"])


def short(kept: Path) -> dict[str, Any]:
    """Runs of all objectives on few classes, validated on held-out clips of these."""
    runs = {}
    for name, options in RUNS.items():
        log, weights = run(COMMON, options, kept / name.replace(", ", "-"))
        runs[name] = {"options": options, "knn_top1": nearest(weights), "log": log}
    return {"untrained_knn_top1": nearest(None), "runs": runs}


def longer(kept: Path) -> dict[str, Any]:
    """Runs without labels on many classes, measured on others."""
    runs = {}
    for name, options in LONGER.items():
        log, _ = run(LONGER_COMMON, options, kept / f"longer-{name}")
        runs[name] = {"options": options, "log": log}
    return {
        "runs": runs,
        "references": references(MONITORS, CLIPS, LONGER_CLASSES),
        "matching": matching(CLIPS),
    }


def run(common: str, options: str, out: Path) -> tuple[list[dict[str, Any]], Path]:
    """One command; its log and its weights."""
    weights = out / "weights.safetensors"
    if not weights.exists():
        arguments = shlex.split(f"{common} {options}")
        subprocess.run([sys.executable, "-m", "fractalvid.pretrain", *arguments, "--out", str(out)], check=True)
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines], weights


def nearest(weights: Path | None) -> float:
    """`knn_top1` of the features of these weights, or of those that all runs begin with."""
    network = backbone("r3d_10", seed=0)
    if weights is not None:
        load_backbone(network, weights)
    clips = FractalStream.validation(ClassBank.sample(CLASSES, seed=0), num_clips=HELD_OUT, batch_size=32, config=CLIPS)
    with torch.no_grad():
        return neighbour_metrics(network.eval(), clips)["knn_top1"]


def report(few: dict[str, Any], many: dict[str, Any]) -> None:
    """Both parts as a page."""
    runs, untrained = few["runs"], few["untrained_knn_top1"]
    draw(runs, many)
    rows = [row(name, done) for name, done in runs.items()]
    rows.append(["before any training", "", "", "", f"{untrained:.1%}", "", "", ""])
    header = ["objective", "its loss", "spread", "top-1", "nearest neighbour", "mask IoU", "curve loss", "seconds"]
    title = f"Objectives: {STEPS} steps of 16 clips, {CLASSES} classes, r3d_10, 8 x 32²"
    notes = (
        f"![Learning curves](objectives.png)\n\nEach row is `pretrain {COMMON}` and its own options:\n\n"
        + "\n".join(f"- {name}: `{done['options']}`" for name, done in runs.items())
        + f"\n\nLosses are means over the last 10 steps, of different things. Nearest neighbour: whether the nearest "
        f"of {HELD_OUT} held-out clips at rest, by the cosine of features, is of the same class; chance is "
        f"{1 / CLASSES:.0%}. Top-1 is that of the supervised head on the same clips. A curve loss of 1 is what the "
        "mean of all classes gets. MoCo's queue is empty at first, so its loss begins at 0. "
        f"{verdict(runs, untrained)} One seed each; other work ran on the machine, so seconds are indicative. These "
        "runs are older than the shuffling of MoCo's keys.\n\n" + longer_notes(many)
    )
    write("objectives", title, header, rows, {"short": few, "longer": many}, notes)


def longer_notes(many: dict[str, Any]) -> str:
    """The tables of the second part."""
    ends = {_named(name, done): _end(done) for name, done in many["runs"].items()} | many["references"]
    results = [[name, *(f"{values[measure]:.1%}" for measure in MEASURES)] for name, values in ends.items()]
    curves = [
        [f"{name}, {MEASURES[measure]}", *(f"{v:.1%}" for v in series(done, "val", measure)[1])]
        for name, done in many["runs"].items()
        for measure in ("crops_knn", "crops_linear", "heldout_knn")
    ]
    steps = max((series(done, "val", "crops_knn")[0] for done in many["runs"].values()), key=len)
    curves = [[*line, *[""] * (len(steps) + 1 - len(line))] for line in curves]
    ways = list(next(iter(many["matching"].values())))
    pairs = [[name, *(f"{values[way]:.1%}" for way in ways)] for name, values in many["matching"].items()]
    asked = MONITORS.monitor_classes * MONITORS.monitor_clips // 2
    options = "\n".join(f"- {name}: `{done['options']}`" for name, done in many["runs"].items())
    return (
        f"## Without labels: {LONGER_STEPS} steps of 32 clips, {LONGER_CLASSES} classes\n\n"
        f"Each is `pretrain {LONGER_COMMON}` and:\n\n{options}\n\n"
        + table(["features", *MEASURES.values()], results)
        + f"\n\nShare of {asked} clips of {MONITORS.monitor_classes} classes that were not trained on whose class is "
        f"found; chance is {1 / MONITORS.monitor_classes:.0%}, one standard error 2 to 3 points, so that differences "
        "of less than 6 say little. At rest: the whole view and the middle of every clip, where pixels averaged over "
        "2 x 8 x 8 parts do well, because clips of a class lie in the same places. Cropped: windows, crops and flips "
        f"as in training. {judged(many)}\n\n"
        + table(["after steps", *map(str, steps)], curves)
        + f"\n\nHow often the other view of a clip is nearest among {MATCHED}, by statistics alone; chance is "
        f"{1 / MATCHED:.1%}:\n\n" + table(["clips", *ways], pairs) + "\n\nBoth views of a coloured clip have one "
        "palette, which tells them from all others without a look at shape or motion. So second views are recoloured "
        "(`--recolour 0.8`)."
    )


def _end(done: dict[str, Any]) -> dict[str, Any]:
    """The last validation of a run."""
    last: dict[str, Any] = [entry for entry in done["log"] if entry["kind"] == "val"][-1]
    return last


def _named(name: str, done: dict[str, Any]) -> str:
    """What to call a run: where it was stopped early, that is said."""
    step = _end(done)["step"]
    return name if step == LONGER_STEPS else f"{name}, stopped after {step} steps"


def judged(many: dict[str, Any]) -> str:
    """Which objectives beat the network before any training, measured so and so."""
    before = many["references"]["before any training"]
    ends = {_named(name, done): _end(done) for name, done in many["runs"].items()}

    def better(measure: str) -> str:
        return ", ".join(name for name, values in ends.items() if values[measure] > before[measure]) or "none"

    told = "; ".join(f"{what}: {better(measure)}" for measure, what in MEASURES.items())
    return f"Better than before any training are, {told}."


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def verdict(runs: dict[str, dict[str, Any]], untrained: float) -> str:
    """Which features tell classes apart less well than those of the network before any training."""
    worse = [name for name, done in runs.items() if done["knn_top1"] < untrained]
    if not worse:
        return "All features find neighbours of their class more often than those before any training."
    return (
        f"Features of {', '.join(worse)} find neighbours of their class less often than those before any training: "
        "clips at rest are alike pixel by pixel, and what was trained on crops looks past that (see below)."
    )


def series(done: dict[str, Any], kind: str, *names: str) -> tuple[list[int], list[float]]:
    """Steps and values of the first of these names that the rows of a log have."""
    rows = [entry for entry in done["log"] if entry["kind"] == kind]
    name = next((n for n in names if rows and n in rows[0]), None)
    return ([], []) if name is None else ([r["step"] for r in rows], [r[name] for r in rows])


def row(name: str, done: dict[str, Any]) -> list[str]:
    """A line of the table."""

    def last(kind: str, *names: str, form: str = ".2f") -> str:
        values = series(done, kind, *names)[1]
        return format(values[-1], form) if values else ""

    return [
        name,
        last("train", "main_loss", "loss"),
        last("train", "spread"),
        last("val", "top1", form=".1%"),
        f"{done['knn_top1']:.1%}",
        last("train", "mask_iou"),
        last("train", "curve_loss"),
        last("train", "seconds", form=".0f"),
    ]


def draw(runs: dict[str, dict[str, Any]], many: dict[str, Any]) -> None:
    """Losses, accuracy on held-out clips, and what the heads learn, against steps; below, features without labels."""
    panels: list[tuple[str, str, tuple[str, ...]]] = [
        ("loss", "train", ("main_loss", "loss")),
        ("held-out accuracy: top-1 or nearest neighbour", "val", ("knn_top1", "top1")),
        ("IoU of masks", "train", ("mask_iou",)),
        ("loss of curves", "train", ("curve_loss",)),
    ]
    figure = Figure(figsize=(10, 9.5), layout="constrained")
    axes = figure.subplots(3, 2)
    for axis, (title, kind, names) in zip(axes[:2].flat, panels, strict=True):
        for number, (name, done) in enumerate(runs.items()):
            steps, values = series(done, kind, *names)
            if steps:
                axis.plot(steps, values, color=f"C{number}", label=name, linewidth=1.3)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    for axis, measure in zip(axes[2], ("crops_knn", "heldout_knn"), strict=True):
        draw_longer(axis, many, measure)
    for axis in axes.flat:
        axis.set_xlabel("step", fontsize=8)
    axes[0, 0].legend(fontsize=7, ncols=2)
    figure.savefig(RESULTS / "objectives.png", dpi=80)


def draw_longer(axis: Axes, many: dict[str, Any], measure: str) -> None:
    """How often classes that were not trained on are found, against steps, and what it takes to be worth training."""
    before = many["references"]["before any training"][measure]
    for name, done in many["runs"].items():
        steps, values = series(done, "val", measure)
        axis.plot([0, *steps], [before, *values], color=f"C{list(RUNS).index(name)}", label=name, linewidth=1.3)
    axis.axhline(before, color="grey", linestyle="--", linewidth=1, label="before any training")
    axis.axhline(many["references"]["pixels"][measure], color="grey", linestyle=":", linewidth=1, label="pixels")
    axis.set_ylim(0)
    axis.set_title(f"other classes, {MEASURES[measure]}", fontsize=10)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, ncols=2)


if __name__ == "__main__":
    main()
