"""Decoding in child processes: the same frames, and no decoder's end is the end of more than a video."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fractalvid.video import probe_videos
from fractalvid.video.isolation import pool as module
from fractalvid.video.isolation.pool import DecoderError, Limits, Pool
from fractalvid.video.reader import VideoError, VideoFacts, frame_times, probe_video, read_frames, read_video
from tests.fractalvid.video.made import quarters, write

BROKEN = "tests.fractalvid.video.isolation.broken_decoder"
PIXELS = 2**16
MISTAKES = {
    "segfault": ("crashes", True),
    "abort": ("crashes", False),
    "exit": ("crashes (exit code 7)", False),
    "hang": ("takes longer than 3 s", False),
    "fill": ("of memory to decode", False),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write(folder / "good.mp4", quarters(8, 32, 48), codec="libx264")
    for name in (*MISTAKES, "noise"):
        (folder / f"{name}.mp4").write_bytes((folder / "good.mp4").read_bytes())
    return folder


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(Limits(seconds=60), BROKEN)
    yield made
    made.close()


def read(pool: Pool, path: Path) -> np.ndarray:
    return pool.read(path, None, rgb=True, short_side=None, max_pixels=PIXELS)


def test_frames_and_facts_are_the_same(videos: Path) -> None:
    path, numbers = videos / "good.mp4", np.array([5, 0, 5])
    for video in (path, path.read_bytes()):
        assert np.array_equal(read_video(video, isolate=True), read_video(video))
        grey = read_frames(video, numbers, rgb=False, short_side=16, isolate=True)
        assert np.array_equal(grey, read_frames(video, numbers, rgb=False, short_side=16))
        assert probe_video(video, isolate=True) == probe_video(video)
        apart, here = frame_times(video, isolate=True), frame_times(video)
        assert apart is not None and here is not None and apart.tolist() == here.tolist()


@pytest.mark.skipif(sys.platform == "win32", reason="nothing forks there")
def test_a_fork_while_a_thread_asks_has_children_of_its_own(videos: Path, pool: Pool) -> None:
    with pool._lock():
        process = os.fork()
        if process == 0:  # no assert here: it would end as a second pytest
            signal.alarm(60)
            os._exit(0 if read(pool, videos / "good.mp4").shape == (8, 32, 48, 3) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def test_it_does_not_matter_where_we_are(videos: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: (_ for _ in ()).throw(FileNotFoundError()))
    assert read(pool, videos / "good.mp4").shape == (8, 32, 48, 3)


def test_errors_are_the_same(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "none.mp4").write_bytes(b"no video")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").write_bytes(b"no picture")
    for name in ("none.mp4", "missing.mp4", "pictures"):
        with pytest.raises(VideoError) as here:
            read_video(tmp_path / name)
        with pytest.raises(VideoError) as there:
            read_video(tmp_path / name, isolate=True)
        assert (type(there.value), str(there.value)) == (type(here.value), str(here.value))
    with pytest.raises(VideoError, match="no frame 99 decodes"):
        read_frames(videos / "good.mp4", np.array([99]), isolate=True)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_decoder_that_fails_makes_its_video_broken(mistake: str, videos: Path, pool: Pool) -> None:
    why, lasting = MISTAKES[mistake]
    good = read(pool, videos / "good.mp4")
    if mistake == "hang":
        pool.limits = Limits(seconds=3)
    with pytest.raises(DecoderError) as caught:
        read(pool, videos / f"{mistake}.mp4")
    assert why in str(caught.value)
    assert str(videos / f"{mistake}.mp4") in str(caught.value)
    assert caught.value.lasting == lasting
    pool.limits = Limits(seconds=60)
    assert np.array_equal(read(pool, videos / "good.mp4"), good)
    assert pool.started <= 2


def test_one_child_serves_many_videos_and_what_is_printed_is_no_answer(videos: Path, pool: Pool) -> None:
    good = read(pool, videos / "good.mp4")
    for _ in range(5):
        assert np.array_equal(read(pool, videos / "noise.mp4"), good)
    assert pool.started == 1


def test_a_child_that_died_meanwhile_is_replaced(videos: Path, pool: Pool) -> None:
    good = read(pool, videos / "good.mp4")
    (idle,) = pool._idle()
    os.kill(idle._process.pid, signal.SIGKILL)
    idle._process.wait()
    assert np.array_equal(read(pool, videos / "good.mp4"), good)
    assert pool.started == 2


def test_threads_have_a_child_each(videos: Path, pool: Pool) -> None:
    found = list[bool]()
    good = read_video(videos / "good.mp4")
    work = [
        threading.Thread(target=lambda: found.append(np.array_equal(read(pool, videos / "good.mp4"), good)))
        for _ in range(3)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert found == [True] * 3
    assert pool.started <= 3


def test_a_survey_goes_on_past_them(videos: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.video.reader.POOL", pool)
    monkeypatch.setattr(pool, "facts", lambda video, max_pixels: (len(read(pool, video)), 48, 32, 0.0, 0.0, 0))
    names = ["good.mp4", "segfault.mp4", "exit.mp4", "noise.mp4"]
    found = dict(probe_videos(videos, names, cache_dir=None, threads=2, max_pixels=PIXELS, isolate=True))
    assert [isinstance(found[name], VideoFacts) for name in names] == [True, False, False, True]
    assert "crashes (SIGSEGV)" in str(found["segfault.mp4"])


def test_children_end_with_their_pool(videos: Path) -> None:
    made = Pool(Limits(), module.PROGRAM)
    read(made, videos / "good.mp4")
    (child,) = made._idle()
    made.close()
    assert not child.alive()
