"""Generated sets on disk: what they hold, how they are made, resumed and extended."""

import dataclasses
import fcntl
import json
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from fractalvid.classes import ClassBank
from fractalvid.errors import UserError
from fractalvid.files import write_text, write_with
from fractalvid.fingerprint import fingerprint
from fractalvid.instances import VALIDATION
from fractalvid.manifest import ManifestWriter, Row, read_manifest, write_manifest
from fractalvid.render import PAPER_POINTS, PAPER_SIZE, clip_times, render_fits
from fractalvid.video_io import write_video
from fractalvid.view import fit_clips

FORMAT = "fractalvid-set-1"
CHUNK = 4
MAX_WORKERS = 1024
GROUP = 64
GROUP_SECONDS = 2.0
LOCK = ".lock"
OWN = {LOCK, ".dataset.json.tmp"}


@dataclass(frozen=True)
class SetConfig:
    """What a generated set holds, besides its bank.

    Attributes:
        clips: clips a class.
        split: "train" takes instances from 0 up, "val" held-out ones.
        size: height and width in pixels.
        frames: frames a clip, equidistant over it; by default its 18 to 20 native ones.
        points: points of the chaos game a frame.
        exposure: "density", or "max" as in the reference method.
        fps: frames a second of the files.
        crf: quality of the encoding, 0 (lossless) to 51.
        preset: the encoder's effort.
        images: PNG files of one frame each, the middle of the clip, instead of videos.
    """

    clips: int = 10
    split: Literal["train", "val"] = "train"
    size: int = PAPER_SIZE
    frames: int | None = None
    points: int = PAPER_POINTS
    exposure: Literal["density", "max"] = "density"
    fps: int = 12
    crf: int = 18
    preset: str = "veryfast"
    images: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible numbers before any work starts."""
        limits = {"clips": (1, 2**31 - 1), "size": (2, 8192), "points": (1, 2**31 - 1), "fps": (1, 240), "crf": (0, 51)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"{name} must be in {low}..{high}, got {getattr(self, name)}")
        if self.frames is not None and not 1 <= self.frames <= 10_000:
            raise UserError(f"frames must be in 1..10000, got {self.frames}")
        if self.size % 2 and not self.images:
            raise UserError(f"size must be even, got {self.size}: H.264 in its common 4:2:0 form has no odd sizes")
        if self.images and self.frames is not None:
            raise UserError("images have one frame: leave frames out")


def clip_path(class_id: int, instance_id: int, config: SetConfig) -> str:
    """Where a clip lies under the set's folder."""
    kind, suffix = ("images", "png") if config.images else ("clips", "mp4")
    return f"{kind}/{class_id:06d}/{instance_id:010d}.{suffix}"


def generate(
    bank: ClassBank,
    out: Path,
    config: SetConfig,
    *,
    workers: int,
    hours: float | None = None,
    progress: bool = True,
) -> int:
    """Render the clips of a set that its manifest does not list yet. Returns how many are still missing.

    A clip counts when its row is in the manifest, and its file is complete by then: killed at any moment, the same
    call goes on where it was. A set made in pieces equals one made in one go.

    Args:
        bank: the classes.
        out: the set's folder: new, empty, or an earlier part of the same set.
        config: what to render; `clips` and the number of classes may grow between calls.
        workers: clips in the making at once, each on one thread.
        hours: stop after so long, complete as far as it got.
        progress: show a progress bar.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise UserError(f"workers must be 1 to {MAX_WORKERS}, got {workers}")
    try:
        with _only_one(out):
            return _complete(bank, out, config, workers, hours, progress)
    except OSError as error:
        raise UserError(
            f"cannot write to {out}: {error.strerror or error}; what is there stays valid, run the same command again"
        ) from error


@contextmanager
def _only_one(out: Path) -> Iterator[None]:
    """Hold the set's folder for this process; made where it is missing, refused where it holds other things."""
    ours = (out / "dataset.json").exists() or not out.exists()
    if not ours and (not out.is_dir() or {path.name for path in out.iterdir()} - OWN):
        raise UserError(f"{out} holds something else: choose another --out, or an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is generating into {out}: wait for it, or choose another --out") from None
        yield


def _complete(bank: ClassBank, out: Path, config: SetConfig, workers: int, hours: float | None, progress: bool) -> int:
    """Render what is missing of a set that this process holds; returns how many clips are missing in the end."""
    rows = _open_set(bank, out, config)
    done = {row.path for row in rows}
    total = len(bank) * config.clips
    missing = total - len(done)
    if not missing:
        _put_in_order(out, rows)  # a kill may have come between the last row and this
        return 0
    writer = ManifestWriter(out, rows)
    try:
        with tqdm(total=total, initial=len(done), unit="clip", disable=not progress, smoothing=0.05) as bar:
            deadline = None if hours is None else time.monotonic() + 3600 * hours
            for group in _groups(_rendered(bank, out, config, done, workers, deadline)):
                writer.append(group)
                rows += group
                bar.update(len(group))
                missing -= len(group)
    finally:
        writer.close()
    if not missing:
        _put_in_order(out, rows)
    return missing


def _put_in_order(out: Path, rows: list[Row]) -> None:
    """Write a complete set's manifest by path, so that it does not tell in which pieces the set was made."""
    ordered = sorted(rows, key=lambda row: row.path)
    if rows != ordered:
        write_manifest(out / "manifest.csv", ordered)


