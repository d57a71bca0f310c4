import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import Side, Video
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.videos.leakage import check_files, check_lists
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError


def test_a_video_on_both_sides_is_an_error() -> None:
    rows = [Video("a.mp4", 0, "train"), Video("b.mp4", 1, "train"), Video("a.mp4", 0, "test")]
    with pytest.raises(UserError, match=r"folder: 1 video is in training and in test \(a\.mp4\)"):
        check_lists(Folder(), rows)
    check_lists(Folder(), rows[:2])


def test_a_video_listed_twice_is_an_error() -> None:
    with pytest.raises(UserError, match=r"folder lists a\.mp4 twice for test"):
        check_lists(Folder(), [Video("a.mp4", 0, "test"), Video("a.mp4", 1, "test")])


@pytest.mark.parametrize(
    ("train", "test", "leaks"),
    [
        ((0, 10), (10, 20), False),
        ((0, 11), (10, 20), True),
        ((None, None), (10, 20), True),
        ((None, 10), (10, None), False),
        ((30, None), (10, 30), False),
        ((15, 16), (10, 20), True),
    ],
)
def test_cuts_may_lie_on_both_sides_unless_they_overlap(
    train: tuple[int | None, int | None], test: tuple[int | None, int | None], leaks: bool
) -> None:
    rows = [Video("long.mp4", 0, "train", *train), Video("long.mp4", 1, "test", *test)]
    if leaks:
        with pytest.raises(UserError, match="in training and in test"):
            check_lists(Folder(), rows)
    else:
        check_lists(Folder(), rows)


@pytest.mark.parametrize(
    ("second", "label", "refused"),
    [
        ((2, 6), 0, None),
        ((0, None), 0, None),
        ((None, 4), 0, "twice for train; take one line out"),
        ((0, 4), 1, "twice for train; take one line out"),
        ((2, 6), 1, "twice for train, with frames of two classes"),
        ((4, 6), 1, None),
    ],
)
def test_cuts_of_one_side_may_overlap_within_a_class(
    second: tuple[int | None, int | None], label: int, refused: str | None
) -> None:
    rows = [Video("long.mp4", 0, "train", 0, 4), Video("long.mp4", label, "train", *second)]
    with pytest.raises(UserError, match=refused) if refused else nullcontext():
        check_lists(Folder(), rows)
    with pytest.raises(UserError, match=r"1 video is in training and in test"):
        check_lists(Folder(), [rows[0], Video("long.mp4", 0, "test", 2, 6)])


def put(root: Path, **texts: str) -> Path:
    for path, text in texts.items():
        file = root / path.replace("__", "/").replace("_mp4", ".mp4")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_links_to_training_videos_are_an_error(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    root = put(tmp_path, train__a__1_mp4="1", train__b__2_mp4="2", test__a__3_mp4="3", test__b__4_mp4="4")
    assert len(list_videos(Folder(), root, "", allow_missing=False).videos) == 4
    link(root / "train/a/1.mp4", root / "test/a/other.mp4")
    with pytest.raises(UserError, match=r"1 video .* \(test/a/other\.mp4 is train/a/1\.mp4\)"):
        list_videos(Folder(), root, "", allow_missing=False)


def test_copies_of_training_videos_are_an_error(tmp_path: Path) -> None:
    root = put(tmp_path, train__a__1_mp4="1", train__b__2_mp4="2", test__a__1_mp4="one", test__b__2_mp4="2")
    with pytest.raises(UserError, match=r"1 video .* \(test/b/2\.mp4 is train/b/2\.mp4\)"):
        list_videos(Folder(), root, "", allow_missing=False)


@pytest.mark.parametrize("copy", ["test/wave/renamed.avi", "test/clap/2.avi"])
@pytest.mark.parametrize("length", [9, 100_000])
def test_copies_are_found_under_any_name_and_class(tmp_path: Path, copy: str, length: int) -> None:
    """Among files of equal length that differ at their end only, and several in training with one class and name."""
    rows = []
    for number, path in enumerate(
        ["train/wave/1.avi", "train/wave/more/1.avi", "train/clap/1.avi", "test/clap/1.avi", copy]
    ):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(length) + bytes([0 if path == copy else number]))
        rows.append(Video(path, "clap" not in path, "train" if path.startswith("train") else "test"))
    with pytest.raises(UserError, match=rf"1 video .* \({copy} is train/wave/1\.avi\)"):
        check_files(tmp_path, rows)
    check_files(tmp_path, rows[:-1])


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("train", "val", r"in training and in validation \(b is a\); a result on videos that were trained on"),
        ("val", "test", r"in validation and in test \(b is a\); a result on videos that were chosen by"),
    ],
)
def test_validation_videos_are_neither_trained_on_nor_tested_on(
    tmp_path: Path, first: Side, second: Side, words: str
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"same")
    rows = [Video("a", 0, first), Video("b", 0, second)]
    with pytest.raises(UserError, match=words):
        check_files(tmp_path, rows)
    with pytest.raises(UserError, match=words.replace("b is a", "a")):
        check_lists(Folder(), [Video("a", 0, second), Video("a", 0, first)])


def test_empty_files_and_copies_on_one_side_are_no_leaks(tmp_path: Path) -> None:
    put(tmp_path, train__a_mp4="", train__b_mp4="same", train__c_mp4="same", test__d_mp4="", test__e_mp4="else")
    rows = [Video(f"train/{name}.mp4", 0, "train") for name in "abc"] + [
        Video(f"test/{name}.mp4", 0, "test") for name in "de"
    ]
    check_files(tmp_path, rows)


def test_copies_in_official_lists_are_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, a_mp4="same", b_mp4="same")
    rows = [Video("a.mp4", 0, "train"), Video("b.mp4", 1, "test")]
    check_files(tmp_path, rows, official=True)
    assert "1 test video is a training video under another name (b.mp4 is a.mp4)" in capsys.readouterr().err
    for name, make in (("val/a.mp4", shutil.copy), ("link.mp4", os.link)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make(tmp_path / "a.mp4", tmp_path / name)
        with pytest.raises(UserError, match=rf"1 video .* \({name} is a\.mp4\)"):
            check_files(tmp_path, [*rows, Video(name, 1, "test")], official=True)


def test_one_table_may_cut_one_video(tmp_path: Path) -> None:
    put(tmp_path, long_mp4="1")
    check_files(tmp_path, [Video("long.mp4", 0, "train", 0, 10), Video("long.mp4", 0, "test", 10, 20)])
