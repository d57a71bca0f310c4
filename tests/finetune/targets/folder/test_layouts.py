"""Layouts and tables as people have them, and names that only look alike."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.recipes.plan import plan_run
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.folder.shares import draw_share, source_of
from fractalvid.finetune.targets.hmdb51 import Hmdb51
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.data import data_name, open_data
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.finetune.weights.trained import trained_on
from fractalvid.pretrain.weights.initial import Initial
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import forget_notes
from tests.finetune.helpers import hmdb_set

COMPOSED = "caf\u00e9"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_notes()


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode(errors="surrogateescape"))
    return root


def sides(videos: list[Video]) -> dict[str, str]:
    return {video.path: video.side for video in videos}


@pytest.mark.parametrize(("train", "val"), [("train", "val"), ("training", "validation"), ("Train", "VAL")])
def test_val_is_tested_where_there_is_no_test(
    train: str, val: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = touch(tmp_path, f"{train}/a/1.mp4", f"{train}/b/2.mp4", f"{val}/a/3.mp4")
    expected = {f"{train}/a/1.mp4": "train", f"{train}/b/2.mp4": "train", f"{val}/a/3.mp4": "test"}
    assert sides(Folder().index(root, "")) == expected
    assert f"{val}/ is what is tested" in capsys.readouterr().err
    assert sides(Folder(test_only=True).index(root, "")) == {f"{val}/a/3.mp4": "test"}


def test_val_is_for_choosing_beside_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = touch(tmp_path, "train/a/1.mp4", "val/a/2.mp4", "test/a/3.mp4", "extra/a/4.mp4", "train/loose.mp4")
    expected = {"train/a/1.mp4": "train", "val/a/2.mp4": "val", "test/a/3.mp4": "test"}
    assert sides(Folder().index(root, "")) == expected
    said = capsys.readouterr().err
    assert "val is what is looked at while training: test/ is what is tested" in said
    assert "folders beside train and test: 1 such as extra" in said
    assert "in no folder of a class: 1 such as train/loose.mp4" in said


def test_two_folders_of_one_side_are_an_error(tmp_path: Path) -> None:
    root = touch(tmp_path, "train/a/1.mp4", "training/a/2.mp4", "test/a/3.mp4")
    with pytest.raises(UserError, match="has both train/ and training/"):
        Folder().index(root, "")


def flat(root: Path) -> Path:
    return touch(root, *(f"{c}/{film}_{cut:02}.mp4" for c in "ab" for film in "uvwxy" + c for cut in range(4)))


def test_a_share_of_class_folders_is_tested_by_source(tmp_path: Path) -> None:
    root = flat(tmp_path)
    drawn = [Folder(val_share=0.2, val_seed=seed).index(root, "") for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    for videos in drawn:
        tested = {source_of(video.path) for video in videos if video.side == "test"}
        assert tested.isdisjoint({source_of(video.path) for video in videos if video.side == "train"})
        for label in (0, 1):
            assert 3 <= sum(video.side == "test" for video in videos if video.label == label) <= 8
    target = Folder(val_share=0.2)
    assert target.group("a/u_03.mp4") == target.group("b/u_00.mp4") == "u"


@pytest.mark.parametrize(
    ("sizes", "share", "drawn"),
    [
        ({"holiday": 10, "trip": 2}, 0.2, {2}),
        ({"holiday": 20, "trip": 2, "walk": 2, "party": 2}, 0.2, {4, 6}),
        ({"holiday": 8, "trip": 6}, 0.05, {6}),  # both are too large
        ({"holiday": 3, "trip": 3, "walk": 3, "party": 3}, 0.25, {3}),
    ],
)
def test_a_source_much_larger_than_the_share_is_passed_over(
    sizes: dict[str, int], share: float, drawn: set[int]
) -> None:
    videos = [Video(f"{name}_{k:02}.mp4", 0, "train") for name, count in sizes.items() for k in range(count)]
    shares = [draw_share(videos, share, seed, source_of, ["a"]) for seed in range(20)]
    assert {sum(video.side == "test" for video in share) for share in shares} <= drawn


def test_a_share_by_file_and_of_train_alone(tmp_path: Path) -> None:
    videos = Folder(val_share=0.25, val_by="file").index(flat(tmp_path / "1"), "")
    assert [sum(v.side == "test" for v in videos if v.label == label) for label in (0, 1)] == [6, 6]
    root = flat(tmp_path / "2" / "train").parent
    assert {video.side for video in Folder(val_share=0.2).index(root, "")} == {"train", "test"}


def test_what_cannot_be_shared_is_explained(tmp_path: Path) -> None:
    one = touch(tmp_path / "1", "a/film_1.mp4", "a/film_2.mp4", "b/x_1.mp4", "b/y_1.mp4")
    with pytest.raises(UserError, match=r"class 'a' are of one source by their names.*--val-by file"):
        Folder(val_share=0.5).index(one, "")
    cameras = touch(tmp_path / "2", *(f"{c}/IMG_{k:04}.mov" for c in "ab" for k in range(5)))
    assert sum(video.side == "test" for video in Folder(val_share=0.2).index(cameras, "")) == 2
    for by in ("group", "file"):
        with pytest.raises(UserError, match=r"class 'c' has a single video, and it takes two: one to train and one to"):
            Folder(val_share=0.2, val_by=by).index(touch(tmp_path / "4", "c/10.mp4", "d/1.mp4", "d/2.mp4"), "")
    with pytest.raises(UserError, match=r"--val-share 0\.2 takes a fifth"):
        Folder().index(one, "")
    sided = touch(tmp_path / "3", "train/a/1.mp4", "test/a/2.mp4")
    assert [Folder(val_share=0.2).draws_tests(root) for root in (sided, cameras)] == [False, True]
    assert sides(Folder(val_share=0.2).index(sided, "")) == {"train/a/1.mp4": "train", "test/a/2.mp4": "test"}
    with pytest.raises(UserError, match=r"val class 'c' in .*val has no folder in .*train"):
        Folder().index(touch(tmp_path / "3", "val/c/1.mp4"), "")


def test_class_folders_alone_are_no_test_set(tmp_path: Path) -> None:
    root = touch(tmp_path, "a/1.mp4", "b/2.mp4")  # they may be what was trained on
    with pytest.raises(UserError, match=r"expected test/<class>/<video>.*found a, b"):
        Folder(test_only=True).index(root, "")


def test_one_class_in_two_spellings_of_unicode(tmp_path: Path) -> None:
    root = touch(tmp_path, f"train/{COMPOSED}/1.mp4", f"test/{DECOMPOSED}/2.mp4", "train/b/3.mp4")
    assert Folder().classes(root, "") == ("b", COMPOSED)
    assert sides(Folder().index(root, ""))[f"test/{DECOMPOSED}/2.mp4"] == "test"


def test_videos_equal_but_for_their_ending_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = touch(tmp_path, "train/a/1.mp4", "train/a/1.avi", "test/a/2.mp4")
    assert len(Folder().index(root, "")) == 3
    assert "several endings, all are taken: train/a/1.avi and train/a/1.mp4" in capsys.readouterr().err


TABLE = "file,class,part\nx/1.mp4,a,train\nx/2.mp4,b,train\nx/3.mp4,a,test\n"
COLUMNS: dict[str, Any] = {"path_column": "file", "label_column": "class", "split_column": "part"}
EXPECTED = {"x/1.mp4": "train", "x/2.mp4": "train", "x/3.mp4": "test"}


@pytest.mark.parametrize(
    "content",
    [
        TABLE.encode(),
        TABLE.encode("utf-8-sig"),
        TABLE.encode("utf-16"),
        TABLE.encode("utf-16-le"),
        TABLE.encode("utf-16-be"),
        TABLE.replace(",", ";").encode(),
        TABLE.replace(",", "\t").encode(),
        TABLE.replace("\n", "\r\n").encode(),
        TABLE.replace(",", " , ").encode(),
        TABLE.replace("\n", "\n\n").encode(),
        TABLE.replace("\n", "\n,,\n").encode(),
        TABLE.replace("x/", "./x/").encode(),
        TABLE.replace("x/", "x\\").encode(),
        TABLE.replace("train", "Training").replace("test", "validation").encode(),
        (TABLE + "x/4.mp4,a,val\n").encode(),
    ],
    ids=str,
)
def test_tables_as_spreadsheets_and_scripts_save_them(content: bytes, tmp_path: Path) -> None:
    root = touch(tmp_path / "data", *EXPECTED, "x/4.mp4")
    (tmp_path / "t.csv").write_bytes(content)
    target = make_target(TargetOptions("folder", root, csv=tmp_path / "t.csv", **COLUMNS))
    assert target.classes(root, "") == ("a", "b")
    listed = {path: side for path, side in sides(target.index(root, "")).items() if side != "val"}
    assert listed == EXPECTED


def test_a_missing_column_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    with pytest.raises(
        UserError,
        match=r"no column 'path': its columns are file, class, part; did you mean 'part'.; --path-column names",
    ):
        Folder(tmp_path / "t.csv").index(tmp_path, "")


def test_listed_names_find_files_that_are_spelt_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = (f"{DECOMPOSED}/{DECOMPOSED}.mp4", "Dir/Case.MP4", "dir2/other.mkv", "dir2/exact.avi", "dir2/exact.mp4")
    root = touch(tmp_path / "data", *there)
    listed = (f"{COMPOSED}/{COMPOSED}.mp4", "dir/case.mp4", "dir2/other.avi", "dir2/exact.avi")
    rows = "".join(
        f"{path},{c},{s}\n" for path, c, s in zip(listed, "abab", ("train", "train", "test", "test"), strict=True)
    )
    (tmp_path / "t.csv").write_text(f"path,label,split,film\n{rows.replace(chr(10), ',f' + chr(10))}")
    target = Folder(tmp_path / "t.csv", group_column="film")
    listing = list_videos(target, root, "", allow_missing=False)
    assert {video.path for video in listing.videos} == set(there[:4])
    assert {target.group(path) for path in there[:4]} == {"f"}
    said = capsys.readouterr().err
    assert "2 listed videos are there in another spelling" in said
    assert "1 listed video is there with another ending" in said


def test_names_that_fit_several_files_stay_missing(tmp_path: Path) -> None:
    root = touch(tmp_path / "data", "A.mp4", "a.MP4", "b.mp4", "c.mp4")
    (tmp_path / "t.csv").write_text("path,label,split\na.mp4,x,train\nb.mp4,y,train\nc.mp4,x,test\n")
    with pytest.raises(UserError, match="1 of 3 listed videos are not in"):
        list_videos(Folder(tmp_path / "t.csv"), root, "", allow_missing=False)


def test_official_lists_find_files_that_were_encoded_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = {"a": "1.avi 1\n2.avi 2\n3.avi 1\n", "b": "4.avi 1\n5.avi 2\n"}
    root = hmdb_set(tmp_path, lists, {"a": ["1.mp4", "2.mp4", "3.avi", "3.mkv"], "b": ["4.mkv", "4.mp4", "5.mp4"]})
    paths = {video.path for video in Hmdb51().index(root, "1")}
    assert paths == {"a/1.mp4", "a/2.mp4", "a/3.avi", "b/4.mkv", "b/5.mp4"}
    said = capsys.readouterr().err
    assert "4 listed videos are there with another ending, such as a/1.mp4 for 1.avi" in said
    assert "taken is a/3.avi, not 3.mkv, b/4.mkv, not 4.mp4" in said


def test_how_sides_were_drawn_is_kept_with_a_run(tmp_path: Path) -> None:
    root = flat(tmp_path)

    def planned(**share: Any) -> dict[str, Any]:
        data = open_data(TargetOptions("folder", root, **share))
        return plan_run(data, Recipe(), Initial("scratch", "scratch")).to_dict()

    drawn = planned(val_share=0.2, val_seed=3)
    assert drawn["held_out"] == {"share": 0.2, "by": "group", "seed": 3}
    videos = Folder(val_share=0.2, val_seed=3).index(root, "")
    seen = trained_on(drawn | {"classes": ["a", "b"]}, open_data(TargetOptions("folder", root, val_share=0.5)))
    assert seen is not None
    assert seen.videos == tuple(video for video in videos if video.side == "train")


def test_results_are_filed_by_the_data(tmp_path: Path) -> None:
    table = tmp_path / "my list.csv"
    table.write_text(TABLE)
    for options, name in (
        (TargetOptions("folder", tmp_path / "cats"), "folder-cats"),
        (TargetOptions("folder", tmp_path / "cats", csv=table), "folder-my-list"),
        (TargetOptions("anigifs", tmp_path / "cats", csv=table), "anigifs-my-list"),
        (TargetOptions("hmdb51", tmp_path / "cats"), "hmdb51"),
    ):
        assert data_name(open_data(options)) == name