def _rendered(
    bank: ClassBank, out: Path, config: SetConfig, done: set[str], workers: int, deadline: float | None
) -> Iterator[list[Row]]:
    """Rows of clips as they are finished, a bounded number of them in the making."""
    waiting: deque[Future[list[Row]]] = deque()
    with ThreadPoolExecutor(workers, "clips") as pool:
        try:
            for class_id, instances in _missing(bank, config, done):
                if deadline is not None and time.monotonic() > deadline:
                    break
                waiting.append(pool.submit(_make_clips, bank, out, config, class_id, instances))
                if len(waiting) >= 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _missing(bank: ClassBank, config: SetConfig, done: set[str]) -> Iterator[tuple[int, list[int]]]:
    """Chunks of a class's instances that are not done."""
    first = VALIDATION if config.split == "val" else 0
    for class_id in range(len(bank)):
        ids = [i for i in range(first, first + config.clips) if clip_path(class_id, i, config) not in done]
        for begin in range(0, len(ids), CHUNK):
            yield class_id, ids[begin : begin + CHUNK]


def _groups(rows: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """Gather rows so that one flush serves many, without keeping any back for long."""
    group: list[Row] = []
    since = 0.0
    for part in rows:
        group += part
        if len(group) >= GROUP or time.monotonic() - since > GROUP_SECONDS:
            yield group
            group, since = [], time.monotonic()
    if group:
        yield group


def _make_clips(bank: ClassBank, out: Path, config: SetConfig, class_id: int, instances: list[int]) -> list[Row]:
    """Render and write some instances of a class, on this thread."""
    times = clip_times(bank, class_id, 1 if config.images else config.frames)
    rows = []
    for instance_id in instances:
        fits = fit_clips(bank, class_id, instance_id, threads=1)
        frames = render_fits(
            bank, fits, times[None], size=config.size, points=config.points, exposure=config.exposure, threads=1
        )[0]
        path = clip_path(class_id, instance_id, config)
        rows.append(Row(path, class_id, instance_id, len(frames), _write_clip(out, path, frames, config)))
    return rows


def _write_clip(out: Path, path: str, frames: np.ndarray[Any, np.dtype[np.uint8]], config: SetConfig) -> int:
    target = out / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if config.images:
        write_with(target, lambda file: Image.fromarray(frames[0]).save(file, "PNG"))
        return target.stat().st_size
    return write_video(target, frames, fps=config.fps, crf=config.crf, preset=config.preset)


def _open_set(bank: ClassBank, out: Path, config: SetConfig) -> list[Row]:
    """Make the folder of a new set, or check that the one there is an earlier part of this set; returns its rows."""
    described: dict[str, Any] = {"format": FORMAT, "fingerprint": fingerprint() | {"av": version("av")}}
    described |= {"seed": bank.seed, "classes": len(bank)}
    described |= {"class_config": dataclasses.asdict(bank.config), "set_config": dataclasses.asdict(config)}
    card, classes = out / "dataset.json", out / "classes.npz"
    rows: list[Row] = []
    if card.exists():
        _check_same(_read_card(card), json.loads(json.dumps(described)), out)
        if classes.exists():
            _check_extends(ClassBank.load(classes), bank, out)
        if (out / "manifest.csv").exists():
            rows = read_manifest(out / "manifest.csv")
    # The card first: a folder without one is not ours to write to.
    write_text(card, json.dumps(described, indent=2) + "\n")
    bank.save(classes)
    return rows


def _read_card(card: Path) -> dict[str, Any]:
    try:
        found = json.loads(card.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise UserError(f"{card} was written by another version ({found['format']}; here {FORMAT})")
        if not all(isinstance(found[part], dict) for part in ("fingerprint", "class_config", "set_config")):
            raise TypeError
        int(found["seed"]), int(found["classes"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{card} is damaged, or not a generated set's: choose another --out") from None
    return dict(found)


def _check_same(found: dict[str, Any], wanted: dict[str, Any], out: Path) -> None:
    """The set may grow in classes and clips; all else must be as it was, or its pieces would not fit together."""
    for part in ("fingerprint", "class_config", "set_config"):
        for name, value in wanted[part].items():
            before = found.get(part, {}).get(name)
            if (part, name) == ("set_config", "clips"):
                if before > value:
                    raise UserError(f"{out} was made with {before} clips a class, more than {value}: ask for as many")
            elif before != value:
                raise UserError(
                    f"{out} was made with {name} = {before}, not {value}: use that, or choose another --out"
                )
    if found["seed"] != wanted["seed"] or found["classes"] > wanted["classes"]:
        raise UserError(
            f"{out} was made with seed {found['seed']} and {found['classes']} classes, not seed {wanted['seed']} and "
            f"{wanted['classes']}: use those, or choose another --out"
        )


def _check_extends(before: ClassBank, bank: ClassBank, out: Path) -> None:
    k = len(before)
    for name in ("theta", "phi", "sigma", "signs", "shift", "curve", "variation", "native_frames"):
        if not np.array_equal(getattr(before, name), getattr(bank, name)[:k]):
            raise UserError(f"{out} was made from another bank: choose another --out")
