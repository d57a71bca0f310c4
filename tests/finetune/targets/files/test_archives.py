"""Zip archives, well-meant and not."""

import random
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from fractalvid.finetune.targets.files.archives import unpack_zip
from fractalvid.utils.errors import UserError


def zipped(path: Path, files: Mapping[str, bytes], *, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def below(folder: Path) -> dict[str, bytes]:
    """The files in a folder and their contents."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {"top/a.avi": b"a" * 5000, "top/b/c ü.txt": b"c", "top/empty": b""}


def test_files_come_out_whole_without_their_outermost_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", FILES | {"top/": b"", "__MACOSX/top/._a.avi": b"junk"})
    assert unpack_zip(archive, tmp_path / "out", strip=1) == 3
    assert below(tmp_path / "out") == {name.removeprefix("top/"): content for name, content in FILES.items()}


def test_again_it_writes_only_what_is_not_there(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", FILES)
    out = tmp_path / "out"
    unpack_zip(archive, out)
    kept = (out / "top/empty").stat().st_mtime_ns
    (out / "top/a.avi").write_bytes(b"a" * 4999)
    (out / "top/b/c ü.txt").unlink()
    (out / "top" / "b" / ".c ü.txt.part").write_bytes(b"left by a kill")
    assert unpack_zip(archive, out) == 2
    assert below(out) == FILES
    assert (out / "top/empty").stat().st_mtime_ns == kept


@pytest.mark.parametrize("name", [".", "../evil", "top/../../evil", "/evil", "top\\..\\evil", "c:/evil"])
def test_names_that_lead_outside_unpack_nothing(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"top/a": b"a", name: b"evil"})
    with pytest.raises(UserError, match="outside its folder or as a link: not unpacked"):
        unpack_zip(archive, tmp_path / "deep" / "out")
    assert below(tmp_path).keys() == {"a.zip"}


def test_links_unpack_nothing(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("top/link")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    archive = zipped(tmp_path / "a.zip", {"top/a": b"a"})
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "/etc")
    with pytest.raises(UserError, match="'top/link', outside its folder or as a link"):
        unpack_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_that_lie_too_high_are_named(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"top/a": b"a", "readme": b"b"})
    with pytest.raises(UserError, match="'readme', where files lie at least 1 folders deep"):
        unpack_zip(archive, tmp_path / "out", strip=1)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_damage_is_one_line_and_leaves_no_half_file(tmp_path: Path, damage: str) -> None:
    content = random.Random(0).randbytes(60_000)
    archive = zipped(tmp_path / "a.zip", {"a": content}, packing=zipfile.ZIP_STORED)
    held = bytearray(archive.read_bytes())
    held[30_000] ^= 1
    archive.write_bytes({"cut": bytes(held[:40_000]), "flipped": bytes(held), "text": b"not a zip" * 100}[damage])
    with pytest.raises(UserError, match=r"a\.zip cannot be unpacked: .*; remove it and get it again"):
        unpack_zip(archive, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_no_room_is_said_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fractalvid.finetune.targets.files.archives.shutil.disk_usage", lambda path: SimpleNamespace(free=100)
    )
    with pytest.raises(UserError, match=r"unpacks to 0\.0 GB, and .* has room for"):
        unpack_zip(zipped(tmp_path / "a.zip", FILES), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def raw_zip(path: Path, old: bytes, new: bytes) -> Path:
    """An archive of one file in whose bytes some are others."""
    zipped(path, {"name.avi": b"a" * 5000})
    path.write_bytes(path.read_bytes().replace(old, new))
    return path


@pytest.mark.parametrize("packing", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_what_may_become_of_any_size_is_not_unpacked(tmp_path: Path, packing: int) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": bytes(10**6)}, packing=packing)
    with pytest.raises(UserError, match="unusual way"):
        unpack_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_that_grows_a_thousandfold_is_not_unpacked(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": bytes(2**28 + 1)})
    with pytest.raises(UserError, match=r"says that it unpacks to 0\.3 GB: not unpacked"):
        unpack_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_than_an_archive_announces_is_never_written(tmp_path: Path) -> None:
    size = (5000).to_bytes(4, "little")
    archive = raw_zip(tmp_path / "a.zip", size, (100).to_bytes(4, "little"))
    with pytest.raises(UserError, match=r"a\.zip cannot be unpacked"):
        unpack_zip(archive, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_names_that_are_no_unicode_are_one_line(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"n\u00e4me.avi": b"a"})
    path.write_bytes(path.read_bytes().replace("n\u00e4me".encode(), b"n\xff\xffme"))
    with pytest.raises(UserError, match=r"a\.zip cannot be unpacked: .*codec"):
        unpack_zip(path, tmp_path / "out")


def test_names_that_are_too_long_are_one_line(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"n" * 300: b"a"})
    with pytest.raises(UserError, match="File name too long"):
        unpack_zip(archive, tmp_path / "out")
