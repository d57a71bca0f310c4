import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.finetune.targets import volleyball
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.targets.volleyball import CLASSES, Volleyball, read_annotations
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command, metrics
from tests.finetune.targets.made import listed, write_lists

BOXES = " 1151 525 62 128 standing 992 599 40 30 waiting "


def clip(folder: Path, frame: int, grey: int) -> None:
    """Pictures of three frames around one; numbers differ in length, and grey grows."""
    folder.mkdir(parents=True)
    for number in range(frame - 1, frame + 2):
        picture = np.full((18, 32, 3), grey + 40 * (number - frame + 1), np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.jpg")


def volleyball_set(root: Path, *, folder: str = "videos") -> Path:
    """All 55 videos with one clip of the left or the right team, at frame 10 (9 to 11), CRLF in some lists."""
    for video in range(55):
        activity = "l-pass" if video % 2 else "r_winpoint"
        write_lists(root / folder / str(video), {"annotations.txt": f"10.jpg {activity}{BOXES}\r\n"})
        clip(root / folder / str(video) / "10", 10, 3 * video)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return volleyball_set(tmp_path_factory.mktemp("volleyball"))


def test_clips_are_folders_on_three_sides(root: Path) -> None:
    target = make_target(TargetOptions("volleyball", root))
    listing = list_videos(target, root, "official", allow_missing=False)
    assert listing.classes == ("r_winpoint", "l_pass")
    assert listed(listing.videos)[:2] == [("videos/1/10", 1, "train"), ("videos/3/10", 1, "train")]
    assert [len(listing.side(side)) for side in ("train", "val", "test")] == [24, 15, 16]
    assert target.group("videos/7/10") == target.group("7/99") == "7" and target.group("10") is None


def test_its_videos_are_those_of_the_published_split() -> None:
    videos = [number for numbers in volleyball._SPLIT.values() for number in numbers]
    assert sorted(videos) == list(range(55))
    assert CLASSES[:4] == tuple(f"r_{name[2:]}" for name in CLASSES[4:])


def test_a_copied_clip_on_two_sides_is_an_error(tmp_path: Path) -> None:
    root = volleyball_set(tmp_path)
    for file in (root / "videos" / "1" / "10").iterdir():
        (root / "videos" / "4" / "10" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(UserError, match=r"1 video is in training and in test \(videos/4/10 is videos/1/10\)"):
        list_videos(Volleyball(), root, "official", allow_missing=False)


def test_a_run_reads_pictures_and_mirrors_nothing(root: Path, tmp_path: Path) -> None:
    assert command("--target", "volleyball", "--data", root, "--out", tmp_path / "run", cache=tmp_path / "cache") == 0
    written = metrics(tmp_path / "run")
    assert written["videos"]["train"] == 24 and written["videos"]["test"] == 16
    assert json.loads((tmp_path / "run" / "config.json").read_text())["augment"]["flip"] == 0.0


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    root = volleyball_set(tmp_path, folder=".")
    for picture in (root / "5" / "10").iterdir():
        picture.unlink()
    with pytest.raises(UserError, match=r"1 of 55 listed .*: 5/10 \(folders without pictures: 1 such as 5/10\)"):
        list_videos(Volleyball(), root, "official", allow_missing=False)
    (root / "7" / "annotations.txt").unlink()
    with pytest.raises(UserError, match=r"no annotations\.txt of 1 of 55 videos \(7\); an empty one leaves"):
        Volleyball().index(root, "official")
    (root / "7" / "annotations.txt").write_text("\n")  # as editors leave an empty file
    assert len(Volleyball().index(root, "official")) == 54
    with pytest.raises(UserError, match=r"is not Volleyball: expected <video>/annotations\.txt"):
        Volleyball().index(root / "3", "official")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("10 r_set 1 2 3 4 waiting", r"line 1: expected '<frame>\.jpg <activity>"),
        ("10.jpg", "line 1: '' is none of the 8 activities"),
        ("10.jpg r_sett 1", r"'r_sett' is none of the 8 activities \(nearest: 'r_set'\)"),
        ("x.jpg r_set", "line 1: expected"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "annotations.txt").write_text(f"{line}\n")
    with pytest.raises(UserError, match=rf"annotations\.txt, .*{message}"):
        read_annotations(tmp_path / "annotations.txt")
