"""What pre-training is worth on real clips at `finetune`'s defaults: three folds that share no source.

Rows are starting points: scratch, the weights that come with the program, these with the numbers in each tensor
shuffled (norms without structure), and pre-trainings of equal steps. Uses are ways to fine-tune: as the defaults say,
for a third of the epochs, with five videos a class, and for as many more clips as pre-training saw. Each
is `finetune compare` on every fold, and each seed has a folder of its own: processes for several seeds run side by
side. What is done is not run again, and the table is of all seeds that are there. Nothing is chosen here, and test
videos are looked at once a run.
"""

import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import command_line, write
from fractalvid.finetune.results.read import RunResult, find_runs, read_run
from fractalvid.pretrain.weights import SMALL, load_described, load_network, save_weights, shipped_weights

RECIPE = "--recipe small_cpu --val-clips 0 --no-tensorboard --no-progress"
PRETRAININGS = {
    "recipe": "",
    "nearly all filmed": "--emulate light,share=0.9,samples=60_000",
    "growing clips": "--grow 4x48 8x48",
    "fractals on black": "--emulate none",
    "paper": "--emulate paper,share=0.5",
    "shapes": "--kind shapes",
    "dead leaves": "--kind dead_leaves",
}
NAME = "proof"
SCRATCH, SHUFFLED = "scratch", "shuffled"
ROWS = (SCRATCH, SHUFFLED, SMALL, *PRETRAININGS)
TUNED = "--target folder --fold-column fold3 --group-column source_group --model r3d_10 --clip-len 8 --size 64"
EPOCHS, VIDEOS, PRETRAINED = 30, 619, 64_000
"""`finetune`'s default; training videos of a fold; clips that the shipped weights have seen."""


@dataclass(frozen=True)
class Use:
    """A way to fine-tune, and the rows that are worth it (empty: all)."""

    options: str
    says: str
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """Top-1 in percent on the test side of a fold."""

    start: str
    seed: int
    fold: str
    top1: float


USES = {
    "defaults": Use("", f"all videos, {EPOCHS} epochs"),
    "third": Use(f"--epochs {EPOCHS // 3}", f"all videos, {EPOCHS // 3} epochs"),
    "few": Use("--shots 5", f"5 videos a class, {EPOCHS} epochs"),
    "longer": Use(
        f"--epochs {EPOCHS + math.ceil(PRETRAINED / VIDEOS)}",
        f"all videos, {EPOCHS + math.ceil(PRETRAINED / VIDEOS)} epochs",
        (SCRATCH, SMALL),
    ),
}


def main() -> None:
    """Make the runs that are missing, and write the table of all that are there."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="where runs are kept")
    parser.add_argument("--data", type=Path, required=True, help="a folder of videos, as --target folder takes it")
    parser.add_argument("--csv", type=Path, required=True, help="its labels, with the columns fold3 and source_group")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[SCRATCH, SMALL], help="starting points")
    parser.add_argument("--uses", nargs="+", choices=tuple(USES), default=["defaults"], help="ways to fine-tune")
    parser.add_argument("--seeds", nargs="+", default=["0"], help="of fine-tuning")
    parser.add_argument("--folds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--pretrainings", type=int, default=3, help="of each row that isn't shipped, by seed")
    parser.add_argument("--steps", type=int, default=3035, help="of such a pre-training, 32 clips each")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"), help="of such a pre-training")
    parser.add_argument("--name", default=NAME, help="what the table is called")
    given = parser.parse_args()
    for use in given.uses:
        for seed in given.seeds:
            compared(given, use, seed)
    report(given, {use: together(given, use) for use in USES if (given.folder / use).is_dir()})


def compared(given: argparse.Namespace, use: str, seed: str) -> None:
    """Fine-tune from all rows on every fold, with one seed."""
    rows = [row for row in given.rows if row in (USES[use].rows or given.rows)]
    inits = [start(given, row) for row in rows]
    where = ["--data", str(given.data), "--csv", str(given.csv), "--folds", *given.folds, "--seeds", seed]
    options = [*shlex.split(f"{TUNED} {USES[use].options}"), "--no-progress", "--init", *inits]
    call("finetune", "compare", *options, *where, "--out", str(given.folder / use / f"seed-{seed}"))


def start(given: argparse.Namespace, row: str) -> str:
    """What `--init` says of a row; its pre-trainings are made, or gone on with, where they aren't complete."""
    if row in (SCRATCH, SMALL):
        return row
    if row == SHUFFLED:
        return f"{SHUFFLED}={shuffled(given.folder / 'shuffled')}"
    return f"{named(row)}={','.join(str(pretrained(given, row, seed)) for seed in range(given.pretrainings))}"


def named(row: str) -> str:
    """What a row's folders are called."""
    return row.replace(" ", "_")


