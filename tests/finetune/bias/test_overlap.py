from pathlib import Path

import pytest

from fractalvid.finetune.bias.overlap import (
    Pair,
    as_csv,
    find_pairs,
    likeness,
    normalised,
    read_names,
    summary,
    with_decisions,
)
from fractalvid.utils.errors import UserError

CLASSES = ("ApplyEyeMakeup", "brush_hair", "PlayingGuitar", "TaiChi")
OTHERS = ("apply eye makeup", "brushing hair", "playing guitar", "guitar playing", "air drumming")


@pytest.mark.parametrize("name", ["ApplyEyeMakeup", "apply_eye_makeup", "Apply eye-makeup", " apply  eye makeup "])
def test_spellings_of_a_name_are_one(name: str) -> None:
    assert normalised(name) == "apply eye makeup"


def test_equal_names_are_the_same_and_others_are_for_a_person() -> None:
    pairs = find_pairs(CLASSES, OTHERS)
    assert pairs[0] == Pair("ApplyEyeMakeup", "apply eye makeup", 1.0, "yes")
    assert (pairs[1].name, pairs[1].other, pairs[1].same) == ("brush_hair", "brushing hair", "")
    assert pairs[2] == Pair("PlayingGuitar", "playing guitar", 1.0, "yes")
    assert not [pair for pair in pairs if pair.name == "TaiChi"]
    assert likeness("guitar playing", "PlayingGuitar") == 1.0  # words in another order are alike, not equal
    assert find_pairs(["PlayingGuitar"], ["guitar playing"])[0].same == ""


def test_what_a_person_decided_stays(tmp_path: Path) -> None:
    path = tmp_path / "overlap.csv"
    pairs = with_decisions(find_pairs(CLASSES, OTHERS), path, CLASSES, OTHERS)
    path.write_text(as_csv(pairs))
    assert "2 of 4 classes (50.0 %) are in both; of 1 more there are names alike" in summary(pairs, CLASSES, path)
    path.write_text(path.read_text().replace("brush_hair,brushing hair,0.87,", "brush_hair,brushing hair,0.87,YES"))
    again = with_decisions(find_pairs(CLASSES, OTHERS), path, CLASSES, OTHERS)
    assert [pair.same for pair in again if pair.name == "brush_hair"] == ["yes"]
    assert summary(again, CLASSES, path) == "3 of 4 classes (75.0 %) are in both"
    path.write_text("class,pre-training class,likeness,same\na,b,0.9,perhaps\n")
    with pytest.raises(UserError, match=r"line 2: same is 'perhaps'; it can be yes, no, or empty"):
        with_decisions(pairs, path, CLASSES, OTHERS)
    path.write_text("a,b\n")
    with pytest.raises(UserError, match="is no table of names"):
        with_decisions(pairs, path, CLASSES, OTHERS)


def test_lines_of_ones_own_stay(tmp_path: Path) -> None:
    path, head = tmp_path / "overlap.csv", "class,pre-training class,likeness,same\n"
    path.write_text(f"{head}TaiChi,air drumming,0,no\nbrush_hair,apply eye makeup,,yes\nTaiChi,forgotten,,\n")
    pairs = with_decisions(find_pairs(CLASSES, OTHERS), path, CLASSES, OTHERS)
    assert [(pair.other, pair.same) for pair in pairs if pair.name == "TaiChi"] == [("air drumming", "no")]
    assert [pair.same for pair in pairs if pair.name == "brush_hair"] == ["", "yes"]
    path.write_text(as_csv(pairs))
    assert with_decisions(find_pairs(CLASSES, OTHERS), path, CLASSES, OTHERS) == pairs
    path.write_text(f"{head}TaiChi,tai chi,1,yes\n")
    with pytest.raises(UserError, match=r"line 2: 'tai chi' is no class of the pre-training set; take the line out"):
        with_decisions(pairs, path, CLASSES, OTHERS)


def test_names_come_from_a_list_or_from_folders(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"air drumming\r\n\r\nabseiling\r\n")
    assert read_names(tmp_path / "names.txt") == ("air drumming", "abseiling")
    for name in ("b", "a"):
        (tmp_path / "set" / "train" / name).mkdir(parents=True)
    assert read_names(tmp_path / "set") == read_names(tmp_path / "set" / "train") == ("a", "b")
    with pytest.raises(UserError, match="holds no folders of classes"):
        read_names(tmp_path / "set" / "train" / "a")
    with pytest.raises(UserError, match="there is no such file or folder"):
        read_names(tmp_path / "absent.txt")
