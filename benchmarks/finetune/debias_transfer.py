"""Plain against debiased pre-training on scenes, carried over to real clips by fine-tuning and by probes.

Both pre-trainings have one recipe and as many steps; they differ in `--debias` alone. Each of them, and a fresh network
of the same seed, is fine-tuned on every fold by `finetune compare`, and `finetune probe` classifies frozen features.
Every run is a public command. Runs that are done are not made again: an interrupted benchmark goes on, and the table is
written from what there is after each seed, and after each fold that is probed.
"""

import argparse
import json
import shlex
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t as student

from benchmarks.common import command_line, write
from fractalvid.finetune.results.read import find_runs, read_run

ARMS = {"plain": "", "debiased": "--debias 0.5"}
"""What a pre-training has beyond the recipe."""
SCRATCH, RANDOM, LOG = "scratch", "random", "metrics.jsonl"
PRETRAIN = (
    "--recipe small_cpu --arch rmc3_10 --classes 50 --clip-len 8 --emulate scene,share=0.5 --precision fp32 "
    "--val-clips 0 --threads 1 --torch-threads 1 --no-tensorboard --no-progress --log-every 20"
)
TRANSFER = "--recipe small_cpu --precision fp32 --views 4 --threads 1 --no-progress"
PROBE = "--random 3 --precision fp32 --threads 1 --no-progress"


@dataclass(frozen=True)
class Score:
    """Top-1 in percent on the test side of a fold, of a network that was pre-trained by `arm` with `seed`."""

    arm: str
    seed: int
    fold: str
    top1: float


def main() -> None:
    """Make the runs that are missing, and write after each seed and each fold that is probed."""
    parser = command_line(__doc__)
    parser.add_argument("folder", type=Path, help="where runs are kept")
    parser.add_argument("--data", type=Path, required=True, help="a folder of videos, as --target folder takes it")
    parser.add_argument("--csv", type=Path, required=True, help="its labels")
    parser.add_argument("--fold-column", default="fold3", help="the column of folds")
    parser.add_argument("--group-column", default="source_group", help="that of sources, drawn whole for intervals")
    parser.add_argument("--folds", nargs="+", default=["0", "1", "2"], help="each in turn the test side")
    parser.add_argument("--seeds", type=int, default=3, help="pre-trainings of each kind")
    parser.add_argument("--steps", type=int, default=400, help="of pre-training, 32 clips each")
    parser.add_argument("--size", type=int, default=48, help="rows and columns of clips")
    parser.add_argument("--points", type=int, default=6000, help="of a frame's figure")
    parser.add_argument("--epochs", type=int, default=8, help="of fine-tuning")
    make(parser.parse_args())


def make(given: argparse.Namespace) -> None:
    """All of it."""
    runs: dict[str, Path] = {}
    for seed in range(given.seeds):
        here = {arm: pretrained(given, arm, seed) for arm in ARMS}
        transferred(given, seed, here)
        runs |= {f"{arm}-{seed}": path for arm, path in here.items()}
        report(given, fine_tuned(given, range(seed + 1)), [])
    probes: list[Score] = []
    for fold in given.folds:
        probes += probed(given, fold, runs)
        report(given, fine_tuned(given, range(given.seeds)), probes)


def pretrained(given: argparse.Namespace, arm: str, seed: int) -> Path:
    """The folder of a pre-training, which is made, or gone on with, where it isn't complete."""
    out: Path = given.folder / f"{arm}-{seed}"
    if not (out / "weights.safetensors").is_file():
        settings = f"{PRETRAIN} --size {given.size} --points {given.points} --steps {given.steps} {ARMS[arm]}"
        begun = (out / "config.json").is_file()
        call("pretrain", "--resume" if begun else f"{settings} --seed {seed}", "--out", str(out))
    return out


def transferred(given: argparse.Namespace, seed: int, runs: dict[str, Path]) -> None:
    """Fine-tune from the pre-trainings of a seed and from scratch, on every fold."""
    inits = [SCRATCH, *(f"{arm}={path}" for arm, path in runs.items())]
    more = f"{TRANSFER} --epochs {given.epochs} --seeds {seed} --group-column {given.group_column}"
    here = ["--folds", *given.folds, "--init", *inits, "--out", str(compared(given, seed))]
    call("finetune", f"compare {more}", *videos(given), *here)


def compared(given: argparse.Namespace, seed: int) -> Path:
    """The folder of the comparison of a seed."""
    return Path(given.folder) / f"transfer-{seed}"


def fine_tuned(given: argparse.Namespace, seeds: range) -> list[Score]:
    """Of all runs of fine-tuning, which must be there."""
    found = [read_run(run) for run in find_runs([compared(given, seed) for seed in seeds])]
    return [Score(run.label, run.seed, run.split, run.metrics["top1"]) for run in found]


