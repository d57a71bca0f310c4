from dataclasses import dataclass
from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import TargetProtocol, Video
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.index import ClipIndex
from fractalvid.finetune.videos.listing import keep_decodable, list_videos
from fractalvid.utils.errors import UserError

_PROTOCOL = TargetProtocol(splits=("1",))


@dataclass(frozen=True)
class Listed:
    """A target of three classes that lists given rows."""

    rows: tuple[Video, ...]
    name: str = "listed"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = "Nowhere."
    layout: str = "files"

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        return ("a", "b", "c")

    def index(self, root: Path, split: str) -> list[Video]:
        return list(self.rows)

    def group(self, path: str) -> str | None:
        return None


def rows(*labels: int) -> tuple[Video, ...]:
    """A training and a test video for each label."""
    return tuple(Video(f"{side}-{label}.mp4", label, side) for label in labels for side in ("train", "test"))


def put(root: Path, listed: tuple[Video, ...]) -> Path:
    for row in listed:
        (root / row.path).write_text(row.path)
    return root


@pytest.mark.parametrize("label", [3, -1])
def test_labels_out_of_range_are_named(tmp_path: Path, label: int) -> None:
    listed = rows(0, label)
    with pytest.raises(UserError, match=rf"listed: the label of train-{label}\.mp4 is {label} of 0 to 2"):
        list_videos(Listed(listed), put(tmp_path, listed), "1", allow_missing=True)


@pytest.mark.parametrize(("side", "word"), [("train", "training"), ("test", "test")])
def test_a_list_without_a_side_is_an_error(tmp_path: Path, side: str, word: str) -> None:
    listed = tuple(row for row in rows(0, 1) if row.side != side)
    with pytest.raises(UserError, match=f"listed lists no {word} video$"):
        list_videos(Listed(listed), put(tmp_path, listed), "1", allow_missing=True)


def test_a_side_of_which_nothing_is_there_is_an_error(tmp_path: Path) -> None:
    listed = rows(0, 1)
    put(tmp_path, tuple(row for row in listed if row.side == "train"))
    with pytest.raises(UserError, match="has no test video of this split"):
        list_videos(Listed(listed), tmp_path, "1", allow_missing=True)


def test_a_folder_where_a_video_should_be_is_no_video(tmp_path: Path) -> None:
    listed = rows(0, 1)
    put(tmp_path, listed)
    (tmp_path / "test-1.mp4").unlink()
    (tmp_path / "test-1.mp4").mkdir()
    assert list_videos(Listed(listed), tmp_path, "1", allow_missing=True).missing == ("test-1.mp4",)


def test_a_class_that_would_only_be_tested_is_an_error(tmp_path: Path) -> None:
    listed = (*rows(0, 1, 2), Video("more-1.mp4", 1, "test"))
    put(tmp_path, tuple(row for row in listed if row.path != "train-1.mp4"))
    with pytest.raises(UserError, match=r"has test but no training videos that can be used of 1 class \('b'\): get or"):
        list_videos(Listed(listed), tmp_path, "1", allow_missing=True)
    assert list_videos(Listed(listed), tmp_path, "1", allow_missing=True, sides=("test",)).missing == ()
    for row in listed:
        if row.label == 1:
            (tmp_path / row.path).unlink(missing_ok=True)
    assert list_videos(Listed(listed), tmp_path, "1", allow_missing=True).classes == ("a", "c")  # as if never listed


def test_a_class_that_the_lists_themselves_do_not_train_is_tested(tmp_path: Path) -> None:
    listed = (*rows(0, 1), Video("test-2.mp4", 2, "test"))
    assert list_videos(Listed(listed), put(tmp_path, listed), "1", allow_missing=False).classes == ("a", "b", "c")


def test_a_class_whose_training_videos_do_not_decode_is_an_error(tmp_path: Path) -> None:
    listed = rows(0, 1, 2)
    listing = list_videos(Listed(listed), put(tmp_path, listed), "1", allow_missing=False)
    frames = {row.path: 9 for row in listed}
    assert keep_decodable(listing, ClipIndex(frames, {}, {}), tmp_path).videos == listing.videos
    broken = {"train-1.mp4": "no frame decodes"}
    with pytest.raises(UserError, match=r"no training videos that can be used of 1 class \('b'\)"):
        keep_decodable(listing, ClipIndex(frames, broken, {}), tmp_path)
    kept = keep_decodable(listing, ClipIndex(frames, broken | {"test-1.mp4": "empty"}, {}), tmp_path)
    assert (kept.classes, len(kept.videos)) == (("a", "b", "c"), 4)  # neither trained nor tested


def test_a_folder_that_is_not_there_is_told_with_what_belongs_into_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent does not exist; expected files$"):
        list_videos(Listed(rows(0, 1)), tmp_path / "absent", "1", allow_missing=True)
    (tmp_path / "t.csv").write_text("path,label,split\n")
    for csv, expected in ((None, r"train/<class>/<video>"), (tmp_path / "t.csv", r"the videos that .*t\.csv lists")):
        source = TargetOptions("folder", tmp_path / "absent", csv=csv)
        with pytest.raises(UserError, match=rf"absent does not exist; expected {expected}"):
            list_videos(make_target(source), tmp_path / "absent", "", allow_missing=False)
