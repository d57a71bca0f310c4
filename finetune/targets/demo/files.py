"""A set of demo clips written: small videos in the layout of the target `folder`, complete or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from glob import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fractalvid.finetune.targets.base import SIDES
from fractalvid.finetune.targets.demo.cartoon import draw_cartoon, write_cartoon
from fractalvid.finetune.targets.demo.clips import draw_clip, figure_boxes
from fractalvid.finetune.targets.demo.stick_figures import ACTIONS
from fractalvid.finetune.targets.demo.target import DemoSet
from fractalvid.utils.documents import Table, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import DurableFolder, sync_folders
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.processes.locks import waiting_lock
from fractalvid.utils.processes.temporary import LOCK, remove_abandoned
from fractalvid.video.encoding.writer import write_video

RATE = 12
"""Frames a second of filmed clips."""
_MANIFEST = "demo.json"


def draw_demo(folder: Path, config: DemoSet, *, progress: bool) -> None:
    """Draw the demo's clips, unless they are there."""
    with tqdm(desc="drawing clips", unit="clip", disable=not progress, leave=False, **bar_options()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        render_actions(folder, config, progress=show)


def render_actions(
    out: Path,
    config: DemoSet,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a demo set: `train/<action>/*`, `test/<action>/*`, MP4 or GIF, complete or not at all.

    Returns at once where `out` already holds the same set. A clip depends on the seed, its side, its action
    and its number only, so a larger set extends a smaller one.

    Args:
        out: the folder to make; its parent is made where missing.
        config: the size and the seed of the set.
        threads: drawing threads; None for one a core.
        progress: called with (clips done, clips in all) now and then, from this thread.

    Returns:
        `out`.

    Raises:
        UserError: for impossible numbers, or where `out` holds something else or can't be written.
    """
    _check(config)
    if _holds(out, config):
        return out
    jobs = [
        (side, action, number)
        for side in SIDES
        for action in ACTIONS
        for number in range(config.clips_per_class_train if side == "train" else config.clips_per_class_test)
    ]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(out.parent.glob(f".{escape(out.name)}-*"))
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UserError(f"cannot write the demo clips to {out}: {error.strerror}; choose another folder") from error
    try:
        with waiting_lock(work / LOCK):
            for side, action, _ in jobs:
                (work / side / action).mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
                for done, _ in enumerate(pool.map(lambda job: _write(work, config, *job), jobs), 1):
                    if progress is not None:
                        progress(done, len(jobs))
            (work / _MANIFEST).write_text(json.dumps(_card(config), indent=1) + "\n")
            with suppress(PermissionError):  # Windows removes no open file
                (work / LOCK).unlink()
        (work / LOCK).unlink(missing_ok=True)
        work.chmod(0o755)  # mkdtemp keeps its folders to their maker
        _move(work, out, config)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out


def _check(config: DemoSet) -> None:
    """Raise `UserError` for numbers that nothing can be drawn from."""
    least = {"clips_per_class_train": 1, "clips_per_class_test": 1, "size": 16, "frames": 1, "seed": 0}
    for name, low in least.items():
        value = getattr(config, name)
        if value < low:
            raise UserError(f"demo target: {name} is {value}, but must be at least {low}")
    if config.size % 2:
        raise UserError(f"demo target: size is {config.size}, but video wants an even number of pixels")


def _holds(out: Path, config: DemoSet) -> bool:
    """Whether `out` is this very set, with every clip. Raises `UserError` where it is something else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    try:
        manifest = read_json(out / _MANIFEST, Table, what="the demo's card")
    except UserError:
        manifest = None
    if manifest != _card(config):
        what = "another demo set" if isinstance(manifest, dict) else "something else"
        raise UserError(f"{out} already holds {what}; choose another folder for the demo clips, or remove it")
    clips = len(ACTIONS) * (config.clips_per_class_train + config.clips_per_class_test)
    return sum(1 for _ in out.glob(f"*/*/*{config.suffix}")) == clips


def _move(work: Path, out: Path, config: DemoSet) -> None:
    """Put the finished folder in place; another process may have been faster, with the same clips."""
    if out.exists() and not _holds(out, config):
        shutil.rmtree(out)  # empty, or this set with clips missing: `_holds` raised for all else
    # What is there counts as whole, so that it has to be on the disk before it has its name.
    DurableFolder(work).sync(path for path in work.rglob("*") if path.is_file())
    try:
        os.replace(work, out)
        sync_folders([out.parent])
    except OSError:
        if not _holds(out, config):
            raise


def _card(config: DemoSet) -> dict[str, object]:
    """What the set's card says; sets drawn before there were styles are filmed ones."""
    card = {"classes": list(ACTIONS), **asdict(config)}
    if config.style == "filmed":
        del card["style"]
    return card


def _rng(config: DemoSet, side: str, action: str, number: int) -> np.random.Generator:
    """A clip's own part of the seed."""
    key = (SIDES.index(side), list(ACTIONS).index(action), number)
    return np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=key))


def _write(folder: Path, config: DemoSet, side: str, action: str, number: int) -> None:
    """Draw one clip from its own part of the seed and write it."""
    rng, path = _rng(config, side, action, number), folder / side / action / f"{number:04d}{config.suffix}"
    if config.style == "cartoon":
        write_cartoon(path, draw_cartoon(action, rng, size=config.size, frames=config.frames))
    else:
        write_video(path, draw_clip(action, rng, size=config.size, frames=config.frames), fps=RATE)


def demo_boxes(config: DemoSet) -> dict[str, NDArray[np.float64]]:
    """Where the figure is in each training clip of a filmed set: path -> (T, 4), as `figure_boxes` has it."""
    return {
        f"train/{action}/{number:04d}{config.suffix}": figure_boxes(
            action, _rng(config, "train", action, number), size=config.size, frames=config.frames
        )
        for action in ACTIONS
        for number in range(config.clips_per_class_train)
    }
