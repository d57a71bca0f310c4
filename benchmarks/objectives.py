"""Learning curves of every objective on a small bank, on a CPU: each run is one `pretrain` command.

They show that each does what its loss asks. Which features are best, so short a run, on so few classes, does not say.
"""

import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.common import RESULTS, write
from fractalvid.classes import ClassBank
from fractalvid.stream import FractalStream, StreamConfig
from pretrain.checkpoint import load_backbone
from pretrain.models import backbone
from pretrain.objectives.neighbours import neighbour_metrics

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


def main() -> None:
    """Run all, draw the curves and write the table; runs that lie in the folder of an argument are not made again."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        runs = {name: run(options, kept / name.replace(", ", "-")) for name, options in RUNS.items()}
    untrained = nearest(None)
    draw(runs)
    rows = [row(name, done) for name, done in runs.items()]
    rows.append(["before any training", "", "", "", f"{untrained:.1%}", "", "", ""])
    header = ["objective", "its loss", "spread", "top-1", "nearest neighbour", "mask IoU", "curve loss", "seconds"]
    title = f"Objectives: {STEPS} steps of 16 clips, {CLASSES} classes, r3d_10, 8 x 32²"
    notes = (
        f"![Learning curves](objectives.png)\n\nEach row is `pretrain {COMMON}` and its own options:\n\n"
        + "\n".join(f"- {name}: `{done['options']}`" for name, done in runs.items())
        + f"\n\nLosses are means over the last 10 steps, of different things. Nearest neighbour: whether the nearest "
        f"of {HELD_OUT} held-out clips, by the cosine of features, is of the same class; chance is "
        f"{1 / CLASSES:.0%}. Top-1 is that of the supervised head on the same clips. A curve loss of 1 is what the "
        "mean of all classes gets. MoCo's queue is empty at first, so its loss begins at 0. "
        f"{verdict(runs, untrained)} One seed each; other work ran on the machine, so seconds are indicative."
    )
    write("objectives", title, header, rows, {"untrained_knn_top1": untrained, "runs": runs}, notes)


def run(options: str, out: Path) -> dict[str, Any]:
    """One command; its options, log and final features."""
    weights = out / "weights.safetensors"
    if not weights.exists():
        arguments = shlex.split(f"{COMMON} {options}")
        subprocess.run([sys.executable, "-m", "pretrain", *arguments, "--out", str(out)], check=True)
    log = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return {"options": options, "knn_top1": nearest(weights), "log": log}


def nearest(weights: Path | None) -> float:
    """`knn_top1` of the features of these weights, or of those that all runs begin with."""
    network = backbone("r3d_10", seed=0)
    if weights is not None:
        load_backbone(network, weights)
    clips = FractalStream.validation(ClassBank.sample(CLASSES, seed=0), num_clips=HELD_OUT, batch_size=32, config=CLIPS)
    with torch.no_grad():
        return neighbour_metrics(network.eval(), clips)["knn_top1"]


def verdict(runs: dict[str, dict[str, Any]], untrained: float) -> str:
    """Which features tell classes apart less well than those of the network before any training."""
    worse = [name for name, done in runs.items() if done["knn_top1"] < untrained]
    if not worse:
        return "All features find neighbours of their class more often than those before any training."
    return (
        f"Features of {', '.join(worse)} find neighbours of their class less often than those before any training: "
        f"{STEPS * 16} clips have taught them to match views of instances; what more would give was not measured."
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


def draw(runs: dict[str, dict[str, Any]]) -> None:
    """Losses, accuracy on held-out clips, and what the heads learn, against steps."""
    panels: list[tuple[str, str, tuple[str, ...]]] = [
        ("loss", "train", ("main_loss", "loss")),
        ("held-out accuracy: top-1 or nearest neighbour", "val", ("knn_top1", "top1")),
        ("IoU of masks", "train", ("mask_iou",)),
        ("loss of curves", "train", ("curve_loss",)),
    ]
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    for axis, (title, kind, names) in zip(axes.flat, panels, strict=True):
        for number, (name, done) in enumerate(runs.items()):
            steps, values = series(done, kind, *names)
            if steps:
                axis.plot(steps, values, color=f"C{number}", label=name, linewidth=1.3)
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("step")
    axes[0, 0].legend(fontsize=7, ncols=2)
    figure.savefig(RESULTS / "objectives.png", dpi=80)


if __name__ == "__main__":
    main()
