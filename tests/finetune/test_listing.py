from dataclasses import dataclass
from pathlib import Path

import pytest

from finetune.listing import list_videos
from finetune.targets.base import Row, TargetProtocol
from fractalvid.errors import UserError

_PROTOCOL = TargetProtocol(splits=("1",))


@dataclass(frozen=True)
class Listed:
    """A target of three classes that lists given rows."""

    rows: tuple[Row, ...]
    name: str = "listed"
    protocol: TargetProtocol = _PROTOCOL
    obtain: str = "Nowhere."
    layout: str = "files"

    def classes(self, root: Path, split: str) -> tuple[str, ...]:
        return ("a", "b", "c")

    def index(self, root: Path, split: str) -> list[Row]:
        return list(self.rows)

    def group(self, path: str) -> str | None:
        return None


def rows(*labels: int) -> tuple[Row, ...]:
    """A training and a test video for each label."""
    return tuple(Row(f"{side}-{label}.mp4", label, side) for label in labels for side in ("train", "test"))


def put(root: Path, listed: tuple[Row, ...]) -> Path:
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
