"""Videos are decoded once: what is remembered of them, when it no longer holds, and what damages it."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from fractalvid.finetune.videos.index import build_index
from fractalvid.pretrain.clips import OwnVideos
from fractalvid.pretrain.clips.indexed import Share
from fractalvid.pretrain.clips.listing import list_videos
from fractalvid.pretrain.clips.survey import Video, probe_all
from fractalvid.pretrain.machine.processes import rank
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError
from fractalvid.video.encoding.writer import write_video
from fractalvid.video.index import Stamp, VideoIndex, default_cache_dir, index_file, probe_videos
from fractalvid.video.reader import ReadError, VideoFacts, probe_video
from tests.pretrain.ranks import on_ranks

PROBE = "fractalvid.video.index.probe_video"
FACTS = VideoFacts(5, 16, 16, 25.0, 0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of 3 to 5 frames in two classes."""
    root = tmp_path_factory.mktemp("made")
    for number, name in enumerate(("run/a.mp4", "run/b & ü.mp4", "jump/c.mp4")):
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, np.full((3 + number, 16, 16), 40 * number, np.uint8))
    return root


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "own")
    return tmp_path / "own"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the videos that are decoded."""
    names: list[str] = []

    def counting(path: Path, **options: Any) -> VideoFacts:
        names.append(path.name)
        return probe_video(path, **options)

    monkeypatch.setattr(PROBE, counting)
    return names


def start(root: Path) -> list[Video]:
    return probe_all(root, list_videos(root)[0], threads=1, progress=False)


def test_a_second_start_decodes_nothing(own: Path, decoded: list[str]) -> None:
    first = start(own)
    assert sorted(video.facts.frames for video in first) == [3, 4, 5]
    assert len(decoded) == 3
    assert start(own) == first
    assert len(decoded) == 3


@pytest.mark.parametrize("changed", ["size", "time"])
def test_a_changed_file_is_decoded_again_and_a_lost_one_forgotten(own: Path, decoded: list[str], changed: str) -> None:
    start(own)
    decoded.clear()
    if changed == "size":
        write_video(own / "run" / "a.mp4", np.zeros((9, 16, 16), np.uint8))
    else:
        os.utime(own / "run" / "a.mp4", ns=(1, 1))
    (own / "jump" / "c.mp4").rename(own / "jump" / "d.mp4")
    frames = {video.path.name: video.facts.frames for video in start(own)}
    assert frames == {"a.mp4": 9 if changed == "size" else 3, "b & ü.mp4": 4, "d.mp4": 5}
    assert sorted(decoded) == ["a.mp4", "d.mp4"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"version": 4}', b'{"version": 4, "videos": {"run/a.mp4": [1, 2]}}', b"\xff\x00"],
)
def test_a_damaged_index_harms_nothing(own: Path, decoded: list[str], content: bytes) -> None:
    first = start(own)
    store = index_file(default_cache_dir(), own)
    whole = store.read_bytes()
    store.write_bytes(content)
    assert start(own) == first
    assert len(decoded) == 6
    assert store.read_bytes() == whole
    store.write_bytes(whole[: len(whole) // 2])
    (store.parent / f".{store.name}.tmp").write_bytes(whole[:9])
    assert start(own) == first


def test_what_was_decoded_before_an_interrupt_is_kept(
    own: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    def interrupted(path: Path, **options: Any) -> VideoFacts:
        if len(decoded) == 2:
            raise KeyboardInterrupt
        decoded.append(path.name)
        return probe_video(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(PROBE, interrupted)
        with pytest.raises(KeyboardInterrupt):
            start(own)
    assert len(start(own)) == 3
    assert len(decoded) == 3


def test_broken_videos_are_remembered_and_unreadable_ones_tried_again(
    own: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (own / "run" / "text.avi").write_text("no video")
    assert len(start(own)) == 3
    assert len(start(own)) == 3
    assert decoded.count("text.avi") == 1
    assert capfd.readouterr().err.count("text.avi") == 2  # said every time
    os.utime(own / "run" / "a.mp4", ns=(1, 1))

    def unreadable(path: Path, **options: Any) -> VideoFacts:
        raise ReadError("cannot be read: too many open files", path)

    with monkeypatch.context() as patched:
        patched.setattr(PROBE, unreadable)
        with pytest.raises(UserError, match="2 of 4 videos do not decode"):
            start(own)
    assert len(start(own)) == 3


def test_a_cache_that_can_not_be_written_is_a_note(
    own: Path, cache: Path, decoded: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    cache.write_text("in the way")
    assert len(start(own)) == 3
    assert "the index of the videos is not kept" in capfd.readouterr().err
    assert len(start(own)) == 3
    assert len(decoded) == 6


def test_fine_tuning_and_pre_training_share_it(own: Path, decoded: list[str]) -> None:
    paths = ["run/a.mp4", "run/b & ü.mp4", "jump/c.mp4"]
    theirs = build_index(own, paths, cache_dir=default_cache_dir(), threads=1, max_broken=0, progress=False)
    decoded.clear()
    ours = start(own)
    assert decoded == []
    assert {video.path.relative_to(own).as_posix(): video.facts for video in ours} == theirs.facts
    kept = json.loads(index_file(default_cache_dir(), own).read_bytes())
    assert sorted(kept["videos"]) == sorted(paths)


def test_an_index_is_written_only_where_something_is_new(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    index = VideoIndex(tmp_path, cache)
    index.save()
    assert not cache.exists()
    index.add("a", Stamp(1, 2), FACTS)
    index.add("b", Stamp(3, 4), "broken")
    index.save()
    again = VideoIndex(tmp_path, cache)
    assert (again.known("a", Stamp(1, 2)), again.known("b", Stamp(3, 4))) == (FACTS, "broken")
    assert again.known("a", Stamp(1, 3)) is None
    assert again.known("c", Stamp(1, 2)) is None


def test_what_another_process_adds_meanwhile_stays(tmp_path: Path) -> None:
    ours, theirs = VideoIndex(tmp_path, tmp_path / "cache"), VideoIndex(tmp_path, tmp_path / "cache")
    ours.add("a", Stamp(1, 2), FACTS)
    theirs.add("a", Stamp(1, 1), "older")
    theirs.add("b", Stamp(3, 4), FACTS)
    theirs.save()
    ours.save()
    both = VideoIndex(tmp_path, tmp_path / "cache")
    assert (both.known("a", Stamp(1, 2)), both.known("b", Stamp(3, 4))) == (FACTS, FACTS)


def test_videos_that_are_gone_leave_the_index(own: Path) -> None:
    start(own)
    (own / "jump" / "c.mp4").rename(own / "jump" / "d.mp4")
    start(own)
    kept = json.loads(index_file(default_cache_dir(), own).read_bytes())
    assert sorted(kept["videos"]) == ["jump/d.mp4", "run/a.mp4", "run/b & ü.mp4"]


def test_a_missing_video_is_an_answer_and_asked_for_again(own: Path) -> None:
    def found() -> dict[str, VideoFacts | str]:
        return dict(probe_videos(own, ["late.mp4", "run/a.mp4"], cache_dir=default_cache_dir(), threads=2))

    missing = found()
    assert missing["late.mp4"] == f"{own / 'late.mp4'}: cannot be read: No such file or directory"
    assert isinstance(missing["run/a.mp4"], VideoFacts)
    write_video(own / "late.mp4", np.zeros((7, 16, 16), np.uint8))
    late = found()["late.mp4"]
    assert isinstance(late, VideoFacts) and late.frames == 7


def test_what_was_found_is_saved_on_the_way(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.video.index._SAVE_SECONDS", -1)
    with closing(probe_videos(own, ["jump/c.mp4", "run/a.mp4"], cache_dir=default_cache_dir(), threads=1)) as looked:
        next(looked)
        assert "jump/c.mp4" in VideoIndex(own, default_cache_dir()).unchanged()


def test_who_stops_looking_keeps_what_was_found(own: Path, decoded: list[str]) -> None:
    names = ["jump/c.mp4", "run/a.mp4", "run/b & ü.mp4"]
    with closing(probe_videos(own, names, cache_dir=default_cache_dir(), threads=1)) as looked:
        assert next(looked)[0] == "jump/c.mp4"
    decoded.clear()
    start(own)
    assert "c.mp4" not in decoded
    assert "run/b & ü.mp4".rpartition("/")[2] in decoded


def open_on_rank(root: Path, out: Path) -> None:
    os.environ["XDG_CACHE_HOME"] = str(out)  # processes of their own have not what the fixture set
    counted: list[int] = []

    def counting(path: Path, **options: Any) -> VideoFacts:
        counted.append(1)
        return probe_video(path, **options)

    config = StreamConfig(clip_len=2, size=16)
    with patch(PROBE, counting):
        videos = OwnVideos(root, config=config, seed=0, share=Share(2, rank(), 2), threads=1)
    torch.save((len(counted), videos.digest()), out / f"{rank()}.pt")


def test_several_processes_share_out_what_is_to_be_decoded(own: Path, tmp_path: Path) -> None:
    assert on_ranks(2, open_on_rank, own, tmp_path, told=tmp_path / "told") == [0, 0]
    (first, digest), (second, other) = (torch.load(tmp_path / f"{r}.pt") for r in (0, 1))
    assert (first, second) == (2, 1)
    assert digest == other
    kept = json.loads(index_file(tmp_path / "fractalvid", own).read_bytes())
    assert len(kept["videos"]) == 3
    assert on_ranks(2, open_on_rank, own, tmp_path, told=tmp_path / "told") == [0, 0]
    assert [torch.load(tmp_path / f"{r}.pt") for r in (0, 1)] == [(0, digest), (0, digest)]


def test_only_the_main_process_tells_of_broken_videos(own: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b & ü.mp4"):
        (own / "run" / name).write_text("no video")
    assert on_ranks(2, open_on_rank, own, tmp_path, told=tmp_path / "told") == [2, 2]
    main, other = ((tmp_path / "told" / f"{r}.txt").read_text() for r in (0, 1))
    assert main.count("left out") == 2
    assert "2 of 3 videos do not decode" in main
    assert other == ""
