"""Files that appear whole, and places that are tried before the work."""

import os
from pathlib import Path

import pytest

from fractalvid.utils.errors import UserError
from fractalvid.utils.files import (
    DurableFolder,
    check_can_make,
    check_place,
    is_empty,
    make_folder,
    move_durably,
    remove_temporaries,
    replace_file,
    write_bytes,
    write_text,
)


def test_a_name_that_is_too_long_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 252)  # itself possible, but not with what the name of the temporary file adds
    with pytest.raises(UserError, match="File name too long"):
        write_bytes(path, b"data")
    with pytest.raises(UserError, match="File name too long"):
        check_place(path)
    with pytest.raises(OSError, match="File name too long"):
        replace_file(path, b"data")
    assert not list(tmp_path.iterdir())


def test_text_that_is_no_utf_8_is_written_all_the_same(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "a name: q\udcff.npz")
    assert (tmp_path / "x").read_text(encoding="utf-8") == "a name: q?.npz"


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")  # once more, with what is in it
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^can't make the folder .*file: File exists; choose another --out$"):
        make_folder(tmp_path / "file")
    with pytest.raises(UserError, match="file/deeper: Not a directory"):
        make_folder(tmp_path / "file" / "deeper")


def test_trying_a_place_makes_its_folder_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    check_place(path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", tmp_path / "new" / "folder"]
    path.write_text("held")
    check_place(path)
    assert path.read_text() == "held"
    for wrong in (path / "below", path.parent):
        with pytest.raises(UserError, match=r"can't write .*choose another --out"):
            check_place(wrong)


class Disk:
    """What is asked of the system, in its order: contents and folders that are synced, and files that are renamed."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        replace, fsync = os.replace, os.fsync

        def named(path: object) -> str:
            return Path(str(path)).relative_to(root).as_posix()

        def spied_fsync(descriptor: int) -> None:
            self.done.append(f"sync {named(os.readlink(f'/proc/self/fd/{descriptor}'))}")
            fsync(descriptor)

        def spied_replace(old: Path, new: Path) -> None:
            self.done.append(f"{named(old)} -> {named(new)}")
            replace(old, new)

        monkeypatch.setattr(os, "fsync", spied_fsync)
        monkeypatch.setattr(os, "replace", spied_replace)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say what a descriptor is of")
def test_contents_and_then_names_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tmp_path, monkeypatch)
    write_text(tmp_path / "a", "text")
    assert disk.done == ["sync .a.tmp", ".a.tmp -> a", "sync ."]
    disk.done.clear()
    (tmp_path / "b.part").write_text("b")
    move_durably(tmp_path / "b.part", tmp_path / "b")
    assert disk.done == ["sync b.part", "b.part -> b", "sync ."]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say what a descriptor is of")
def test_folders_that_are_made_have_their_names_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    disk = Disk(tmp_path, monkeypatch)
    make_folder(tmp_path / "there" / "a" / "b")
    assert sorted(disk.done) == ["sync there", "sync there/a"]
    disk.done.clear()
    make_folder(tmp_path / "there" / "a" / "b")
    assert not disk.done


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not say what a descriptor is of")
def test_files_of_a_group_share_the_syncs_of_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "set"
    files = [root / "clips" / name for name in ("0/a", "0/b", "1/a")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    disk, folder = Disk(tmp_path, monkeypatch), DurableFolder(root)
    folder.sync(files)
    assert disk.done[:3] == [f"sync set/clips/{name}" for name in ("0/a", "0/b", "1/a")]
    assert sorted(disk.done[3:]) == ["sync .", "sync set", "sync set/clips", "sync set/clips/0", "sync set/clips/1"]
    disk.done.clear()
    folder.sync(files[2:])
    assert disk.done == ["sync set/clips/1/a", "sync set/clips/1"]


def test_only_what_killed_writes_left_is_removed(tmp_path: Path) -> None:
    for name in (".config.json.tmp", "notes.tmp", ".hidden", "config.json"):
        (tmp_path / name).touch()
    (tmp_path / ".folder.tmp").mkdir()
    remove_temporaries(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.tmp", ".hidden", "config.json", ".folder.tmp"}


@pytest.mark.parametrize("name", ["tmp", "a.tmp", ".git"])
def test_other_files_do_fill_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    assert not is_empty(tmp_path)


def test_a_folder_can_be_made_or_not(tmp_path: Path) -> None:
    check_can_make(tmp_path / "a" / "b")
    check_can_make(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "a", Path("/proc/fractalvid"), tmp_path / ("x" * 300)):
        with pytest.raises(UserError, match="can't make the folder"):
            check_can_make(out)


def test_a_link_to_what_is_not_there_is_named(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for check in (check_can_make, make_folder):
        with pytest.raises(UserError, match=f"{link} is a link to what is not there"):
            check(link / "below")
