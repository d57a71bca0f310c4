import csv
import os
from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.hmdb51 import Hmdb51, match_names, read_list
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import hmdb_set

# As distributed: a trailing space on each line; the last one with CRLF ends.
LISTS = {
    "clap": "#20_Rhythm_clap_0.avi 1 \n#20_Rhythm_clap_1.avi 2 \n(Rad) & more_clap_0.avi 0 \nplain_clap.avi 1 \n",
    "wave": "Grüße_[NEW]!!_wave.avi 1 \r\na b  c_wave.avi 2 \r\n\r\n",
}
FILES = {
    "clap": ["@20_Rhythm_clap_0.avi", "@20_Rhythm_clap_1.avi", "(Rad) & more_clap_0.avi", "plain_clap.avi"],
    "wave": ["Grüße_[NEW]!!_wave.avi", "a b  c_wave.avi"],
}


def test_official_lists_find_the_files_behind_their_names(tmp_path: Path) -> None:
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    target = Hmdb51()
    assert target.classes(root, "1") == ("clap", "wave")
    assert target.index(root, "1") == [
        Video("clap/@20_Rhythm_clap_0.avi", 0, "train"),
        Video("clap/@20_Rhythm_clap_1.avi", 0, "test"),
        Video("clap/plain_clap.avi", 0, "train"),
        Video("wave/Grüße_[NEW]!!_wave.avi", 1, "train"),
        Video("wave/a b  c_wave.avi", 1, "test"),
    ]
    assert list_videos(target, root, "1", allow_missing=False).missing == ()


def test_names_match_exactly_before_they_match_loosely() -> None:
    # "A_@1" is listed itself, so it cannot also be what "A_#1" means.
    assert match_names(["A_@1.avi", "A_#1.avi"], ["A_@1.avi"]) == {"A_@1.avi": "A_@1.avi"}
    assert match_names(["A_@1.avi", "A_#1.avi"], ["A_@1.avi", "A_&1.avi"]) == {
        "A_@1.avi": "A_@1.avi",
        "A_#1.avi": "A_&1.avi",
    }


def test_ambiguous_names_stay_unmatched() -> None:
    assert match_names(["A_#1.avi", "A_&1.avi"], ["A_@1.avi"]) == {}
    assert match_names(["A_#1.avi"], ["A_@1.avi", "A_&1.avi"]) == {}


def test_composed_and_decomposed_unicode_are_the_same_name() -> None:
    assert match_names(["u\u0308ber.avi"], ["\u00fcber.avi"]) == {"u\u0308ber.avi": "\u00fcber.avi"}


def test_missing_videos_are_an_error_unless_allowed(tmp_path: Path) -> None:
    files = {"clap": FILES["clap"][1:], "wave": FILES["wave"]}
    root = hmdb_set(tmp_path / "hmdb", LISTS, files)
    with pytest.raises(UserError, match=r"1 of 5 listed .*#20_Rhythm_clap_0\.avi.*--allow-missing"):
        list_videos(Hmdb51(), root, "1", allow_missing=False)
    listing = list_videos(Hmdb51(), root, "1", allow_missing=True)
    assert listing.missing == ("clap/#20_Rhythm_clap_0.avi",)
    assert len(listing.videos) == 4


def test_classes_without_any_video_are_left_out_and_labels_closed_up(tmp_path: Path) -> None:
    lists = {"brush": "x.avi 1\ny.avi 2\n", **LISTS}
    root = hmdb_set(tmp_path / "hmdb", lists, FILES)
    listing = list_videos(Hmdb51(), root, "1", allow_missing=True)
    assert listing.classes == ("clap", "wave")
    assert {row.path.split("/")[0]: row.label for row in listing.videos} == {"clap": 0, "wave": 1}
    assert listing.missing == ("brush/x.avi", "brush/y.avi")


@pytest.mark.parametrize("place", ["beside", "inside", "given", "given parent"])
def test_the_split_files_are_found_where_they_usually_are(tmp_path: Path, place: str) -> None:
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    lists = root / "testTrainMulti_7030_splits"
    target = Hmdb51()
    if place == "beside":
        lists.rename(tmp_path / lists.name)
    elif place.startswith("given"):
        elsewhere = tmp_path / "elsewhere" / lists.name
        elsewhere.parent.mkdir()
        lists.rename(elsewhere)
        target = Hmdb51(elsewhere if place == "given" else elsewhere.parent)
    assert len(target.index(root, "1")) == 5


@pytest.mark.parametrize("line", ["name.avi 3", "name.avi", "name.avi one", " 1"])
def test_malformed_lines_name_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "clap_test_split1.txt"
    path.write_text(f"good.avi 1 \n{line}\n")
    with pytest.raises(UserError, match=r"clap_test_split1\.txt, line 2"):
        read_list(path)


