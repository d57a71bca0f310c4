"""The motion-only probe: are classes that share their shapes and differ only in how they move told apart?

A bank is made from a given one: one class's shapes for all, and the motion of another class for each. A small 3D
network learns to name them from clips, and is tested on instances that it has not seen. Beside it, a twin sees one
frame of each clip only, and another all frames in random order: what the network finds beyond the first is not in
single frames, and beyond the second is in their order.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.bank import Bank, array_names
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.core.curves import SUBFRAMES
from fractalvid.kinds import KINDS, fit_clips, render_fits
from fractalvid.stats.config import TEST_BATCH, ProbeConfig
from fractalvid.utils.checks import check_count, check_integer
from fractalvid.utils.errors import UserError

AnyBank = TypeVar("AnyBank", bound=Bank)
Clips = NDArray[np.uint8]
Labels = NDArray[np.int64]

VIEWS = ("video", "shuffled", "frame")
"""What a network sees of a clip: all of it, its frames in random order, or one of them."""


@dataclass(frozen=True)
class ProbeResult:
    """What the networks found.

    Attributes:
        accuracy: share of held-out clips named right, for each of `VIEWS`, a mean over the shapes.
        single: the same, shape by shape.
        chance: share that guessing would name right.
        tested: held-out clips a shape.
    """

    accuracy: dict[str, float]
    single: dict[str, list[float]]
    chance: float
    tested: int


def motion_arrays(kind: str) -> tuple[str, ...]:
    """The arrays of a kind's banks that say how its classes move; none where they are not apart from their looks."""
    return KINDS[kind].motion if kind in KINDS else ()


def motion_probe(
    bank: Bank,
    config: ProbeConfig,
    *,
    threads: int | None = None,
    on_step: Callable[[int, int], object] = lambda done, total: None,
) -> ProbeResult:
    """Probe the motion of a bank's classes (see the module).

    Args:
        bank: the classes.
        config: how.
        threads: that render, by default one a core.
        on_step: called with the steps of training that are done, and how many there are in all.

    Raises:
        UserError: of a kind whose motion can't be told from its looks, or with too few classes.
    """
    check_count("threads", threads)
    if not motion_arrays(bank.kind):
        raise UserError(f"no motion-only probe for classes of kind {bank.kind}")
    if len(bank) < config.motions:
        raise UserError(f"a probe of {config.motions} motions needs as many classes, the bank has {len(bank)}")
    donors = np.linspace(0, len(bank) - 1, config.motions).round().astype(int)
    shapes = np.linspace(0, len(bank) - 1, min(config.shapes, len(bank)) + 2).round().astype(int)[1:-1]
    single: dict[str, list[float]] = {view: [] for view in VIEWS}
    done = itertools.count()
    total = len(shapes) * len(VIEWS) * config.steps

    def step() -> None:
        on_step(next(done), total)

    step()
    for number, shape in enumerate(shapes.tolist()):
        task = _task(share_shapes(bank, shape, donors.tolist()), config, threads)
        for view in VIEWS:
            seeded = dataclasses.replace(config, seed=(config.seed + number) % 2**64)
            single[view].append(tell_apart(*task, view=view, config=seeded, on_step=step))
    accuracy = {view: float(np.mean(values)) for view, values in single.items()}
    return ProbeResult(accuracy, single, 1 / config.motions, config.motions * config.test)


def share_shapes(bank: AnyBank, shape: int, motions: Sequence[int]) -> AnyBank:
    """A bank of one class for each of `motions`, all of the shapes and length of class `shape`.

    Its seed and instances are the bank's own, of class ids 0..len(motions) - 1. Curves of classes of another length are
    stretched to this one's; those for maps that a class does not have are its others in turn.

    Raises:
        UserError: a class that the bank does not have.
    """
    check_integer("shape", shape, 0, len(bank) - 1)
    for motion in motions if isinstance(motions, Sequence | np.ndarray) else [motions]:
        check_integer("motions", motion, 0, len(bank) - 1)
    donors = np.asarray(motions, np.int64).reshape(-1)
    if not len(donors):
        raise UserError("motions names no class: give at least one")
    moving, columns = motion_arrays(bank.kind), dict[str, NDArray[Any]]()
    for name in array_names(type(bank)):
        values = getattr(bank, name)
        columns[name] = values[donors] if name in moving else np.repeat(values[[shape]], len(donors), axis=0)
    if "curve" in moving:
        length = int(bank.native_frames[shape])
        columns["curve"] = np.stack([_fitted_curve(bank, donor, length) for donor in donors.tolist()])
    if "curve_kind" in moving:
        kinds: Any = bank
        columns["curve_kind"] = np.stack([kinds.curve_kind[d][_maps(bank, d)] for d in donors.tolist()])
    return dataclasses.replace(bank, **columns)  # type: ignore[type-var]


