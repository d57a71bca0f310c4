"""Generated sets: whole, resumable after a kill, extensible, never mixed up."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from fractalvid.core.colour import ColourConfig
from fractalvid.core.constants import FIRST_VALIDATION_ID
from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.config import FormatName
from fractalvid.sets.formats import FORMATS
from fractalvid.sets.manifest import HEADER, read_manifest
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import replace_file
from fractalvid.video.reader import read_video

SMALL = SetConfig(clips=2, size=32, points=2000)


def make(bank: ClassBank, out: Path, config: SetConfig = SMALL, workers: int = 2, hours: float | None = None) -> int:
    return generate(bank, out, config, workers=workers, hours=hours, progress=False)


def digest(root: Path) -> dict[str, str]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.suffix != ".npz"}


@pytest.fixture(scope="module")
def four() -> ClassBank:
    return ClassBank.sample(4, seed=3)


def test_a_set_is_whole(four: ClassBank, tmp_path: Path) -> None:
    assert make(four, tmp_path / "set") == 0
    rows = read_manifest(tmp_path / "set" / "manifest.csv")
    assert sorted((r.class_id, r.instance_id) for r in rows) == [(c, i) for c in range(4) for i in range(2)]
    for row in rows:
        path = tmp_path / "set" / row.path
        assert path.stat().st_size == row.bytes
        assert len(read_video(path)) == row.frames == four.native_frames[row.class_id]
    card = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert card["seed"] == 3
    assert card["fingerprint"]["numba"]
    assert len(ClassBank.load(tmp_path / "set" / "classes.npz")) == 4
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == [
        ".lock",
        "classes.npz",
        "clips",
        "dataset.json",
        "manifest.csv",
    ]


def test_pieces_equal_the_whole(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "one")
    make(ClassBank.sample(2, seed=3), tmp_path / "two", SetConfig(clips=1, size=32, points=2000), workers=1)
    assert make(four, tmp_path / "two", hours=1e-9) > 0
    assert make(four, tmp_path / "two", workers=3) == 0
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


def test_a_kill_in_between_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fractalvid", "generate", "--classes", "4", "--clips", "12", "--seed", "3"]
    command += ["--size", "32", "--points", "60000", "--workers", "1"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = subprocess.Popen([*command, "--out", str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "cut").glob("clips/*/*.mp4"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    manifest = tmp_path / "cut" / "manifest.csv"
    manifest.write_text(manifest.read_text() + "clips/000000/00000")
    subprocess.run([*command, "--out", str(tmp_path / "cut")], check=True, capture_output=True)
    assert digest(tmp_path / "whole") == digest(tmp_path / "cut")
    assert read_manifest(manifest) == read_manifest(tmp_path / "whole" / "manifest.csv")


def left_by_kills(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"half")


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob(".*") if path.name != ".lock"}


@pytest.mark.parametrize("masks", [False, True])
def test_what_kills_left_of_clips_goes_when_the_command_begins_again(
    four: ClassBank, tmp_path: Path, masks: bool
) -> None:
    config, out = SetConfig(clips=2, size=32, points=2000, masks=masks), tmp_path / "set"
    assert make(four, out, config, hours=1e-9) > 0
    left_by_kills(out / "clips" / "000003", ".0000000001.mp4.part", ".holiday.mp4.part", "0000000009.mp4.part")
    left_by_kills(out / "masks" / "000003", ".0000000001.png.part")
    left_by_kills(tmp_path, ".0000000001.mp4.part")
    assert make(four, out, config, hours=1e-9) > 0
    assert hidden(out) == {".holiday.mp4.part"}, "strangers' files stay"
    assert (out / "clips" / "000003" / "0000000009.mp4.part").exists()
    assert (tmp_path / ".0000000001.mp4.part").exists()


def test_what_a_kill_left_of_a_shard_goes_when_the_command_begins_again(four: ClassBank, tmp_path: Path) -> None:
    config, out = SetConfig(clips=2, size=32, points=2000, format="webdataset", shard_size=2), tmp_path / "set"
    assert make(four, out, config, hours=1e-9) > 0
    left_by_kills(out / "shards", ".000003.tar.part", ".mine.tar.part")
    assert make(four, out, config, hours=1e-9) > 0
    assert hidden(out) == {".mine.tar.part"}


def test_what_a_very_early_kill_leaves_is_gone_on_with(four: ClassBank, tmp_path: Path) -> None:
    out = tmp_path / "set"
    out.mkdir()
    (out / ".lock").write_text("")
    (out / ".dataset.json.tmp").write_text("{")
    assert make(four, out) == 0
    (out / "classes.npz").unlink()
    (out / "manifest.csv").unlink()
    assert make(four, out) == 0
    make(four, tmp_path / "whole")
    assert digest(out) == digest(tmp_path / "whole")


def test_a_kill_before_the_manifest_is_ordered_is_made_good(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "set")
    manifest = tmp_path / "set" / "manifest.csv"
    ordered = manifest.read_text()
    header, *rows = ordered.splitlines(keepends=True)
    manifest.write_text(header + "".join(reversed(rows)))
    assert make(four, tmp_path / "set") == 0
    assert manifest.read_text() == ordered


def test_two_processes_do_not_write_one_set(four: ClassBank, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(four, out)
    holder = "import sys, time, filelock; held = filelock.FileLock(sys.argv[1]).acquire(); print(); time.sleep(60)"
    command = [sys.executable, "-u", "-c", holder, str(out / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(UserError, match="another process"):
            make(four, out)
        other.kill()
    assert make(four, out) == 0


def test_damaged_files_are_one_line(four: ClassBank, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(four, out)
    card = (out / "dataset.json").read_text()
    (out / "dataset.json").write_text(card.replace('"seed"', '"sead"'))
    with pytest.raises(UserError, match="damaged"):
        make(four, out)
    (out / "dataset.json").write_text(card)
    (out / "manifest.csv").write_bytes(b"path,\xff\xfe\n")
    with pytest.raises(UserError, match="not a manifest"):
        make(four, out)


def test_validation_clips_and_images(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "val", SetConfig(clips=1, size=32, points=2000, split="val"))
    assert {r.instance_id for r in read_manifest(tmp_path / "val" / "manifest.csv")} == {FIRST_VALIDATION_ID}
    make(four, tmp_path / "images", SetConfig(clips=1, size=32, points=2000, format="png"))
    rows = read_manifest(tmp_path / "images" / "manifest.csv")
    assert {r.frames for r in rows} == {1}
    assert all((tmp_path / "images" / r.path).read_bytes()[:4] == b"\x89PNG" for r in rows)


def test_a_set_can_grow_but_not_change(four: ClassBank, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(ClassBank.sample(2, seed=3), out, SetConfig(clips=1, size=32, points=2000))
    make(four, out)
    assert len(read_manifest(out / "manifest.csv")) == 8
    before = digest(out)
    for config, named in [
        (SetConfig(clips=1, size=32, points=2000), "clips"),
        (SetConfig(clips=2, size=48, points=2000), "size"),
        (SetConfig(clips=2, size=32, points=2000, crf=30), "crf"),
    ]:
        with pytest.raises(UserError, match=named):
            make(four, out, config)
    with pytest.raises(UserError, match="seed"):
        make(ClassBank.sample(4, seed=4), out)
    assert digest(out) == before


def test_another_backend_or_version_is_refused(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "set")
    card = tmp_path / "set" / "dataset.json"
    described = json.loads(card.read_text())
    described["fingerprint"]["numba"] = "0.1"
    card.write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"numba = 0\.1"):
        make(four, tmp_path / "set")


def test_foreign_folders_stay_as_they_are(four: ClassBank, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="something else"):
        make(four, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match="is a file"):
        make(four, tmp_path / "notes.txt")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        make(four, damaged)


def test_a_link_to_what_is_not_there_is_named(four: ClassBank, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for out in (link, link / "below"):
        with pytest.raises(UserError, match=rf"{link} is a link to what is not there: remove it"):
            make(four, out)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_manifests_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not a manifest"):
        read_manifest(path)
    path.write_text(HEADER + "clips/x.mp4,one,2,3,4,ab,0,0,\n")
    with pytest.raises(UserError, match="damaged"):
        read_manifest(path)
    good = "clips/x.mp4,1,2,3,4,ab,0,0,\n"
    path.write_text(HEADER + good + '"' + good * 6000)
    with pytest.raises(UserError, match="line 3 is damaged"):
        read_manifest(path)
    numbers = ("0,4,ab,0,0", "10001,4,ab,0,0", "3,-4,ab,0,0", "3,4,ab,-1,0", "3,4,ab,0,-1")
    for line in ("x" * 140_000, "\0,1,2,3,4,ab,0,0,", *(f"x,1,2,{those}," for those in numbers)):
        path.write_text(HEADER + good + line + "\n")
        with pytest.raises(UserError, match="line 3 is damaged") as error:
            read_manifest(path)
        assert len(str(error.value)) < len(str(path)) + 200
    path.write_text(HEADER + good + "clips/y.m")
    assert len(read_manifest(path)) == 1


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_full_disk_is_one_clear_error(four: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(path: Path, data: bytes) -> None:
        calls.append(1)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        replace_file(path, data)

    monkeypatch.setattr("fractalvid.sets.formats.clip_files.replace_file", failing)
    with pytest.raises(UserError, match="No space left"):
        make(four, tmp_path / "set", workers=1)
    monkeypatch.undo()
    assert make(four, tmp_path / "set") == 0
    make(four, tmp_path / "whole")
    assert digest(tmp_path / "set") == digest(tmp_path / "whole")


@pytest.mark.parametrize(
    "values",
    [
        {"clips": 0},
        {"size": 1},
        {"size": 100_000},
        {"size": 32.0},
        {"frames": 2.5},
        {"points": 0},
        {"crf": 99},
        {"frames": 0},
        {"format": "png", "frames": 3},
        {"format": "avi"},
        {"format": "npz", "crf": 20},
        {"format": "mp4", "shard_size": 10},
        {"shard_size": 0, "format": "webdataset"},
        {"codec": "nosuch"},
        {"codec": "mpeg4", "crf": 40},
        {"preset": "lazy"},
        {"size": 8192, "frames": 10_000},
        {"size": 8192, "format": "npz", "colour": ColourConfig()},
    ],
)
def test_impossible_sets(values: dict[str, int]) -> None:
    with pytest.raises(UserError):
        SetConfig(**values)  # type: ignore[arg-type]


def test_clips_that_no_memory_holds_are_told_in_one_line() -> None:
    with pytest.raises(UserError, match=r"10000 frames of 8192 x 8192 pixels takes 625\.0 GiB"):
        SetConfig(size=8192, frames=10_000)
    assert SetConfig(size=8192).size == 8192


def test_the_mask_of_a_picture_is_one_frame_large() -> None:
    assert SetConfig(format="png", masks=True, size=2048).masks
    with pytest.raises(UserError, match="40960 x 2048"):
        SetConfig(masks=True, size=2048)


def test_the_names_of_formats_are_those_of_the_table() -> None:
    assert get_args(FormatName) == tuple(FORMATS)


def test_workers_do_not_matter(four: ClassBank, tmp_path: Path) -> None:
    make(four, tmp_path / "one", workers=1)
    make(four, tmp_path / "eight", workers=8)
    assert digest(tmp_path / "one") == digest(tmp_path / "eight")
    with pytest.raises(UserError, match="workers"):
        make(four, tmp_path / "none", workers=0)
    assert np.all([r.frames >= 18 for r in read_manifest(tmp_path / "one" / "manifest.csv")])