def test_empty_and_repeating_lists_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "clap_test_split1.txt"
    path.write_text("\n")
    with pytest.raises(UserError, match="is empty"):
        read_list(path)
    path.write_text("a.avi 1\na.avi 2\n")
    with pytest.raises(UserError, match=r"line 2: a\.avi is listed twice"):
        read_list(path)


def test_names_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "clap_test_split1.txt"
    path.write_bytes(b"caf\xe9.avi 1 \r\n")
    assert list(read_list(path)) == ["caf\udce9.avi"]


def test_wrong_folders_say_what_was_expected_and_found(tmp_path: Path) -> None:
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    lists = root / "testTrainMulti_7030_splits"
    with pytest.raises(UserError, match="does not exist; expected"):
        Hmdb51().index(tmp_path / "absent", "1")
    (tmp_path / "other" / "stuff").mkdir(parents=True)
    with pytest.raises(UserError, match=r"is not HMDB51: expected .*brush_hair.*found stuff"):
        Hmdb51(lists).index(tmp_path / "other", "1")
    with pytest.raises(UserError, match=r"no HMDB51 split files .*--annotations"):
        Hmdb51().index(tmp_path / "other" / "stuff", "1")
    with pytest.raises(UserError, match=r"annotations folder .* does not exist"):
        Hmdb51(tmp_path / "no").index(root, "1")
    with pytest.raises(UserError, match="has no split '4': its splits are 1, 2, 3"):
        list_videos(Hmdb51(), root, "4", allow_missing=False)


def test_a_class_folder_in_other_case_or_without_a_list_is_named(tmp_path: Path) -> None:
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    (root / "clap").rename(root / "Clap")
    with pytest.raises(UserError, match=r"class 'clap': the folder in .* is called 'Clap'"):
        Hmdb51().index(root, "1")
    (root / "Clap").rename(root / "clap")
    (root / "testTrainMulti_7030_splits" / "wave_test_split1.txt").unlink()
    with pytest.raises(UserError, match=r"no split file \*_test_split1\.txt for the class folder\(s\) wave"):
        Hmdb51().index(root, "1")


def test_a_misspelt_class_folder_is_named_with_the_nearest(tmp_path: Path) -> None:
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    (root / "wave").rename(root / "waves")
    with pytest.raises(UserError, match=r"class folder\(s\) waves \(nearest: 'wave'\)"):
        Hmdb51().index(root, "1")


def test_a_test_video_in_the_training_list_is_an_error(tmp_path: Path) -> None:
    # Both names mean the one file that is there; a name that is there exactly is never another's.
    root = hmdb_set(tmp_path / "hmdb", LISTS, FILES)
    (root / "wave" / "copy.avi").symlink_to(root / "wave" / "a b  c_wave.avi")
    with (root / "testTrainMulti_7030_splits" / "wave_test_split1.txt").open("a") as file:
        file.write("copy.avi 1 \n")
    with pytest.raises(UserError, match=r"1 video is in training and in test \(wave/a b  c_wave\.avi is wave/copy"):
        list_videos(Hmdb51(), root, "1", allow_missing=False)


def test_clips_of_one_film_are_a_group_across_classes() -> None:
    group = Hmdb51().group
    one = group("throw/Veoh_Alpha_Dog_1_throw_f_cm_np1_le_med_5.avi")
    assert one == group("walk/Veoh_Alpha_Dog_1_walk_f_nm_np1_ri_med_24.avi") == "veohalphadog"
    assert one != group("walk/AboutABoy_walk_u_nm_np2_ba_med_3.avi")
    assert group("kick_ball/Amazing_Soccer_@2_kick_ball_f_cm_np1_le_bad_2.avi") == "amazingsoccer"
    assert group("shoot_gun/1234_shoot_gun_f_nm_np1_fr_med_5.avi") == "1234"
    assert group("wave/holiday.avi") == "holiday"


@pytest.mark.skipif("FRACTALVID_TEST_DATA" not in os.environ, reason="FRACTALVID_TEST_DATA names no folder")
def test_groups_keep_real_films_together() -> None:
    with (Path(os.environ["FRACTALVID_TEST_DATA"]) / "hmdb51_subset.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Folds that share no film, made from names cleaned in another way, which parts one game that many uploaded.
    folds: dict[str, set[str]] = {}
    for row in rows:
        folds.setdefault(Hmdb51().group(row["path"]), set()).add(row["fold3"])
    assert len(folds) > 300
    assert [group for group, found in folds.items() if len(found) > 1] == ["boomsnapclapchallenge"]
