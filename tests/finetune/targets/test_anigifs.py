from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fractalvid.finetune.targets.anigifs import Gifs
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TargetOptions, make_target
from fractalvid.finetune.videos.data import open_data, read_videos
from fractalvid.finetune.videos.listing import list_videos
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from tests.finetune.helpers import command

COUNTS = {"abseiling": 2, "air drumming": 4, "zumba": 3}


def put_gif(path: Path, frames: int, level: int) -> None:
    """A GIF of a growing square, on a ground of `level`."""
    pictures = []
    for k in range(frames):
        pixels = np.full((20, 24), level, np.uint8)
        pixels[: 2 + k % 18, : 2 + k % 18] = 255 - k
        pictures.append(Image.fromarray(pixels))
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=60)


def gif_set(root: Path, counts: dict[str, int] = COUNTS) -> Path:
    """The published layout: `<class>/<name>.gif`, of 1 to 5 frames."""
    for number, (name, count) in enumerate(counts.items()):
        for k in range(count):
            put_gif(root / name / f"{k}.gif", 1 + k, 90 * number)
    return root


def table(root: Path) -> Path:
    """The first GIF of each class to test on, the others to train on, as a split and as folds."""
    lines = ["path,label,split,fold"]
    for name, count in COUNTS.items():
        lines += [f"{name}/{k}.gif,{name},{'train' if k else 'test'},{k % 2}" for k in range(count)]
    path = root / "split.csv"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("domain", ["anigifs", "kinetics-gifs"])
def test_the_whole_set_is_there_to_test_on(tmp_path: Path, domain: str) -> None:
    root = gif_set(tmp_path)
    target = make_target(TargetOptions(domain, root))
    assert target.name == domain
    assert target.classes(root, "") == ("abseiling", "air drumming", "zumba")
    rows = target.index(root, "")
    assert len(rows) == 9 and rows[2] == Video("air drumming/0.gif", 1, "test")
    assert (target.protocol.clip_len, target.protocol.frame_stride) == (40, 1)
    with pytest.raises(UserError, match=f"{domain} lists no training video; name a table with --csv"):
        list_videos(target, root, "", allow_missing=False)


def test_the_most_frequent_classes_are_kept(tmp_path: Path) -> None:
    root = gif_set(tmp_path)
    target = make_target(TargetOptions("anigifs", root, most_frequent=2))
    assert target.name == "anigifs-2" and target.protocol.num_classes == 2
    assert target.classes(root, "") == ("air drumming", "zumba")
    assert {row.label for row in target.index(root, "")} == {0, 1} and len(target.index(root, "")) == 7
    with pytest.raises(UserError, match=r"--most-frequent is 40: .* has 3 classes"):
        Gifs(most_frequent=40).index(root, "")


def test_classes_of_equal_size_are_taken_in_order(tmp_path: Path) -> None:
    root = gif_set(tmp_path, {"c": 1, "a": 1, "b": 1})
    assert Gifs(most_frequent=2).classes(root, "") == ("a", "b")


def test_a_table_splits_the_set(tmp_path: Path) -> None:
    root = gif_set(tmp_path)
    target = make_target(TargetOptions("anigifs", root, csv=table(root), most_frequent=2))
    listing = list_videos(target, root, "", allow_missing=False)
    assert [row.path for row in listing.side("test")] == ["air drumming/0.gif", "zumba/0.gif"]
    assert len(listing.side("train")) == 5 and listing.classes == ("air drumming", "zumba")
    sourced = make_target(TargetOptions("anigifs", root, csv=table(root), group_column="fold"))
    assert sourced.group("zumba/1.gif") == "1" and target.group("zumba/1.gif") is None
    folds = make_target(TargetOptions("anigifs", root, csv=table(root), fold_column="fold"))
    assert [len(list_videos(folds, root, fold, allow_missing=False).side("test")) for fold in "01"] == [5, 4]


def test_a_test_gif_in_the_training_list_is_an_error(tmp_path: Path) -> None:
    root = gif_set(tmp_path)
    path = table(root)
    path.write_text(path.read_text() + "\n./zumba/0.gif,zumba,train,0")
    with pytest.raises(UserError, match=r"line 11: zumba/0\.gif is already listed in line 8 \(test, here train"):
        make_target(TargetOptions("anigifs", root, csv=path)).index(root, "")


def test_broken_gifs_are_named_and_single_frames_count(tmp_path: Path) -> None:
    root = gif_set(tmp_path)
    (root / "air drumming" / "1.gif").write_bytes(b"")
    (root / "air drumming" / "2.gif").write_bytes((root / "air drumming" / "2.gif").read_bytes()[:20])
    data = open_data(TargetOptions("anigifs", root, csv=table(root)), Machine())
    with pytest.raises(UserError, match=r"air drumming/[12]\.gif: no frame decodes"):
        read_videos(data, "", Machine(cache_dir=tmp_path / "cache", progress=False), allow_missing=False)
    machine = Machine(cache_dir=tmp_path / "cache", max_broken=0.3, progress=False)
    listing = read_videos(data, "", machine, allow_missing=False)
    assert [path for path, _ in listing.broken] == ["air drumming/1.gif", "air drumming/2.gif"]
    assert set(listing.frames) == {9}


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"does not exist; expected <class>/<name>\.gif"):
        Gifs().index(tmp_path / "absent", "")
    (tmp_path / "a" / "papers").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no GIFs in class folders: .* found papers"):
        Gifs().index(tmp_path / "a", "")
    root = gif_set(tmp_path / "b")
    (root / "yoga").mkdir()
    with pytest.raises(UserError, match=r"class folder\(s\) without a GIF in .*: yoga"):
        Gifs().index(root, "")
    (root / "yoga").rmdir()
    put_gif(root / "Air_drumming" / "a.gif", 2, 0)
    with pytest.raises(UserError, match=r"the class folders 'Air_drumming' and 'air drumming' .* are one class"):
        Gifs().index(root, "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (partial(TargetOptions, "anigifs", Path("."), split_column="s"), "--split-column does not go without --csv"),
        (
            partial(TargetOptions, "anigifs", Path("."), annotations=Path(".")),
            "--annotations does not go with --target anigifs",
        ),
        (
            partial(TargetOptions, "folder", Path("."), most_frequent=3),
            "--most-frequent does not go with --target folder",
        ),
        (partial(TargetOptions, "kinetics-gifs", Path("."), most_frequent=1), "--most-frequent is 1: .* takes two"),
        (partial(TargetOptions, "anigif", Path(".")), "unknown target 'anigif'.*did you mean 'anigifs'"),
    ],
)
def test_options_of_another_target_are_refused(source: Callable[[], TargetOptions], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_target(source())


def test_a_network_is_fine_tuned_on_gifs(tmp_path: Path) -> None:
    root = gif_set(tmp_path / "data")
    options = ["--target", "anigifs", "--data", root, "--csv", table(root), "--out", tmp_path / "out"]
    assert command(*options, cache=tmp_path / "cache") == 0
    assert (tmp_path / "out" / "metrics.json").exists()
