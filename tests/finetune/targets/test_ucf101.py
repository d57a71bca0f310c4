import os
from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.targets.ucf101 import Ucf101, read_classes, read_list
from fractalvid.finetune.videos.leakage import check_lists
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError

# As distributed: CRLF line ends, the number in the training list only, and one class in two spellings.
CLASSES = "1 ApplyEyeMakeup\r\n2 Archery\r\n3 HandstandPushups\r\n"
TRAIN = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1\r\n"
    "Archery/v_Archery_g08_c01.avi 2\r\n"
    "HandstandPushups/v_HandStandPushups_g08_c01.avi 3\r\n"
)
TEST = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi\r\n"
    "Archery/v_Archery_g01_c01.avi\r\n"
    "HandstandPushups/v_HandStandPushups_g01_c01.avi\r\n"
)
FILES = [
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi",
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi",
    "Archery/v_Archery_g08_c01.avi",
    "Archery/v_Archery_g01_c01.avi",
    "HandstandPushups/v_HandstandPushups_g08_c01.avi",
    "HandstandPushups/v_HandstandPushups_g01_c01.avi",
]


def ucf_set(root: Path, files: list[str], *, train: str = TRAIN, test: str = TEST, classes: str = CLASSES) -> Path:
    """UCF101's layout: the lists of split 1 and files, each holding its own name."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    for name, text in (("classInd", classes), ("trainlist01", train), ("testlist01", test)):
        (lists / f"{name}.txt").write_bytes(text.encode())
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(file)
    return root


def labels(rows: list[Video]) -> list[tuple[int, str]]:
    return [(row.label, row.side) for row in rows]


EXPECTED = [(0, "train"), (0, "train"), (1, "train"), (2, "train"), (0, "test"), (1, "test"), (2, "test")]


@pytest.mark.parametrize("folder", ["", "UCF-101/"])
@pytest.mark.parametrize("flat", [False, True])
def test_files_are_found_by_name_flat_or_in_class_folders(tmp_path: Path, folder: str, flat: bool) -> None:
    files = [folder + (file.rpartition("/")[2] if flat else file) for file in FILES]
    root = ucf_set(tmp_path, files)
    assert Ucf101().classes(root, "1") == ("ApplyEyeMakeup", "Archery", "HandstandPushups")
    listing = list_videos(Ucf101(), root, "1", allow_missing=False)
    assert labels(list(listing.videos)) == EXPECTED
    assert [row.path for row in listing.videos] == [files[k] for k in (0, 1, 3, 5, 2, 4, 6)]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "AVI"])
def test_files_that_were_encoded_anew_are_found(
    tmp_path: Path, ending: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [file.replace("avi", ending) for file in FILES]
    listing = list_videos(Ucf101(), ucf_set(tmp_path, files), "1", allow_missing=False)
    assert [row.path for row in listing.videos] == [files[k] for k in (0, 1, 3, 5, 2, 4, 6)]
    assert "listed videos are there" in capsys.readouterr().err


def test_missing_videos_are_named_as_the_lists_have_them(tmp_path: Path) -> None:
    root = ucf_set(tmp_path, FILES[1:])
    with pytest.raises(UserError, match=r"1 of 7 listed .*ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01\.avi"):
        list_videos(Ucf101(), root, "1", allow_missing=False)
    assert list_videos(Ucf101(), root, "1", allow_missing=True).missing == (FILES[0],)


@pytest.mark.parametrize("place", ["beside", "given", "given parent"])
def test_the_lists_are_found_where_they_usually_are(tmp_path: Path, place: str) -> None:
    root = ucf_set(tmp_path / "data", FILES)
    moved = tmp_path / ("" if place == "beside" else "elsewhere") / "ucfTrainTestlist"
    moved.parent.mkdir(exist_ok=True)
    (root / "ucfTrainTestlist").rename(moved)
    target = Ucf101(None if place == "beside" else moved if place == "given" else moved.parent)
    assert labels(target.index(root, "1")) == EXPECTED


def test_groups_are_of_a_class(tmp_path: Path) -> None:
    group = Ucf101().group
    assert group("Archery/v_Archery_g08_c01.avi") == group("v_Archery_g08_c07.avi") != group("v_Archery_g09_c01.avi")
    assert group("v_Archery_g08_c01.avi") != group("v_Biking_g08_c01.avi")
    assert group("v_HandStandPushups_g08_c01.avi") == group("v_HandstandPushups_g08_c02.avi")
    assert group("holiday.avi") is None


def test_a_test_video_in_the_training_list_is_an_error(tmp_path: Path) -> None:
    root = ucf_set(tmp_path, FILES, train=TRAIN + "Archery/v_Archery_g01_c01.avi 2\r\n")
    with pytest.raises(UserError, match=r"1 video is in training and in test \(Archery/v_Archery_g01_c01\.avi\)"):
        list_videos(Ucf101(), root, "1", allow_missing=False)


def test_lists_of_different_splits_share_groups(tmp_path: Path) -> None:
    files = [*FILES, "Archery/v_Archery_g08_c02.avi"]
    root = ucf_set(tmp_path, files, test=TEST + "Archery/v_Archery_g08_c02.avi\r\n")
    with pytest.raises(UserError, match=r"lists of different splits: 1 group of videos .*archery_g08"):
        list_videos(Ucf101(), root, "1", allow_missing=False)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Archrey/v_Archery_g08_c03.avi 2", r"line 5: class 'Archrey' is not in classInd.txt \(nearest: 'Archery'\)"),
        ("Archery/v_Archery_g08_c03.avi 1", r"line 5: label 1, but classInd.txt has Archery as 2 of 1 to 3"),
        ("Archery/v_Archery_g08_c03.avi 102", r"line 5: label 102, .* 2 of 1 to 3"),
        ("v_Archery_g08_c03.avi 2", r"line 5: expected '<Class>/<video>"),
        ("Archery/v_Archery g08_c03.avi 2", r"line 5: expected '<Class>/<video>"),
        ("Archery/v_Archery_g08_c01.avi 2", r"lists Archery/v_Archery_g08_c01.avi twice for train"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: str, message: str) -> None:
    root = ucf_set(tmp_path, FILES, train=f"{TRAIN}{line}\r\n")
    with pytest.raises(UserError, match=message):
        list_videos(Ucf101(), root, "1", allow_missing=False)


@pytest.mark.parametrize("text", ["", "1 A\n3 B\n", "0 A\n", "1 A\n2 A\n", "1\n", "A\n"])
def test_bad_class_lists_are_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "classInd.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=r"classInd\.txt"):
        read_classes(path)


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    root = ucf_set(tmp_path / "ucf", [])
    with pytest.raises(UserError, match=r"is not UCF101: expected v_<Class>_g<NN>_c<NN>\.avi.*found ucfTrainTestlist"):
        Ucf101().index(root, "1")
    (tmp_path / "other" / "data").mkdir(parents=True)
    with pytest.raises(UserError, match=r"no classInd\.txt \(from UCF101TrainTest.*--annotations"):
        Ucf101().index(tmp_path / "other" / "data", "1")
    with pytest.raises(UserError, match=r"no trainlist02\.txt"):
        Ucf101().index(ucf_set(tmp_path / "two", FILES), "2")
    with pytest.raises(UserError, match="has no split '4': its splits are 1, 2, 3"):
        list_videos(Ucf101(), root, "4", allow_missing=False)
    (root / "empty.txt").write_text("\n")
    with pytest.raises(UserError, match=r"empty\.txt is empty"):
        read_list(root / "empty.txt", ("A",))


def test_the_target_is_chosen_by_name(tmp_path: Path) -> None:
    target = make_target(TargetOptions("ucf101", tmp_path, annotations=tmp_path))
    assert target == Ucf101(tmp_path) and target.protocol.splits == ("1", "2", "3")
    assert "UCF101.rar" in target.obtain and "UCF-101/" in target.layout


@pytest.mark.skipif("FRACTALVID_TEST_DATA" not in os.environ, reason="FRACTALVID_TEST_DATA names no folder")
@pytest.mark.parametrize(("split", "train", "test"), [("1", 9537, 3783), ("2", 9586, 3734), ("3", 9624, 3696)])
def test_the_official_lists(tmp_path: Path, split: str, train: int, test: int) -> None:
    lists = Path(os.environ["FRACTALVID_TEST_DATA"]) / "ucf101_splits"
    classes = read_classes(lists / "classInd.txt")
    assert len(classes) == 101
    (tmp_path / "v_Archery_g01_c01.avi").touch()
    rows = Ucf101(lists).index(tmp_path, split)
    for side, count in (("train", train), ("test", test)):
        assert {row.label for row in rows if row.side == side} == set(range(101))
        assert sum(row.side == side for row in rows) == count
    check_lists(Ucf101(lists), rows)  # no group is on both sides
