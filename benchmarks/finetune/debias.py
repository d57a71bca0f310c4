"""Scene debiasing on a planted shortcut: clips of stick figures whose background mostly tells the class in training.

Each run trains a small R3D in one of the ways of `WAYS` on clips of which 90 % stand at the place of their class, and
asks for accuracies at the same places, at places of other classes and at new ones. A run takes 10 to 20 s of one core.
Those that lie in the folder are not made again; several processes may share it, each with seeds of its own.
"""

import json
import statistics
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.common import command_line, write
from fractalvid.finetune.explain.shortcuts import probe_shortcuts
from fractalvid.finetune.targets.demo.clips import film_clip
from fractalvid.pretrain.engine import LoopConfig, Objective, TrainConfig, train
from fractalvid.pretrain.models.pooling import FramePool
from fractalvid.pretrain.models.r3d import R3D
from fractalvid.pretrain.objectives import Supervised, SupervisedConfig
from fractalvid.pretrain.objectives.debias import DebiasBatch, DebiasConfig, Debiased, fill_figures
from fractalvid.pretrain.optim import OptimConfig
from fractalvid.utils.files import write_text

ACTIONS = ("cartwheel", "jumping_jack", "kick", "run", "squat", "wave")
SIZE, FRAMES, BATCH, STEPS, WIDTH = 32, 8, 16, 160, 16
TRAIN, TEST = 40, 20
"""Clips of each action."""
AGREE = 0.9
"""Share of training clips that stand at the place of their class; the others are spread over the other places."""
SEEDS = 5


@dataclass(frozen=True)
class Way:
    """A way to train: weights of debiasing, and whether masked clips are exact or filled with the mean colour."""

    scene: float
    masked: float
    exact: bool = True


WAYS = {
    "plain": Way(0, 0),
    "both": Way(0.5, 0.5),
    "masked": Way(0, 0.5),
    "reversal": Way(0.5, 0),
    "both, filled": Way(0.5, 0.5, exact=False),
}
MEASURES = ("biased", "swapped", "new", "masked", "followed")


@dataclass(frozen=True)
class Clips:
    """N clips: `video` and `bare` float32 (N, 3, T, H, W), `mask` bool (N, T, H, W), `label` and `place` (N,)."""

    video: Tensor
    bare: Tensor
    mask: Tensor
    label: Tensor
    place: Tensor


def film(count: int, seed: int, side: str) -> Clips:
    """`count` clips of each action; `side` says where they stand: "train", "biased", "swapped" or "new"."""
    filmed, labels, places = [], [], []
    for label, action in enumerate(ACTIONS):
        for number in range(count):
            rng = np.random.default_rng([seed, ("train", "biased", "swapped", "new").index(side), label, number])
            other = (label + 1 + int(rng.integers(len(ACTIONS) - 1))) % len(ACTIONS)
            agrees = side in ("train", "biased") and rng.uniform() < AGREE
            place = label if agrees else other
            there = None if side == "new" else np.random.default_rng([seed, 99, place])
            filmed.append(film_clip(action, rng, size=SIZE, frames=FRAMES, place=there))
            labels.append(label)
            places.append(place)
    video, bare = (_floats([getattr(clip, name) for clip in filmed]) for name in ("video", "bare"))
    mask = torch.from_numpy(np.stack([clip.mask for clip in filmed]))
    return Clips(video, bare, mask, torch.tensor(labels), torch.tensor(places))


def _floats(clips: list[Any]) -> Tensor:
    """Normalised float32 (N, 3, T, H, W)."""
    return (torch.from_numpy(np.stack(clips)).movedim(-1, 1).float() / 255 - 0.4) / 0.25


class Source:
    """Endless batches in an order drawn for each pass, half of the clips mirrored."""

    def __init__(self, clips: Clips, seed: int, *, exact: bool) -> None:
        """Of `clips`; masked ones are `exact`, or filled."""
        self.clips, self.seed, self.first = clips, seed, 0
        self.masked = clips.bare if exact else fill_figures(clips.video, clips.mask)
        self.scene = F.one_hot(clips.place, len(ACTIONS)).float()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from `next_index`."""
        self.first = state["next_index"]

    def __iter__(self) -> Any:
        """Batches."""
        count, step = len(self.clips.label), self.first // BATCH
        while True:
            draw = np.random.default_rng([self.seed, step])
            rows = torch.from_numpy(draw.choice(count, BATCH, replace=False))
            mirrored = torch.from_numpy(draw.random(BATCH) < 0.5)
            step += 1
            video, masked = (_mirror(of[rows], mirrored) for of in (self.clips.video, self.masked))
            known = torch.ones(BATCH, dtype=torch.bool)
            yield DebiasBatch(video, self.clips.label[rows], step * BATCH, self.scene[rows], masked, known)


def _mirror(video: Tensor, rows: Tensor) -> Tensor:
    return torch.where(rows[:, None, None, None, None], video.flip(-1), video)


@cache
def sets(seed: int) -> dict[str, Clips]:
    """The clips of a seed, by side."""
    return {
        side: film(TRAIN if side == "train" else TEST, seed, side) for side in ("train", "biased", "swapped", "new")
    }


def network() -> R3D:
    """R3D-10, narrow, with fresh parameters of torch's generator."""
    conv = nn.Conv3d(3, WIDTH, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False)
    stem = nn.Sequential(conv, nn.BatchNorm3d(WIDTH), nn.ReLU(inplace=True), FramePool())
    return R3D(stem, WIDTH, (1, 1, 1, 1), len(ACTIONS))


