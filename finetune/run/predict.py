"""Fine-tuned weights ready to name what is in any video."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fractalvid.finetune.cache.parallel import in_order
from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.clips.draws import Floats
from fractalvid.finetune.clips.files import open_clip
from fractalvid.finetune.clips.prediction import check_finite, probabilities
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.results.scores import top_classes
from fractalvid.finetune.weights.trained import open_trained
from fractalvid.pretrain.machine import resolve_device
from fractalvid.utils.errors import UserError
from fractalvid.video.errors import MAX_PIXELS

_BATCH = 16
"""Clips in a forward pass."""


@dataclass(frozen=True)
class Prediction:
    """What was seen in a video: `frames` it has, `labels` with their confidence in [0, 1], best first."""

    path: str
    frames: int
    labels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Unreadable:
    """A video that could not be read, and why."""

    path: str
    why: str


class Predictor:
    """Fine-tuned weights, ready to name what is in videos."""

    def __init__(self, weights: Path, *, device: str = "auto", views: int | None = None, crops: int | None = None):
        """Build the network that the weights' card describes.

        Args:
            weights: a .safetensors file with its card beside it, or the folder of a run.
            device: auto, cpu, cuda or cuda:N.
            views: clips a video; None as the weights were tested.
            crops: squares a clip, 1 or 3; None as the weights were tested.

        Raises:
            UserError: no such device; weights without a card, damaged ones, or ones that name no classes.
        """
        chosen = resolve_device(device)
        trained = open_trained(weights, views=views, crops=crops)
        self.classes, self.config = trained.classes, trained.views
        self.network = trained.network().to(chosen).eval()

    def views(self, path: Path, *, max_pixels: int = MAX_PIXELS, isolate: bool = False) -> tuple[int, Tensor]:
        """How many frames a video has, and its views. Raises `UserError` or `OSError` where it cannot be read."""
        frames = open_clip(path, short_side=decoded_side(self.config.size), max_pixels=max_pixels, isolate=isolate)
        return len(frames), video_views(frames, self.config)

    @torch.no_grad()
    def probabilities(self, views: Tensor) -> Floats:
        """Class probabilities (K,) of a video from its views."""
        p: Floats = probabilities(self.network, [views], self.config, _BATCH)[0].numpy()
        return p

    def predict(
        self,
        paths: Sequence[Path],
        *,
        top: int = 5,
        threads: int = 1,
        max_pixels: int = MAX_PIXELS,
        isolate: bool = False,
    ) -> Iterator[Prediction | Unreadable]:
        """What is in each of some videos, in their order; decoded a few ahead in threads.

        Raises:
            UserError: the network's outputs are not finite.
        """

        def read(path: Path) -> tuple[int, Tensor] | Unreadable:
            try:
                return self.views(path, max_pixels=max_pixels, isolate=isolate)
            except (UserError, OSError) as error:
                return Unreadable(str(path), str(error))

        for path, clip in zip(paths, in_order(read, paths, threads=threads), strict=True):
            if isinstance(clip, Unreadable):
                yield clip
                continue
            frames, views = clip
            p = self.probabilities(views)
            check_finite(p)
            best = top_classes(p[None], top)[0]
            yield Prediction(str(path), frames, tuple((self.classes[k], float(p[k])) for k in best))
