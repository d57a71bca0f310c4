import os
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import Data, list_split, open_data
from fractalvid.finetune.videos.leakage import TrainingVideos, check_untrained
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.weights.trained import trained_on
from fractalvid.utils.errors import UserError
from tests.finetune.targets.test_anigifs import gif_set

TABLE = "path,label,split,fold3,side\na.mp4,x,train,0,test\nb.mp4,x,test,1,train\nc.mp4,x,train,1,test\n"


def opened(root: Path, target: str = "folder", **source: Any) -> Data:
    return open_data(TargetOptions(target, root, **source), Machine(), test_only=True)


def config(root: Path, **changes: Any) -> dict[str, Any]:
    """As the card of weights that were fine-tuned on a table has it."""
    columns = {"label": "label", "split": "split", "fold": None, "group": None}
    said = {"target": "folder", "data": str(root), "table": str(root / "t.csv"), "columns": columns, "split": ""}
    return said | changes


def learned(config: dict[str, Any], data: Data) -> set[str]:
    """Paths of what the weights were trained on."""
    trained = trained_on(config, data)
    assert trained is not None
    return {video.path for video in trained.videos}


def test_what_weights_were_trained_on_is_read_from_their_lists(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    data = opened(tmp_path, csv=tmp_path / "other.csv")
    assert learned(config(tmp_path), data) == {"a.mp4", "c.mp4"}
    other = {"label": "label", "split": "side", "fold": None, "group": None}
    assert learned(config(tmp_path, columns=other), data) == {"b.mp4"}
    folds = {"label": "label", "split": "split", "fold": "fold3", "group": None}
    assert learned(config(tmp_path, columns=folds, split="0"), data) == {"b.mp4", "c.mp4"}


def test_lists_of_another_folder_are_read_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "there" / "A.MP4").write_bytes(b"a")
    (tmp_path / "there" / "t.csv").write_text(TABLE)
    trained = trained_on(config(tmp_path / "there"), opened(tmp_path / "here"))
    assert trained is not None
    assert trained.root == tmp_path / "there"
    assert {video.path for video in trained.videos} == {"A.MP4", "c.mp4"}
    assert not capsys.readouterr().err  # what is noted of videos is of those that are tested


def test_videos_of_folders_that_are_gone_and_of_other_kinds_are_others(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    data = opened(tmp_path)
    assert not learned(config(tmp_path, data="/elsewhere"), data)
    assert not learned(config(tmp_path, target="pretraining"), data)
    assert not learned(config(tmp_path, data=None), data)
    assert not learned({}, data)


@pytest.mark.parametrize("by", ["group", "file"])
def test_what_was_held_out_was_not_trained_on(tmp_path: Path, by: str) -> None:
    lines = [f"{film}{cut}.mp4,{label},{film},train" for label in "xy" for film in "qrst" for cut in (label, label * 2)]
    rows = [*lines, "gone.mp4,x,q,train", "test.mp4,x,z,test", "test2.mp4,y,z,test"]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,film,split", *rows]))
    for row in rows:
        (tmp_path / row.split(",")[0]).write_bytes(row.encode())
    (tmp_path / "gone.mp4").unlink()
    share: dict[str, Any] = {"val_share": 0.3, "val_by": by, "val_seed": 5}
    options = TargetOptions("folder", tmp_path, csv=tmp_path / "t.csv", group_column="film", **share)
    listing = list_split(open_data(options), "", Machine(), allow_missing=True)
    columns = {"label": "label", "split": "split", "fold": None, "group": "film"}
    said = config(tmp_path, columns=columns, held_out={"share": 0.3, "by": by, "seed": 5}, allow_missing=True)
    assert listing.side("val")
    trained = trained_on(said, opened(tmp_path))
    assert trained is not None
    assert trained.videos == listing.side("train")
    check_untrained("w", tmp_path, [*listing.side("val"), *listing.side("test")], trained)


def test_the_most_frequent_classes_are_those_that_were_trained(tmp_path: Path) -> None:
    root = gif_set(tmp_path / "gifs")
    names = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.gif"))]
    rows = [f"{name},{name.split('/')[0]},{'test' if k % 3 == 0 else 'train'}" for k, name in enumerate(names)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *rows]))
    data = open_data(TargetOptions("anigifs", root, csv=tmp_path / "t.csv", most_frequent=2))
    told = {"target": data.target.name, "data": str(root), "table": str(tmp_path / "t.csv"), "split": ""}
    training = {video.path for video in data.target.index(root, "") if video.side == "train"}
    assert data.target.name == "anigifs-2"
    assert learned(told, opened(root, "anigifs")) == training


