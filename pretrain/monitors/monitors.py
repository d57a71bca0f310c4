"""What frozen features tell of classes that the network was never trained on, and of motion alone.

A network that tells its own classes apart need not have learned anything for others. So clips of other classes are
drawn, of the same kind but another seed; some instances of each are learned from, the others named.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fractalvid.core.bank import Bank
from fractalvid.kinds import sample_bank
from fractalvid.pretrain.engine import Batch, Validate
from fractalvid.pretrain.machine import rank, world_size
from fractalvid.pretrain.monitors.config import MonitorConfig
from fractalvid.pretrain.monitors.features import features_of, headless
from fractalvid.pretrain.monitors.probes import linear_share, neighbour_share
from fractalvid.stats.probe import motion_arrays, share_shapes
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.utils.errors import UserError

MOTIONS = 8
"""Classes of the motion-only probe, which share one shape."""

Measure = Callable[[Tensor, Tensor, Tensor, Tensor], float]
"""Features to learn from (N, D), their classes (N,), features to name (M, D), their classes (M,) -> share in 0..1."""


@dataclass(frozen=True)
class Row:
    """Clips that features are taken of, and what is measured of these.

    Attributes:
        batches: of the clips, those to learn from first, the same at every iteration; with several processes, this
            one's turns.
        known: how many clips are learned from.
        measures: by the names that the log gives them.
    """

    batches: Iterable[Batch]
    known: int
    measures: dict[str, Measure]


class Monitors:
    """Measures networks on the same clips every time: share of clips named right, in 0..1.

    Args:
        rows: which clips, and what of their features.
        head: the attribute of the networks that is left out.
    """

    def __init__(self, rows: Sequence[Row], *, head: str) -> None:
        """See the class."""
        self._rows, self._head = rows, head

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Measure a network that is in evaluation mode, without gradients."""
        shares: dict[str, float] = {}
        for row in self._rows:
            with headless(network, self._head):
                found = features_of(network, row.batches)
            assert found is not None
            features, target, known = found.values, found.target, row.known
            with torch.autocast(features.device.type, enabled=False):  # cosines in bf16 would tie
                for name, measure in row.measures.items():
                    shares[name] = measure(features[:known], target[:known], features[known:], target[known:])
        return shares


def build_monitors(
    config: MonitorConfig,
    bank: Bank,
    stream: StreamConfig,
    *,
    head: str,
    batch_size: int,
    threads: int | None,
    device: torch.device | str = "cpu",
) -> Monitors:
    """The monitors that a configuration asks for.

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
        threads: at most this many, for drawing; None leaves it to the machine.
        device: where clips are rendered.

    Raises:
        UserError: motion is asked for of a kind of classes that has no such probe.
    """

    def row(own: Bank, draw: Callable[..., Iterable[Batch]], measures: dict[str, Measure]) -> Row:
        """A row of the clips of a bank. They are made ready once: on a GPU, each stream copies its bank there."""
        batches = draw(
            own,
            num_clips=len(own) * config.monitor_clips,
            batch_size=batch_size,
            config=stream,
            threads=threads,
            rank=rank(),
            world_size=world_size(),
            device=device,
        )
        return Row(batches, len(own) * (config.monitor_clips // 2), measures)

    asked, rows = set(config.monitors), list[Row]()
    heldout: dict[str, Measure] = {"linear": linear_share, "knn": neighbour_share}
    if measures := {f"heldout_{name}": measure for name, measure in heldout.items() if name in asked}:
        rows.append(row(_other_classes(bank, config.monitor_classes), FractalStream.validation, measures))
    if "crops" in asked:
        measures = {f"crops_{name}": measure for name, measure in heldout.items()}
        rows.append(row(_other_classes(bank, config.monitor_classes), _cropped, measures))
    if "motion" in asked:
        if not motion_arrays(bank.kind):
            raise UserError(f"there is no motion-only probe for classes of kind {bank.kind}")
        one_shape = share_shapes(_other_classes(bank, MOTIONS), 0, range(MOTIONS))
        rows.append(row(one_shape, FractalStream.validation, {"motion_linear": linear_share}))
    return Monitors(rows, head=head)


def _other_classes(bank: Bank, count: int) -> Bank:
    """Classes that are not trained on, of the same kind."""
    return sample_bank(count, kind=bank.kind, seed=(bank.seed + 1) % 2**64, config=bank.config)


@dataclass(frozen=True)
class _FirstClips:
    """A process's turns of the first clips of a stream; batches as `FractalStream.validation` gives them."""

    stream: FractalStream
    num_clips: int
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[Batch]:
        size = self.stream.batch_size
        for first in range(self.rank * size, self.num_clips, self.world_size * size):
            yield self.stream.at(np.arange(first, min(first + size, self.num_clips)))


def _cropped(
    bank: Bank, *, num_clips: int, rank: int, world_size: int, config: StreamConfig, **options: Any
) -> _FirstClips:
    """Clips as training shows them, but never emulated; arguments are those of `FractalStream.validation`."""
    stream = FractalStream(bank, seed=bank.seed, config=replace(config, emulate=None, backgrounds=None), **options)
    return _FirstClips(stream, num_clips, rank, world_size)


def together(measures: Sequence[Validate]) -> Validate:
    """All measures as one; later ones may not repeat a name."""

    def measure(network: nn.Module) -> dict[str, float]:
        return {name: value for one in measures for name, value in one(network).items()}

    return measure
