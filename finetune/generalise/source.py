"""What the loop trains from: labelled clips of the source and, where a method asks, tubes and clips of the target."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from fractalvid.finetune.clips.augment import draw
from fractalvid.finetune.clips.loader import ClipBatch, TrainLoader
from fractalvid.finetune.clips.masks import cut_mask
from fractalvid.finetune.clips.randaugment import draw_policy
from fractalvid.finetune.clips.sampling import draw_offsets, training_frames
from fractalvid.finetune.generalise.methods.base import DomainBatch
from fractalvid.finetune.generalise.tubes import Tube, draw_tube
from fractalvid.video.reader import VideoFacts


@dataclass(frozen=True)
class Tubes:
    """Tubes of the source's clips, by their place in the loader's list, and what is known of the videos."""

    tubes: Mapping[int, Tube]
    facts: Mapping[str, VideoFacts]


class DomainSource:
    """Batches of `TrainLoader`s with what belongs to them; where it goes on, it goes on in all of them."""

    def __init__(self, clips: TrainLoader, *, others: TrainLoader | None = None, tubes: Tubes | None = None) -> None:
        """Batches of `clips`.

        Args:
            clips: of the source.
            others: of the target, whose "labels" are the numbers of its clips.
            tubes: of the source.
        """
        self.clips, self.others, self.tubes = clips, others, tubes
        self._places = {video: place for place, video in enumerate(clips.videos)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Begin at `state["next_index"]`."""
        self.clips.load_state_dict(state)
        if self.others is not None:
            self.others.load_state_dict(state)

    def __iter__(self) -> Iterator[DomainBatch]:
        """Batches from there on."""
        others = None if self.others is None else iter(self.others)
        for clips in self.clips:
            batch = self._with_tubes(DomainBatch(clips.video, clips.target, clips.next_index), clips)
            if others is not None:
                beside = next(others)
                batch = replace(batch, others=beside.video, numbers=beside.target)
            yield batch

    def _with_tubes(self, batch: DomainBatch, clips: ClipBatch) -> DomainBatch:
        """The batch with its tubes, for which what was drawn is drawn again."""
        if self.tubes is None:
            return batch
        loader, config = self.clips, self.clips.config
        indices = np.arange(clips.next_index - len(clips.target), clips.next_index)
        drawn = draw(loader.seed, indices, config.augment)
        policy = draw_policy(loader.seed, indices, config.augment)
        offsets = draw_offsets(loader.seed, indices, config.frames)
        masks, boxed = [], []
        for i, index in enumerate(indices):
            video = loader.video_of(int(index))
            tube, facts = self.tubes.tubes.get(self._places[video]), self.tubes.facts[video.path]
            boxed.append(tube is not None)
            if tube is None:
                masks.append(torch.ones(batch.video.shape[2:], dtype=torch.bool))
                continue
            frames, within = loader.store.clip(video), None if offsets is None else offsets[i]
            chosen = (video.start or 0) + training_frames(len(frames), config.frames, float(drawn.time[i]), within)
            seconds = (chosen + 0.5) / facts.rate if facts.rate else (chosen + 0.5) / facts.frames * facts.duration
            white = draw_tube(tube, seconds, (frames.shape[1], frames.shape[2]))
            masks.append(cut_mask(white, drawn, policy, i, size=config.size, magnitude=config.augment.magnitude))
        return replace(batch, tubes=torch.stack(masks), boxed=torch.tensor(boxed))
