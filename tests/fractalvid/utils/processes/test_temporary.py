"""Temporary folders: one's own, until its process ends, however it ends."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fractalvid.utils.processes.temporary import temporary_folder

KILLED = """
import os, signal
from fractalvid.utils.processes.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "clip").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="kills as POSIX does")
def test_what_a_killed_process_left_goes_with_the_next_folder(place: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    (left,) = place.iterdir()
    assert (left / "clip").exists()
    with temporary_folder() as folder:
        assert list(place.iterdir()) == [folder]
    assert not list(place.iterdir())


def test_folders_of_living_processes_and_of_others_stay(place: Path) -> None:
    (place / "fractalvid-cache-0").mkdir()
    (place / "mine").mkdir()
    (place / "mine" / ".lock").touch()
    (place / "fractalvid-work-link").symlink_to(place / "mine")
    with temporary_folder() as first, temporary_folder() as second:
        assert first.exists()
        assert second.exists()
    assert {path.name for path in place.iterdir()} == {"fractalvid-cache-0", "mine", "fractalvid-work-link"}
    assert (place / "mine" / ".lock").exists()


def test_a_folder_whose_process_was_killed_before_it_held_its_lock_goes_after_a_while(place: Path) -> None:
    for name, age in (("fractalvid-work-new", 0), ("fractalvid-work-old", 100)):
        (place / name).mkdir()
        changed = (place / name).stat().st_mtime - age
        os.utime(place / name, (changed, changed))
    with temporary_folder():
        pass
    assert [path.name for path in place.iterdir()] == ["fractalvid-work-new"]