def _fitted_curve(bank: Any, donor: int, length: int) -> NDArray[np.float32]:
    """The curves (S, N) of a class, stretched to a clip of `length` native frames."""
    curves = bank.curve[donor][:, _maps(bank, donor)]
    at = (
        np.minimum(np.arange(len(curves)) / (SUBFRAMES * (length - 1)), 1) * SUBFRAMES * (bank.native_frames[donor] - 1)
    )
    left = np.minimum(at.astype(np.int64), len(curves) - 2)
    share = (at - left)[:, None]
    return np.asarray(curves[left] * (1 - share) + curves[left + 1] * share, np.float32)


def _maps(bank: Any, donor: int) -> NDArray[np.int64]:
    """Which of a class's curves stand in for all of its columns."""
    columns = bank.curve.shape[2]
    return np.arange(columns) % int(bank.num_maps[donor] if hasattr(bank, "num_maps") else columns)


def _task(bank: Bank, config: ProbeConfig, threads: int | None) -> tuple[Clips, Labels, Clips, Labels]:
    """Clips and classes to learn from, and to be tested on."""
    parts: list[Any] = []
    for first, count in ((0, config.train), (FIRST_VALIDATION_ID, config.test)):
        classes = np.repeat(np.arange(len(bank)), count)
        ids = first + np.tile(np.arange(count), len(bank))
        fit = fit_clips(bank, classes, ids, threads=threads)
        times = np.linspace(0, 1, config.frames) * (bank.native_frames[classes, None] - 1)
        parts += [render_fits(bank, fit, times, size=config.size, points=config.points, threads=threads), classes]
    return parts[0], parts[1], parts[2], parts[3]


def tell_apart(
    train: Clips,
    train_class: Labels,
    test: Clips,
    test_class: Labels,
    *,
    view: str,
    config: ProbeConfig,
    on_step: Callable[[], object] = lambda: None,
) -> float:
    """Train a small 3D network to name the classes of clips; returns its accuracy on others.

    Args:
        train: clips to learn from, (n, T, H, W).
        train_class: their classes (n,), 0..K - 1.
        test: clips to be tested on, (m, T, H, W).
        test_class: their classes (m,).
        view: what it sees of a clip, one of `VIEWS`.
        config: steps, batch, learning rate and seed.
        on_step: called after each step.
    """
    import torch  # takes seconds to import, and only the probe needs it

    classes = int(max(train_class.max(), test_class.max())) + 1
    rng = np.random.Generator(np.random.PCG64(config.seed))
    mean, scale = np.float32(train.mean()), np.maximum(train.std(dtype=np.float32), np.float32(1))

    def batch(clips: Clips) -> Any:
        seen = _seen(clips, view, rng).astype(np.float32)
        return torch.from_numpy((seen - mean) / scale)[:, None]

    # Initial weights and dropout draw from the global generator, which is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = _network(classes)
        optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=config.steps + 1)
        for _ in range(config.steps):
            rows = rng.integers(0, len(train), config.batch)
            loss = torch.nn.functional.cross_entropy(network(batch(train[rows])), torch.from_numpy(train_class[rows]))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            on_step()
    network.eval()
    with torch.no_grad():
        parts = (test[first : first + TEST_BATCH] for first in range(0, len(test), TEST_BATCH))
        predicted = torch.cat([network(batch(part)).argmax(dim=1) for part in parts])
    return float(np.mean(predicted.numpy() == test_class))


def _seen(clips: Clips, view: str, rng: np.random.Generator) -> Clips:
    """What a network sees of clips (B, T, H, W), in the same shape."""
    b, t = clips.shape[:2]
    rows = np.arange(b)[:, None]
    views: dict[str, Callable[[], Clips]] = {
        "video": lambda: clips,
        "shuffled": lambda: clips[rows, rng.permuted(np.tile(np.arange(t), (b, 1)), axis=1)],
        "frame": lambda: clips[rows, np.broadcast_to(rng.integers(0, t, (b, 1)), (b, t))],
    }
    return views[view]()


def _network(classes: int) -> Any:
    """Three 3D convolutions, a mean over space, and a linear layer over what is left of time: 70 thousand weights."""
    from torch import nn

    def block(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> list[nn.Module]:
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        convolution = nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        return [convolution, nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)]

    return nn.Sequential(
        *block(1, 16, (3, 5, 5), (1, 4, 4)),
        *block(16, 32, (3, 3, 3), (2, 2, 2)),
        *block(32, 64, (3, 3, 3), (2, 2, 2)),
        nn.AdaptiveAvgPool3d((3, 1, 1)),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(64 * 3, classes),
    )
