from pathlib import Path

import pytest

from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.targets.yup import Yup, read_list
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.targets.made import listed, touch, write_lists

SPLIT = (
    "Beach_static_cam_1 static_train\r\nFall_static_cam_1 static_train\r\n"
    "Beach_moving_cam_1 moving_train\r\nFall_moving_cam_1 moving_train \r\n"
    "Beach_static_cam_2 static_test\r\nFall_static_cam_2 static_test\r\n"
    "Beach_moving_cam_2 moving_test\r\nFall_moving_cam_2 moving_test\r\n"
)
FILES = [
    f"{folder}/{scene}/{scene}_{camera}_cam_{k}.mp4"
    for k in (1, 2)
    for camera, folder in (("static", "camera_stationary"), ("moving", "camera_moving"))
    for scene in ("Beach", "Fall")
]


def yup_set(root: Path, files: list[str] = FILES, split: str = SPLIT) -> Path:
    return touch(write_lists(root, {"10_90_randsplit_1.txt": split}), files)


@pytest.mark.parametrize("folder", ["", "YUP++/"])
def test_clips_of_both_cameras_are_listed(tmp_path: Path, folder: str) -> None:
    root = yup_set(tmp_path, [folder + file for file in FILES])
    target = make_target(TargetOptions("yup++", root))
    listing = list_videos(target, root, "1", allow_missing=False)
    assert listing.classes == ("Beach", "Fall")
    sides = ["train"] * 4 + ["test"] * 4
    assert listed(listing.videos) == [
        (folder + file, label, side) for file, label, side in zip(FILES, [0, 1] * 4, sides, strict=True)
    ]


def test_one_camera_is_a_split_of_its_own(tmp_path: Path) -> None:
    root = yup_set(tmp_path)
    for split, place in (("1-static", "camera_stationary"), ("1-moving", "camera_moving")):
        videos = list_videos(Yup(), root, split, allow_missing=False).videos
        assert len(videos) == 4 and {video.path.split("/")[0] for video in videos} == {place}


def test_missing_clips_are_named_by_their_class(tmp_path: Path) -> None:
    root = yup_set(tmp_path, FILES[:-1])
    with pytest.raises(UserError, match=r"1 of 8 listed .*: camera_moving/Fall/Fall_moving_cam_2\.mp4"):
        list_videos(Yup(), root, "1", allow_missing=False)
    assert len(list_videos(Yup(), root, "1", allow_missing=True).videos) == 7
    unknown = yup_set(tmp_path / "b", FILES, SPLIT + "Beech_static_cam_9 static_test\n")
    with pytest.raises(UserError, match=r"'Beech' is no class folder \(nearest: 'Beach'\)"):
        Yup().index(unknown, "1")


@pytest.mark.parametrize(
    "line", ["Beach_static_cam_1", "Beach still_train", "Beach static_val", "static_train", "a static"]
)
def test_bad_lines_are_explained(tmp_path: Path, line: str) -> None:
    (tmp_path / "10_90_randsplit_1.txt").write_text(f"{line}\n")
    with pytest.raises(UserError, match=r"10_90_randsplit_1\.txt, line 1: expected '<clip> static_train'"):
        read_list(tmp_path / "10_90_randsplit_1.txt")


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match=r"a is not YUP\+\+: expected camera_stationary"):
        Yup().index(tmp_path / "a", "1")
    touch(tmp_path / "b" / "c", FILES)
    with pytest.raises(UserError, match=r"no 10_90_randsplit_1\.txt \(from YUP\+\+\.zip\)"):
        Yup().index(tmp_path / "b" / "c", "1")
    with pytest.raises(UserError, match="21 class folders"):
        Yup().classes(touch(tmp_path / "d", [f"camera_moving/{k}/1.mp4" for k in range(21)]), "1")
