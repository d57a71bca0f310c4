"""Sets behind an address of fsspec: made, resumed, merged, verified and read there."""

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest
from torch.utils.data import DataLoader

from fractalvid.fractals.bank import ClassBank
from fractalvid.pretrain.clips import StoredClips
from fractalvid.pretrain.clips.indexed import Share
from fractalvid.sets import FractalSet, Part, SetConfig, generate, merge, repair, verify
from fractalvid.sets.addresses.place import RemoteFolder, address_of
from fractalvid.sets.part import WHOLE
from fractalvid.stream import StreamConfig
from fractalvid.utils.errors import UserError
from tests.fractalvid.sets.test_generation import digest

FILES = SetConfig(clips=3, size=32, points=2000, masks=True)
SHARDS = SetConfig(clips=3, size=32, points=2000, format="webdataset", shard_size=5)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield "memory://bucket/set"
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def four() -> ClassBank:
    return ClassBank.sample(4, seed=3)


def make(bank: ClassBank, out: str | Path, config: SetConfig, part: Part = WHOLE, hours: float | None = None) -> int:
    return generate(bank, out, config, workers=2, progress=False, part=part, hours=hours)


def content(address: str, folder: Path) -> dict[str, str]:
    RemoteFolder(address)._do("get", address, str(folder), recursive=True)
    return digest(folder)


@pytest.mark.parametrize("config", [FILES, SHARDS])
def test_a_set_behind_an_address_is_that_of_a_folder(
    four: ClassBank, config: SetConfig, address: str, tmp_path: Path
) -> None:
    make(four, tmp_path / "here", config)
    assert make(four, address, config, hours=0) == 12
    assert make(four, address, config) == 0
    here = digest(tmp_path / "here")
    del here[".lock"]
    assert content(address, tmp_path / "there") == here
    assert verify(address, workers=1, progress=False).clean


