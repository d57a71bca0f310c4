from pathlib import Path

import pytest

from fractalvid.finetune.targets.egtea import Egtea, read_classes, read_list
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.targets.made import listed, touch, write_lists

SALAD, BURGER = "OP01-R01-PastaSalad", "P03-R05-Cheeseburger"
A, B, C, D = (
    f"{SALAD}-66680-68130-F001597-F001639",
    f"{SALAD}-1002316-1004005-F024051-F024101",
    f"{BURGER}-10-20-F000001-F000005",
    f"{SALAD}-70000-71000-F001700-F001720",
)
# As distributed: a blank at the end of a line, CRLF in some copies, several nouns, and names of several words.
ACTIONS = "".join(f"Inspect/Read thing {n} {n}\r\n" for n in range(1, 107))
TRAIN = f"{A} 1 1 1 \r\n{B} 106 3 2 7 \r\n{C} 2 1 4\r\n"
TEST = f"{D} 1 1 1 \r\n{BURGER}-30-40-F000007-F000009 106 3 2 \r\n{BURGER}-50-60-F000011-F000019 2 1 4\r\n"
CLIPS = [line.split()[0] for line in (TRAIN + TEST).split("\r\n") if line]


def egtea_set(
    root: Path, *, folder: str = "cropped_clips", flat: bool = False, lists: str = "action_annotation"
) -> Path:
    texts = {"action_idx": ACTIONS, "train_split1": TRAIN, "test_split1": TEST}
    write_lists(root, {f"{lists}/{name}.txt": text for name, text in texts.items()})
    return touch(root, (f"{folder}/{'' if flat else clip.rsplit('-', 4)[0] + '/'}{clip}.mp4" for clip in CLIPS))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize(("folder", "lists"), [("cropped_clips", "action_annotation"), (".", "annotations")])
def test_clips_are_found_by_name(tmp_path: Path, flat: bool, folder: str, lists: str) -> None:
    root = egtea_set(tmp_path, flat=flat, folder=folder, lists=lists)
    target = make_target(TargetOptions("egtea", root))
    listing = list_videos(target, root, "1", allow_missing=False)
    assert [path.rpartition("/")[2] for path, _, _ in listed(listing.videos)] == [f"{clip}.mp4" for clip in CLIPS]
    assert [(video.label, video.side) for video in target.index(root, "1")] == [
        *((0, "train"), (105, "train"), (1, "train")),
        *((0, "test"), (105, "test"), (1, "test")),
    ]
    assert target.classes(root, "1")[105] == "Inspect/Read thing 106" and target.protocol.average_splits


def test_missing_clips_are_named_where_they_belong(tmp_path: Path) -> None:
    root = egtea_set(tmp_path)
    (root / "cropped_clips" / BURGER / f"{C}.mp4").unlink()
    with pytest.raises(UserError, match=rf"1 of 6 listed .*: cropped_clips/{BURGER}/{C}\.mp4"):
        list_videos(Egtea(), root, "1", allow_missing=False)


def test_clips_of_a_session_are_a_group() -> None:
    assert Egtea().group(f"cropped_clips/{SALAD}/{A}.mp4") == Egtea().group(f"{B}.mp4") == SALAD
    assert Egtea().group("holiday.mp4") is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (A, "line 1: expected '<clip> <action>"),
        (f"{A} 0 1 1", r"line 1: the action of OP01.* is 0 of 1 to 106"),
        (f"{A} 107 1", "is 107 of 1 to 106"),
        (f"{A} one 1", "line 1: expected"),
        ("", "is empty"),
    ],
)
def test_bad_lines_are_explained(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "train_split1.txt").write_text(f"{line}\n")
    with pytest.raises(UserError, match=rf"train_split1\.txt.*{message}"):
        read_list(tmp_path / "train_split1.txt")


@pytest.mark.parametrize("text", ["Cut tomato\n", "Cut 1\nPour 1\n", "Cut 1\nPour 2\n", "5\n"])
def test_bad_class_lists_are_explained(tmp_path: Path, text: str) -> None:
    (tmp_path / "action_idx.txt").write_text(text)
    with pytest.raises(UserError, match=r"action_idx\.txt.*(expected '<action> <another|has 106)"):
        read_classes(tmp_path / "action_idx.txt")


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    root = egtea_set(tmp_path / "a")
    with pytest.raises(UserError, match=r"no train_split2\.txt \(from action_annotation.zip\)"):
        Egtea().index(root, "2")
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"b holds no video: expected <clip>\.mp4"):
        Egtea().index(tmp_path / "b", "1")
