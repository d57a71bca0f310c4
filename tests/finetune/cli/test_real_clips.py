"""Real HMDB51 clips and the official lists, where they are there."""

import csv
import os
from pathlib import Path

import av
import pytest

from fractalvid.finetune.cache.store import ClipStore, Memory
from fractalvid.finetune.targets.folder import Folder
from fractalvid.finetune.targets.hmdb51 import Hmdb51, read_list
from fractalvid.finetune.videos.index import build_index
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.video.folders import video_names

ROOT = Path(os.environ.get("FRACTALVID_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not ROOT.is_dir(), reason="FRACTALVID_TEST_DATA names no folder of real clips")


def test_the_official_lists_are_read_as_published() -> None:
    for split in "123":
        lists = Hmdb51(ROOT / "hmdb51_splits").list_files(ROOT / "hmdb51_subset", split)
        sides = [side for path in lists.values() for side in read_list(path).values()]
        assert (len(lists), sides.count("train"), sides.count("test"), sides.count(None)) == (
            51,
            3570,
            1530,
            1666,
        )


def test_the_subset_matches_split_1() -> None:
    target = Hmdb51(ROOT / "hmdb51_splits")
    root = ROOT / "hmdb51_subset"
    listing = list_videos(target, root, "1", allow_missing=True)
    assert len(listing.classes) == 21
    assert (len(listing.side("train")), len(listing.side("test"))) == (665, 257)
    assert len(listing.missing) == 5100 - 665 - 257
    listed = {row.path for row in listing.videos}
    unmatched = [
        f"{c}/{name}" for c in listing.classes for name in video_names(root / c) if f"{c}/{name}" not in listed
    ]
    assert len(unmatched) == 6
    exact = {f"{c}/{name}" for c, path in target.list_files(root, "1").items() for name in read_list(path)}
    assert len(listed - exact) == 16  # the list writes # or &, the file @


def test_folds_share_no_video() -> None:
    target = Folder(ROOT / "hmdb51_subset.csv", fold_column="fold3")
    tested = [
        {row.path for row in list_videos(target, ROOT / "hmdb51_subset", fold, allow_missing=False).side("test")}
        for fold in "012"
    ]
    assert sum(map(len, tested)) == len(set.union(*tested)) == 928


def test_frames_are_those_that_decode_not_those_announced() -> None:
    root = ROOT / "hmdb51_original_sample"
    path = "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi"
    with av.open(str(root / path)) as container:
        assert container.streams.video[0].frames == 48
    paths = [file.relative_to(root).as_posix() for file in root.rglob("*.avi")]
    index = build_index(root, paths, cache_dir=None, threads=2, max_broken=0.0, progress=False)
    assert len(index.frames) == 8
    assert index.frames[path] == 40


def test_the_subset_decodes_as_its_table_says() -> None:
    root = ROOT / "hmdb51_subset"
    rows = [row for row in Folder(ROOT / "hmdb51_subset.csv", fold_column="fold3").index(root, "0")]
    few = [row for row in rows if row.path.startswith(("clap/", "pour/"))]
    index = build_index(root, [row.path for row in few], cache_dir=None, threads=2, max_broken=0.0, progress=False)
    with (ROOT / "hmdb51_subset.csv").open(newline="") as file:
        expected = {line["path"]: int(line["frames"]) for line in csv.DictReader(file)}
    assert index.frames == {row.path: expected[row.path] for row in few}
    frames = ClipStore(root, short_side=73, memory=Memory(0)).get(few[0])
    assert frames.shape == (expected[few[0].path], 73, 97, 3)
    assert 10 < frames.mean() < 245
