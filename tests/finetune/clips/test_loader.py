from dataclasses import replace

import numpy as np
import pytest
import torch

from fractalvid.finetune.clips.config import AugmentConfig, ClipConfig, FrameConfig
from fractalvid.finetune.clips.loader import ClipBatch, TrainLoader
from fractalvid.finetune.targets.base import Video
from tests.finetune.helpers import ArrayStore, video

CONFIG = ClipConfig(FrameConfig(4, 2), 16, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
VIDEOS = [Video(f"v{k}", k, "train") for k in range(7)]
"""Each has a label of its own, so that targets tell which videos a batch is of."""


def loader(batch_size: int = 4, threads: int = 2, seed: int = 5, augment: AugmentConfig | None = None) -> TrainLoader:
    rng = np.random.default_rng(0)
    videos = {video.path: rng.integers(0, 256, (3 + 4 * k, 20, 26, 3), np.uint8) for k, video in enumerate(VIDEOS)}
    config = replace(CONFIG, augment=augment or AugmentConfig())
    return TrainLoader(VIDEOS, ArrayStore(videos), batch_size=batch_size, config=config, seed=seed, threads=threads)


def take(stream: TrainLoader, batches: int) -> list[ClipBatch]:
    return [batch for batch, _ in zip(stream, range(batches), strict=False)]


def joined(batches: list[ClipBatch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch.video for batch in batches]), torch.cat([batch.target for batch in batches])


def test_batches_are_what_the_network_takes() -> None:
    made = loader()
    batch = take(made, 1)[0]
    assert batch.video.shape == (4, 3, 4, 16, 16)
    assert batch.video.dtype == torch.float32
    assert batch.target.dtype == torch.int64
    assert batch.target.tolist() == [made.video_of(index).label for index in range(4)]
    assert batch.video.is_contiguous()


def test_samples_do_not_depend_on_threads_or_batch_size() -> None:
    video_a, target_a = joined(take(loader(batch_size=4, threads=1), 6))
    video_b, target_b = joined(take(loader(batch_size=6, threads=3), 4))
    assert torch.equal(target_a, target_b)
    assert torch.equal(video_a, video_b)
    assert not torch.equal(video_a, joined(take(loader(seed=6), 6))[0])


def test_every_epoch_shows_every_video_once() -> None:
    epochs = joined(take(loader(batch_size=7), 3))[1].view(3, 7)
    assert all(sorted(epoch.tolist()) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 3


def test_resuming_goes_on_exactly() -> None:
    whole = take(loader(), 8)
    again = loader()
    again.load_state_dict({"next_index": whole[4].next_index})
    assert whole[4].next_index == 20
    for batch, expected in zip(take(again, 3), whole[5:], strict=True):
        assert torch.equal(batch.video, expected.video)
        assert torch.equal(batch.target, expected.target)
        assert batch.next_index == expected.next_index


def test_ranks_share_out_the_batches_of_one_process() -> None:
    whole = take(loader(batch_size=6), 4)
    shares = [loader(batch_size=3) for _ in range(2)]
    for rank, share in enumerate(shares):
        share.rank, share.world_size = rank, 2
    for expected, *parts in zip(whole, *(take(share, 4) for share in shares), strict=True):
        video, target = joined(parts)
        assert torch.equal(video, expected.video)
        assert torch.equal(target, expected.target)
        assert all(part.next_index == expected.next_index for part in parts)
    shares[1].load_state_dict({"next_index": whole[1].next_index})  # also where one process went before
    assert torch.equal(take(shares[1], 1)[0].target, whole[2].target[3:])


def test_the_same_crop_is_held_over_all_frames() -> None:
    listed = Video("still", 0, "train")
    still = np.repeat(video(1), 30, axis=0)
    stream = TrainLoader([listed], ArrayStore({"still": still}), batch_size=2, config=CONFIG, seed=0, threads=1)
    batch = take(stream, 1)[0]
    assert torch.equal(batch.video, batch.video[:, :, :1].expand_as(batch.video))
    assert not torch.equal(batch.video[0], batch.video[1])


def test_an_error_in_a_thread_reaches_the_reader() -> None:
    stream = TrainLoader([Video("absent", 0, "train")], ArrayStore({}), batch_size=2, config=CONFIG, seed=0, threads=2)
    with pytest.raises(KeyError):
        next(iter(stream))
