"""Disks of a given size, where this process may mount them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_SIZE = 2**28


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount an empty disk in memory on a folder; the test is skipped where that is not allowed."""
    folder.mkdir(exist_ok=True)
    if not _mounts("-t", "tmpfs", "-o", f"size={_SIZE}", "none", str(folder)):
        pytest.skip("this process may not mount disks")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Inside, nothing can be written on the disk that is mounted there."""
    assert _mounts("-o", "remount,ro", str(folder))
    try:
        yield
    finally:
        assert _mounts("-o", "remount,rw", str(folder))


@contextmanager
def nearly_full(folder: Path, left: int) -> Iterator[None]:
    """Inside, the disk has room for so many bytes."""
    about, ballast = os.statvfs(folder), folder / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, about.f_bavail * about.f_frsize - left))
    try:
        yield
    finally:
        ballast.unlink()


def _mounts(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
    except OSError:
        return False
