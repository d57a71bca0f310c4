"""What a network takes test videos for: as they are, without their figures, and before other backgrounds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from fractalvid.finetune.cache.parallel import in_order
from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.augment import to_network
from fractalvid.finetune.clips.config import ViewConfig
from fractalvid.finetune.clips.prediction import check_finite, vote
from fractalvid.finetune.clips.views import video_views
from fractalvid.finetune.debias.masks import Masks, view_masks
from fractalvid.finetune.explain.shortcuts import Ints, swap
from fractalvid.finetune.targets.base import Video
from fractalvid.pretrain.objectives.debias import fill_figures
from fractalvid.utils.messages.bars import bar_options

Views = tuple[Tensor, Tensor]
"""Of a video: uint8 (V, T, size, size, 3), and bool (V, T, size, size), where people are."""


@dataclass(frozen=True)
class Answers:
    """The classes that n videos are taken for, int64 (n,) each.

    Attributes:
        whole: as they are.
        masked: with their figures in the mean colour of the rest.
        swapped: with the background of another video.
        seen: bool (n,), whether anybody is in the views of the video.
    """

    whole: Ints
    masked: Ints
    swapped: Ints
    seen: NDArray[np.bool_]


class Answerer:
    """A network that is asked about videos, a few at a time: no more of them are held."""

    def __init__(self, network: nn.Module, config: ViewConfig, columns: Sequence[int]) -> None:
        """Ask `network` about the views of `config`; its outputs `columns` are the answers, in this order."""
        self.network, self.config, self.columns = network.eval(), config, list(columns)

    def ask(
        self,
        videos: Sequence[Video],
        place: Ints,
        store: ClipStore,
        masks: Masks,
        *,
        batch_size: int = 16,
        threads: int = 1,
        progress: bool = False,
    ) -> Answers:
        """Ask about n videos.

        Args:
            videos: of which there are frames in `store`, and masks.
            place: (n,), the number of the video whose background each gets; view v of one meets view v of the other.
            store: of frames.
            masks: of people.
            batch_size: clips in a forward pass.
            threads: which read videos.
            progress: show a bar.

        Raises:
            UserError: a mask is not what it was, or the network gives no numbers.
        """
        views = partial(masked_views, store=store, masks=masks, config=self.config)
        pairs = in_order(lambda k: (views(videos[k]), views(videos[place[k]])), range(len(videos)), threads=threads)
        bar = tqdm(pairs, total=len(videos), desc="testing", unit="video", disable=not progress, **bar_options())
        at_once = max(1, batch_size // (self.config.views * self.config.crops))
        answered = [self._answer(part, batch_size) for part in _parts(bar, at_once)]
        return Answers(*(np.concatenate(column) for column in zip(*answered, strict=True)))

    @torch.inference_mode()
    def _answer(
        self, pairs: Sequence[tuple[Views, Views]], batch_size: int
    ) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
        """What n videos are taken for in each way, (n,), and in which of them somebody is."""
        (video, mask), (other, others) = (self._together([pair[side] for pair in pairs]) for side in (0, 1))
        kinds = (video, fill_figures(video, mask), swap(video, mask, fill_figures(other, others)))
        whole, masked, swapped = (self._classes(clips, len(pairs), batch_size) for clips in kinds)
        return whole, masked, swapped, mask.view(len(pairs), -1).any(1).numpy()

    def _together(self, views: Sequence[Views]) -> tuple[Tensor, Tensor]:
        """The views of n videos as the network takes them, float32 (n V, 3, T, size, size), and their masks."""
        clips = to_network(torch.cat([video for video, _ in views]), self.config.mean, self.config.std)
        return clips, torch.cat([mask for _, mask in views])

    def _classes(self, clips: Tensor, count: int, batch_size: int) -> Ints:
        """The class (n,) that the views of each of n videos, (n V, 3, T, size, size), vote for."""
        device = next(self.network.parameters()).device
        parts = [self.network(part.to(device)).float().double().cpu() for part in torch.split(clips, batch_size)]
        logits = torch.cat(parts)
        check_finite(logits.numpy())
        voted = vote(logits.view(count, -1, logits.shape[1]), self.config.voting)
        best: Ints = voted[:, self.columns].argmax(1).numpy()
        return best


def masked_views(video: Video, store: ClipStore, masks: Masks, config: ViewConfig) -> Views:
    """The test views of a video, and where people are in them."""
    frames = store.clip(video)
    own = masks.of(video.path)[video.start : video.end]
    return video_views(frames, config), view_masks(own, (frames.shape[1], frames.shape[2]), config)


def _parts(pairs: Iterable[tuple[Views, Views]], size: int) -> Iterator[list[tuple[Views, Views]]]:
    """`size` at a time, in the end what is left."""
    part = []
    for pair in pairs:
        part.append(pair)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