def test_a_run_goes_on_where_the_connection_broke(
    four: ClassBank, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(four, tmp_path / "here", SHARDS)
    put, shards = RemoteFolder.put, 0

    def breaking(self: RemoteFolder, folder: Path, names: list[str]) -> None:
        nonlocal shards
        shards += names[0].startswith("shards")
        if shards == 2:
            raise OSError("no route to host")
        put(self, folder, names)

    with monkeypatch.context() as patch:
        patch.setattr(RemoteFolder, "put", breaking)
        with pytest.raises(UserError, match=r"cannot write to memory://bucket/set: no route to host; .* run the same"):
            make(four, address, SHARDS)
    assert len(FractalSet(address)) == 5
    assert make(four, address, SHARDS) == 0
    here = digest(tmp_path / "here")
    del here[".lock"]
    assert content(address, tmp_path / "there") == here


def test_parts_are_merged_where_they_lie(four: ClassBank, address: str, tmp_path: Path) -> None:
    make(four, tmp_path / "here", FILES)
    for number in (2, 1):
        make(four, address, FILES, Part(number, 2))
    with pytest.raises(UserError, match="is being made in 2 parts"):
        make(four, address, FILES)
    assert merge(address) == 12
    here = digest(tmp_path / "here")
    del here[".lock"]
    assert content(address, tmp_path / "there") == here


def test_a_part_with_nothing_to_make_is_complete_there(four: ClassBank, address: str, tmp_path: Path) -> None:
    one = SetConfig(clips=1, size=32, points=2000)
    for number in (1, 2, 3, 4, 5):
        assert make(four, address, one, Part(number, 5)) == 0
    assert make(four, address, one, Part(5, 5)) == 0
    assert merge(address) == 4
    more = SetConfig(clips=2, size=32, points=2000)  # four new clips, so that some parts have none
    for number in range(1, 9):
        assert make(four, address, more, Part(number, 8)) == 0
    assert merge(address) == 8
    assert verify(address, workers=1, progress=False).clean


def test_what_the_program_left_there_is_no_stray(four: ClassBank, address: str, tmp_path: Path) -> None:
    assert make(four, address, SHARDS, hours=0) == 12
    (tmp_path / "manifest").mkdir()
    for name in ("manifest/000000002.csv", ".merged", "manifest/notes.csv"):
        (tmp_path / name).write_text("path,class_id,instance_id,frames,bytes,digest,offset,mask_bytes,mask_digest\n")
        RemoteFolder(address).put(tmp_path, [name])
    assert verify(address, workers=1, progress=False).strays == ["manifest/notes.csv"]


def test_a_cache_that_cannot_be_made_is_named(
    four: ClassBank, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(four, address, SHARDS)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    said = r"can't keep card and manifest of memory:///bucket/set in .*: Not a directory; set XDG_CACHE_HOME"
    for use in (lambda: FractalSet(address), lambda: make(four, address, SHARDS)):
        with pytest.raises(UserError, match=said):
            use()


def test_a_mistyped_address_leaves_nothing_in_the_cache(
    address: str, tmp_path: Path, refuses: Callable[..., None]
) -> None:
    refuses("memory:///bucket/typo is no generated set", "verify", "memory://bucket/typo")
    assert not list((tmp_path / "cache").rglob("*"))


def test_repair_is_refused_before_the_check(
    four: ClassBank, address: str, refuses: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    make(four, address, SHARDS)  # a clean set, where the option would else say nothing
    monkeypatch.setattr("fractalvid.sets.verification.verify", None)
    refuses("only a set in a folder of this machine is repaired", "verify", address, "--repair")


def test_clips_are_read_from_there(four: ClassBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    address = f"file://{tmp_path}/there"
    make(four, address, FILES)
    make(four, tmp_path / "here", FILES)
    here, there = FractalSet(tmp_path / "here", frames=4), FractalSet(address, frames=4, masks=True)
    batches = list(DataLoader(there, batch_size=4, num_workers=2, multiprocessing_context="spawn"))
    assert [int(target) for batch in batches for target in batch[1]] == here.targets
    assert bool((batches[0][0][0] == here[0][0]).all())
    assert pickle.loads(pickle.dumps(there))[0][1] == 0
    assert repr(there).startswith(f"FractalSet('{address}', 12 clips of 4 classes")
    clips = StoredClips(Path(address), config=StreamConfig(clip_len=4, size=32), seed=0, share=Share(4), threads=1)
    assert next(iter(clips)).video.shape == (4, 3, 4, 32, 32)


def test_what_is_wrong_there_is_said_in_a_line(four: ClassBank, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^memory:///bucket/set is no generated set: .* generate makes one"):
        FractalSet(address)
    with pytest.raises(UserError, match=r"memory:///bucket\*/set is a pattern to fsspec"):
        generate(four, "memory://bucket*/set", FILES, workers=1, progress=False)
    make(four, address, FILES, Part(1, 2))
    with pytest.raises(UserError, match="fractalvid merge memory:///bucket/set puts its parts together"):
        FractalSet(address)
    RemoteFolder(address).remove("parts")
    with pytest.raises(UserError, match="nowhere://x"):
        FractalSet("nowhere://x")
    make(four, address, FILES)
    with pytest.raises(UserError, match=r"^memory:///?bucket/set was made with size = 32, not 16"):
        make(four, address, replace(FILES, size=16))
    with pytest.raises(UserError, match=r"^memory:///?bucket/set was made from another bank"):
        make(replace(four, amount=four.amount[::-1]), address, FILES)
    memory = fsspec.filesystem("memory")
    name = next(name for name in memory.store if name.endswith(".mp4"))
    memory.store[name].truncate(100)
    with pytest.raises(UserError, match=r"is cut short$"):  # and no repair is advised, which an address has none of
        FractalSet(address)[0]
    findings = verify(address, workers=1, progress=False)
    assert len(findings.problems) == 1
    with pytest.raises(UserError, match="only a set in a folder of this machine"):
        repair(address, findings, workers=1, progress=False)

    def failing(*_: Any, **__: Any) -> bytes:
        raise RuntimeError("token expired\nat line 3")

    monkeypatch.setattr(type(memory), "cat_file", failing)
    with pytest.raises(UserError, match="token expired"):
        FractalSet(address)[1]


def test_paths_and_addresses_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given in ("s3://bucket/set", Path("s3://bucket/set"), "s3:/bucket/set"):
        assert address_of(given) == "s3://bucket/set"
    for given in ("file:///data/set", Path("file:///data/set")):
        assert address_of(given) == "file:///data/set"
    Path("s3:", "bucket", "set").mkdir(parents=True)
    assert address_of(Path("s3:/bucket/set")) is None
    for given in ("dataset", "/data/set", "C:/set", "c://set", Path("a:b/c"), "../x", Path("notes:")):
        assert address_of(given) is None


def test_an_address_with_a_slip_is_no_folder(tmp_path: Path, refuses: Callable[..., None]) -> None:
    for given in ("S3://bucket/Set", Path("S3://bucket/Set"), "s3://bucket/Set"):
        assert address_of(given) == "s3://bucket/Set"
    assert address_of("FILE:///data/Set") == "file:///data/Set"
    chain = ("simplecache::s3://bucket/set", Path("simplecache::s3://bucket/set"), "zip://a::s3://bucket/b.zip")
    for given in (
        *chain,
        "s3 ://bucket/set",
        Path("s_3://bucket/set"),
        "://bucket",
        "s3://",
        Path("s3://"),
        Path("GS:///"),
    ):
        with pytest.raises(UserError, match="is a chain of addresses" if "::" in str(given) else "is no address"):
            address_of(given)
    small = ("--classes", 1, "--clips", 1, "--size", 32, "--points", 2000)
    refuses("simplecache::memory:/x is a chain", "generate", "--out", "simplecache::memory://x", *small)
    (tmp_path / "my notes:").mkdir()
    assert address_of(Path("my notes:/set")) is None
