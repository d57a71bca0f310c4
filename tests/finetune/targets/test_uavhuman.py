from pathlib import Path

import pytest

from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.targets.uavhuman import UavHuman, read_subjects
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.targets.made import listed, touch, write_lists


def name(subject: int, action: int, more: str = "R0_09131758") -> str:
    return f"P{subject:03d}S01G10B00H10UC102000LC092000A{action:03d}{more}.avi"


FILES = [name(0, 3), name(2, 154), name(1, 3), name(118, 154, "R1_08190000")]


def uav_set(root: Path, files: list[str], subjects: str = "0, 2, 5,\r\n6") -> Path:
    return touch(write_lists(root, {"cross-subject-v1.txt": subjects}), files)


@pytest.mark.parametrize("folder", ["", "train/", "videos/"])
def test_subject_and_action_stand_in_the_names(tmp_path: Path, folder: str) -> None:
    root = uav_set(tmp_path, [folder + file for file in FILES])
    target = make_target(TargetOptions("uavhuman", root))
    assert sorted(listed(target.index(root, "cross-subject-v1"))) == sorted(
        (folder + file, action, side)
        for file, action, side in zip(FILES, (3, 154, 3, 154), ("train", "train", "test", "test"), strict=True)
    )
    listing = list_videos(target, root, "cross-subject-v1", allow_missing=False)
    assert listing.classes == ("A003", "A154")
    assert target.group(folder + FILES[1]) == "P002" and target.group("holiday.avi") is None


def test_other_names_are_left_aside_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = uav_set(tmp_path, [*FILES, "holiday.avi"])
    assert len(UavHuman().index(root, "cross-subject-v1")) == 4
    assert "1 video of other names, as holiday.avi" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("0, 2, x", "line 1: 'x' is no subject"),
        ("0\n119\n", "line 2: '119' is no subject, which are 0 to 118"),
        ("-1", "'-1' is no subject"),
        (" ".join(map(str, range(119))), "leaves none to test on"),
    ],
)
def test_bad_subject_lists_are_explained(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "cross-subject-v1.txt").write_text(text)
    with pytest.raises(UserError, match=rf"cross-subject-v1\.txt.*{message}"):
        read_subjects(tmp_path / "cross-subject-v1.txt")


def test_subjects_may_be_written_as_the_files_have_them(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("P000;P002\nP118\n")
    assert read_subjects(tmp_path / "s.txt") == {0, 2, 118}


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    root = uav_set(tmp_path / "a", ["clip.avi"])
    with pytest.raises(UserError, match=r"a is not UAV-Human: expected P<subject>"):
        UavHuman().index(root, "cross-subject-v1")
    with pytest.raises(UserError, match=r"no cross-subject-v2\.txt \(the numbers of the training subjects\)"):
        UavHuman().index(root, "cross-subject-v2")
    with pytest.raises(UserError, match=r"action 155 of 0 to 154"):
        UavHuman().index(uav_set(tmp_path / "b", [name(0, 155)]), "cross-subject-v1")
