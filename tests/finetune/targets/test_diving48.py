import json
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.diving48 import Diving48, read_list, read_vocabulary
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError

TAKE_OFFS = ("Back", "Forward", "Inward", "Reverse")
VOCABULARY = [[first, f"{k}som", "NoTwis", "PIKE"] for first in TAKE_OFFS for k in range(12)]


def entry(name: str, label: int, end: int = 100) -> dict[str, Any]:
    return {"vid_name": name, "label": label, "start_frame": 0, "end_frame": end}


V2 = {
    "train": [entry("-abc_d_00001", 0), entry("x1y2z3_00000", 46), entry("x1y2z3_00002", 3)],
    "test": [entry("-abc_d_00002", 0), entry("q_00007", 46), entry("q_00008", 3)],
}
V1 = {"train": [*V2["train"], entry("q_00007", 5)], "test": [entry("-abc_d_00002", 5), entry("q_00008", 3)]}


def diving_set(root: Path, *, folder: str = "rgb", lists: str = ".") -> Path:
    """Diving48's layout, with both versions' lists and a file for each clip."""
    (root / lists).mkdir(parents=True, exist_ok=True)
    files = {"Diving48_V2_{}.json": V2, "Diving48_{}.json": V1}
    for name, version in files.items():
        for side, entries in version.items():
            (root / lists / name.format(side)).write_text(json.dumps(entries))
    (root / lists / "Diving48_vocab.json").write_text(json.dumps(VOCABULARY))
    for item in V2["train"] + V2["test"]:
        path = root / folder / f"{item['vid_name']}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    return root


def test_the_second_version_is_the_default(tmp_path: Path) -> None:
    root = diving_set(tmp_path)
    target = make_target(TargetOptions("diving48", root))
    assert target.protocol.splits == ("v2", "v1")
    assert target.index(root, target.protocol.splits[0]) == [
        Video("rgb/-abc_d_00001.mp4", 0, "train"),
        Video("rgb/x1y2z3_00000.mp4", 46, "train"),
        Video("rgb/x1y2z3_00002.mp4", 3, "train"),
        Video("rgb/-abc_d_00002.mp4", 0, "test"),
        Video("rgb/q_00007.mp4", 46, "test"),
        Video("rgb/q_00008.mp4", 3, "test"),
    ]
    assert target.classes(root, "v2")[:2] == ("Back+0som+NoTwis+PIKE", "Back+1som+NoTwis+PIKE")
    listing = list_videos(target, root, "v2", allow_missing=False)
    assert len(listing.classes) == 3 and listing.classes[2] == "Reverse+10som+NoTwis+PIKE"


def test_the_first_version_comes_by_name(tmp_path: Path) -> None:
    root = diving_set(tmp_path)
    rows = Diving48().index(root, "v1")
    assert [row.label for row in rows] == [0, 46, 3, 5, 5, 3]
    with pytest.raises(UserError, match="has no split 'v3': its splits are v2, v1"):
        list_videos(Diving48(), root, "v3", allow_missing=False)


@pytest.mark.parametrize(("folder", "lists"), [("rgb", "annotations"), ("videos", "."), (".", "..")])
def test_clips_and_lists_are_found_where_they_usually_are(tmp_path: Path, folder: str, lists: str) -> None:
    root = diving_set(tmp_path / "data", folder=folder, lists=lists)
    assert len(list_videos(Diving48(), root, "v2", allow_missing=False).videos) == 6
    with pytest.raises(UserError, match=r"annotations folder .* does not exist"):
        Diving48(tmp_path / "absent").index(root, "v2")


def test_clips_are_cut_already(tmp_path: Path) -> None:
    assert all(row.start is None and row.end is None for row in Diving48().index(diving_set(tmp_path), "v2"))


def test_clips_of_one_recording_are_a_group() -> None:
    assert Diving48().group("rgb/-abc_d_00001.mp4") == Diving48().group("-abc_d_00002.mp4") == "-abc_d"


def test_missing_clips_are_named(tmp_path: Path) -> None:
    root = diving_set(tmp_path)
    (root / "rgb" / "q_00007.mp4").unlink()
    with pytest.raises(UserError, match=r"1 of 6 listed .*rgb/q_00007\.mp4"):
        list_videos(Diving48(), root, "v2", allow_missing=False)


def test_a_test_clip_in_the_training_list_is_an_error(tmp_path: Path) -> None:
    root = diving_set(tmp_path)
    (root / "Diving48_V2_train.json").write_text(json.dumps([*V2["train"], entry("q_00007", 46)]))
    with pytest.raises(UserError, match=r"1 video is in training and in test \(rgb/q_00007\.mp4\)"):
        list_videos(Diving48(), root, "v2", allow_missing=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not JSON"),
        ("[]", "expected a list of objects"),
        ('{"a": 1}', "expected a list of objects"),
        ("[3]", "entry 1: expected an object with vid_name and label"),
        ('[{"vid_name": "a"}]', "entry 1: expected an object"),
        ('[{"vid_name": "a", "label": "1"}]', "entry 1: expected an object"),
        ('[{"vid_name": "a", "label": true}]', "entry 1: expected an object"),
        ('[{"vid_name": "a", "label": 48}]', r"entry 1: the label of a is 48; Diving48's are 0 to 47"),
        ('[{"vid_name": "a", "label": -1}]', r"the label of a is -1"),
    ],
)
def test_bad_lists_are_explained(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "Diving48_V2_test.json"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"Diving48_V2_test\.json.*{message}"):
        read_list(path)


@pytest.mark.parametrize("words", [3, [], [["a"]] * 48, [["a", str(k)] for k in range(47)], ["abc"] * 48])
def test_bad_vocabularies_are_explained(tmp_path: Path, words: object) -> None:
    path = tmp_path / "Diving48_vocab.json"
    path.write_text(json.dumps(words))
    with pytest.raises(UserError, match=r"Diving48_vocab\.json"):
        read_vocabulary(path)


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    root = diving_set(tmp_path / "a")
    (root / "Diving48_V2_test.json").unlink()
    with pytest.raises(UserError, match=r"no Diving48_V2_test\.json \(from http.*--annotations"):
        Diving48().index(root, "v2")
    with pytest.raises(UserError, match=r"annotations folder .*vocab\.json is a file"):
        Diving48(root / "Diving48_vocab.json").index(root, "v2")
    (tmp_path / "b" / "rgb").mkdir(parents=True)
    with pytest.raises(UserError, match=r"rgb holds no video: expected rgb/<vid_name>\.mp4.*found nothing"):
        Diving48().index(tmp_path / "b", "v2")
    with pytest.raises(UserError, match="does not exist"):
        Diving48().index(tmp_path / "c", "v2")