def test_lists_that_are_gone_are_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained_on(config(tmp_path), opened(tmp_path)) is None
    (tmp_path / "t.csv").write_text(TABLE)
    assert trained_on(config(tmp_path, held_out={"share": 7.0, "by": "file", "seed": 0}), opened(tmp_path)) is None
    assert trained_on(config(tmp_path, target="folder-40"), opened(tmp_path)) is None
    check_untrained("w", tmp_path, [Video("a.mp4", 0, "test")], None)
    assert "note: the lists that w were trained on are gone" in capsys.readouterr().err


def kinetics(root: Path) -> Path:
    lines = {"train": ["aaaaaaaaaaa", "bbbbbbbbbbb"], "val": ["ccccccccccc"], "test": ["ddddddddddd"]}
    for part, ids in lines.items():
        (root / part).mkdir(parents=True)
        text = ["label,youtube_id,time_start,time_end,split", *(f"run,{name},0,10,{part}" for name in ids)]
        (root / f"{part}.csv").write_text("\n".join(text))
        for name in ids:
            (root / part / f"{name}_000000_000010.mp4").write_bytes(b"x")
    return root


def test_official_lists_name_the_same_videos_wherever_they_lie(tmp_path: Path) -> None:
    data = opened(kinetics(tmp_path / "here"), "kinetics400")
    said = {"target": "kinetics400", "data": "/elsewhere", "annotations": "/gone", "split": "val"}
    trained = trained_on(said, data)
    assert trained is not None
    assert {video.path for video in trained.videos} == {f"train/{name * 11}_000000_000010.mp4" for name in "ab"}
    rows = data.target.index(data.root, "test")
    assert [row.path for row in rows] == ["test/ddddddddddd_000000_000010.mp4"]
    check_untrained("w", data.root, rows, trained)  # val and test of Kinetics have one training set
    with pytest.raises(UserError, match="w were trained on 1 of the 1 test videos"):
        check_untrained("w", data.root, [Video("train/aaaaaaaaaaa_000000_000010.mp4", 0, "test")], trained)
    assert trained_on(said | {"split": "../val"}, data) is None


def test_a_test_set_of_kinetics_needs_no_training_table(tmp_path: Path) -> None:
    root = kinetics(tmp_path)
    (root / "train.csv").unlink()
    target = opened(root, "kinetics400").target
    assert target.classes(root, "val") == ("run",)
    assert [row.side for row in target.index(root, "val")] == ["test"]


def test_videos_that_were_trained_on_are_refused(tmp_path: Path) -> None:
    rows = [Video(f"{name}.mp4", 0, "test") for name in "abc"]
    check_untrained("w", tmp_path, rows, TrainingVideos(tmp_path, (Video("d.mp4", 0, "train"),)))
    check_untrained("w", tmp_path, rows, TrainingVideos(tmp_path / "other", (Video("a.mp4", 0, "train"),)))
    trained = TrainingVideos(tmp_path, tuple(Video(f"{name}.mp4", 0, "train") for name in "ac"))
    with pytest.raises(UserError, match=r"w were trained on 2 of the 3 test videos \(a\.mp4, c\.mp4\)"):
        check_untrained("w", tmp_path, rows, trained)


def test_files_under_other_paths_are_those_that_were_trained_on(tmp_path: Path) -> None:
    (tmp_path / "set" / "train").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "set" / "train" / name).write_bytes(b"v")
    (tmp_path / "child").mkdir()
    os.symlink(tmp_path / "set" / "train", tmp_path / "child" / "test")
    os.symlink(tmp_path / "set" / "train" / "b.mp4", tmp_path / "child" / "other.mp4")
    trained = TrainingVideos(tmp_path / "set", (Video("train/a.mp4", 0, "train"), Video("train/b.mp4", 0, "train")))
    for root, path in ((tmp_path, "set/train/a.mp4"), (tmp_path / "child", "test/b.mp4")):
        with pytest.raises(UserError, match=f"trained on 1 of the 1 test videos .{path}"):
            check_untrained("w", root, [Video(path, 0, "test")], trained)
    links = TrainingVideos(tmp_path / "child", (Video("other.mp4", 0, "train"),))
    with pytest.raises(UserError, match=r"trained on 1 of the 2 test videos \(train/b.mp4"):
        check_untrained("w", tmp_path / "set", trained.videos, links)


def test_cuts_that_share_no_frame_were_not_trained_on(tmp_path: Path) -> None:
    trained = TrainingVideos(tmp_path, (Video("a.mp4", 0, "train", 0, 12),))
    check_untrained("w", tmp_path, [Video("a.mp4", 0, "test", 12, 24)], trained)
    for start, end in ((11, 24), (None, None)):
        with pytest.raises(UserError, match="w were trained on 1 of the 1 test videos"):
            check_untrained("w", tmp_path, [Video("a.mp4", 0, "test", start, end)], trained)
