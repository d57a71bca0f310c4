"""Parts of videos, and what decodes of them."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from fractalvid.video_io import VideoError, count_frames, probe_video, read_frames, read_video, write_video

Clip = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(scope="module")
def clip() -> Clip:
    return np.random.default_rng(0).integers(0, 256, (14, 36, 50, 3), np.uint8)


def write_mpeg4(path: Path, frames: Clip, times: list[int], *, b_frames: int = 0) -> None:
    """Frames at `times` in units of 1/25 s."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        for image, time in zip(frames, times, strict=True):
            picture = av.VideoFrame.from_ndarray(image, format="rgb24")
            picture.pts = time
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


@pytest.mark.parametrize("numbers", [[0], [13], [3, 5, 7], [5, 3, 3, 13, 13]])
@pytest.mark.parametrize("short_side", [None, 18])
def test_some_frames_are_those_of_the_whole(
    tmp_path: Path, clip: Clip, numbers: list[int], short_side: int | None
) -> None:
    write_video(tmp_path / "a.mp4", clip)
    whole = read_video(tmp_path / "a.mp4", short_side=short_side)
    some = read_frames(tmp_path / "a.mp4", np.array(numbers), short_side=short_side)
    assert np.array_equal(some, whole[numbers])


def test_frames_that_come_out_of_order_keep_their_numbers(tmp_path: Path, clip: Clip) -> None:
    write_mpeg4(tmp_path / "a.avi", clip, list(range(14)), b_frames=2)
    whole = read_video(tmp_path / "a.avi")
    assert len(whole) == count_frames(tmp_path / "a.avi") == 14
    for number in (0, 1, 6, 13):
        assert np.array_equal(read_frames(tmp_path / "a.avi", np.array([number]))[0], whole[number])


def test_a_frame_that_is_not_there_is_an_error(tmp_path: Path, clip: Clip) -> None:
    write_video(tmp_path / "a.mp4", clip)
    with pytest.raises(VideoError, match=r"a\.mp4: no frame 14 decodes"):
        read_frames(tmp_path / "a.mp4", np.array([2, 14]))


def test_times_are_the_frames_own_not_the_headers(tmp_path: Path, clip: Clip) -> None:
    """As HMDB51's own files: 25 frames a second in slots of 30, some of them empty."""
    times = [0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    write_mpeg4(tmp_path / "a.avi", clip, times)
    facts = probe_video(tmp_path / "a.avi")
    assert (facts.frames, facts.width, facts.height) == (14, 50, 36)
    assert facts.duration == pytest.approx(16 / 25)
    assert facts.rate == pytest.approx(14 / (16 / 25))


def test_a_rate_of_12_a_second(tmp_path: Path, clip: Clip) -> None:
    write_video(tmp_path / "a.mp4", clip, fps=12)
    facts = probe_video(tmp_path / "a.mp4")
    assert facts.frames == 14
    assert facts.rate == pytest.approx(12)
    assert facts.duration == pytest.approx(14 / 12)


def test_a_size_that_changes_on_the_way_is_brought_to_the_first(tmp_path: Path, clip: Clip) -> None:
    """Two MPEG-2 streams behind one another, as broadcasts have them."""
    for name, part in (("a", clip[:6]), ("b", np.repeat(clip[6:], 2, axis=2))):
        with av.open(str(tmp_path / name), "w", format="mpeg2video") as container:
            stream: Any = container.add_stream("mpeg2video", rate=25)
            stream.height, stream.width = part.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for image in part:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
            container.mux(stream.encode())
    (tmp_path / "ab.m2v").write_bytes((tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes())
    frames = read_video(tmp_path / "ab.m2v", short_side=18)
    facts = probe_video(tmp_path / "ab.m2v")
    assert frames.shape == (facts.frames, 18, 25, 3)
    assert facts.frames >= 13  # the first stream's last frame may need what followed it
    assert (facts.width, facts.height) == (50, 36)
