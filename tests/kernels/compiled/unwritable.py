"""A copy of the packages whose compiled code can be kept nowhere that lasts."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[3]


def without_cache_folder(folder: Path) -> dict[str, str]:
    """Put the packages into `folder`; returns the environment of a process that runs there.

    Files stand where folders are looked for, since a superuser may write anywhere.
    """
    shutil.copytree(ROOT / "fractalvid", folder / "fractalvid", ignore=shutil.ignore_patterns("__pycache__"))
    for kernels in (folder / "fractalvid" / "kernels").rglob("__init__.py"):
        (kernels.parent / "__pycache__").write_text("in the way")
    (folder / "home").write_text("in the way")
    (folder / "temporary").mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    own = {"HOME": folder / "home", "TMPDIR": folder / "temporary", "PYTHONPATH": folder}
    return kept | {name: str(value) for name, value in own.items()}


def temporary(folder: Path) -> Path:
    """Where compiled code is kept instead."""
    return folder / "temporary" / f"fractalvid-{os.getuid()}"
