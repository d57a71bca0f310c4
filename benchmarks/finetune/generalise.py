"""Methods of single-source generalisation on the embedded stand-in: filmed stick figures to cartoon GIFs of them.

A network is trained from scratch on the demo's filmed clips; from it every method trains on for equally many steps, as
the Ani-GIFs benchmark has it, once a seed. With --own-base each seed trains a first network of its own. Runs lie in a
folder, and those that are finished are not made again.
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from scipy.stats import t
from tqdm import tqdm

from benchmarks.common import command_line, write
from fractalvid.finetune.clips.config import AugmentConfig
from fractalvid.finetune.generalise.config import GeneraliseRecipe, MethodName
from fractalvid.finetune.generalise.folder import RESULT, Finished, read_finished
from fractalvid.finetune.generalise.run import Task, generalise
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import open_data
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.weights import parse_initial

SEEDS = (0, 1, 2, 3, 4)
AUGMENT = AugmentConfig((0.7, 1.0), (1.0, 1.0), flip=0.5, blur=0.0, operations=0)
BASE = GeneraliseRecipe(
    steps=500, batch_size=16, lr=1e-3, every=500, model="r3d_10", clip_len=8, size=64, augment=AUGMENT
)
TRAINED_ON = replace(BASE, steps=40, batch_size=8, every=10)
"""As 600 steps with a search every 200, but shorter, at the first training's rate; settled by the time that there was,
before any test in the target."""


@dataclass(frozen=True)
class Row:
    """A row of the table: a method, and what it is called there."""

    name: str
    method: MethodName


ROWS = (
    Row("plain", "plain"),
    Row("random augmentation", "random"),
    Row("augmentation search", "search"),
    Row("explainability", "explain"),
    Row("pseudo-labelling", "pseudo"),
    Row("simplified RADA", "rada"),
)


def finished(folder: Path, method: MethodName, recipe: GeneraliseRecipe, seed: int, init: str) -> Finished:
    """The result of one run, which is made where it isn't there."""
    if not (folder / RESULT).exists():
        machine = Machine(device="cpu", threads=1, cache_dir=folder.parents[1] / "cache", progress=False)
        source, target = (
            open_data(TargetOptions(name), machine, test_only=only)
            for name, only in (("demo", False), ("demo-cartoon", True))
        )
        task = Task(source, target, method, recipe, parse_initial(init, "r3d_10"), seed)
        generalise(task, out=folder, machine=machine, resume=True)
    return read_finished(folder)


def measure(folder: Path, rows: Sequence[Row], size: int, seed: int, base_seed: int) -> dict[str, Finished]:
    """Rows of one seed, by clips of so many pixels, and the network that they start from."""
    base = folder / f"seed{base_seed}" / "base"
    results = {"before": finished(base, "plain", replace(BASE, size=size), base_seed, "scratch")}
    for row in rows:
        tqdm.write(f"seed {seed}: {row.name}", file=sys.stderr)
        run = folder / f"seed{seed}" / f"{row.method}_from_{base_seed}"
        results[row.name] = finished(run, row.method, replace(TRAINED_ON, size=size), seed, str(base))
    return results


def interval(values: Sequence[float]) -> str:
    """Mean and, of several values, half the width of its 95 % interval by Student's t."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    half = t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.1f} ± {half:.1f}"


def report(results: dict[int, dict[str, Finished]], rows: Sequence[Row], size: int, *, own_base: bool) -> None:
    """Write the table of the seeds that are finished."""
    names = ["before", *(row.name for row in rows)]
    target = {name: [results[seed][name].target_scores.top1 for seed in results] for name in names}
    table = []
    for name in names:
        other, held = target[name], [results[seed][name].source_scores for seed in results]
        gains = [one - plain for one, plain in zip(other, target["plain"], strict=True)]
        source = interval([one.top1 for one in held if one is not None])
        table.append([name, interval(other), "" if name == "plain" else interval(gains), source, str(len(results))])
    header = ["method", "cartoon top-1", "minus plain, paired by seed", "filmed top-1 (held out)", "seeds"]
    data = {"target_top1": target, "seeds": list(results)}
    write(
        "generalise" if size == BASE.size else f"generalise_{size}",
        "From filmed stick figures to cartoons of them",
        header,
        table,
        data,
        f"{NOTES.format(size=size)}{EXPLAINED if size == BASE.size else ''}{OWN if own_base else ONE}",
    )


NOTES = f"""
Accuracy in percent on 240 cartoon GIFs and 240 held-out filmed clips of 12 actions (chance 8.3): mean ± half a 95 %
interval over seeds (Student's t); a difference whose interval holds 0 can't be told from none. `before` is the network
after {BASE.steps} steps of {BASE.batch_size} filmed clips; every method trains on from it for {TRAINED_ON.steps} steps
of {TRAINED_ON.batch_size} at {TRAINED_ON.lr:g}, renewed every {TRAINED_ON.every} steps.
Network: r3d_10 at {BASE.clip_len} x {{size}}². Pseudo-labelling sees the tested GIFs without their labels; RADA is the
simplified one. Settings were fixed before anything was tested on cartoons, and none was chosen by them. Drawn figures
are no films and no cartoons of the wild: this shows what the methods do here, not on Ani-GIFs.
"""


EXPLAINED = """Explainability is plain training here, to the bit: the last block's maps have two by two places, all of
which the figures' boxes touch, so that nothing is masked.
"""
OWN = "Each seed has a first network of its own.\n"
ONE = """All seeds start from one first network: intervals hold what the training after it does by chance, and not what
another first network would change.
"""


def main() -> None:
    """Measure and write."""
    parser = command_line(__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmark_generalise"), help="where runs lie")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="default 0 to 4")
    parser.add_argument("--own-base", action="store_true", help="each seed trains its own first network")
    parser.add_argument("--size", type=int, default=BASE.size, help="rows and columns of clips")
    parser.add_argument("--methods", nargs="+", choices=[row.method for row in ROWS], help="default all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for row in ROWS if row.method in (options.methods or (row.method, "plain"))]
    results = dict[int, dict[str, Finished]]()
    for seed in options.seeds:
        base = seed if options.own_base else options.seeds[0]
        results[seed] = measure(options.folder, rows, options.size, seed, base)
        report(results, rows, options.size, own_base=options.own_base)


if __name__ == "__main__":
    main()
