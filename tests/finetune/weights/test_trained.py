from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import Data, open_data
from fractalvid.finetune.videos.leakage import check_untrained
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.weights.trained import trained_on
from fractalvid.utils.errors import UserError

TABLE = "path,label,split,fold3,side\na.mp4,x,train,0,test\nb.mp4,x,test,1,train\nc.mp4,x,train,1,test\n"


def opened(root: Path, target: str = "folder", **source: Any) -> Data:
    return open_data(TargetOptions(target, root, **source), Machine(), test_only=True)


def config(root: Path, **changes: Any) -> dict[str, Any]:
    """As the card of weights that were fine-tuned on a table has it."""
    columns = {"label": "label", "split": "split", "fold": None, "group": None}
    said = {"target": "folder", "data": str(root), "table": str(root / "t.csv"), "columns": columns, "split": ""}
    return said | changes


def test_what_weights_were_trained_on_is_read_from_their_lists(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    data = opened(tmp_path, csv=tmp_path / "other.csv")
    assert trained_on(config(tmp_path), data) == frozenset({"a.mp4", "c.mp4"})
    other = {"label": "label", "split": "side", "fold": None, "group": None}
    assert trained_on(config(tmp_path, columns=other), data) == frozenset({"b.mp4"})
    folds = {"label": "label", "split": "split", "fold": "fold3", "group": None}
    assert trained_on(config(tmp_path, columns=folds, split="0"), data) == frozenset({"b.mp4", "c.mp4"})


def test_videos_of_other_folders_and_kinds_are_others(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    data = opened(tmp_path)
    assert trained_on(config(tmp_path, data="/elsewhere"), data) == frozenset()
    assert trained_on(config(tmp_path, target="pretraining"), data) == frozenset()
    assert trained_on({}, data) == frozenset()


def test_lists_that_are_gone_are_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained_on(config(tmp_path), opened(tmp_path)) is None
    check_untrained("w", [Video("a.mp4", 0, "test")], None)
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
    assert trained == frozenset(f"train/{name * 11}_000000_000010.mp4" for name in "ab")
    rows = data.target.index(data.root, "test")
    assert [row.path for row in rows] == ["test/ddddddddddd_000000_000010.mp4"]
    check_untrained("w", rows, trained)  # val and test of Kinetics have one training set


def test_a_test_set_of_kinetics_needs_no_training_table(tmp_path: Path) -> None:
    root = kinetics(tmp_path)
    (root / "train.csv").unlink()
    target = opened(root, "kinetics400").target
    assert target.classes(root, "val") == ("run",)
    assert [row.side for row in target.index(root, "val")] == ["test"]


def test_videos_that_were_trained_on_are_refused() -> None:
    rows = [Video(f"{name}.mp4", 0, "test") for name in "abc"]
    check_untrained("w", rows, frozenset({"d.mp4"}))
    with pytest.raises(UserError, match=r"w were trained on 2 of the 3 test videos \(a\.mp4, c\.mp4\)"):
        check_untrained("w", rows, frozenset({"a.mp4", "c.mp4"}))
