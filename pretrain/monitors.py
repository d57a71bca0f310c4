"""What frozen features tell of classes that the network was never trained on, and of motion alone.

A network that tells its own classes apart need not have learned anything for others. So clips of other classes are
drawn, of the same kind but another seed; some instances of each are learned from, the others named.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from fractalvid.bank import Bank
from fractalvid.errors import UserError
from fractalvid.kinds import sample_bank
from fractalvid.stats.probe import MOTION, share_shapes
from fractalvid.stream import FractalStream, StreamConfig
from pretrain.prefetch import to_device

Monitor = Literal["knn", "linear", "motion"]
RIDGE = 1.0
"""Weight decay of the linear probe, features being of unit variance."""
MOTIONS = 8
"""Classes of the motion-only probe, which share one shape."""


@dataclass(frozen=True)
class MonitorConfig:
    """What is measured of the features at every validation."""

    monitors: tuple[Monitor, ...] = ()
    """Of clips of classes that are not trained on: knn (the nearest clip is of the same class), linear (a linear probe
    names the class); and motion, a linear probe of 8 classes that share their shapes and differ in motion only."""
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

    Args:
        config: was checked.
        bank: what is trained on; the classes here are of its kind and configuration, and the next seed.
        stream: how clips are taken; never emulated here.
        head: the attribute of the networks that is left out.
        batch_size: clips at a time.
        threads: at most this many, for drawing.
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
    ) -> None:
        """See the class."""
        self._config, self._stream, self._head = config, stream, head
        self._batch_size, self._threads = batch_size, threads

        def other(count: int) -> Bank:
            return sample_bank(bank.kind, count, seed=(bank.seed + 1) % 2**64, config=bank.config)

        self._banks: dict[str, Bank] = {}
        if {"knn", "linear"} & set(config.monitors):
            self._banks["heldout"] = other(config.monitor_classes)
        if "motion" in config.monitors:
            if bank.kind not in MOTION:
                raise UserError(f"there is no motion-only probe for classes of kind {bank.kind}")
            self._banks["motion"] = share_shapes(other(MOTIONS), 0, range(MOTIONS))

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Measure a network that is in evaluation mode, without gradients."""
        found: dict[str, float] = {}
        for name, bank in self._banks.items():
            features, target = self._features(network, bank)
            known = len(bank) * (self._config.monitor_clips // 2)
            parts = (features[:known], target[:known], features[known:], target[known:])
            with torch.autocast(features.device.type, enabled=False):  # cosines in bf16 would tie
                if name == "motion" or "linear" in self._config.monitors:
                    found[f"{name}_linear"] = linear_share(*parts)
                if name == "heldout" and "knn" in self._config.monitors:
                    found["heldout_knn"] = neighbour_share(*parts)
        return found

    def _features(self, network: nn.Module, bank: Bank) -> tuple[Tensor, Tensor]:
        """Features (N, D) and classes (N,) of all clips, instance by instance."""
        count = len(bank) * self._config.monitor_clips
        batches = FractalStream.validation(
            bank, num_clips=count, batch_size=self._batch_size, config=self._stream, threads=self._threads
        )
        device = next(network.parameters()).device
        with headless(network, self._head):
            pairs = [(network(moved.video).float(), moved.target) for moved in (to_device(b, device) for b in batches)]
        return torch.cat([features for features, _ in pairs]), torch.cat([target for _, target in pairs])


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

    In closed form, in double precision: it has no settings to tune and no randomness.
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


def together(measures: list[Callable[[nn.Module], dict[str, float]]]) -> Callable[[nn.Module], dict[str, float]]:
    """All measures as one; later ones may not repeat a name."""

    def measure(network: nn.Module) -> dict[str, float]:
        return {name: value for one in measures for name, value in one(network).items()}

    return measure
