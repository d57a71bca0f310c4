"""The cache of decoded videos: what it gives, and what becomes of it when something breaks off or changes."""

import errno
import math
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import pytest
import torch
from filelock import FileLock

from fractalvid.finetune.cache.frames import Bytes
from fractalvid.finetune.cache.reader import FRAMES, ROWS, CacheKind, open_cache
from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.cache.writer import CacheReport, decoded_bytes, make_cache
from fractalvid.finetune.clips.config import ClipConfig, FrameConfig
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.index import build_index
from fractalvid.utils.errors import UserError
from fractalvid.video.errors import KEPT_FRAMES
from fractalvid.video.reader import VideoFacts, read_video, scaled_size
from tests.finetune.helpers import put, video, write_avi

NAMES = ("a.mp4", "b ü.avi", "deep/c.mp4")
RAW, JPEG = CacheKind(18), CacheKind(18, 90)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        put(tmp_path / "data" / name, 6 + 5 * number, level=40 * number)
    return tmp_path / "data"


def facts(root: Path, names: tuple[str, ...] = NAMES) -> dict[str, VideoFacts]:
    return build_index(root, names, cache_dir=None, threads=1, max_broken=1, progress=False).facts


def make(root: Path, kind: CacheKind = RAW, names: tuple[str, ...] = NAMES, threads: int = 2) -> CacheReport:
    found = facts(root, names)
    return make_cache(root, found, kind, cache_dir=root.parent / "cache", threads=threads, progress=False)


def opened(root: Path, short_side: int = 18, name: str = NAMES[0]) -> tuple[Bytes | None, str]:
    cache, refused = open_cache(root.parent / "cache", root, short_side)
    frames = None if cache is None else cache.frames(name)
    return None if frames is None else frames[:], refused


def is_right(root: Path, name: str = NAMES[0]) -> bool:
    """Whether the cache has the frames of the file as it is now."""
    frames, _ = opened(root, name=name)
    return frames is not None and np.array_equal(frames, read_video(root / name, short_side=18))