def pretrained(given: argparse.Namespace, row: str, seed: int) -> Path:
    """The folder of a pre-training."""
    out: Path = given.folder / "pretrain" / f"{named(row)}-{seed}-{given.steps}"
    if not (out / "weights.safetensors").is_file():
        fresh = f"{RECIPE} --precision {given.precision} {PRETRAININGS[row]} --steps {given.steps} --seed {seed}"
        call("pretrain", *shlex.split("--resume" if (out / "config.json").is_file() else fresh), "--out", str(out))
    return out


def shuffled(folder: Path) -> Path:
    """The shipped weights with the numbers in each tensor in another order: as large, and nothing is left of them."""
    out, shipped = folder / "weights.safetensors", shipped_weights(SMALL)
    if not out.is_file() and shipped:
        network, chance = load_network(shipped), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.copy_(tensor.flatten()[torch.randperm(tensor.numel(), generator=chance)].view_as(tensor))
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(out, network, load_described(shipped)[1])
    return out


def together(given: argparse.Namespace, use: str) -> dict[str, Any]:
    """What `finetune compare` says of all finished runs of a use."""
    out = given.folder / f"{use}-together"
    rows = [row for row in (given.folder / use).glob("seed-*/*") if any(row.rglob("metrics.json"))]
    # Named, runs of several pre-trainings are one row; gains are over the first.
    runs = [f"{row.name}={row}" for row in sorted(rows, key=lambda row: (row.name != SCRATCH, row))]
    call("finetune", "compare", "--runs", *runs, "--out", str(out))
    told: dict[str, Any] = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return told


def call(command: str, *arguments: str) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, "-m", f"fractalvid.{command}", *arguments], check=True)


def report(given: argparse.Namespace, told: dict[str, dict[str, Any]]) -> None:
    """A line for each use and starting point, and what it gains over scratch."""
    runs = {use: [read_run(run) for run in find_runs([given.folder / use])] for use in told}
    lines = [line(told[use], row, use, runs[use]) for use in told for row in told[use]["initialisations"]]
    notes = (
        f"Each run is `finetune {TUNED} --init START` with the options of its use, on two folds of {given.data.name} "
        "and tested on the third; no source lies in two folds. Top-1 on test videos in %: mean ± deviation over runs, "
        "the 95 % interval over test videos drawn by their source, the mean of each fold, and the gain over scratch in "
        "the same use, with its interval and the p value of the corrected resampled t test.\n\n"
        + "\n".join(f"- {USES[use].says}: `{USES[use].options or 'the defaults'}`" for use in told)
        + "".join(f"\n- {text}" for text in pretrainings(given))
    )
    head = ["use", "start", "top-1", "interval", "folds", "runs", "over scratch"]
    raw = {use: [{**asdict(score(run)), "precision": run.precision} for run in runs[use]] for use in told}
    tests = {use: told[use]["comparisons"] for use in told}
    title = "What pre-training is worth on real clips" + ("" if given.name == NAME else f": {given.name}")
    write(given.name, title, head, lines, {"runs": raw, "comparisons": tests}, notes)


def pretrainings(given: argparse.Namespace) -> Iterator[str]:
    """A line for each complete pre-training: its row, and the command that makes it again."""
    for weights in sorted((given.folder / "pretrain").glob("*/weights.safetensors")):
        name, seed, steps = weights.parent.name.rsplit("-", 2)
        row = next(row for row in PRETRAININGS if named(row) == name)
        options = f"{RECIPE} --precision {given.precision} {PRETRAININGS[row]} --steps {steps} --seed {seed}"
        yield f"{name}: `pretrain {' '.join(options.split())}`"


def score(run: RunResult) -> Score:
    """What a run came to."""
    return Score(run.label, run.seed, run.split, run.metrics["top1"])


def line(told: dict[str, Any], row: dict[str, Any], use: str, runs: list[RunResult]) -> list[str]:
    """A row of the table."""
    own = [score(run) for run in runs if run.label == row["label"]]
    folds = [[one.top1 for one in own if one.fold == fold] for fold in sorted({one.fold for one in own})]
    interval, means = between(row["intervals"]["top1"]), ", ".join(f"{statistics.fmean(fold):.1f}" for fold in folds)
    return [USES[use].says, row["label"], mean(row["top1"]), interval, means, str(len(own)), gain(told, row)]


def mean(value: dict[str, Any]) -> str:
    """Mean ± deviation, where there is one."""
    return f"{value['mean']:.1f}" + (f" ± {value['deviation']:.1f}" if value["deviation"] is not None else "")


def between(interval: dict[str, Any] | None) -> str:
    """The ends of an interval."""
    return f"{interval['low']:.1f} to {interval['high']:.1f}" if interval else ""


def gain(told: dict[str, Any], row: dict[str, Any]) -> str:
    """What a row gains over scratch."""
    for pair in told["comparisons"]:
        if (pair["mode"], pair["first"], pair["second"]) == (row["mode"], SCRATCH, row["label"]):
            test = pair["corrected_t_test"]
            p = f", p {test:.2g}" if isinstance(test, float) else ""
            return f"{pair['difference']['mean']:+.1f} ({between(pair['interval'])}{p})"
    return ""


if __name__ == "__main__":
    main()