def probed(given: argparse.Namespace, fold: str, runs: dict[str, Path]) -> list[Score]:
    """Of all pre-trainings and of random networks on a fold, each read as held-out training sources say."""
    out = given.folder / f"probe-{fold}"
    if not (out / "probe.json").is_file():
        inits = [f"{name}={path}" for name, path in runs.items()]
        call("finetune", f"probe {PROBE} --split {fold}", *videos(given), "--init", *inits, "--out", str(out))
    rows = json.loads((out / "probe.json").read_text(encoding="utf-8"))["chosen"]
    return [_score(row["network"], row["number"], fold, row["test_top1"]) for row in rows]


def _score(network: str, number: int, fold: str, top1: float) -> Score:
    """Of a line of a probe; pre-trainings are called by their arm and seed there."""
    arm, _, seed = network.rpartition("-")
    return Score(arm, int(seed), fold, top1) if arm else Score(network, number, fold, top1)


def videos(given: argparse.Namespace) -> list[str]:
    """The options that name the clips."""
    where = ["--target", "folder", "--data", str(given.data), "--csv", str(given.csv)]
    return [*where, "--fold-column", given.fold_column]


def call(command: str, words: str, *arguments: str) -> None:
    """Run one of the project's commands."""
    subprocess.run([sys.executable, "-m", f"fractalvid.{command}", *shlex.split(words), *arguments], check=True)


def by_seed(scores: list[Score], arm: str) -> dict[int, float]:
    """The mean over folds of each seed."""
    seeds = dict.fromkeys(score.seed for score in scores if score.arm == arm)
    of = {seed: [score.top1 for score in scores if (score.arm, score.seed) == (arm, seed)] for seed in seeds}
    return {seed: statistics.fmean(values) for seed, values in of.items()}


def interval(values: list[float]) -> str:
    """Mean and half a 95 % interval (Student's t), where there are values, and enough of them."""
    if len(values) < 2:
        return "".join(f"{value:.1f}" for value in values)
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):.1f} ± {half:.1f}"


def row(name: str, scores: list[Score], arm: str, than: str) -> list[str]:
    """A line of the table: by fold, over seeds, and by how much it is ahead of another arm, paired by seed."""
    folds = sorted({score.fold for score in scores})
    cells = [", ".join(f"{s.top1:.1f}" for s in scores if (s.arm, s.fold) == (arm, fold)) for fold in folds]
    own, other = by_seed(scores, arm), by_seed(scores, than)
    ahead = [own[seed] - other[seed] for seed in own if seed in other]
    return [name, arm, *cells, interval(list(own.values())), "" if arm == than else interval(ahead)]


def report(given: argparse.Namespace, tuned: list[Score], probes: list[Score]) -> None:
    """Two lines a pre-training, one of fresh networks beside each."""
    lines = [row("fine-tuned", tuned, arm, "plain") for arm in (SCRATCH, *ARMS)]
    lines += [row("frozen, probed", probes, arm, "plain") for arm in (RANDOM, *ARMS) if probes]
    header = ["how", "pre-training", *(f"fold {fold}" for fold in sorted(given.folds))]
    header += ["mean over seeds", "minus plain, paired by seed"]
    data: dict[str, Any] = {"learned": learned(given), "tuned": [asdict(one) for one in tuned]}
    data["probes"] = [asdict(one) for one in probes]
    title = f"Plain and debiased pre-training on {given.data.name}"
    write("debias_transfer", title, header, lines, data, notes(given), show=False)


def learned(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The last line of the log of each pre-training that is there."""
    logs = {f"{arm}-{seed}": given.folder / f"{arm}-{seed}" / LOG for seed in range(given.seeds) for arm in ARMS}
    there = {name: log.read_text(encoding="utf-8").splitlines() for name, log in logs.items() if log.is_file()}
    return {name: json.loads(lines[-1]) for name, lines in there.items()}


def notes(given: argparse.Namespace) -> str:
    """How the numbers came about."""
    return f"""
Top-1 (%) on the test side of each fold of {given.data.name}, of each seed in turn; means over folds, and over seeds
half a 95 % interval (Student's t), which with three seeds is wide. A difference whose interval holds 0 can't be told
from none. Nothing was chosen by test videos.

- Pre-training: `pretrain {PRETRAIN} --size {given.size} --points {given.points} --steps {given.steps} --seed S`, with
  `{ARMS["debiased"]}` where it is debiased: {32 * given.steps:,} clips either way. In the end half of them have
  something behind them; debiased training sees these a second time without their figure. What kind of textured matter
  that is (noise or shapes), or the class of what is blended there instead, is the scene.
- Fine-tuned: `finetune compare {TRANSFER} --epochs {given.epochs} --seeds S`, one fine-tuning of
  each pre-training on each fold.
- Frozen: `finetune probe {PROBE}`; stage, statistics and classifier are chosen on
  held-out sources of the training side. `{RANDOM}` are fresh networks; their difference goes by their numbers.
- The shortcut probe (figures masked, backgrounds swapped) is not part of it: it takes masks of people, which these
  clips lack, and the detector that makes them (`finetune prepare --masks`) has to download its weights.
"""


if __name__ == "__main__":
    main()
