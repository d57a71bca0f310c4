"""What each auxiliary head is worth: equal steps with one head, all of them, or none, judged by `finetune probe`.

Every run is one `pretrain` command, and all are judged in one `finetune probe` by accuracy on held-out sources of the
training side; the test side is not looked at. Runs that are done are not made again: an interrupted benchmark goes on.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.common import command_line, write
from fractalvid.pretrain.objectives.config import AUXILIARY

RANDOM = "random"
COMMON = (
    "--recipe small_cpu --clip-len 8 --size 64 --points 10_000 --emulate scene,samples=0 --projector 2 --val-clips 0 "
    "--torch-threads 1 --no-tensorboard --no-progress --log-every 10"
)
ARMS = {"none": ""} | {name: f"--aux-{name} 1" for name in AUXILIARY}
ARMS["all"] = " ".join(f"--aux-{name} 0.5" for name in AUXILIARY)
MEASURES = {
    **{"mask": "mask_iou", "curve": "curve_loss", "motion": "motion_cosine", "camera": "camera_error"},
    **{"flow": "flow_error", "order": "order_accuracy"},
}


def main() -> None:
    """Make the runs that are missing, probe them and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="where runs are kept")
    parser.add_argument("--data", type=Path, required=True, help="a folder of videos, as --target folder takes it")
    parser.add_argument("--csv", type=Path, required=True, help="its labels")
    parser.add_argument("--fold-column", default="fold3", help="the column of folds; fold 0 is the test side")
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), help="which heads")
    parser.add_argument("--steps", type=int, default=300, help="of 32 clips")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each")
    given = parser.parse_args()
    names = [(arm, seed) for arm, seed in product(given.arms, range(given.seeds))]
    runs = {(arm, seed): pretrained(given, arm, seed) for arm, seed in names}
    report(given, runs, probed(given, runs))


def pretrained(given: argparse.Namespace, arm: str, seed: int) -> Path:
    """The folder of a run, which is made, or gone on with, where it isn't complete."""
    out: Path = given.folder / f"{arm}-{seed}-{given.steps}"
    if not (out / "weights.safetensors").is_file():
        begun = (out / "config.json").is_file()
        options = "--resume" if begun else f"{COMMON} {ARMS[arm]} --steps {given.steps} --seed {seed}"
        call("pretrain", *shlex.split(options), "--out", str(out))
    return out


def probed(given: argparse.Namespace, runs: dict[tuple[str, int], Path]) -> list[dict[str, Any]]:
    """Rows of a probe of all runs and of random networks; features of runs that were probed before are kept."""
    inits = [f"{arm}-{seed}={path}" for (arm, seed), path in runs.items()]
    out = given.folder / "probe"
    options = ["--target", "folder", "--data", str(given.data), "--csv", str(given.csv), "--split", "0"]
    call("finetune", "probe", *options, "--fold-column", given.fold_column, "--init", *inits, "--out", str(out))
    rows: list[dict[str, Any]] = json.loads((out / "probe.json").read_text(encoding="utf-8"))["rows"]
    return rows


def call(command: str, *arguments: str) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, "-m", f"fractalvid.{command}", *arguments], check=True)


def accuracy(rows: list[dict[str, Any]], stage: str | None) -> dict[str, list[float]]:
    """Of each arm, accuracies of its networks on held-out training sources, the best way to read them by the same.

    Args:
        rows: of the probe.
        stage: of the features; any if None.
    """
    best: dict[tuple[str, int], float] = {}
    for row in rows:
        if stage is None or row["stage"] == stage:
            key = (row["network"], row["number"])
            best[key] = max(best.get(key, 0.0), row["cv_top1"])
    arms: dict[str, list[float]] = {}
    for (network, _), value in best.items():
        arms.setdefault(network if network == RANDOM else network.rpartition("-")[0], []).append(value)
    return arms


def learned(arm: str, run: Path) -> str:
    """What the log says in the end of what the head learned."""
    if arm not in MEASURES:
        return ""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    values = [row[MEASURES[arm]] for row in map(json.loads, lines) if MEASURES[arm] in row]
    return f"{MEASURES[arm]} {values[0]:.2f} → {values[-1]:.2f}"


def shown(values: list[float]) -> str:
    """Mean ± standard deviation, percent."""
    return f"{statistics.mean(values):.1f}" + (f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else "")


def report(given: argparse.Namespace, runs: dict[tuple[str, int], Path], rows: list[dict[str, Any]]) -> None:
    """A row an arm, and one of random networks."""
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    columns = {"any stage": accuracy(rows, None)} | {stage: accuracy(rows, stage) for stage in stages[-3:]}
    lines = [
        [arm, *(shown(column[arm]) for column in columns.values()), learned(arm, runs[arm, 0]) if arm != RANDOM else ""]
        for arm in [*given.arms, RANDOM]
    ]
    notes = (
        f"Each run is `pretrain {COMMON} --steps {given.steps} --seed S` and what switches the head on "
        f"(`{ARMS['flow']}`; all: `{ARMS['all']}`), {given.seeds} seeds each. Top-1 (%) on held-out sources of the "
        f"training side of {given.data.name}, fold 0 of {given.fold_column}, where the way to read features is chosen "
        "by the same; mean ± standard deviation over seeds. The test side was not looked at. Last: what the log of "
        "the first seed says of what the head learned, at first and in the end; an error of 1 is what no motion gets."
    )
    data = {"steps": given.steps, "seeds": given.seeds, "accuracy": columns}
    title = f"Auxiliary heads: {given.steps} steps of 32 clips"
    write("heads", title, ["head", *columns, "learned"], lines, data, notes)


if __name__ == "__main__":
    main()
