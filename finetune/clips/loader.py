"""Training clips for the engine: an endless sequence of batches that (seed, config) determine."""

import itertools
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.augment import Augmentation, crop, draw, to_network
from fractalvid.finetune.clips.config import ClipConfig
from fractalvid.finetune.clips.draws import Floats, epoch_order
from fractalvid.finetune.clips.randaugment import Policy, apply_policy, draw_policy
from fractalvid.finetune.clips.sampling import draw_offsets, training_frames
from fractalvid.finetune.targets.base import Video


@dataclass(frozen=True)
class ClipBatch:
    """A batch of training clips.

    `video` float32 (B, 3, T, H, W), normalised; `target` int64 (B,); `next_index`: the value for `load_state_dict`
    once the batch was used.
    """

    video: Tensor
    target: Tensor
    next_index: int


class TrainLoader:
    """Whole training batches, without end; sample i of epoch i div N is video order[i mod N].

    Order, time window, crop, flip and colour of sample i are functions of (seed, i): not of the batch, the
    threads or where a run was resumed. Batch m of rank r of R holds samples (m R + r) B + 0..B-1. Clips are decoded
    and cropped in threads, a few batches ahead of the network.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        store: ClipStore,
        *,
        batch_size: int,
        config: ClipConfig,
        seed: int,
        threads: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """A loader of `videos`, decoded by `store`; `rank` of `world_size` processes has its own samples."""
        self.videos = tuple(videos)
        self.store = store
        self.batch_size = batch_size
        self.config = config
        self.seed = seed
        self.threads = max(1, threads)
        self.rank, self.world_size = rank, world_size
        self._next_index = 0
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Begin at `state["next_index"]`, the `next_index` of the last batch that was used."""
        self._next_index = int(state["next_index"])

    def video_of(self, index: int) -> Video:
        """Which video sample `index` is a clip of."""
        epoch, position = divmod(index, len(self.videos))
        if self._order[0] != epoch:
            self._order = (epoch, epoch_order(self.seed, epoch, len(self.videos)))
        return self.videos[int(self._order[1][position])]

    def __iter__(self) -> Iterator[ClipBatch]:
        """Batches from `next_index` on."""
        starts = itertools.count(self._next_index, self.batch_size * self.world_size)
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="clips")
        pending: deque[_Pending] = deque()
        try:
            while True:
                while len(pending) < 3:  # one being used, one ready, one in the making
                    pending.append(self._submit(pool, next(starts)))
                yield self._finish(pending.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, start: int) -> "_Pending":
        """Begin with this process' share of the samples from `start` on."""
        indices = start + self.rank * self.batch_size + np.arange(self.batch_size)
        videos = [self.video_of(int(index)) for index in indices]
        drawn = draw(self.seed, indices, self.config.augment)
        policy = draw_policy(self.seed, indices, self.config.augment)
        offsets = draw_offsets(self.seed, indices, self.config.frames)
        clips = [pool.submit(self._clip, video, drawn, policy, offsets, i) for i, video in enumerate(videos)]
        labels = torch.tensor([video.label for video in videos])
        return _Pending(clips, labels, drawn, start + self.batch_size * self.world_size)

    def _clip(self, video: Video, drawn: Augmentation, policy: Policy, offsets: Floats | None, i: int) -> Tensor:
        """Clip i of a batch, augmented but for its colours: uint8 (T, size, size, 3)."""
        frames = self.store.clip(video)
        within = None if offsets is None else offsets[i]
        chosen = training_frames(len(frames), self.config.frames, float(drawn.time[i]), within)
        cut = crop(frames, chosen, drawn, i, self.config.size)
        return apply_policy(cut, policy, i, self.config.augment.magnitude)

    def _finish(self, pending: "_Pending") -> ClipBatch:
        clips = torch.stack([clip.result() for clip in pending.clips])
        video = to_network(clips, self.config.mean, self.config.std, pending.drawn)
        return ClipBatch(video, pending.labels, pending.next_index)


@dataclass(frozen=True)
class _Pending:
    """A batch in the making."""

    clips: list[Future[Tensor]]
    labels: Tensor
    drawn: Augmentation
    next_index: int
