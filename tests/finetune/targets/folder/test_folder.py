from pathlib import Path

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.utils.errors import UserError


def touch(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")
    return root


def table(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def test_folders_become_rows_and_other_files_do_not(tmp_path: Path) -> None:
    root = touch(
        tmp_path,
        "train/a b/#1&.mp4",
        "train/a b/._#1&.mp4",
        "train/a b/notes.txt",
        "train/ü/x.GIF",
        "test/ü/y.webm",
        "test/a b/z.avi",
        "train/.hidden/q.mp4",
    )
    assert Folder().classes(root, "") == ("a b", "ü")
    assert Folder().index(root, "") == [
        Video("train/a b/#1&.mp4", 0, "train"),
        Video("train/ü/x.GIF", 1, "train"),
        Video("test/a b/z.avi", 0, "test"),
        Video("test/ü/y.webm", 1, "test"),
    ]


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected train/<class>/<video>.*found videos"):
        Folder().index(touch(tmp_path / "1", "videos/a.mp4"), "")
    with pytest.raises(UserError, match=r"class folder .*train/b holds no video"):
        Folder().index(touch(tmp_path / "2", "train/a/x.mp4", "train/b/x.txt", "test/a/x.mp4"), "")
    with pytest.raises(UserError, match=r"class 'run': the folder in .*train is called 'Run'"):
        Folder().index(touch(tmp_path / "3", "train/Run/x.mp4", "test/run/x.mp4"), "")
    with pytest.raises(UserError, match=r"test class 'jumping' .*\(nearest: 'jump'\)"):
        Folder().index(touch(tmp_path / "4", "train/jump/x.mp4", "test/jumping/x.mp4"), "")
    with pytest.raises(UserError, match="telling classes apart takes two"):
        root = touch(tmp_path / "5", "train/a/x.mp4", "test/a/x.mp4")
        list_videos(Folder(), root, "", allow_missing=False)


CSV = "\r\n".join(
    [
        "\ufeffpath,label,split,fold3,extra",
        "a/1.mp4,walk,train,0,",
        "a/2.mp4,run,TEST,1,",
        "a/3.mp4,run,train,2,",
        "b/4.mp4,walk,test,,q",
        "b/5.mp4,walk,,1,",
        "",
    ]
)


def test_a_side_without_class_folders_is_named(tmp_path: Path) -> None:
    for path in ("train/walk", "train/run", "test"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "1.mp4").touch()
    with pytest.raises(UserError, match=r"/test holds no class folder: fill it, or give --val-share 0\.2 to test on"):
        Folder().classes(tmp_path, "")
    with pytest.raises(UserError, match=r"/test holds no class folder: fill it$"):
        Folder(test_only=True).classes(tmp_path, "")
    assert Folder(val_share=0.5).classes(tmp_path, "") == ("run", "walk")


def test_a_table_with_a_split_column(tmp_path: Path) -> None:
    target = Folder(table(tmp_path / "t.csv", CSV))
    assert target.classes(tmp_path, "") == ("run", "walk")
    assert [(row.path, row.label, row.side) for row in target.index(tmp_path, "")] == [
        ("a/1.mp4", 1, "train"),
        ("a/2.mp4", 0, "test"),
        ("a/3.mp4", 0, "train"),
        ("b/4.mp4", 1, "test"),
    ]


def test_a_table_with_folds(tmp_path: Path) -> None:
    target = Folder(table(tmp_path / "t.csv", CSV), fold_column="fold3")
    sides = {row.path: row.side for row in target.index(tmp_path, "1")}
    assert sides == {"a/1.mp4": "train", "a/2.mp4": "test", "a/3.mp4": "train", "b/5.mp4": "test"}
    with pytest.raises(UserError, match="has no fold '7' in fold3: its folds are 0, 1, 2"):
        target.index(tmp_path, "7")
    empty = Folder(table(tmp_path / "e.csv", "path,label,fold3\na/1.mp4,walk,\n"), fold_column="fold3")
    with pytest.raises(UserError, match="has no fold '0' in fold3: that column is empty"):
        empty.index(tmp_path, "0")


def test_numeric_labels_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    lines = "".join(f"{k}.mp4,{k},{side}\n{k}{side}.mp4,{k},{side}\n" for k in (10, 9, 2) for side in ("train",))
    path = table(tmp_path / "t.csv", f"path,label,split\n{lines}x.mp4,2,test\n")
    assert Folder(path).classes(tmp_path, "") == ("2", "9", "10")
    words = table(tmp_path / "w.csv", "path,label,split\na,01,train\nb,1,train\nc,x,train\nd,x,test\n")
    assert Folder(words).classes(tmp_path, "") == ("01", "1", "x")  # where not all are numbers, none is one


def test_absolute_paths_below_the_root_are_the_same_videos(tmp_path: Path) -> None:
    text = f"path,label,split\n{tmp_path}/a.mp4,x,train\nb.mp4,y,train\nc.mp4,y,test\n"
    rows = Folder(table(tmp_path / "t.csv", text)).index(tmp_path, "")
    assert [row.path for row in rows] == ["a.mp4", "b.mp4", "c.mp4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,labels,split\n", "has no column 'label'.*did you mean 'labels'"),
        ("path,label\n", "has no column 'split'"),
        ("path,label,split\na,x,holdout\n", "line 2: split is 'holdout'; expected train, test"),
        ("path,label,split\na,x,train\na,x,test\n", "line 3: a is already listed in line 2"),
        ("path,label,split\n,x,train\n", "line 2: the path or the label is empty"),
        ("path,label,split\na,x,train\n", "lists no test video"),
        (
            "path,label,split\na,Run,train\nb,run,test\n",
            "'Run' and 'run' differ only in upper and lower case",
        ),
        ("path,label,split\na,jump,train\nb,jumping,test\n", r"'jumping' has test but no .*nearest: 'jump'"),
        ("", "has no column 'path': its first line is empty$"),
        (
            "path,label,split\na,01,train\nb,1,test\n",
            "the labels '01' and '1' are the same number; write it in one way",
        ),
        ("path,label,split\na,b.mp4,x,train\n", "line 2: 4 values, but the header names 3 columns; put"),
        ("path,label,split,label\na,x,train,y\n", "has two columns 'label'"),
    ],
)
def test_bad_tables_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Folder(table(tmp_path / "t.csv", text)).index(tmp_path, "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\xff,a,train", "line 3"),
        (b"b\0,a,train", "line 3 holds a zero byte"),
        (b"9" * 5000, "line 3: a cell of 5000"),
        (b"b," + b"9" * 5000 + b",train", "line 3: a cell of 5000"),
        (b"x" * 200_000, "line 3: field larger than field limit"),
        (b"b", "line 3"),
    ],
)
def test_lines_that_no_table_has_are_named(tmp_path: Path, line: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label,split\na,x,train\n" + line + b"\nc,x,test\n")
    with pytest.raises(UserError, match=said) as error:
        Folder(tmp_path / "t.csv").index(tmp_path, "")
    assert len(str(error.value)) < 500


def test_tables_that_are_no_text_are_explained(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"path,label\xff\xfe\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        Folder(tmp_path / "t.csv").index(tmp_path, "")
    with pytest.raises(UserError, match="cannot read the table"):
        Folder(tmp_path / "absent.csv").index(tmp_path, "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TargetOptions("hmdb52", Path(".")), "unknown target 'hmdb52'.*did you mean 'hmdb51'"),
        (TargetOptions("hmdb51"), "needs --data"),
        (TargetOptions("hmdb51", Path("."), csv=Path("t.csv")), "--csv does not go with --target hmdb51"),
        (
            TargetOptions("folder", Path("."), annotations=Path(".")),
            "--annotations does not go with --target folder",
        ),
        (TargetOptions("folder", Path("."), fold_column="f"), "--fold-column does not go"),
        (TargetOptions("demo", Path(".")), "--data does not go with --target demo"),
    ],
)
def test_options_of_another_target_are_refused(source: TargetOptions, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_target(source)


def test_columns_cut_clips_out_of_videos(tmp_path: Path) -> None:
    root = touch(tmp_path, "long.mp4", "whole.mp4", "frames/1.jpg", "frames/2.jpg")
    text = (
        "path,label,split,from,to\nlong.mp4,a,train,0,20\nlong.mp4,b,test,20,\nwhole.mp4,b,train,,\nframes,a,test,0,1\n"
    )
    csv = table(tmp_path / "t.csv", text)
    options = TargetOptions("folder", root, csv=csv, start_column="from", end_column="to")
    assert make_target(options).index(root, "") == [
        Video("long.mp4", 0, "train", 0, 20),
        Video("long.mp4", 1, "test", 20, None),
        Video("whole.mp4", 1, "train"),
        Video("frames", 0, "test", 0, 1),
    ]
    with pytest.raises(UserError, match=r"line 3: long\.mp4 is already listed in line 2"):
        make_target(TargetOptions("folder", root, csv=csv)).index(root, "")
    with pytest.raises(UserError, match=r"1 video is in training and in test \(long\.mp4\)"):
        csv.write_text(text.replace("20,\n", "19,\n"))
        list_videos(make_target(options), root, "", allow_missing=False)
    for wrong, said in (
        ("20,19", "frames 20 to 19 are none; to is the first behind"),
        ("-1,5", "'-1' to '5'; they are whole"),
    ):
        csv.write_text(text.replace("0,20", wrong))
        with pytest.raises(UserError, match=f"line 2: .*{said}"):
            make_target(options).index(root, "")
    with pytest.raises(UserError, match="--start-column does not go without --csv"):
        make_target(TargetOptions("folder", root, start_column="from"))
