"""A validation side taken off the training side: by source, for every target, and nothing of the test side."""

import os
from collections import Counter
from pathlib import Path

import pytest

from fractalvid.finetune.run.prepare import prepare_videos
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import Data, list_split, open_data
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing, curve_side
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError

REAL = Path(os.environ.get("FRACTALVID_TEST_DATA", "/nonexistent"))


def listed(options: TargetOptions, split: str = "", *, allow_missing: bool = False) -> tuple[Data, Listing]:
    data = open_data(options)
    return data, list_split(data, split, Machine(progress=False), allow_missing=allow_missing)


def films(root: Path, test: bool = True) -> Path:
    for side in ("train", "test")[: 1 + test]:
        for name in "ab":
            for film in range(5):
                for cut in range(3):
                    path = root / side / name / f"film{'xyzuv'[film]}{side}_{cut}.mp4"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(str(path).encode())
    return root


def test_a_share_of_each_class_is_held_out_by_source(tmp_path: Path) -> None:
    root = films(tmp_path)
    options = TargetOptions("folder", root, val_share=0.2)
    data, held = listed(options)
    _, whole = listed(TargetOptions("folder", root))
    assert [v.path for v in held.videos] == [v.path for v in whole.videos]
    assert held.side("test") == whole.side("test")
    assert {v.path for v in held.side("train")} | {v.path for v in held.side("val")} == {
        v.path for v in whole.side("train")
    }
    assert Counter(v.label for v in held.side("val")) == {0: 3, 1: 3}
    groups = [{data.target.group(v.path) for v in held.side(side)} for side in ("train", "val")]
    assert not groups[0] & groups[1]
    assert (curve_side(held), curve_side(whole)) == ("val", "test")
    other = listed(TargetOptions("folder", root, val_share=0.2, val_seed=3))[1]
    assert listed(options)[1] == held != other


def test_few_shots_keep_the_validation_side(tmp_path: Path) -> None:
    _, held = listed(TargetOptions("folder", films(tmp_path), val_share=0.2))
    few = draw_few_shot(Listing(held.classes, held.videos, frames=(9,) * len(held.videos)), 2, 0)
    assert few.side("val") == held.side("val")
    assert len(few.side("train")) == 4


def test_where_no_side_is_named_the_share_is_tested(tmp_path: Path) -> None:
    _, held = listed(TargetOptions("folder", films(tmp_path, test=False), val_share=0.2))
    assert not held.side("val")
    assert len(held.side("test")) == 6


def test_nothing_is_held_out_where_nothing_is_trained(tmp_path: Path) -> None:
    root, flat = films(tmp_path / "sides"), films(tmp_path / "flat", test=False)
    (tmp_path / "t.csv").write_text("path,label,split\ntest/a/filmxtest_0.mp4,a,test\n")
    machine = Machine(progress=False)
    for table in (None, tmp_path / "t.csv"):
        data = open_data(TargetOptions("folder", root, csv=table, val_share=0.2), test_only=True)
        with pytest.raises(UserError, match="--val-share: nothing is trained"):
            list_split(data, "", machine, allow_missing=False)
        with pytest.raises(UserError, match="--val-share: nothing is trained"):
            next(prepare_videos(data, [""], machine))
    drawn = TargetOptions("folder", flat, val_share=0.2)
    tested = list_split(open_data(drawn, test_only=True), "", machine, allow_missing=False)
    assert tested.videos == listed(drawn)[1].side("test")


def test_validation_videos_that_are_there_are_used(tmp_path: Path) -> None:
    root = films(tmp_path)
    (root / "test").rename(root / "val")
    films(root)
    for file in (root / "val").rglob("*.mp4"):
        file.write_bytes(b"val" + file.read_bytes())
    assert [len(listed(TargetOptions("folder", root))[1].side(side)) for side in ("train", "val", "test")] == [30] * 3
    with pytest.raises(UserError, match="--val-share: there are validation videos already"):
        listed(TargetOptions("folder", root, val_share=0.2))


def test_a_side_that_cannot_be_had_is_explained(tmp_path: Path) -> None:
    for side in ("train", "test"):
        for name in "ab":
            (tmp_path / side / name).mkdir(parents=True)
            for cut in range(4):
                (tmp_path / side / name / f"{side}{name}_{cut}.mp4").write_bytes(f"{side}{name}{cut}".encode())
    with pytest.raises(UserError, match=r"--val-share: no source can be held out .* --val-by file may"):
        listed(TargetOptions("folder", tmp_path, val_share=0.2))
    _, held = listed(TargetOptions("folder", tmp_path, val_share=0.25, val_by="file"))
    assert Counter(v.label for v in held.side("val")) == {0: 1, 1: 1}
    for file in (tmp_path / "train").rglob("*_[123].mp4"):
        file.unlink()
    with pytest.raises(UserError, match=r"without leaving a class untrained$"):
        listed(TargetOptions("folder", tmp_path, val_share=0.25, val_by="file"))


@pytest.mark.skipif(not REAL.is_dir(), reason="FRACTALVID_TEST_DATA names no folder of real clips")
def test_official_splits_keep_their_test_side() -> None:
    where = TargetOptions("hmdb51", REAL / "hmdb51_subset", annotations=REAL / "hmdb51_splits", val_share=0.2)
    data, held = listed(where, "1", allow_missing=True)
    assert (len(held.side("test")), len(held.side("train")) + len(held.side("val"))) == (257, 665)
    assert 100 <= len(held.side("val")) <= 166
    groups = [{data.target.group(v.path) for v in held.side(side)} for side in ("train", "val")]
    assert not groups[0] & groups[1]
    assert {v.label for v in held.side("train")} == set(range(21))
