from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.ikeafa import IkeaFa, read_table
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.targets.made import touch, write_lists

TABLE = (
    "video,start,end,label,subject\r\n"
    "GOPR0001.MP4,0,40,pick leg,anna\r\n"
    "GOPR0001.MP4,40,90,attach leg,anna\r\n"
    "GOPR0002,10,60,pick leg,ben\r\n"
    "GOPR0002,60,61,attach leg,ben\r\n"
)
FILES = ["GOPR0001.MP4", "GOPR0002.MP4"]


def ikea_set(root: Path, *, table: str = TABLE, tested: str = "ben\r\n", files: list[str] = FILES) -> Path:
    return touch(write_lists(root, {"ikeafa.csv": table, "test_subjects.txt": tested}), files)


@pytest.mark.parametrize("folder", ["", "videos/"])
def test_clips_are_cut_by_frames_and_split_by_subject(tmp_path: Path, folder: str) -> None:
    root = ikea_set(tmp_path, files=[folder + file for file in FILES])
    target = make_target(TargetOptions("ikeafa", root))
    assert target.classes(root, "subjects") == ("attach leg", "pick leg")
    assert list_videos(target, root, "subjects", allow_missing=False).videos == (
        Video(f"{folder}GOPR0001.MP4", 1, "train", 0, 40),
        Video(f"{folder}GOPR0001.MP4", 0, "train", 40, 90),
        Video(f"{folder}GOPR0002.MP4", 1, "test", 10, 60),
        Video(f"{folder}GOPR0002.MP4", 0, "test", 60, 61),
    )
    assert target.group(f"{folder}GOPR0002.MP4") == "ben" and target.group("other.mp4") is None


def test_missing_videos_are_named(tmp_path: Path) -> None:
    table = TABLE + "GOPR0009.MP4,0,5,pick leg,anna\n"
    with pytest.raises(UserError, match=r"1 of 5 listed .*: GOPR0009\.MP4"):
        list_videos(IkeaFa(), ikea_set(tmp_path, table=table), "subjects", allow_missing=False)


def test_overlapping_cuts_are_an_error(tmp_path: Path) -> None:
    table = TABLE + "GOPR0001.MP4,80,95,pick leg,anna\n"
    with pytest.raises(UserError, match=r"lists GOPR0001\.MP4 twice for train"):
        list_videos(IkeaFa(), ikea_set(tmp_path, table=table), "subjects", allow_missing=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.mp4,5,5,pick leg,anna", "line 2: frames 5 to 5 are none"),
        ("a.mp4,-1,5,pick leg,anna", "line 2: start and end are frame numbers"),
        ("a.mp4,0.5,5,pick leg,anna", "line 2: start and end are frame numbers"),
        ("a.mp4,0,5,,anna", "line 2: the label is empty"),
        ("a.mp4,0,5,pick leg,", "line 2: the subject is empty"),
        ("", "lists no clip"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "ikeafa.csv").write_text(f"video,start,end,label,subject\n{line}\n")
    with pytest.raises(UserError, match=message):
        read_table(tmp_path / "ikeafa.csv")


def test_wrong_tables_and_subjects_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'subject': expected video,start"):
        IkeaFa().classes(ikea_set(tmp_path / "a", table="video,start,end,label\n"), "subjects")
    with pytest.raises(UserError, match=r"test_subjects\.txt: no clip of the table is of subject 'carl'"):
        IkeaFa().index(ikea_set(tmp_path / "b", tested="carl\n"), "subjects")
    with pytest.raises(UserError, match="GOPR0002 is of ben in one line and anna in another"):
        IkeaFa().index(ikea_set(tmp_path / "c", table=TABLE + "GOPR0002,70,80,pick leg,anna\n"), "subjects")
    with pytest.raises(UserError, match="the actions 'Pick leg' and 'pick leg' are one"):
        IkeaFa().classes(ikea_set(tmp_path / "d", table=TABLE + "GOPR0002,70,80,Pick leg,ben\n"), "subjects")
    many = "".join(f"GOPR0002,{k},{k + 1},action {k},ben\n" for k in range(100, 112))
    with pytest.raises(UserError, match="14 actions; Ikea FA has 12"):
        IkeaFa().classes(ikea_set(tmp_path / "e", table=TABLE + many), "subjects")
    with pytest.raises(UserError, match=r"f holds no video"):
        IkeaFa().index(ikea_set(tmp_path / "f", files=[]), "subjects")
