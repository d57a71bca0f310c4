import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.targets import ssv2
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.targets.ssv2 import SomethingSomething, class_of, read_labels, read_list
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.targets.made import listed, touch, write_lists

# As distributed: numbers are text, and templates have brackets where the labels have none.
LABELS = {"Moving part of something": "1", "Closing something": "0", "Pushing something from left to right": "2"}
TRAIN: list[dict[str, Any]] = [
    {"id": "78687", "label": "closing the door", "template": "Closing [something]", "placeholders": ["the door"]},
    {"id": "42326", "label": "moving lid of a jar", "template": "Moving [part] of [something]", "placeholders": []},
    {"id": 7, "label": "x", "template": "Pushing [something] from left to right"},
]
VALIDATION: list[dict[str, Any]] = [
    {"id": "74225", "label": "closing a box", "template": "Closing [something]"},
    {"id": "9", "label": "moving leg of chair", "template": "Moving [part] of [something]"},
    {"id": "10", "label": "y", "template": "Pushing [something] from left to right"},
]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ssv2._CLASSES, "ssv2", 3)
    monkeypatch.setitem(ssv2._CLASSES, "ssv2-mini", 2)


def something_set(
    root: Path, *, start: str = "something-something-v2-", lists: str = "labels", folder: str = "", **more: Any
) -> Path:
    content = {"labels": LABELS, "train": TRAIN, "validation": VALIDATION} | more
    write_lists(root, {f"{lists}/{start}{name}.json": json.dumps(value) for name, value in content.items()})
    return touch(root, (f"{folder}{clip['id']}.webm" for clip in TRAIN + VALIDATION))


EXPECTED = [
    ("78687.webm", 0, "train"),
    ("42326.webm", 1, "train"),
    ("7.webm", 2, "train"),
    ("74225.webm", 0, "test"),
    ("9.webm", 1, "test"),
    ("10.webm", 2, "test"),
]


PLACES = [("", "."), ("20bn-something-something-v2/", "labels"), ("", "../labels")]


@pytest.mark.parametrize("start", ["something-something-v2-", ""])
@pytest.mark.parametrize(
    ("folder", "lists"), [("", "."), ("20bn-something-something-v2/", "labels"), ("", "../labels")]
)
def test_clips_and_lists_are_found_as_either_release_has_them(
    tmp_path: Path, start: str, folder: str, lists: str
) -> None:
    root = something_set(tmp_path / "data", start=start, folder=folder, lists=lists)
    target = make_target(TargetOptions("ssv2", root))
    assert target.classes(root, "val")[2] == "Pushing something from left to right"
    listing = list_videos(target, root, "val", allow_missing=False)
    assert listed(listing.videos) == [(folder + path, label, side) for path, label, side in EXPECTED]
    assert not target.protocol.mirror and target.group("1.webm") is None


def test_the_mini_set_takes_the_lists_of_the_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = something_set(tmp_path, labels=["Closing something", "Pushing something from left to right"])
    target = make_target(TargetOptions("ssv2-mini", root))
    assert listed(target.index(root, "val")) == [
        ("78687.webm", 0, "train"),
        ("7.webm", 1, "train"),
        ("74225.webm", 0, "test"),
        ("10.webm", 1, "test"),
    ]
    assert "1 clip of other classes than the 2 are left aside" in capsys.readouterr().err


def test_labels_stand_for_templates_that_are_not_there(tmp_path: Path) -> None:
    train = [{"id": "1", "label": "Closing something"}, {"id": "2", "label": "Moving [part] of [something]"}]
    path = tmp_path / "train.json"
    path.write_text(json.dumps(train))
    assert read_list(path) == [("1", "Closing something"), ("2", "Moving part of something")]
    assert class_of("Lifting [something] up ") == "Lifting something up"


def test_missing_clips_are_named(tmp_path: Path) -> None:
    root = something_set(tmp_path)
    (root / "7.webm").rename(root / "8.webm")
    with pytest.raises(UserError, match=r"1 of 6 listed .*: 7\.webm"):
        list_videos(SomethingSomething(), root, "val", allow_missing=False)
    (root / "78687.webm").rename(root / "78687.mp4")
    assert "78687.mp4" in dict.fromkeys(video.path for video in SomethingSomething().index(root, "val"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected a list of objects"),
        ({"a": 1}, "expected a list of objects"),
        ([{"id": ""}], "entry 1: expected an object"),
        ([{"id": True, "template": "a"}], "entry 1: expected an object"),
        ([{"template": "a"}], "entry 1: expected an object"),
        ([{"id": "5"}], "entry 1: the clip 5 has neither template nor label"),
    ],
)
def test_bad_lists_are_explained(tmp_path: Path, content: object, message: str) -> None:
    (tmp_path / "train.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"train\.json.*{message}"):
        read_list(tmp_path / "train.json")


@pytest.mark.parametrize("content", [[], 3, ["a", "a"], {"a": "1", "b": "2"}, {"a": "0", "b": "0"}, {"a": 0, "[a]": 1}])
def test_bad_labels_are_explained(tmp_path: Path, content: object) -> None:
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"labels\.json: (expected an object|its \d classes must be numbered)"):
        read_labels(tmp_path / "labels.json")


def test_wrong_lists_and_folders_are_explained(tmp_path: Path) -> None:
    train = [{"id": "1", "template": "Closng [something]"}]
    root = something_set(tmp_path / "a", train=train)
    with pytest.raises(UserError, match=r"class 'Closng something' is not in labels.json \(nearest: 'Closing"):
        SomethingSomething().index(root, "val")
    with pytest.raises(UserError, match="names 3 classes; ssv2-mini has 2; they are those of ssv2"):
        SomethingSomething("ssv2-mini").classes(root, "val")
    (tmp_path / "b").mkdir()
    with pytest.raises(UserError, match=r"b holds no video: expected <id>\.webm"):
        SomethingSomething().index(tmp_path / "b", "val")
    touch(tmp_path / "c" / "deep", ["1.webm"])
    with pytest.raises(UserError, match=r"no labels\.json \(of ssv2, from https.*--annotations"):
        SomethingSomething().index(tmp_path / "c" / "deep", "val")
