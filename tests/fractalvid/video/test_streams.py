"""Which stream of a file is the video."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from fractalvid.video.reader import VideoError, probe_video, read_video
from tests.fractalvid.video.made import quarters, write


def with_cover(path: Path, *, video: bool = True, default: bool = False) -> Path:
    """An MP4 with a picture attached in front of its video."""
    cover = np.full((200, 300, 3), 90, np.uint8)
    with av.open(str(path), "w") as container:
        picture: Any = container.add_stream("mjpeg", rate=1)
        picture.height, picture.width, picture.pix_fmt = 200, 300, "yuvj420p"
        picture.disposition = Disposition.attached_pic.value | (Disposition.default.value if default else 0)
        stream: Any = container.add_stream("mpeg4", rate=12) if video else None
        if stream is not None:
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.mux(picture.encode(av.VideoFrame.from_ndarray(cover, format="rgb24")))
        container.mux(picture.encode())
        for image in quarters() if stream is not None else ():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())
    return path


@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_cover_is_not_the_video(tmp_path: Path, name: str, default: bool) -> None:
    path = with_cover(tmp_path / name, default=default)
    assert read_video(path).shape == (12, 48, 64, 3)
    assert probe_video(path).frames == 12


def test_a_cover_alone_is_what_there_is(tmp_path: Path) -> None:
    assert read_video(with_cover(tmp_path / "a.mp4", video=False)).shape == (1, 200, 300, 3)


@pytest.mark.parametrize("default", [0, 1])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_the_stream_that_players_choose(tmp_path: Path, name: str, default: int) -> None:
    small, large = quarters(9, 24, 32), quarters(12)
    path = write(tmp_path / name, small, large, default=default)
    assert read_video(path).shape == ((9, 24, 32, 3), (12, 48, 64, 3))[default]


def test_a_first_track_that_nothing_decodes_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", quarters(9, 24, 32), quarters(12), codec="mjpeg", pixels="yuvj420p")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"V_MJPEG", b"V_NOSUC", 1))
    assert read_video(path).shape == (12, 48, 64, 3)
    path.write_bytes(data.replace(b"V_MJPEG", b"V_NOSUC"))
    with pytest.raises(VideoError, match=r"a\.mkv: holds no video that FFmpeg knows how to decode"):
        read_video(path)
