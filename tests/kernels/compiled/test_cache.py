"""Compiled kernels are kept where that is possible, and everything starts where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fractalvid.kernels.compiled import cache
from tests.kernels.compiled.unwritable import temporary, without_cache_folder

_DRAW = """
from fractalvid.kernels.compiled.random import _fill, philox4x32
print(philox4x32([1, 2], [3, 4, 5, 6]).tolist(), sum(_fill.stats.cache_hits.values()))
"""


def draw(tmp_path: Path, environment: dict[str, str]) -> tuple[str, int]:
    """What a process draws, and how many functions it had compiled before."""
    done = subprocess.run(
        [sys.executable, "-c", _DRAW], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    drawn, hits = done.stdout.rsplit(maxsplit=1)
    return drawn, int(hits)


def test_a_private_temporary_folder_is_the_last_resort(tmp_path: Path) -> None:
    environment = without_cache_folder(tmp_path)
    first, second = draw(tmp_path, environment), draw(tmp_path, environment)
    assert first[0] == second[0]
    assert (first[1], second[1]) == (0, 1)
    folder = temporary(tmp_path)
    assert list(folder.rglob("*.nbc"))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_nothing_is_kept_where_another_may_have_laid_it(tmp_path: Path) -> None:
    environment = without_cache_folder(tmp_path)
    temporary(tmp_path).mkdir(mode=0o700)
    temporary(tmp_path).chmod(0o777)
    draw(tmp_path, environment)
    assert not list(temporary(tmp_path).iterdir())


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"fractalvid-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    assert cache.temporary_folder() is None


def test_what_the_user_chose_is_left_alone(tmp_path: Path) -> None:
    environment = without_cache_folder(tmp_path) | {"NUMBA_CACHE_DIR": str(tmp_path / "chosen")}
    draw(tmp_path, environment)
    assert list((tmp_path / "chosen").rglob("*.nbc"))
    assert not temporary(tmp_path).exists()