def run(way: Way, seed: int) -> dict[str, float]:
    """Train and test once."""
    clips, begin = sets(seed), time.perf_counter()
    torch.manual_seed(seed)
    objective: Objective = Supervised(network(), SupervisedConfig(), seed=seed)
    if way.scene or way.masked:
        weights = DebiasConfig(way.scene, way.masked)
        objective = Debiased(objective, weights, head="fc", features=8 * WIDTH, scenes=len(ACTIONS))
    loop = LoopConfig(steps=STEPS, precision="fp32", device="cpu", torch_threads=1, tensorboard=False, val_every=0)
    config = TrainConfig(loop=loop, optim=OptimConfig(lr=2e-3), batch_size=BATCH, seed=seed)
    with TemporaryDirectory() as out:
        train(objective, Source(clips["train"], seed, exact=way.exact), config, Path(out), progress=False)
    trained = objective.backbone.eval()
    found = {}
    for side in ("biased", "swapped", "new"):
        of = clips[side]
        scores = probe_shortcuts(trained, of.video, of.mask, of.bare, of.label.numpy(), seed=seed)
        found[side] = scores.whole
        if side == "biased":
            found |= {"masked": scores.masked, "followed": scores.followed}
    return found | {"seconds": time.perf_counter() - begin}


def interval(values: list[float]) -> str:
    """Mean and 95 % interval (Student's t), in percent."""
    if len(values) < 2:
        return f"{100 * values[0]:.1f}"
    half = float(student.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / len(values) ** 0.5
    return f"{100 * statistics.mean(values):.1f} ± {100 * half:.1f}"


def report(runs: dict[str, dict[str, Any]]) -> None:
    """Write the table of what there is."""
    rows = []
    for name in WAYS:
        own = [value for key, value in runs.items() if key.rsplit(" ", 1)[0] == name]
        if own:
            rows.append([name, *(interval([one[m] for one in own]) for m in MEASURES), str(len(own))])
    title = "Scene debiasing on a planted shortcut"
    header = ["training", "same places", "places of other classes", "new places", "figure taken away"]
    header += ["background swapped: its class is answered", "runs"]
    write("debias", title, header, rows, {"runs": runs}, NOTES, show=False)


NOTES = f"""
Accuracies in percent, mean and 95 % interval over seeds; chance is {100 / len(ACTIONS):.1f}. {len(ACTIONS)} actions,
{TRAIN} training and {TEST} test clips of each, {FRAMES} x {SIZE}², an R3D-10 of width {WIDTH} from scratch, {STEPS}
steps of {BATCH} clips. In training {100 * AGREE:.0f} % of the clips stand at the place of their class, as do those of
"same places". "reversal" has lambda 0.5 and exact labels of places; "masked" has alpha 0.5 and maximises the entropy on
the same clips drawn without their figures; "both" does both; "both, filled" has the figure's outline in the mean colour
instead. The last columns are of the clips of "same places": without their figures, and before the background of a clip
of another class. Weights are the published ones, and nothing was chosen by these accuracies.
"""


def main() -> None:
    """Make what runs are missing, and write after each."""
    parser = command_line(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(SEEDS)), help="a run of each way for each")
    parser.add_argument("--folder", type=Path, default=Path("runs/benchmarks/debias"), help="where runs are kept")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, way in WAYS.items():
        for seed in given.seeds:
            kept = given.folder / f"{name} {seed}.json"
            if not kept.exists():
                write_text(kept, json.dumps(run(way, seed)))
                print(f"{kept.stem}: {kept.read_text('utf-8')}", flush=True)
            report({path.stem: json.loads(path.read_text("utf-8")) for path in sorted(given.folder.glob("*.json"))})


if __name__ == "__main__":
    main()
