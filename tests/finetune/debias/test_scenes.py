"""Scenes from a table: what is taken, and what is refused."""

from pathlib import Path

import pytest

from fractalvid.finetune.debias.scenes import match_scenes, read_scenes
from fractalvid.finetune.targets.base import Video
from fractalvid.utils.errors import UserError

VIDEOS = (Video("a/1.mp4", 0, "train"), Video("b/2.mp4", 1, "train"), Video("a/1.mp4", 1, "train", 3, 9))


def table(folder: Path, text: str) -> Path:
    (folder / "s.csv").write_text("video,scene\n" + text, encoding="utf-8")
    return folder / "s.csv"


def test_scenes_are_numbered_by_name_and_those_of_other_sides_passed_over(tmp_path: Path) -> None:
    (tmp_path / "c.mp4").touch()
    path = table(tmp_path, "b/2.mp4,hall\na\\1.mp4,street\nc.mp4,zoo\n")
    found = match_scenes(path, read_scenes(path), VIDEOS, tmp_path)
    assert found.names == ("hall", "street")
    assert found.of == {"a/1.mp4": 1, "b/2.mp4": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a/1.mp4,hall\n", "no scene of 1 of 2 training videos: b/2.mp4"),
        ("a/1.mp4,hall\nb/2.mp4,zoo\nc.mp4,zoo\n", "names 1 video that is not in"),
        ("a/1.mp4,hall\nb/2.mp4,hall\n", "all training videos are of the scene 'hall'"),
        ("a/1.mp4,hall\na/1.mp4,zoo\n", "line 3: a/1.mp4 has a scene already"),
        ("a/1.mp4,\n", "line 2: the video or the scene is empty"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(UserError, match=message):
        match_scenes(path, read_scenes(path), VIDEOS, tmp_path)


def test_a_table_without_its_columns(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("path,scene\na,b\n", encoding="utf-8")
    with pytest.raises(UserError, match="has no column 'video'"):
        read_scenes(tmp_path / "s.csv")
