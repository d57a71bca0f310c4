"""Files: what is written is what is read; broken ones are named."""

from pathlib import Path

import av
import numpy as np
import pytest

from fractalvid.video_io import VideoError, count_frames, read_video, write_video


def moving_square(frames: int = 6, height: int = 48, width: int = 64) -> np.ndarray:
    clip = np.zeros((frames, height, width), np.uint8)
    for t in range(frames):
        clip[t, 10:30, 5 + 4 * t : 25 + 4 * t] = 60 + 30 * t
    return clip


def test_grey_round_trip(tmp_path: Path) -> None:
    clip = moving_square()
    size = write_video(tmp_path / "a.mp4", clip)
    assert size == (tmp_path / "a.mp4").stat().st_size
    grey = read_video(tmp_path / "a.mp4", rgb=False)
    assert grey.shape == clip.shape
    assert np.abs(grey.astype(int) - clip).mean() < 1
    colour = read_video(tmp_path / "a.mp4")
    assert colour.shape == (*clip.shape, 3)
    assert np.abs(colour.astype(int) - clip[..., None]).mean() < 1.5
    assert count_frames(tmp_path / "a.mp4") == 6


def test_full_range_survives(tmp_path: Path) -> None:
    clip = np.zeros((3, 32, 32), np.uint8)
    clip[:, :, 16:] = 255
    write_video(tmp_path / "a.mp4", clip, crf=1)
    grey = read_video(tmp_path / "a.mp4", rgb=False)
    assert grey[:, :, :12].max() <= 3
    assert grey[:, :, 20:].min() >= 252


def test_colour_round_trip(tmp_path: Path) -> None:
    clip = np.zeros((4, 32, 48, 3), np.uint8)
    clip[..., :] = [200, 60, 30]
    clip[:, :, 24:] = [20, 90, 220]
    write_video(tmp_path / "a.mp4", clip, crf=5)
    assert np.abs(read_video(tmp_path / "a.mp4").astype(int) - clip)[:, :, [5, 40]].max() <= 6


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 17, 33), (3, 31, 20)])
def test_odd_sizes_and_single_frames(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    clip = np.full(shape, 77, np.uint8)
    write_video(tmp_path / "a.mp4", clip)
    read = read_video(tmp_path / "a.mp4", rgb=False)
    assert read.shape == (shape[0], shape[1] + shape[1] % 2, shape[2] + shape[2] % 2)
    assert np.abs(read.astype(int) - 77).max() <= 2


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square())
    write_video(tmp_path / "b.mp4", moving_square())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_other_players_find_h264_in_yuv420p(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square(), fps=25)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt in ("yuv420p", "yuvj420p")
        assert stream.average_rate == 25


def test_short_side(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_square())
    assert read_video(tmp_path / "a.mp4", short_side=24).shape == (6, 24, 32, 3)


def test_names_with_odd_characters(tmp_path: Path) -> None:
    path = tmp_path / "a #b & ü(1).mp4"
    write_video(path, moving_square())
    assert len(read_video(path)) == 6


@pytest.mark.parametrize("content", [b"", b"this is no video", b"\0" * 5000])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.avi"
    path.write_bytes(content)
    for function in (read_video, count_frames):
        with pytest.raises(VideoError, match=r"a\.avi"):
            function(path)
    with pytest.raises(VideoError, match="missing"):
        read_video(tmp_path / "missing.mp4")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        write_video(tmp_path / "a.mp4", np.zeros((2, 8, 8), np.float32))
    with pytest.raises(Exception, match=r"."):
        write_video(tmp_path / "a.mp4", moving_square(), codec="nosuch")
    assert list(tmp_path.iterdir()) == []
