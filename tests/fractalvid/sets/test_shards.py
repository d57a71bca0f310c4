"""WebDataset shards: standard readers read them, and they come out the same however they were made."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from PIL import Image

from fractalvid.fractals.bank import ClassBank
from fractalvid.sets import FractalSet, SetConfig, generate, verify
from fractalvid.sets.formats.mask import decode_mask
from fractalvid.sets.manifest import read_manifest
from fractalvid.sets.reader import SetReader
from fractalvid.utils.errors import UserError
from fractalvid.video.reader import read_video


def shards(clips: int = 3, shard_size: int = 4, **options: Any) -> SetConfig:
    return SetConfig(clips=clips, size=32, points=2000, format="webdataset", shard_size=shard_size, **options)


def make(classes: int, out: Path, config: SetConfig, workers: int = 2, hours: float | None = None) -> int:
    bank = ClassBank.sample(classes, seed=3)
    return generate(bank, out, config, workers=workers, hours=hours, progress=False)


def contents(root: Path) -> dict[str, str]:
    files = [p for p in sorted(root.rglob("*")) if p.is_file()]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clips with masks in shards of four, four and one; not to be changed."""
    out = tmp_path_factory.mktemp("shards") / "set"
    assert make(3, out, shards(masks=True)) == 0
    return out


def test_the_webdataset_package_reads_them(whole: Path) -> None:
    paths = sorted(str(path) for path in whole.glob("shards/*.tar"))
    assert [Path(path).name for path in paths] == ["000000.tar", "000001.tar", "000002.tar"]
    samples = list(webdataset.WebDataset(paths, shardshuffle=False, empty_check=False).decode())
    reader = SetReader(whole)
    assert len(samples) == len(reader.rows) == 9
    for sample, row in zip(samples, reader.rows, strict=True):
        assert sample["__key__"] == f"{row.class_id:06d}_{row.instance_id:010d}"
        assert sample["cls"] == row.class_id
        assert sample["json"] == {"class_id": row.class_id, "instance_id": row.instance_id, "frames": row.frames}
        assert np.array_equal(read_video(sample["mp4"], rgb=False), reader.frames(row))
        assert np.array_equal(decode_mask(sample["mask.png"], row.frames), reader.mask(row))


def test_they_are_plain_tars(whole: Path) -> None:
    with tarfile.open(whole / "shards" / "000001.tar") as tar:
        members = tar.getmembers()
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
        names = [member.name for member in members]
        assert [name.split(".", 1)[1] for name in names] == ["mp4", "mask.png", "cls", "json"] * 4
        # The plan takes the classes in turn: 0 1 2 0 | 1 2 0 1 | 2.
        assert [name.split("_")[0] for name in names[::4]] == ["000001", "000002", "000000", "000001"]
        first = {name.split(".", 1)[1]: tar.extractfile(name) for name in names[:4]}
        held = {suffix: file.read() for suffix, file in first.items() if file is not None}
    assert json.loads(held["json"])["class_id"] == int(held["cls"]) == 1
    assert Image.open(io.BytesIO(held["mask.png"])).mode == "1"


def test_manifest_rows_say_where_clips_lie(whole: Path) -> None:
    data = {path.name: path.read_bytes() for path in whole.glob("shards/*.tar")}
    for row in read_manifest(whole / "manifest.csv"):
        clip = data[Path(row.path).name][row.offset : row.offset + row.bytes]
        assert clip[4:8] == b"ftyp"
        assert len(read_video(clip)) == row.frames


@pytest.mark.parametrize("workers", [1, 5])
def test_workers_and_pieces_do_not_matter(whole: Path, tmp_path: Path, workers: int) -> None:
    out = tmp_path / "set"
    assert make(3, out, shards(masks=True), hours=1e-9) == 9
    assert make(3, out, shards(masks=True), workers=workers) == 0
    assert contents(out) == contents(whole)


def test_time_that_is_up_ends_with_the_shard_in_the_making(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a budget shorter than a shard would get nowhere, however often it is given."""
    out, config = tmp_path / "set", shards(masks=True)
    for missing in (5, 1, 0):
        started = time.monotonic()
        monkeypatch.setattr("fractalvid.sets.generation.time", Clock([started, started]))
        assert make(3, out, config, hours=1 / 3600) == missing
    monkeypatch.undo()
    assert contents(out) == contents(whole)


class Clock:
    """In the place of the module `time`: the seconds given, then an hour later."""

    def __init__(self, seconds: list[float]) -> None:
        self._seconds = seconds

    def monotonic(self) -> float:
        return self._seconds.pop(0) if self._seconds else time.monotonic() + 3600


def test_clips_may_grow(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(3, out, shards(clips=1, masks=True))
    assert [path.name for path in (out / "shards").iterdir()] == ["000000.tar"]
    make(3, out, shards(clips=2, masks=True))
    make(3, out, shards(masks=True))
    assert contents(out) == contents(whole)


def test_a_set_that_grows_loses_no_clip_on_the_way(whole: Path, tmp_path: Path) -> None:
    out, more = tmp_path / "set", shards(masks=True)
    make(3, out, shards(clips=1, masks=True))
    assert make(3, out, more, hours=0) == 9  # the short shard is made again as well
    assert len(FractalSet(out)) == 3
    findings = verify(out, workers=1, progress=False)
    assert not findings.problems and not findings.strays
    make(3, out, more)
    assert contents(out) == contents(whole)


def test_what_cannot_grow_is_refused_in_one_line(tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(2, out, shards(clips=2))
    before = contents(out)
    with pytest.raises(UserError, match="shards mix the classes"):
        make(3, out, shards(clips=2))
    with pytest.raises(UserError, match="shard_size = 4, not 5"):
        make(2, out, shards(clips=2, shard_size=5))
    with pytest.raises(UserError, match="format = webdataset, not mp4"):
        make(2, out, SetConfig(clips=2, size=32, points=2000))
    assert contents(out) == before


def test_a_kill_at_any_moment_costs_a_shard_at_most(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fractalvid", "generate", "--classes", "4", "--clips", "10", "--seed", "3"]
    command += ["--size", "32", "--points", "1000000", "--workers", "1", "--format", "webdataset", "--shard-size", "9"]
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = subprocess.Popen([*command, "--out", str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "cut" / "shards" / ".000001.tar.part").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(killed.pid, signal.SIGKILL)
    finished = killed.wait() == 0  # on a machine so busy that this process saw none of its shards begin
    kept = read_manifest(tmp_path / "cut" / "manifest.csv")
    assert finished or len(kept) % 9 == 0
    assert {path.name for path in (tmp_path / "cut" / "shards").glob("*.tar")} >= {Path(row.path).name for row in kept}
    subprocess.run([*command, "--out", str(tmp_path / "cut")], check=True, capture_output=True)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_full_disk_leaves_whole_shards_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "set"
    added = tarfile.TarFile.addfile
    calls = []

    def failing(self: tarfile.TarFile, member: tarfile.TarInfo, file: Any = None) -> None:
        calls.append(1)
        if len(calls) > 20:
            raise OSError(28, "No space left on device")
        added(self, member, file)

    monkeypatch.setattr(tarfile.TarFile, "addfile", failing)
    with pytest.raises(UserError, match="No space left"):
        make(3, out, shards())
    assert [path.name for path in (out / "shards").iterdir()] == ["000000.tar"]
    assert len(read_manifest(out / "manifest.csv")) in (0, 4)
    monkeypatch.undo()
    assert make(3, out, shards()) == 0
    make(3, tmp_path / "whole", shards())
    assert contents(out) == contents(tmp_path / "whole")
