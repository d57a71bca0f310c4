"""Features of all stages of a network on listed videos, with BatchNorm's statistics as they are and settled."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fractalvid.finetune.cache.parallel import in_order
from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.settling import settle
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.targets.base import Video
from fractalvid.pretrain.machine import Precision
from fractalvid.pretrain.models import stage_features
from fractalvid.utils.errors import UserError

Statistics = Literal["kept", "settled"]
STATISTICS: tuple[Statistics, ...] = ("kept", "settled")
"""BatchNorm's: those that the weights came with, or those of training clips."""
Features = dict[tuple[Statistics, str], NDArray[np.float32]]
"""(statistics, stage) -> (N, D), a row a video."""
_AT_ONCE = 32
"""Clips in a forward pass."""
_LAYOUT = torch.channels_last_3d
"""In which a CPU pools several times as fast."""


@dataclass(frozen=True)
class Views:
    """The views of videos, in batches; kept in memory where all of them fit.

    Iterating gives uint8 (b V, T, size, size, 3): the V views of b videos, one video after another.
    """

    videos: Sequence[Video]
    store: ClipStore
    config: ViewConfig
    threads: int
    kept: list[Tensor]

    def __iter__(self) -> Iterator[Tensor]:
        """Batches of about `_AT_ONCE` clips."""
        if self.kept:
            yield from self.kept
            return
        made = list[Tensor]()
        for batch in self._drawn():
            yield batch
            if self._fit():
                made.append(batch)
        self.kept.extend(made)

    def _fit(self) -> bool:
        frames = self.config.frames.clip_len * self.config.views * len(self.videos)
        return frames * self.config.size**2 * 3 <= self.store.memory.limit_bytes

    def _drawn(self) -> Iterator[Tensor]:
        waiting = list[Tensor]()
        for views in in_order(self._views_of, self.videos, threads=self.threads):
            waiting.append(views)
            if len(waiting) * self.config.views >= _AT_ONCE:
                yield torch.cat(waiting)
                waiting.clear()
        if waiting:
            yield torch.cat(waiting)

    def _views_of(self, video: Video) -> Tensor:
        return video_views(self.store.clip(video), self.config)


@torch.inference_mode()
def features_of(network: nn.Module, arch: str, views: Views, settling: Views, precision: Precision) -> Features:
    """Features of every stage, means over the views of a video.

    Args:
        network: of architecture `arch`; left as it was.
        arch: its name.
        views: of the videos.
        settling: of unlabelled training videos, for the settled statistics.
        precision: what the network computes in.

    Raises:
        UserError: features that are no numbers.
    """
    kept = copy.deepcopy(network).eval().to(precision.device).to(memory_format=_LAYOUT)
    settled = copy.deepcopy(kept)
    with precision.autocast():
        settle(settled, (_clips(batch, settling.config, precision) for batch in settling))
        _share_first(kept, settled)
        parts = [_of_batch((kept, settled), arch, batch, views.config, precision) for batch in views]
    found: Features = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    if not all(np.isfinite(values).all() for values in found.values()):
        raise UserError("the network's features are not finite: weights of a training that diverged")
    return found


def _of_batch(
    networks: Sequence[nn.Module], arch: str, batch: Tensor, config: ViewConfig, precision: Precision
) -> Features:
    clips = _clips(batch, config, precision)
    return {
        (statistics, stage): values.view(-1, config.views, values.shape[1]).mean(1).cpu().numpy()
        for statistics, network in zip(STATISTICS, networks, strict=True)
        for stage, values in stage_features(network, arch, clips).items()
    }


class _Given(nn.Module):
    """Stands for a layer whose output another network has made of the same clips."""

    output: Tensor

    def forward(self, _: Tensor) -> Tensor:
        """That output."""
        return self.output


def _share_first(first: nn.Module, second: nn.Module) -> None:
    """Have `second`, which differs in statistics only, take the output of its first convolution from `first`.

    `first` has to run before. Much of the work of a small network is there, before any statistics.
    """
    name, conv = next((name, m) for name, m in first.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    given = _Given()
    conv.register_forward_hook(lambda _module, _inputs, output: setattr(given, "output", output))
    second.set_submodule(name, given)


def _clips(batch: Tensor, config: ViewConfig, precision: Precision) -> Tensor:
    return to_network(batch, config.mean, config.std).to(precision.device, memory_format=_LAYOUT)
