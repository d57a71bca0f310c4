from pathlib import Path

import numpy as np
import pytest
import torch

from fractalvid.finetune.cache.store import ClipStore, Memory, effective_stride, view_windows, window
from fractalvid.finetune.clips.augment import AugmentConfig
from fractalvid.finetune.clips.training import ClipBatch, SourceConfig, TrainSource
from fractalvid.finetune.targets.base import Row
from fractalvid.finetune.videos.data import Stores
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import ArrayStore, put, video


@pytest.mark.parametrize(
    ("length", "clip_len", "stride", "expected"),
    [(40, 8, 2, 2), (15, 8, 2, 2), (14, 8, 2, 1), (20, 8, 4, 2), (3, 8, 2, 1), (1, 8, 2, 1), (5, 1, 9, 1)],
)
def test_short_clips_shrink_the_stride(length: int, clip_len: int, stride: int, expected: int) -> None:
    assert effective_stride(length, clip_len, stride) == expected


def test_windows_cover_the_clip_from_first_to_last_frame() -> None:
    starts = {int(window(20, 4, 3, u)[0]) for u in np.linspace(0, 0.9999, 200)}
    assert starts == set(range(11))
    assert window(20, 4, 3, 0.9999).tolist() == [10, 13, 16, 19]


def test_the_last_frame_repeats_where_the_clip_is_too_short() -> None:
    assert window(3, 5, 2, 0.7).tolist() == [0, 1, 2, 2, 2]
    assert window(1, 4, 2, 0.5).tolist() == [0, 0, 0, 0]
    assert view_windows(1, 2, 2, 3).tolist() == [[0, 0]] * 3


def test_test_views_are_uniform_and_one_is_central() -> None:
    assert view_windows(31, 4, 2, 3)[:, 0].tolist() == [0, 12, 24]
    assert view_windows(31, 4, 2, 1).tolist() == [[12, 14, 16, 18]]
    assert view_windows(31, 4, 2, 5)[-1].tolist() == [24, 26, 28, 30]


def test_the_store_decodes_once_within_its_limit(tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path / f"{name}.mp4", 6)
    a, b = Row("a.mp4", 0, "train"), Row("b.mp4", 0, "train")
    store = ClipStore(tmp_path, short_side=18, memory=Memory(10**6))
    assert store.get(a).shape == (6, 18, 24, 3)
    assert store.get(a) is store.get(a)
    assert store.decoded == 1
    limit = store.get(a).nbytes
    small = ClipStore(tmp_path, short_side=18, memory=Memory(limit))
    for _ in range(3):
        assert np.array_equal(small.get(a), store.get(a))
        assert np.array_equal(small.get(b), store.get(b))
    assert small.memory.used_bytes == limit
    assert small.decoded == 4  # a once, b each time
    none = ClipStore(tmp_path, short_side=18, memory=Memory(0))
    none.get(a), none.get(a)
    assert (none.decoded, none.memory.used_bytes) == (2, 0)


def test_a_row_can_be_a_part_of_a_video(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 12)
    store = ClipStore(tmp_path, short_side=36, memory=Memory(10**7))
    whole = store.get(Row("a.mp4", 0, "train"))
    part = store.get(Row("a.mp4", 0, "train", 3, 7))
    assert np.array_equal(part, whole[3:7])


def test_a_file_that_vanished_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.mp4"):
        ClipStore(tmp_path, short_side=18, memory=Memory(0)).get(Row("a.mp4", 0, "train"))


