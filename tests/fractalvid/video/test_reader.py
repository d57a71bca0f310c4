"""Parts of videos, and what decodes of them."""

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from fractalvid.video.encoding.writer import write_video
from fractalvid.video.reader import ReadError, VideoError, frame_times, probe_video, read_frames, read_video

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
    assert len(whole) == probe_video(tmp_path / "a.avi").frames == 14
    for number in (0, 1, 6, 13):
        assert np.array_equal(read_frames(tmp_path / "a.avi", np.array([number]))[0], whole[number])


def _turned(data: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An MP4 whose track header asks players for x' = a x + c y, y' = b x + d y, with y downwards."""
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = data.index(upright, data.index(b"tkhd"))
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return data[:at] + matrix + data[at + len(matrix) :]


@pytest.mark.parametrize(
    ("matrix", "clockwise"), [((0, 1, -1, 0), 1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 3)], ids=["90", "180", "270"]
)
@pytest.mark.parametrize("rgb", [True, False])
def test_phones_videos_stand_upright(
    tmp_path: Path, clip: Clip, matrix: tuple[int, int, int, int], clockwise: int, rgb: bool
) -> None:
    write_video(tmp_path / "lying.mp4", clip)
    path = tmp_path / "phone.mp4"
    path.write_bytes(_turned((tmp_path / "lying.mp4").read_bytes(), *matrix))
    lying = read_video(tmp_path / "lying.mp4", rgb=rgb)
    frames = read_video(path, rgb=rgb)
    np.testing.assert_array_equal(frames, np.rot90(lying, -clockwise, axes=(1, 2)))
    assert frames.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(read_frames(path, np.array([3, 9]), rgb=rgb), frames[[3, 9]])
    facts = probe_video(path)
    assert (facts.height, facts.width) == frames.shape[1:3]
    small = read_video(path, rgb=rgb, short_side=18)
    np.testing.assert_array_equal(
        small, np.rot90(read_video(tmp_path / "lying.mp4", rgb=rgb, short_side=18), -clockwise, axes=(1, 2))
    )


def test_errors_of_the_system_are_told_from_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.avi").write_text("no video\n" * 99)
    for read in (read_video, probe_video):
        with pytest.raises(ReadError, match=r"ghost\.avi: cannot be read: No such file or directory"):
            read(tmp_path / "ghost.avi")
        with pytest.raises(VideoError, match="no frame decodes") as told:
            read(tmp_path / "text.avi")
        assert not isinstance(told.value, ReadError)

    def fails(*args: object, **options: object) -> None:
        raise av.error.PermissionError(1, "Operation not permitted")  # what FFmpeg says of some damaged files

    monkeypatch.setattr("fractalvid.video.decoding.frames.av.open", fails)
    for read in (read_video, probe_video):
        with pytest.raises(VideoError, match="no frame decodes"):
            read(tmp_path / "text.avi")


def test_a_disk_that_fails_on_the_way_does_not_shorten_a_video(
    tmp_path: Path, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", np.tile(clip, (5, 1, 1, 1)), crf=1)

    class Failing(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 40_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    monkeypatch.setattr("fractalvid.video.source.io.FileIO", Failing)
    for read in (read_video, probe_video):
        with pytest.raises(ReadError, match=r"a\.mp4: cannot be read: Input/output error"):
            read(tmp_path / "a.mp4")


def test_titles_that_are_no_text_are_no_obstacle(tmp_path: Path, clip: Clip) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 36, 50, "yuv420p"
        container.metadata["title"] = "marked"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(clip[0], format="rgb24")))
        container.mux(stream.encode())
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data.replace(b"marked", b"m\xe4rk\xffd"))
    assert read_video(tmp_path / "a.mkv").shape == (1, 36, 50, 3)


def test_a_frame_that_is_not_there_is_an_error(tmp_path: Path, clip: Clip) -> None:
    write_video(tmp_path / "a.mp4", clip)
    with pytest.raises(VideoError, match=r"a\.mp4: no frame 14 decodes"):
        read_frames(tmp_path / "a.mp4", np.array([2, 14]))
    with pytest.raises(ValueError, match=r"none\.mp4: numbers must name at least one frame"):
        read_frames(tmp_path / "none.mp4", np.array([], np.int64))


def test_times_are_the_frames_own_not_the_headers(tmp_path: Path, clip: Clip) -> None:
    """As HMDB51's own files: 25 frames a second in slots of 30, some of them empty."""
    times = [0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]
    write_mpeg4(tmp_path / "a.avi", clip, times)
    facts = probe_video(tmp_path / "a.avi")
    assert (facts.frames, facts.width, facts.height) == (14, 50, 36)
    assert facts.duration == pytest.approx(16 / 25)
    assert facts.rate == pytest.approx(14 / (16 / 25))


def test_each_frame_is_on_screen_from_its_own_time_on(tmp_path: Path, clip: Clip) -> None:
    times = [7, 8, 9, 36, 37, 38, 40, 41, 42, 43, 44, 46, 47, 49]
    write_mpeg4(tmp_path / "a.mp4", clip, times)
    seen = frame_times(tmp_path / "a.mp4")
    assert seen is not None
    assert seen == pytest.approx((np.array([*times, 50]) - 7) / 25)
    assert seen[-1] == pytest.approx(probe_video(tmp_path / "a.mp4").duration)


def test_a_frame_of_a_gif_shares_its_time(tmp_path: Path) -> None:
    pictures = [Image.new("L", (8, 6), 20 * k) for k in range(9)]
    delays = [100, 100, 200, *[100] * 6]  # in ms: the third comes twice
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=delays)
    assert frame_times(tmp_path / "a.gif") == pytest.approx(np.arange(11) / 10)


def test_pictures_have_no_times(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (8, 6)).save(tmp_path / f"{number}.png")
    assert frame_times(tmp_path) is None


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
