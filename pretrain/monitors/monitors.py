"""What frozen features tell of classes that the network was never trained on, and of motion alone.

A network that tells its own classes apart need not have learned anything for others. So clips of other classes are
drawn, of the same kind but another seed; some instances of each are learned from, the others named.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fractalvid.core.bank import Bank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.engine.batches import Batch
from fractalvid.pretrain.engine.validation import Validate, features_of
from fractalvid.pretrain.machine.distributed import rank, world_size
from fractalvid.stats.probe import MOTION, share_shapes
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.utils.errors import UserError

Monitor = Literal["knn", "linear", "motion", "crops"]
RIDGE = 1.0
"""The linear probe minimises |XW - Y|² + λ|W|², λ being this times √N, for N clips to learn from, features of unit
variance."""
MOTIONS = 8
"""Classes of the motion-only probe, which share one shape."""


@dataclass(frozen=True)
class MonitorConfig:
    """What is measured of the features at every validation."""

    monitors: tuple[Monitor, ...] = ()
    """Of clips of classes that are not trained on: knn (the nearest clip is of the same class), linear (a linear probe
    names the class); crops, both of these on clips that are cut, cropped and mirrored as in training; and motion, a
    linear probe of 8 classes that share their shapes and differ in motion only."""
    monitor_classes: int = 20
    """Such classes."""
    monitor_clips: int = 16
    """Clips of each: half to learn from, half to name."""

    def check(self) -> None:
        """Raise a `UserError` for what can't be measured."""
        for name in self.monitors:
            if name not in get_args(Monitor):
                raise UserError(f"monitors are {', '.join(get_args(Monitor))}, not {name!r}")
        if self.monitor_classes < 2 or self.monitor_clips < 2:
            raise UserError(
                f"monitor-classes ({self.monitor_classes}) and monitor-clips ({self.monitor_clips}) must be at least 2"
            )


class Monitors:
    """Measures networks on the same clips every time: share of clips named right, in 0..1.

    `heldout_knn` and `heldout_linear` are of classes that are not trained on, `motion_linear` of the motion-only probe.
    All these clips show the whole view at rest, where even pixels find their like by their places alone. `crops_knn`
    and `crops_linear` are of the same classes with the windows, crops and flips of training: features have to look
    past these.

    Args:
        config: was checked.
        bank: what is trained on; the classes here are of its kind and configuration, and the next seed.
        stream: how clips are taken; never emulated here.
        head: the attribute of the networks that is left out.
        batch_size: clips at a time.
        threads: at most this many, for drawing.
        device: where clips are rendered.
    """

    def __init__(
        self,
        config: MonitorConfig,
        bank: Bank,
        stream: StreamConfig,
        *,
        head: str,
        batch_size: int,
        threads: int | None,
        device: torch.device | str = "cpu",
    ) -> None:
        """See the class."""
        self._config, self._head = config, head

        def other(count: int) -> Bank:
            return sample_bank(count, kind=bank.kind, seed=(bank.seed + 1) % 2**64, config=bank.config)

        banks: dict[str, Bank] = {}
        if {"knn", "linear"} & set(config.monitors):
            banks["heldout"] = other(config.monitor_classes)
        if "crops" in config.monitors:
            banks["crops"] = other(config.monitor_classes)
        if "motion" in config.monitors:
            if bank.kind not in MOTION:
                raise UserError(f"there is no motion-only probe for classes of kind {bank.kind}")
            banks["motion"] = share_shapes(other(MOTIONS), 0, range(MOTIONS))
        self._known = {name: len(own) * (config.monitor_clips // 2) for name, own in banks.items()}
        # Made once, not at each validation: on a GPU, each copies its bank there.
        self._batches: dict[str, Iterable[Batch]] = {
            name: (_Cropped if name == "crops" else FractalStream.validation)(
                own,
                num_clips=len(own) * config.monitor_clips,
                batch_size=batch_size,
                config=stream,
                threads=threads,
                rank=rank(),
                world_size=world_size(),
                device=device,
            )
            for name, own in banks.items()
        }

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Measure a network that is in evaluation mode, without gradients."""
        found: dict[str, float] = {}
        for name, batches in self._batches.items():
            features, target = self._features(network, batches)
            known = self._known[name]
            parts = (features[:known], target[:known], features[known:], target[known:])
            with torch.autocast(features.device.type, enabled=False):  # cosines in bf16 would tie
                if name != "heldout" or "linear" in self._config.monitors:
                    found[f"{name}_linear"] = linear_share(*parts)
                if name == "crops" or (name == "heldout" and "knn" in self._config.monitors):
                    found[f"{name}_knn"] = neighbour_share(*parts)
        return found

    def _features(self, network: nn.Module, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
        """Features (N, D) and classes (N,) of all clips, instance by instance."""
        with headless(network, self._head):
            found = features_of(network, batches)
        assert found is not None
        return found


class _Cropped:
    """A process's turns of the first clips of a stream, without emulation; as `FractalStream.validation` otherwise."""

    def __init__(
        self,
        bank: Bank,
        *,
        num_clips: int,
        batch_size: int,
        config: StreamConfig,
        threads: int | None,
        rank: int,
        world_size: int,
        device: torch.device | str,
    ) -> None:
        self._num_clips, self._batch_size, self._rank, self._world_size = num_clips, batch_size, rank, world_size
        self._stream = FractalStream(
            bank,
            batch_size=batch_size,
            seed=bank.seed,
            config=replace(config, emulate=None),
            threads=threads,
            device=device,
        )

    def __iter__(self) -> Iterator[Batch]:
        size = self._batch_size
        for first in range(self._rank * size, self._num_clips, self._world_size * size):
            yield self._stream.at(np.arange(first, min(first + size, self._num_clips)))


@contextmanager
def headless(network: nn.Module, head: str) -> Iterator[None]:
    """Inside, the network gives its features instead of logits."""
    kept: nn.Module = getattr(network, head)
    setattr(network, head, nn.Identity())
    try:
        yield
    finally:
        setattr(network, head, kept)


def neighbour_share(known: Tensor, known_target: Tensor, asked: Tensor, target: Tensor) -> float:
    """Share of features (M, D) whose nearest of `known` (N, D), by cosine, is of their class."""
    cosine = functional.normalize(asked, dim=1) @ functional.normalize(known, dim=1).T
    return float((known_target[cosine.argmax(1)] == target).float().mean())


def linear_share(known: Tensor, known_target: Tensor, asked: Tensor, target: Tensor) -> float:
    """Share of features (M, D) that a ridge regression on the classes of `known` (N, D) names right.

    In closed form, in double precision, with λ = `RIDGE` √N: it has no settings to tune and no randomness.
    """
    mean, deviation = known.double().mean(0), known.double().std(0).clamp_min(1e-6)
    x, y = (known.double() - mean) / deviation, (asked.double() - mean) / deviation
    classes = int(max(known_target.max(), target.max())) + 1
    wanted = functional.one_hot(known_target, classes).double()
    wanted -= wanted.mean(0)
    # The dual form, whose matrix is as large as there are clips: features may be many more.
    gram = x @ x.T + RIDGE * len(x) ** 0.5 * torch.eye(len(x), dtype=x.dtype, device=x.device)
    scores = (y @ x.T) @ torch.linalg.solve(gram, wanted)
    return float((scores.argmax(1) == target).float().mean())


def together(measures: list[Validate]) -> Validate:
    """All measures as one; later ones may not repeat a name."""

    def measure(network: nn.Module) -> dict[str, float]:
        return {name: value for one in measures for name, value in one(network).items()}

    return measure