CONFIG = SourceConfig(4, 2, 16, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
ROWS = [Row(f"v{k}", k % 3, "train") for k in range(7)]


def source(batch_size: int = 4, threads: int = 2, seed: int = 5, augment: AugmentConfig | None = None) -> TrainSource:
    rng = np.random.default_rng(0)
    videos = {row.path: rng.integers(0, 256, (3 + 4 * k, 20, 26, 3), np.uint8) for k, row in enumerate(ROWS)}
    config = SourceConfig(4, 2, 16, CONFIG.mean, CONFIG.std, augment or AugmentConfig())
    return TrainSource(ROWS, ArrayStore(videos), batch_size=batch_size, config=config, seed=seed, threads=threads)


def take(stream: TrainSource, batches: int) -> list[ClipBatch]:
    return [batch for batch, _ in zip(stream, range(batches), strict=False)]


def joined(batches: list[ClipBatch]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([batch.video for batch in batches]), torch.cat([batch.row for batch in batches])


def test_batches_are_what_the_network_takes() -> None:
    batch = take(source(), 1)[0]
    assert batch.video.shape == (4, 3, 4, 16, 16)
    assert batch.video.dtype == torch.float32
    assert batch.target.dtype == torch.int64
    assert batch.target.tolist() == [ROWS[row].label for row in batch.row.tolist()]
    assert batch.video.is_contiguous()


def test_samples_do_not_depend_on_threads_or_batch_size() -> None:
    video_a, row_a = joined(take(source(batch_size=4, threads=1), 6))
    video_b, row_b = joined(take(source(batch_size=6, threads=3), 4))
    assert torch.equal(row_a, row_b)
    assert torch.equal(video_a, video_b)
    assert not torch.equal(video_a, joined(take(source(seed=6), 6))[0])


def test_every_epoch_shows_every_video_once() -> None:
    rows = joined(take(source(batch_size=7), 3))[1].view(3, 7)
    assert all(sorted(epoch.tolist()) == list(range(7)) for epoch in rows)
    assert len({tuple(epoch.tolist()) for epoch in rows}) == 3


def test_resuming_goes_on_exactly() -> None:
    whole = take(source(), 8)
    again = source()
    again.load_state_dict({"next_index": whole[4].next_index})
    assert again.state_dict() == {"next_index": 20}
    for batch, expected in zip(take(again, 3), whole[5:], strict=True):
        assert torch.equal(batch.video, expected.video)
        assert torch.equal(batch.target, expected.target)
        assert batch.next_index == expected.next_index


def test_ranks_share_out_the_batches_of_one_process() -> None:
    whole = take(source(batch_size=6), 4)
    shares = [source(batch_size=3) for _ in range(2)]
    for rank, share in enumerate(shares):
        share.rank, share.world_size = rank, 2
    for expected, *parts in zip(whole, *(take(share, 4) for share in shares), strict=True):
        video, row = joined(parts)
        assert torch.equal(video, expected.video)
        assert torch.equal(row, expected.row)
        assert all(part.next_index == expected.next_index for part in parts)
    shares[1].load_state_dict({"next_index": whole[1].next_index})  # also where one process went before
    assert torch.equal(take(shares[1], 1)[0].row, whole[2].row[3:])


def test_the_same_crop_is_held_over_all_frames() -> None:
    row = Row("still", 0, "train")
    still = np.repeat(video(1), 30, axis=0)
    stream = TrainSource([row], ArrayStore({"still": still}), batch_size=2, config=CONFIG, seed=0, threads=1)
    batch = take(stream, 1)[0]
    assert torch.equal(batch.video, batch.video[:, :, :1].expand_as(batch.video))
    assert not torch.equal(batch.video[0], batch.video[1])


def test_an_error_in_a_thread_reaches_the_reader() -> None:
    stream = TrainSource([Row("absent", 0, "train")], ArrayStore({}), batch_size=2, config=CONFIG, seed=0, threads=2)
    with pytest.raises(KeyError):
        next(iter(stream))


def test_stores_share_one_limit(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 4)
    row = Row("a.mp4", 0, "train")
    size = ClipStore(tmp_path, short_side=18, memory=Memory(0)).get(row).nbytes
    stores = Stores(size + size // 2)
    first, second = (stores.get(tmp_path, side) for side in (18, 17))
    for store in (first, second, first, second):
        store.get(row)
    assert (first.decoded, second.decoded) == (1, 2)
    assert stores.memory.used_bytes == size