def decoding(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is decoded from now on."""
    names: list[str] = []

    def spy(path: Path, **options: int) -> Bytes:
        names.append(path.name)
        return read_video(path, short_side=options["short_side"])

    monkeypatch.setattr("fractalvid.finetune.cache.writer.read_video", spy)
    return names


def test_a_cache_of_another_version_is_made_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.cache.reader._VERSION", 1)
        make(root)
    assert opened(root)[0] is None
    again = make(root)
    assert (again.made, again.kept) == (3, 0)
    assert again.size == again.used
    assert is_right(root)


@pytest.mark.parametrize("threads", [1, 3])
def test_frames_are_those_of_the_files_bit_for_bit(root: Path, threads: int) -> None:
    report = make(root, threads=threads)
    cache, refused = open_cache(root.parent / "cache", root, 18)
    assert cache is not None
    assert refused == ""
    assert (report.made, report.kept, report.broken) == (3, 0, ())
    for name in NAMES:
        frames = cache.frames(name)
        assert frames is not None
        assert np.array_equal(frames[:], read_video(root / name, short_side=18))
    assert cache.frames("d.mp4") is None
    assert report.size == report.used == decoded_bytes(root, facts(root), RAW)


def test_videos_that_are_too_large_for_a_cache_are_not_lacking(root: Path) -> None:
    short = facts(root)[NAMES[0]]
    room = short.width * short.height  # of a frame as it is decoded
    put(root / "long.mp4", KEPT_FRAMES * room // math.prod(scaled_size(short.width, short.height, 18)) + 1)
    found = facts(root, (*NAMES, "long.mp4"))
    where = root.parent / "cache"
    made = make_cache(root, found, RAW, cache_dir=where, threads=1, progress=False, max_pixels=room)
    assert (made.made, made.large) == (3, ("long.mp4",))
    assert open_cache(where, root, 18, found, max_pixels=room)[1] == ""
    assert open_cache(where, root, 18, found)[1].startswith("1 video ")


def test_jpeg_pictures_are_near_and_small(tmp_path: Path) -> None:
    smooth = video(12, height=120, width=160)
    (tmp_path / "data").mkdir()
    write_avi(tmp_path / "data" / "a.avi", smooth)
    kind = CacheKind(120, 90)
    report = make(tmp_path / "data", kind, ("a.avi",))
    cache, _ = open_cache(tmp_path / "cache", tmp_path / "data", 120)
    assert cache is not None
    frames, whole = cache.frames("a.avi"), read_video(tmp_path / "data" / "a.avi", short_side=120)
    assert frames is not None
    numbers = np.array([[0, 5], [11, 5]])
    assert frames[numbers].shape == (2, 2, 120, 160, 3)
    assert np.abs(frames[numbers].astype(int) - whole[numbers]).mean() < 2
    assert np.array_equal(frames[numbers[0], 10:20, 30:], frames[:][numbers[0], 10:20, 30:])
    assert report.size < whole.nbytes / 8
    estimate = decoded_bytes(tmp_path / "data", facts(tmp_path / "data", ("a.avi",)), kind)
    assert estimate == pytest.approx(report.size, rel=0.2)


CONFIG = ClipConfig(FrameConfig(4, 2), 16, (0.4, 0.4, 0.4), (0.2, 0.2, 0.2))
ROWS_CUT = [Video(NAMES[0], 0, "train"), Video(NAMES[1], 1, "train", 2, 8), Video(NAMES[2], 2, "train", 5, None)]


def samples(store: ClipStore, threads: int = 2) -> torch.Tensor:
    source = TrainLoader(ROWS_CUT, store, batch_size=3, config=CONFIG, seed=3, threads=threads)
    return torch.cat([batch.video for batch, _ in zip(source, range(4), strict=False)])


def test_a_sample_is_the_same_wherever_its_frames_come_from(root: Path) -> None:
    cache_dir = root.parent / "cache"
    plain = ClipStore(root, short_side=18, memory=Memory(10**8))
    expected = samples(plain, threads=1)  # two threads may both decode a video that neither has yet
    assert plain.decoded == 3
    # No room to keep anything, and what is known of the videos spares decoding all of them.
    picked = ClipStore(root, short_side=18, memory=Memory(0), facts=facts(root))
    assert torch.equal(samples(picked), expected)
    assert picked.decoded >= 12
    make(root)
    cached = Stores(0, cache_dir).get(root, 18)
    assert torch.equal(samples(cached, threads=1), expected)
    assert cached.decoded == 0


def test_a_sample_of_jpeg_pictures_is_nearly_the_same(root: Path) -> None:
    expected = samples(ClipStore(root, short_side=18, memory=Memory(10**8)))
    make(root, CacheKind(18, 95))
    cached = Stores(0, root.parent / "cache").get(root, 18)
    assert (samples(cached) - expected).abs().mean() < 0.1
    assert cached.decoded == 0


def test_what_is_kept_as_it_is_comes_before_jpeg_and_the_smallest_before_larger(root: Path) -> None:
    for kind in (CacheKind(30), CacheKind(18, 80), CacheKind(18, 90), CacheKind(24, 90)):
        make(root, kind)
    cache_dir = root.parent / "cache"

    def chosen(side: int) -> CacheKind | None:
        cache, refused = open_cache(cache_dir, root, side)
        assert bool(refused) == (cache is None)
        return None if cache is None else cache.kind

    assert [chosen(side) for side in (18, 19, 25)] == [CacheKind(18, 90), CacheKind(24, 90), CacheKind(30)]
    make(root, RAW)
    assert chosen(18) == RAW
    assert chosen(31) is None


def test_a_smaller_one_is_refused_with_a_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(root)
    store = Stores(0, root.parent / "cache").get(root, 20)
    said = capsys.readouterr().err
    assert re.search(r"sides of 18 pixels, less than the 20 .*; finetune prepare --cache 20 makes them\n", said)
    assert store.origin(NAMES) == "files, 20 pixels"
    assert store.clip(Video(NAMES[0], 0, "train"))[:].shape[1] == 20


def test_nothing_is_said_where_there_is_none(root: Path) -> None:
    assert opened(root) == (None, "")


def test_a_video_that_changed_is_read_from_its_file_until_it_is_decoded_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(root)
    put(root / NAMES[0], 9, level=90)
    (root / NAMES[2]).unlink()
    frames, refused = opened(root)
    assert frames is None
    assert refused.startswith("1 video of")  # of what is gone, nobody asks
    assert "finetune prepare --cache 18 brings" in refused
    assert is_right(root, NAMES[1])
    decoded = decoding(monkeypatch)
    report = make(root, names=NAMES[:2])
    assert decoded == ["a.mp4"]
    assert (report.made, report.kept) == (1, 1)
    assert report.used < report.size  # what it was before is still in the file
    assert is_right(root)


def test_videos_that_are_not_in_it_are_said_and_read(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(root, JPEG, names=NAMES[:1])
    build_index(root, NAMES, cache_dir=root.parent / "cache", threads=1, max_broken=1, progress=False)
    store = Stores(10**8, root.parent / "cache").get(root, 18)
    said = capsys.readouterr().err
    assert re.search(r"note: 2 videos of .* not decoded yet.* prepare --cache 18 --cache-quality 90 brings", said)
    assert store.origin(NAMES[:1]) == "cache, 18 pixels, JPEG 90"
    assert store.origin(NAMES) == "cache, 18 pixels, JPEG 90, 2 from files"
    for name, decoded in zip(NAMES, (0, 1, 2), strict=True):
        assert len(store.clip(Video(name, 0, "train"))) == len(read_video(root / name))
        assert store.decoded == decoded


def test_a_killed_one_goes_on_where_it_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = make(root, names=NAMES[:2], threads=1)
    rows, frames = report.folder / ROWS, report.folder / FRAMES
    first = rows.read_text().splitlines(keepends=True)[0]
    rows.write_text(first + '["b', encoding="ascii")  # broken off within a row
    with frames.open("ab") as file:
        file.write(b"frames of which no row tells")
    decoded = decoding(monkeypatch)
    again = make(root, threads=1)
    assert (again.made, again.kept) == (2, 1)
    assert len(decoded) == 2
    assert again.size == again.used == frames.stat().st_size
    assert all(is_right(root, name) for name in NAMES)


def test_rows_of_frames_that_are_lost_do_not_count(root: Path) -> None:
    report = make(root, threads=1)
    with (report.folder / FRAMES).open("r+b") as file:
        file.truncate(report.size - 1)
    again = make(root, threads=1)
    assert (again.made, again.kept) == (1, 2)


@pytest.mark.parametrize("content", [b"", b"{", b'["a.mp4", 1]\n', b"[1, 2, 3, 4, 5, 6, 7, 8]\n", b"\xff\n"])
def test_damaged_rows_are_only_a_lost_cache(root: Path, content: bytes) -> None:
    report = make(root)
    (report.folder / ROWS).write_bytes(content)
    assert opened(root)[0] is None
    assert make(root).kept == 0
    assert opened(root)[0] is not None


def test_a_full_disk_is_one_line_and_what_counts_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(root, names=NAMES[:1])

    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.cache.writer._to_disk", full)
        with pytest.raises(UserError, match=r"cannot write decoded videos to .*: No space left on device; what is"):
            make(root)
    assert is_right(root)
    assert make(root).made == 2


def test_what_a_failed_sync_kept_from_the_disk_counts_never(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fails_once(file: BinaryIO) -> None:
        calls.append(file)
        if len(calls) == 1:  # the next one would succeed, and write nothing
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.finetune.cache.writer._to_disk", fails_once)
        with pytest.raises(UserError, match="Input/output error"):
            make(root)
    assert not (RAW.folder(root.parent / "cache", root) / ROWS).read_bytes()
    assert make(root).made == 3


@pytest.mark.parametrize(("kind", "advice"), [(RAW, "--cache-quality 90 takes"), (JPEG, "--cache-dir chooses")])
def test_no_room_is_said_before_anything_is_decoded(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: CacheKind, advice: str
) -> None:
    monkeypatch.setattr("fractalvid.finetune.cache.writer.shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    decoded = decoding(monkeypatch)
    with pytest.raises(UserError, match=rf"the 3 videos take .* has room for 0\.0001 MB: .*{advice}"):
        make(root, kind)
    assert decoded == []


def test_two_at_once_are_refused(root: Path) -> None:
    folder = make(root).folder
    with FileLock(folder / "lock"), pytest.raises(UserError, match="another process is decoding videos into"):
        make(root)
    make(root)


def test_a_place_that_cannot_be_written_is_one_line(root: Path) -> None:
    (root.parent / "cache").write_text("a file")
    with pytest.raises(UserError, match="cannot write decoded videos to"):
        make(root)


def test_damaged_pictures_are_named(root: Path) -> None:
    report = make(root, JPEG)
    (report.folder / FRAMES).write_bytes(bytes(report.size))
    with pytest.raises(UserError, match=r"the decoded a\.mp4 in .* is damaged: remove that folder"):
        opened(root)


def test_a_video_that_no_longer_decodes_is_left_out(root: Path) -> None:
    known = facts(root)
    (root / NAMES[0]).write_bytes(b"no video")
    report = make_cache(root, known, RAW, cache_dir=root.parent / "cache", threads=1, progress=False)
    assert (report.made, report.broken) == (2, (NAMES[0],))


@pytest.mark.parametrize("kind", [RAW, JPEG])
def test_nothing_stays_mapped(root: Path, kind: CacheKind) -> None:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list what is mapped")
    make(root, kind)
    store = Stores(0, root.parent / "cache").get(root, 18)
    for _ in range(50):
        for row in ROWS_CUT:
            assert store.clip(row)[np.array([0, 1])].shape == (2, 18, 24, 3)
    assert sum(str(root.parent / "cache") in line for line in maps.read_text().splitlines()) == 0
