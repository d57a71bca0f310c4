"""What pre-training is worth on real clips: one fine-tuning for all rows, three folds that share no source.

Rows are starting points: scratch, scratch trained longer by as many clips as pre-training saw, weights of the recipe
with the numbers in each tensor shuffled (norms without structure), and pre-trainings of equal steps. Each is a
`pretrain` command and they are set side by side by `finetune compare`. Nothing is chosen here: settings are those of
recipes, and test videos are looked at once a run. What is done is not run again.
"""

import argparse
import json
import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import command_line, write
from fractalvid.pretrain.recipes import load_recipe
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.weights import load_described, load_network, save_weights

RECIPE = "--recipe small_cpu --val-clips 0 --no-tensorboard --no-progress"
PRETRAININGS = {
    "recipe": "",
    "fractals on black": "--emulate none",
    "light": "--emulate light,share=0.5",
    "paper": "--emulate paper,share=0.5",
    "shapes": "--kind shapes",
    "dead leaves": "--kind dead_leaves",
}
SCRATCH, LONGER, SHUFFLED = "scratch", "scratch, longer", "shuffled"
ROWS = (SCRATCH, LONGER, SHUFFLED, *PRETRAININGS)
TUNED = "--target folder --fold-column fold3 --group-column source_group --recipe small_cpu --no-progress"
VIDEOS = 619
"""Training videos of a fold."""


def main() -> None:
    """Make the runs that are missing, and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="where runs are kept")
    parser.add_argument("--data", type=Path, required=True, help="a folder of videos, as --target folder takes it")
    parser.add_argument("--csv", type=Path, required=True, help="its labels, with the columns fold3 and source_group")
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=[SCRATCH, SHUFFLED, "recipe"], help="starting points"
    )
    parser.add_argument("--steps", type=int, default=3035, help="of pre-training, 32 clips each")
    parser.add_argument("--pretrainings", type=int, default=3, help="of each row, by seed")
    parser.add_argument("--seeds", nargs="+", default=["0"], help="of fine-tuning")
    parser.add_argument("--folds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--epochs", type=int, default=30, help="of fine-tuning")
    parser.add_argument("--modes", nargs="+", default=["full", "linear"])
    given = parser.parse_args()
    inits = [start(given, row) for row in given.rows if row != LONGER]
    told = compared(given, "same", inits, given.epochs, given.modes)
    if LONGER in given.rows:
        more = math.ceil(given.steps * 32 / VIDEOS)
        told["initialisations"] += [
            {**row, "label": LONGER}
            for row in compared(given, "longer", [SCRATCH], given.epochs + more, ["full"])["initialisations"]
        ]
    report(given, told)


def start(given: argparse.Namespace, row: str) -> str:
    """What `--init` says of a row; its pre-trainings are made, or gone on with, where they aren't complete."""
    if row == SCRATCH:
        return SCRATCH
    of = "recipe" if row == SHUFFLED else row
    runs = [pretrained(given, of, seed) for seed in range(given.pretrainings)]
    if row == SHUFFLED:
        runs = [shuffled(run, seed) for seed, run in enumerate(runs)]
    return f"{named(row)}={','.join(map(str, runs))}"


def named(row: str) -> str:
    """What a row's folders are called."""
    return row.replace(", ", "-").replace(" ", "_")


def pretrained(given: argparse.Namespace, row: str, seed: int) -> Path:
    """The folder of a pre-training."""
    out: Path = given.folder / "pretrain" / f"{named(row)}-{seed}-{given.steps}"
    if not (out / "weights.safetensors").is_file():
        fresh = f"{RECIPE} {PRETRAININGS[row]} --steps {given.steps} --seed {seed}"
        call("pretrain", *shlex.split("--resume" if (out / "config.json").is_file() else fresh), "--out", str(out))
    return out


def shuffled(run: Path, seed: int) -> Path:
    """Weights with the numbers in each tensor in another order: as large, and nothing of what was learned."""
    out = run.with_name(f"{run.name}-shuffled") / "weights.safetensors"
    if not out.is_file():
        network, chance = load_network(run), torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for tensor in network.state_dict().values():
                tensor.copy_(tensor.flatten()[torch.randperm(tensor.numel(), generator=chance)].view_as(tensor))
        out.parent.mkdir(exist_ok=True)
        save_weights(out, network, load_described(run)[1])
    return out


def compared(given: argparse.Namespace, name: str, inits: list[str], epochs: int, modes: list[str]) -> dict[str, Any]:
    """What `finetune compare` finds."""
    out = given.folder / f"{name}-{given.steps}-{epochs}"
    where = ["--data", str(given.data), "--csv", str(given.csv), "--folds", *given.folds, "--seeds", *given.seeds]
    what = ["--init", *inits, "--epochs", str(epochs), "--modes", *modes, "--out", str(out)]
    model = load_recipe("small_cpu", PretrainConfig()).arch
    call("finetune", "compare", *shlex.split(TUNED), "--model", model, "--size", "64", "--clip-len", "8", *where, *what)
    told: dict[str, Any] = json.loads((out / "comparison.json").read_text(encoding="utf-8"))
    return told


def call(command: str, *arguments: str) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, "-m", f"fractalvid.{command}", *arguments], check=True)


def report(given: argparse.Namespace, told: dict[str, Any]) -> None:
    """A row each starting point and way to use it, and what it gains over scratch."""
    lines = []
    for row in told["initialisations"]:
        top1, interval = row["top1"], row["intervals"]["top1"]
        lines.append([row["label"], row["mode"], mean(top1), between(interval), str(top1["n"]), gain(told, row)])
    notes = (
        f"`pretrain {RECIPE} --steps {given.steps}` and what the row says, {given.pretrainings} pre-trainings; then "
        f"`finetune compare {TUNED} --epochs {given.epochs}`, folds {', '.join(given.folds)}, seeds "
        f"{', '.join(given.seeds)}. Top-1 on test videos in %: mean ± deviation over runs, the 95 % interval over test "
        "videos drawn by their source, and the gain over scratch in the same way of use, with its interval and the p "
        f"value of the corrected resampled t test.\n\n"
        + "\n".join(f"- {row}: `{PRETRAININGS[row] or 'as the recipe'}`" for row in given.rows if row in PRETRAININGS)
    )
    head = ["start", "use", "top-1", "interval", "runs", "over scratch"]
    kept = {name: told[name] for name in ("initialisations", "comparisons")}
    for row in kept["initialisations"]:
        row.pop("confusion", None)
    write("proof", "What pre-training is worth on real clips", head, lines, kept, notes)


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
