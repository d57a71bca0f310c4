"""The search for a recipe: short pre-trainings that differ in one thing, fine-tuned inside one fold's training side.

Every run is one `pretrain` command. It is fine-tuned on one half of fold 0's training videos and judged on the other,
both ways round; the halves are the other two folds, so no source is on both sides. Videos of fold 0 are not looked at.
What is done is not made again: an interrupted search goes on.
"""

import argparse
import csv
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.common import command_line, write
from fractalvid.utils.messages.phrases import counted

SCRATCH = "scratch"
PRETRAINED = (
    "--recipe small_cpu --points 10_000 --val-clips 320 --torch-threads 1 --threads 1 --no-tensorboard --no-progress "
    "--log-every 20"
)
TUNED = (
    "--target folder --group-column source_group --model r3d_10 --clip-len 8 --size 64 --views 4 --threads 1 "
    "--no-progress"
)
RECIPE = "--recipe small_cpu"
HALVES = (("1", "2"), ("2", "1"))
"""Folds to train on and to judge on: the training side of fold 0."""


@dataclass(frozen=True)
class Arm:
    """Options of `pretrain`, or, where there are none, what `--init` says; and options of `finetune`."""

    pretrain: str = ""
    init: str = SCRATCH
    tuned: str = RECIPE


LIGHT = "--emulate light,share=0.5,samples=12_000"
SCENE = "--emulate scene,share=0.9,samples=12_000"
FEW = f"{LIGHT} --classes 50"
FULL = "--points 20_000"
"""As many points as the recipe says: of pre-trainings of its length (`--steps 2000`)."""
SHIPPED = "fractal-small"
ARMS = {
    SCRATCH: Arm(),
    "scratch, mild": Arm(tuned="--recipe mild"),
    "scratch, defaults": Arm(tuned=""),
    SHIPPED: Arm(init=SHIPPED),
    f"{SHIPPED}, lower rate": Arm(init=SHIPPED, tuned=f"{RECIPE} --lr 1e-3"),
    f"{SHIPPED}, mild": Arm(init=SHIPPED, tuned="--recipe mild"),
    f"{SHIPPED}, defaults": Arm(init=SHIPPED, tuned=""),
    "light": Arm(LIGHT),
    "light, 50 classes": Arm(FEW),
    "light, 50 classes, heads": Arm(f"{FEW} --aux-motion 0.5 --aux-flow 0.5 --aux-camera 0.5"),
    "light, 50 classes, mixup": Arm(f"{FEW} --mixup 0.2"),
    "light, 50 classes, less decay": Arm(f"{FEW} --weight-decay 0.05"),
    "scene": Arm(SCENE),
    "scene, 50 classes": Arm(f"{SCENE} --classes 50"),
    "shapes, 50 classes": Arm(f"--kind shapes {FEW}"),
    "dead leaves, 50 classes": Arm(f"--kind dead_leaves {FEW}"),
    "octopus, 50 classes": Arm(f"--kind octopus {FEW}"),
    "recipe": Arm(FULL, tuned=""),
    "recipe, float32": Arm(f"{FULL} --precision fp32", tuned=""),
    "recipe, mixup": Arm(f"{FULL} --mixup 0.2", tuned=""),
    "recipe, cutmix": Arm(f"{FULL} --cutmix 1", tuned=""),
    "recipe, projector": Arm(f"{FULL} --projector 2", tuned=""),
    "recipe, growing": Arm(f"{FULL} --grow 4x48 8x48", tuned=""),
    "recipe, 1000 classes": Arm(f"{FULL} --classes 1000", tuned=""),
    "recipe, paper": Arm(f"{FULL} --emulate paper,share=0.5,samples=60_000", tuned=""),
    "recipe, averaged": Arm(f"{FULL} --ema 0.99", tuned=""),
    "recipe, mixup, growing": Arm(f"{FULL} --mixup 0.2 --grow 4x48 8x48", tuned=""),
    "recipe, nearly all filmed": Arm(f"{FULL} --emulate light,share=0.9,samples=60_000", tuned=""),
    "recipe, scene": Arm(f"{FULL} --emulate scene,share=0.5,samples=60_000", tuned=""),
}


def main() -> None:
    """Make the runs that are missing, judge them and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="where runs are kept")
    parser.add_argument("--data", type=Path, required=True, help="a folder of videos, as --target folder takes it")
    parser.add_argument("--csv", type=Path, required=True, help="its labels, with the columns fold3 and source_group")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="which pre-trainings")
    parser.add_argument("--steps", type=int, default=800, help="of 32 clips")
    parser.add_argument("--seeds", type=int, default=2, help="fine-tunings of each, both ways round")
    parser.add_argument("--pretrainings", type=int, default=1, help="of each arm; seeds take them in turn")
    parser.add_argument("--name", default="search", help="what the table is called")
    given = parser.parse_args()
    where = list(product(HALVES, range(given.seeds)))
    report(given, {arm: [fine_tuned(given, arm, *one) for one in where] for arm in given.arms})


def start(given: argparse.Namespace, arm: str, made: int) -> str:
    """What `--init` says of an arm; its pre-training of that seed is made, or gone on with, where it isn't complete."""
    if not ARMS[arm].pretrain:
        return ARMS[arm].init
    out: Path = given.folder / "pre" / f"{named(arm)}-{given.steps}{again(made)}"
    if not (out / "weights.safetensors").is_file():
        fresh = f"{PRETRAINED} {ARMS[arm].pretrain} --steps {given.steps} --seed {made}"
        call("pretrain", *shlex.split("--resume" if (out / "config.json").is_file() else fresh), "--out", str(out))
    return str(out)


