from pathlib import Path

import numpy as np
import pytest

from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import put


def test_the_store_decodes_once_within_its_limit(tmp_path: Path) -> None:
    for name in "ab":
        put(tmp_path / f"{name}.mp4", 6)
    a, b = Video("a.mp4", 0, "train"), Video("b.mp4", 0, "train")
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


def test_a_listed_video_can_be_a_part_of_a_file(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 12)
    store = ClipStore(tmp_path, short_side=36, memory=Memory(10**7))
    whole = store.get(Video("a.mp4", 0, "train"))
    part = store.get(Video("a.mp4", 0, "train", 3, 7))
    assert np.array_equal(part, whole[3:7])


def test_a_file_that_vanished_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.mp4"):
        ClipStore(tmp_path, short_side=18, memory=Memory(0)).get(Video("a.mp4", 0, "train"))


def test_stores_share_one_limit(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 4)
    a = Video("a.mp4", 0, "train")
    size = ClipStore(tmp_path, short_side=18, memory=Memory(0)).get(a).nbytes
    stores = Stores(size + size // 2)
    first, second = (stores.get(tmp_path, side) for side in (18, 17))
    for store in (first, second, first, second):
        store.get(a)
    assert (first.decoded, second.decoded) == (1, 2)
    assert stores.memory.used_bytes == size
