"""A folder of numbered pictures is a video like any other."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.video.errors import ReadError, TooLargeError, VideoError
from fractalvid.video.folders import NO_PICTURES, absent, find_videos, subfolders
from fractalvid.video.index import probe_videos, stamp_of
from fractalvid.video.names import is_frame_folder
from fractalvid.video.reader import VideoFacts, probe_video, read_frames, read_video


def frames(folder: Path, count: int = 12, *, ending: str = "png", size: tuple[int, int] = (24, 16)) -> Path:
    """Pictures `0.png`, `1.png`, ... that grow brighter, not padded with zeros."""
    folder.mkdir(parents=True)
    for k in range(count):
        Image.new("RGB", size, (10 * k % 250,) * 3).save(folder / f"{k}.{ending}")
    return folder


def test_pictures_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = frames(tmp_path / "clip")
    (folder / "notes.txt").write_text("beside")
    assert probe_video(folder) == VideoFacts(12, 24, 16, 0.0, 0.0)
    whole = read_video(folder)
    assert whole.shape == (12, 16, 24, 3) and whole.dtype == np.uint8
    assert whole[:, 0, 0, 0].tolist() == [10 * k for k in range(12)]
    np.testing.assert_array_equal(read_frames(folder, np.array([11, 2, 2])), whole[[11, 2, 2]])
    assert read_video(folder, rgb=False, short_side=8).shape == (12, 8, 12)
    with pytest.raises(VideoError, match="no frame 12 decodes"):
        read_frames(folder, np.array([0, 12]))


def test_pictures_of_another_size_are_brought_to_the_first(tmp_path: Path) -> None:
    folder = frames(tmp_path / "clip", 3)
    Image.new("L", (48, 48), 200).save(folder / "3.jpg")
    seen = read_video(folder, short_side=16)
    assert seen.shape == (4, 16, 24, 3) and (abs(seen[3].astype(int) - 200) < 3).all()


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    folder = frames(tmp_path / "clip", 4)
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:50])
    with pytest.raises(VideoError, match=r"clip/2\.png: cannot be read as a picture") as error:
        probe_video(folder)
    assert error.value.lasting
    (tmp_path / "empty").mkdir()
    with pytest.raises(VideoError, match=r"empty: the folder holds no pictures"):
        read_video(tmp_path / "empty")
    with pytest.raises(TooLargeError, match="24 x 16"):
        probe_video(frames(tmp_path / "large", 2), max_pixels=100)
    with pytest.raises(TooLargeError, match="to be kept at once"):
        read_video(frames(tmp_path / "long", 33, size=(8, 8)), max_pixels=64)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="rights mean nothing here")
def test_pictures_without_rights_may_be_read_later(tmp_path: Path) -> None:
    folder = frames(tmp_path / "clip", 2)
    (folder / "1.png").chmod(0)
    with pytest.raises(ReadError):
        probe_video(folder)


def test_the_index_knows_when_a_picture_changed(tmp_path: Path) -> None:
    frames(tmp_path / "data" / "a")
    frames(tmp_path / "data" / "b", 1)

    def probed() -> dict[str, object]:
        return dict(probe_videos(tmp_path / "data", ["a", "b"], cache_dir=tmp_path / "cache", threads=1))

    first = stamp_of(tmp_path / "data" / "a")
    assert probed() == {"a": VideoFacts(12, 24, 16, 0.0, 0.0), "b": VideoFacts(1, 24, 16, 0.0, 0.0)}
    picture = tmp_path / "data" / "a" / "3.png"
    picture.write_bytes(b"no picture, and of another length than before")
    os.utime(picture, ns=(first.changed + 10, first.changed + 10))
    assert stamp_of(tmp_path / "data" / "a") != first
    assert "3.png: cannot be read as a picture" in str(probed()["a"])


def test_folders_of_numbered_pictures_are_found(tmp_path: Path) -> None:
    frames(tmp_path / "class" / "clip1", 3, ending="jpg")
    frames(tmp_path / "class" / "deep" / "clip2", 2)
    frames(tmp_path / "covers", 1)
    mixed = frames(tmp_path / "mixed", 2)
    (mixed / "film.mp4").touch()
    named = frames(tmp_path / "named", 2)
    Image.new("L", (8, 8)).save(named / "cover.png")
    found = find_videos(tmp_path)
    assert found.videos == ["class/clip1", "class/deep/clip2", "mixed/film.mp4"]
    assert found.folders == ["class", "class/deep", "covers", "mixed", "named"]
    assert "covers/0.png" in found.left.paths["not a video"]
    assert find_videos(tmp_path / "class", depth=1).videos == ["clip1"]
    assert subfolders(tmp_path / "class") == ["clip1", "deep"]  # each may be a class of pictures
    assert is_frame_folder(tmp_path / "class" / "clip1") and not is_frame_folder(tmp_path / "class")
    assert absent(tmp_path / "class" / "clip1") is None
    assert absent(tmp_path / "class") == NO_PICTURES