def named(arm: str) -> str:
    """What an arm's folders are called."""
    return arm.replace(", ", "-").replace(" ", "_")


def again(made: int) -> str:
    """What folders of a second or later pre-training end with."""
    return f"-again{made}" if made else ""


def fine_tuned(given: argparse.Namespace, arm: str, half: tuple[str, str], seed: int) -> float:
    """Top-1 (%) on videos of the second fold, of a network that learned those of the first."""
    made = seed % given.pretrainings if ARMS[arm].pretrain else 0
    init = start(given, arm, made)
    out: Path = given.folder / "tuned" / f"{named(arm)}-{''.join(half)}-{seed}{again(made)}"
    told = out / "metrics.json"
    if not told.is_file():
        table = split(given, half)
        how = [*shlex.split(f"{TUNED} {ARMS[arm].tuned}"), "--init", init, "--seed", str(seed), "--resume"]
        call("finetune", "--data", str(given.data), "--csv", str(table), *how, "--out", str(out))
    top1: float = json.loads(told.read_text(encoding="utf-8"))["top1"]
    return top1


def split(given: argparse.Namespace, half: tuple[str, str]) -> Path:
    """A table that trains on one fold and tests on another; videos of the third are not in it."""
    out: Path = given.folder / f"{''.join(half)}.csv"
    with given.csv.open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["fold3"] in half]
    given.folder.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as table:
        lines = csv.writer(table)
        lines.writerow(["path", "label", "source_group", "split"])
        sides = dict(zip(half, ("train", "test"), strict=True))
        lines.writerows([row["path"], row["label"], row["source_group"], sides[row["fold3"]]] for row in rows)
    return out


def call(command: str, *arguments: str) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, "-m", f"fractalvid.{command}", *arguments], check=True)


def learned(given: argparse.Namespace, arm: str) -> str:
    """How many held-out instances of its own classes a pre-training names (%)."""
    if not ARMS[arm].pretrain:
        return ""
    lines = (Path(start(given, arm, 0)) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [row["top1"] for row in map(json.loads, lines) if row["kind"] == "val"]
    return f"{found[-1]:.0%}" if found else ""


def report(given: argparse.Namespace, rows: dict[str, list[float]]) -> None:
    """A row each arm."""
    lines = []
    for arm, values in rows.items():
        base = [] if ARMS[arm].init == SCRATCH and not ARMS[arm].pretrain else scratch(rows, arm)
        gain = shown([value - other for value, other in zip(values, base, strict=True)], "+") if base else ""
        lines.append([arm, shown(values), gain, ", ".join(f"{value:.1f}" for value in values), learned(given, arm)])
    turns = ", which take pre-trainings in turn" if given.pretrainings > 1 else ""
    notes = (
        f"Each run is `pretrain {PRETRAINED} --steps {given.steps}` with the options of its arm, below, "
        f"{counted(given.pretrainings, 'pre-training')} each. Top-1 (%) of `finetune {TUNED}`, with `{RECIPE}` unless "
        f"an arm says otherwise, {given.seeds} seeds{turns}, "
        "trained on one half of the training side of fold 0 "
        "and judged on the other: mean ± standard deviation over runs, and what they gain over "
        "scratch, fine-tuned alike if that was run, with the same halves and seed. Last, what share of held-out "
        "instances of its own classes it names. Videos of fold 0 were not looked at; those of folds 1 and 2 were, so "
        "of results on all three only fold 0's is of videos that chose nothing.\n\n"
        + "\n".join(f"- {arm}: {about(ARMS[arm])}" for arm in rows)
    )
    head = ["arm", "top-1", "over scratch", "runs", "own classes"]
    data = {"steps": given.steps, "top1": rows}
    write(given.name, f"The search for a recipe: {given.steps} steps of 32 clips", head, lines, data, notes)


def scratch(rows: dict[str, list[float]], arm: str) -> list[float]:
    """What scratch gives, fine-tuned as an arm is, or else by the recipe."""
    alike = [values for other, values in rows.items() if ARMS[other] == Arm(tuned=ARMS[arm].tuned)]
    return alike[0] if alike else rows.get(SCRATCH, [])


def about(arm: Arm) -> str:
    """What is particular about an arm."""
    begun = f"`{arm.pretrain}`" if arm.pretrain else f"`--init {arm.init}`"
    return begun if arm.tuned == RECIPE else f"{begun}, fine-tuned with `{arm.tuned or 'no other options'}`"


def shown(values: list[float], sign: str = "") -> str:
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):{sign}.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
