import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.videos.index import ClipIndex, build_index
from fractalvid.finetune.videos.listing import Listing, keep_decodable
from fractalvid.utils.errors import UserError
from fractalvid.video.index import default_cache_dir
from fractalvid.video.reader import VideoFacts, probe_video
from tests.finetune.helpers import put, write_avi


def index(root: Path, *paths: str, cache: Path | None = None, max_broken: float = 1.0) -> ClipIndex:
    return build_index(root, paths, cache_dir=cache, threads=2, max_broken=max_broken, progress=False)


def break_three(root: Path) -> list[str]:
    """An empty file, a text, and an MP4 that lost its end (and with it its table of contents)."""
    (root / "empty.avi").write_bytes(b"")
    (root / "text #1.avi").write_text("this is no video\n" * 50)
    whole = put(root / "cut.mp4", 20).read_bytes()
    (root / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    return ["cut.mp4", "empty.avi", "text #1.avi"]


def test_frames_are_counted_and_broken_files_named(tmp_path: Path) -> None:
    broken = break_three(tmp_path)
    put(tmp_path / "seven.avi", 7)
    put(tmp_path / "one ü&.mp4", 1)
    found = index(tmp_path, *broken, "seven.avi", "one ü&.mp4")
    assert found.frames == {"seven.avi": 7, "one ü&.mp4": 1}
    assert sorted(found.broken) == broken
    assert all(found.broken.values())


def test_an_avi_cut_off_counts_what_decodes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), np.uint8)
    write_avi(tmp_path / "cut.avi", noise)
    whole = (tmp_path / "cut.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) * 2 // 3])
    frames = index(tmp_path, "cut.avi").frames["cut.avi"]
    assert 1 <= frames < 40


def test_a_missing_video_is_a_broken_one(tmp_path: Path) -> None:
    put(tmp_path / "a.mp4", 3)
    found = index(tmp_path, "a.mp4", "gone.mp4")
    assert found.frames == {"a.mp4": 3}
    assert found.broken == {"gone.mp4": f"{tmp_path / 'gone.mp4'}: cannot be read: No such file or directory"}
    with pytest.raises(UserError, match=r"1 of 2 videos .* do not decode"):
        index(tmp_path, "a.mp4", "gone.mp4", max_broken=0)


def test_more_broken_videos_than_allowed_stop_the_run(tmp_path: Path) -> None:
    broken = break_three(tmp_path)
    for k in range(9):
        put(tmp_path / f"{k}.mp4", 2)
    paths = [*broken, *(f"{k}.mp4" for k in range(9))]
    assert len(index(tmp_path, *paths, max_broken=0.25).frames) == 9  # 3 of 12 is not more than a quarter
    with pytest.raises(UserError, match=r"do not decode, more than --max-broken 0\.2 of all; .*\.(avi|mp4)"):
        index(tmp_path, *paths, max_broken=0.2)


def test_of_few_videos_all_broken_ones_are_named(tmp_path: Path) -> None:
    put(tmp_path / "m.mp4", 2)
    broken = [f"{k}.mp4" for k in range(5)]
    for name in broken:
        (tmp_path / name).write_bytes(b"no video")
    with pytest.raises(UserError, match=r"5 of 6 videos .*raise --max-broken or remove them") as told:
        index(tmp_path, *broken, "m.mp4", max_broken=0.1)
    assert ", ".join(broken) in str(told.value)


def test_among_many_videos_the_index_stops_early(tmp_path: Path) -> None:
    broken = [f"{k}.mp4" for k in range(10)]
    for name in broken:
        (tmp_path / name).write_bytes(b"no video")
    with pytest.raises(UserError, match=r"of the first \d+ of 40 videos .*raise --max-broken"):
        index(tmp_path, *broken, *(f"gone{k}.mp4" for k in range(30)), max_broken=0.05)


def test_a_second_index_decodes_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, cache = tmp_path / "data", tmp_path / "cache"
    put(root / "a.mp4", 3), put(root / "b.mp4", 4)
    first = index(root, "a.mp4", "b.mp4", cache=cache)
    decoded: list[str] = []

    def spy(path: Path, **options: Any) -> VideoFacts:
        decoded.append(path.name)
        return probe_video(path, **options)

    monkeypatch.setattr("fractalvid.video.index.probe_video", spy)
    assert index(root, "a.mp4", "b.mp4", cache=cache) == first
    assert decoded == []
    put(root / "b.mp4", 9)
    assert index(root, "a.mp4", "b.mp4", cache=cache).frames == {"a.mp4": 3, "b.mp4": 9}
    assert decoded == ["b.mp4"]
    put(root / "c.mp4", 5)
    index(root, "c.mp4", cache=cache)
    assert index(root, "a.mp4", "c.mp4", cache=cache).frames == {"a.mp4": 3, "c.mp4": 5}
    assert decoded == ["b.mp4", "c.mp4"]


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(24, "Too many open files")])
def test_what_could_not_be_read_once_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    root, cache = tmp_path / "data", tmp_path / "cache"
    put(root / "a.mp4", 3), put(root / "b.mp4", 4)
    whole = os.open

    def fails(path: Path | str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("b.mp4"):
            raise error
        return whole(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr("fractalvid.video.source.os.open", fails)
        found = index(root, "a.mp4", "b.mp4", cache=cache)
    assert found.broken == {"b.mp4": f"{root / 'b.mp4'}: cannot be read: {error.strerror}"}
    assert index(root, "a.mp4", "b.mp4", cache=cache).frames == {"a.mp4": 3, "b.mp4": 4}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}', '{"version": 1, "videos": {"a.mp4": [1]}}'])
def test_a_damaged_cache_is_only_a_lost_cache(tmp_path: Path, content: str) -> None:
    root, cache = tmp_path / "data", tmp_path / "cache"
    put(root / "a.mp4", 3)
    index(root, "a.mp4", cache=cache)
    (store,) = (cache / "index").glob("*.json")
    store.write_text(content)
    assert index(root, "a.mp4", cache=cache).frames == {"a.mp4": 3}
    assert json.loads(store.read_text())["videos"]["a.mp4"][2] == 3


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "a.mp4", 3)
    (tmp_path / "cache").write_text("a file, not a folder")
    assert index(tmp_path, "a.mp4", cache=tmp_path / "cache").frames == {"a.mp4": 3}
    assert "not kept" in capsys.readouterr().err


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "fractalvid"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert os.fspath(default_cache_dir()).endswith(".cache/fractalvid")


def test_rows_know_their_length_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    rows = (
        Video("a", 0, "train"),
        Video("a", 0, "test", 2, 5),
        Video("b", 1, "train", 4, None),
        Video("b", 1, "test", 6, 99),
        Video("a", 1, "test", 10, 12),
        Video("c", 1, "test"),
    )
    kept = keep_decodable(Listing(("x", "y"), rows), ClipIndex({"a": 10, "b": 8}, {"c": "no video"}), tmp_path)
    assert kept.videos == rows[:4]
    lengths = [(video.side, frames) for video, frames in zip(kept.videos, kept.frames, strict=True)]
    assert sorted(lengths) == [("test", 2), ("test", 3), ("train", 4), ("train", 10)]
    assert kept.broken == (("a", "frames 10 to 12 of a video of 10"), ("c", "no video"))


def test_a_side_that_is_all_broken_is_an_error(tmp_path: Path) -> None:
    listing = Listing(("x", "y"), (Video("a", 0, "train"), Video("b", 1, "train"), Video("c", 1, "test")))
    with pytest.raises(UserError, match="no test video"):
        keep_decodable(listing, ClipIndex({"a": 1, "b": 1}, {"c": "empty"}), tmp_path)
