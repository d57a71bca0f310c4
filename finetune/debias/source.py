"""Training clips with the scene of each and, filled with the mean colour where people are, the same clips again."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fractalvid.finetune.clips.augment import Augmentation, draw
from fractalvid.finetune.clips.draws import Floats
from fractalvid.finetune.clips.loader import ClipBatch, TrainLoader
from fractalvid.finetune.clips.randaugment import Policy, draw_policy
from fractalvid.finetune.clips.sampling import draw_offsets, training_frames
from fractalvid.finetune.debias.beside import Beside
from fractalvid.finetune.debias.masks import Masks, clip_mask
from fractalvid.finetune.targets.base import Video
from fractalvid.pretrain.objectives.debias import DebiasBatch, fill_figures


class DebiasedClips:
    """Batches of a `TrainLoader`, whose clips they do not change, as `DebiasBatch`es."""

    def __init__(self, clips: TrainLoader, beside: Beside) -> None:
        """Of `clips`, with what there is `beside` them."""
        self.clips, self.beside = clips, beside

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin at `state["next_index"]`."""
        self.clips.load_state_dict(state)

    def __iter__(self) -> Iterator[DebiasBatch]:
        """Batches from there on."""
        with ThreadPoolExecutor(self.clips.threads, thread_name_prefix="masks") as pool:
            for batch in self.clips:
                yield self._with_both(batch, pool)

    def _with_both(self, batch: ClipBatch, pool: ThreadPoolExecutor) -> DebiasBatch:
        loader, scenes, masks = self.clips, self.beside.scenes, self.beside.masks
        first = batch.next_index - loader.batch_size * (loader.world_size - loader.rank)
        indices = first + np.arange(loader.batch_size)
        videos = [loader.video_of(int(index)) for index in indices]
        scene = masked = known = None
        if scenes is not None:
            numbers = torch.tensor([scenes.of[video.path] for video in videos])
            scene = F.one_hot(numbers, len(scenes.names)).float()
        if masks is not None:
            # What was drawn for the clips is drawn again: it is a function of their numbers.
            config = loader.config
            drawn = draw(loader.seed, indices, config.augment)
            policy = draw_policy(loader.seed, indices, config.augment)
            offsets = draw_offsets(loader.seed, indices, config.frames)
            making = [pool.submit(self._mask, masks, v, drawn, policy, offsets, i) for i, v in enumerate(videos)]
            mask = torch.stack([made.result() for made in making])
            masked, known = fill_figures(batch.video, mask), mask.any(dim=(1, 2, 3))
        return DebiasBatch(batch.video, batch.target, batch.next_index, scene, masked, known)

    def _mask(
        self, masks: Masks, video: Video, drawn: Augmentation, policy: Policy, offsets: Floats | None, i: int
    ) -> Tensor:
        """The mask of clip i, bool (T, size, size)."""
        config, frames = self.clips.config, self.clips.store.clip(video)
        within = None if offsets is None else offsets[i]
        chosen = (video.start or 0) + training_frames(len(frames), config.frames, float(drawn.time[i]), within)
        frame, magnitude = (frames.shape[1], frames.shape[2]), config.augment.magnitude
        own = masks.of(video.path)[chosen]
        return clip_mask(own, frame, drawn, policy, i, size=config.size, magnitude=magnitude)
