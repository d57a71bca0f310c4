"""Generated sets on disk: what they hold, how they are made, resumed and extended."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from fractalvid.core.bank import Bank, extends
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.sets.card import NAME, check_continues, describe, read_card, write_card
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import ClipId, Packed, Store
from fractalvid.sets.manifest import ManifestWriter, Row, read_manifest, write_manifest
from fractalvid.sets.workers import Maker, open_workers, store_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.locks import exclusive_lock

CHUNK = 8
"""Clips that a worker makes at a time."""
MAX_WORKERS = 1024
GROUP = 64
GROUP_SECONDS = 2.0
LOCK = ".lock"
OWN = {LOCK, f".{NAME}.tmp"}


def generate(
    bank: Bank,
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
        workers: how many work at it, each on one core. Of 2000 clips and more they are processes, and a script that
            calls this needs `if __name__ == "__main__":`, as for the workers of a DataLoader.
        hours: stop after so long, complete as far as it got; a shard that is begun is finished.
        progress: show a progress bar.
    """
    if not 1 <= workers <= MAX_WORKERS:
        raise UserError(f"workers must be 1 to {MAX_WORKERS}, got {workers}")
    try:
        with only_one(out):
            return complete(bank, out, config, workers, hours, progress)
    except OSError as error:
        raise UserError(
            f"cannot write to {out}: {error.strerror or error}; what is there stays valid, run the same command again"
        ) from error


@contextmanager
def only_one(out: Path) -> Iterator[None]:
    """Hold the set's folder for this process; made where it is missing, refused where it holds other things."""
    ours = (out / NAME).exists() or not out.exists()
    if not ours and (not out.is_dir() or {path.name for path in out.iterdir()} - OWN):
        raise UserError(f"{out} holds something else: choose another --out, or an empty folder")
    out.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(out / LOCK, f"another process is generating into {out}: wait for it, or choose another --out"):
        yield


def complete(bank: Bank, out: Path, config: SetConfig, workers: int, hours: float | None, progress: bool) -> int:
    """Render what is missing of a set that this process holds; returns how many clips are missing in the end."""
    store = store_of(out, config, len(bank))
    rows = store.counted(_open_set(bank, out, config))
    done = {(row.class_id, row.instance_id) for row in rows}
    total = len(bank) * config.clips
    missing = total - len(done)
    if not missing:
        _put_in_order(out, rows)  # a kill may have come between the last row and this
        return 0
    writer = ManifestWriter(out, rows)
    try:
        with tqdm(total=total, initial=len(done), unit="clip", disable=not progress, smoothing=0.05) as bar:
            deadline = None if hours is None else time.monotonic() + 3600 * hours
            collected = _collected(Maker(bank, store, config), out, done, workers, missing, deadline)
            for group in _groups(collected, bar.update):
                writer.append(group)
                rows += group
                missing -= len(group)
    finally:
        store.close()
        writer.close()
    if not missing:
        _put_in_order(out, rows)
    return missing


def _put_in_order(out: Path, rows: list[Row]) -> None:
    """Write a complete set's manifest by path, so that it does not tell in which pieces the set was made."""
    ordered = sorted(rows, key=lambda row: (row.path, row.offset))
    if rows != ordered:
        write_manifest(out / "manifest.csv", ordered)


def _collected(
    maker: Maker, out: Path, done: set[ClipId], workers: int, missing: int, deadline: float | None
) -> Iterator[tuple[int, list[Row]]]:
    """How many clips were made, and the rows whose files are complete now; a bounded number of clips in the making."""
    store = maker.store
    waiting: deque[Future[list[Packed]]] = deque()
    with open_workers(maker, out, workers, missing) as crew:

        def finished() -> tuple[int, list[Row]]:
            clips = waiting.popleft().result()
            return len(clips), [row for clip in clips for row in store.collect(clip)]

        for clips in _chunks(_in_time((clip for clip in store.plan() if clip not in done), store, deadline)):
            waiting.append(crew.make(clips))
            if len(waiting) >= 4 * workers:
                yield finished()
        while waiting:
            yield finished()


def _in_time(clips: Iterator[ClipId], store: Store, deadline: float | None) -> Iterator[ClipId]:
    """Clips until the deadline, and then those that share a file with the last: else no short run would get on."""
    begun = None
    for clip in clips:
        path = store.path(clip)
        if deadline is not None and path != begun and time.monotonic() > deadline:
            return
        begun = path
        yield clip


def _chunks(clips: Iterator[ClipId]) -> Iterator[list[ClipId]]:
    while chunk := list(islice(clips, CHUNK)):
        yield chunk


def _groups(collected: Iterator[tuple[int, list[Row]]], tell: Callable[[int], object]) -> Iterator[list[Row]]:
    """Gather rows so that one flush serves many, without keeping any back for long; `tell` hears of every clip."""
    group: list[Row] = []
    since = 0.0
    for clips, rows in collected:
        tell(clips)
        group += rows
        if len(group) >= GROUP or (group and time.monotonic() - since > GROUP_SECONDS):
            yield group
            group, since = [], time.monotonic()
    if group:
        yield group


def _open_set(bank: Bank, out: Path, config: SetConfig) -> list[Row]:
    """Make the folder of a new set, or check that the one there is an earlier part of this set; returns its rows."""
    described = describe(bank, config)
    classes = out / BANK_FILE
    rows: list[Row] = []
    if (out / NAME).exists():
        check_continues(read_card(out), described, out)
        if classes.exists() and not extends(bank, load_bank(classes)):
            raise UserError(f"{out} was made from another bank: choose another --out")
        if (out / "manifest.csv").exists():
            rows = read_manifest(out / "manifest.csv")
    # The card first: a folder without one is not ours to write to.
    write_card(out, described)
    bank.save(classes)
    return rows
