"""Making a set, and going on with one: missing clips are rendered, and complete ones go into the manifest."""

import math
import shlex
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fractalvid.core.bank import Bank, check_bank, extends
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.sets.addresses.place import RemoteFolder, address_of, place_of
from fractalvid.sets.addresses.remote import Upload
from fractalvid.sets.card import CARD_FILE, card_of, check_continues, config_of, other_bank, read_card, write_card
from fractalvid.sets.config import SetConfig
from fractalvid.sets.formats import Store
from fractalvid.sets.manifest import (
    MANIFEST_FILE,
    MASK_FOLDER,
    ClipId,
    ManifestRow,
    ManifestWriter,
    read_manifest,
    write_manifest,
)
from fractalvid.sets.part import PARTS_FOLDER, WHOLE, Part
from fractalvid.sets.reader import SetReader
from fractalvid.sets.workers import ClipMaker, Engine, Made, Workers, local_engine, store_of
from fractalvid.utils.checks import check_instance, check_integer, check_number
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import broken_link, make_folders, remove_temporaries, remove_temporary
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.processes.locks import exclusive_lock
from fractalvid.utils.processes.temporary import temporary_folder

CHUNK = 8
"""Clips that a worker makes at a time."""
MAX_WORKERS = 1024
FLUSH_ROWS = 64
"""Rows of the manifest that are written together, unless that takes longer than FLUSH_SECONDS."""
FLUSH_SECONDS = 2.0
LOCK_FILE = ".lock"
MADE_BEFORE_CARD = {LOCK_FILE, f".{CARD_FILE}.tmp"}
"""Files that a kill may leave in a set's folder before the card is there."""


def generate(
    bank: Bank,
    out: str | Path,
    config: SetConfig,
    *,
    workers: int,
    hours: float | None = None,
    progress: bool = True,
    part: Part = WHOLE,
    engine: Engine | None = None,
) -> int:
    """Render the clips of a set that its manifest does not list yet.

    A clip counts when its row is in the manifest, and its file is complete by then: after a kill at any moment, the
    same call goes on where it was. A set made in pieces equals one made in one go.

    Args:
        bank: the classes.
        out: the set's folder: new, empty, or an earlier part of the same set; or an address that fsspec knows.
        config: what to render; `clips` and the number of classes may grow between calls.
        workers: how many clips are made at once, each on one core. For 2000 clips and more the workers are processes,
            and a script that calls this needs `if __name__ == "__main__":`, as for the workers of a DataLoader.
        hours: stop after so long, complete as far as it got; a shard that is begun is finished.
        progress: show a progress bar.
        part: make this part of the set alone, in a folder of its own below `out`; `merge` puts all parts together.
        engine: who renders, if not `workers` of this machine; such as `fractalvid.sets.ray_workers.ray_engine`.

    Returns:
        How many clips, of the part if it is one, are still to be made.

    Raises:
        UserError: another process is at work there, the folder holds something else or another set, it can't be
            written to, or a worker was killed.
    """
    check_integer("workers", workers, 1, MAX_WORKERS)
    check_bank(bank)
    check_instance("config", config, SetConfig)
    check_instance("part", part, Part)
    if hours is not None:
        check_number("hours", hours, 0, math.inf)
    engine = engine or local_engine(workers)
    try:
        merged = _merged(bank, out, config, part)
        with _working_folder(out, part) as (folder, upload):
            return render_missing(
                *(bank, folder, config),
                engine=engine,
                hours=hours,
                progress=progress,
                part=part,
                merged=merged,
                upload=upload,
            )
    except OSError as error:
        raise UserError(
            f"cannot write to {out}: {error.strerror or error}; what is there stays valid, run the same command again"
        ) from error


@contextmanager
def exclusive_folder(out: Path) -> Iterator[None]:
    """Hold the set's folder for this process; made where it is missing, refused where it holds other things."""
    link = broken_link(out)
    if link is not None:
        raise UserError(f"{link} is a link to what is not there: remove it, or choose another --out")
    ours = (out / CARD_FILE).exists() or not out.exists()
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: name a folder, new or empty")
    if not ours and {path.name for path in out.iterdir()} - MADE_BEFORE_CARD:
        raise UserError(f"{out} holds something else: choose another --out, or an empty folder")
    make_folders(out)
    with exclusive_lock(
        out / LOCK_FILE, f"another process is generating into {out}: wait for it, or choose another --out"
    ):
        remove_temporaries(out)
        yield


@contextmanager
def _working_folder(out: str | Path, part: Part) -> Iterator[tuple[Path, Upload | None]]:
    """Where clips are made: in the set's folder or the part's, or among temporary files on their way to an address."""
    address = address_of(out)
    if address is None:
        folder = Path(out) / part.folder
        with exclusive_folder(folder):
            yield folder, None
    else:
        remote = RemoteFolder(address if part.whole else f"{address.rstrip('/')}/{part.folder}")
        with temporary_folder() as folder:
            yield folder, Upload(remote, folder)


def _merged(bank: Bank, out: str | Path, config: SetConfig, part: Part) -> frozenset[ClipId]:
    """The clips that `out` holds itself when a part is asked for: those of parts that were merged.

    Raises:
        UserError: what lies in `out` does not allow this part.
    """
    place = place_of(out)
    counts = {name.partition("-of-")[2] for name in place.names(PARTS_FOLDER)} - {""}
    if counts - {part.folder.partition("-of-")[2]}:
        raise UserError(
            f"{out} is being made in {min(counts).lstrip('0')} parts: finish them, then run "
            f"fractalvid merge {shlex.quote(str(out))}"
        )
    there = place.names("")
    if CARD_FILE not in there and there - {PARTS_FOLDER} - MADE_BEFORE_CARD:
        raise UserError(f"{out} holds something else: choose another --out, or an empty folder")
    return frozenset() if part.whole else frozenset(row.clip for row in rows_before(out, card_of(bank, config), bank))


def rows_before(out: str | Path, card: dict[str, Any], bank: Bank | None) -> list[ManifestRow]:
    """What the set in `out` holds already, from parts that were merged before it grew to be that of `card`.

    `bank` is that of the larger set, None where it may be lost.

    Raises:
        UserError: it is another set.
    """
    if CARD_FILE not in place_of(out).names(""):
        return []
    reader = SetReader(out)
    check_continues(reader.card, card, reader.name)
    kept = reader.path / BANK_FILE
    if bank is not None and kept.exists() and not extends(bank, load_bank(kept)):
        raise other_bank(reader.name)
    return store_of(reader.path, config_of(card, reader.name), card["classes"]).complete_rows(reader.rows)


def render_missing(
    bank: Bank,
    folder: Path,
    config: SetConfig,
    *,
    engine: Engine,
    hours: float | None,
    progress: bool,
    part: Part = WHOLE,
    merged: frozenset[ClipId] = frozenset(),
    upload: Upload | None = None,
) -> int:
    """Render what is missing of a set, or of a part of one, whose folder this process holds (`exclusive_folder`).

    Args:
        bank: the classes.
        folder: of the set, or of the part.
        config: what to render.
        engine: who renders.
        hours: stop after so long.
        progress: show a progress bar.
        part: the clips to make.
        merged: those of them that another folder holds already.
        upload: takes complete clips to where the set lies, if not here.

    Returns:
        How many clips are still to be made in the end.
    """
    store = store_of(folder, config, len(bank))
    listed = _open_set(bank, folder, config, part, folder if upload is None else upload.address)
    rows = store.complete_rows(listed)
    # A shard that was shorter before the set grew stays as it is, and in the manifest, until the longer one is there.
    stale = frozenset(listed).difference(rows)
    done = merged.union(row.clip for row in rows)
    _remove_unfinished(folder, store, done, part)
    if upload is not None:
        upload.begin()
    total = store.count(part)
    missing = total - sum(clip in done for clip in store.plan(part))
    if not missing:
        _finish(folder, listed, store, upload)  # a kill may have come between the last row and this
        return 0
    writer = ManifestWriter(folder, listed)
    try:
        with (
            tqdm(
                total=total, initial=total - missing, unit="clip", disable=not progress, smoothing=0.05, **bar_options()
            ) as bar,
            engine(ClipMaker(bank, store, config), folder, missing) as workers,
        ):
            deadline = None if hours is None else time.monotonic() + 3600 * hours
            planned = _until(deadline, (clip for clip in store.plan(part) if clip not in done), store)
            for group in _flushes(_made(planned, store, workers), bar.update):
                new = [row for row in group if row not in stale]
                writer.append(new)
                listed += new
                if upload is not None:
                    upload.add(group)
                missing -= len(group)
    finally:
        store.close()
        writer.close()
    if not missing:
        _finish(folder, listed, store, upload)
    return missing


def _remove_unfinished(out: Path, store: Store[Any], done: frozenset[ClipId], part: Part) -> None:
    """Remove what a killed run left of files that it had begun: they lie where clips are missing."""
    missing = (store.path(clip).rpartition("/")[0] for clip in store.plan(part) if clip not in done)
    for folder in dict.fromkeys(missing):
        for place in (out / folder, out / MASK_FOLDER / folder.rpartition("/")[2]):
            for path in place.glob(".*.part"):
                name = path.name.removeprefix(".").removesuffix(".part")
                if name.partition(".")[0].isdecimal():  # as ours are called; strangers' files are theirs
                    remove_temporary(path.with_name(name))


def _open_set(bank: Bank, out: Path, config: SetConfig, part: Part, name: str | Path) -> list[ManifestRow]:
    """Make the folder of a new set, or check that the one there is an earlier part of this set; returns its rows.

    The set is called `name` in errors.
    """
    card = card_of(bank, config, part)
    bank_file, manifest = out / BANK_FILE, out / MANIFEST_FILE
    rows: list[ManifestRow] = []
    kept = None
    if (out / CARD_FILE).exists():
        check_continues(read_card(out), card, name)
        kept = load_bank(bank_file) if bank_file.exists() else None
        if kept is not None and not extends(bank, kept):
            raise other_bank(name)
        if manifest.exists():
            rows = read_manifest(manifest)
    # The card first: a folder without one is not ours to write to.
    write_card(out, card)
    if kept is None or len(kept) < len(bank):
        bank.save(bank_file)
    return rows


def _finish(folder: Path, listed: list[ManifestRow], store: Store[Any], upload: Upload | None) -> None:
    """Order a complete set's manifest by path, so that it does not depend on the pieces in which the set was made.

    `listed` is what the manifest says so far.
    """
    ordered = sorted(store.complete_rows(listed), key=lambda row: (row.path, row.offset))
    manifest = folder / MANIFEST_FILE
    if listed != ordered or not manifest.exists():  # of a part with nothing to make nothing has written one yet
        write_manifest(manifest, ordered)
    if upload is not None:
        upload.finish()


@dataclass(frozen=True)
class _Step:
    """Some clips were made.

    Attributes:
        clips: how many.
        rows: of clips whose files are complete now, which may be others.
    """

    clips: int
    rows: list[ManifestRow]


def _made(clips: Iterator[ClipId], store: Store[Any], workers: Workers) -> Iterator[_Step]:
    """Have clips made, and collect them in their order; the number of clips in the making is bounded."""
    waiting: deque[Made] = deque()

    def collected() -> _Step:
        written = waiting.popleft().result()
        return _Step(len(written), [row for one in written for row in store.collect(one)])

    while chunk := list(islice(clips, CHUNK)):
        waiting.append(workers.make(chunk))
        if len(waiting) >= 4 * workers.at_once:
            yield collected()
    while waiting:
        yield collected()


def _until(deadline: float | None, clips: Iterator[ClipId], store: Store[Any]) -> Iterator[ClipId]:
    """Clips until the deadline, then those in the file of the last one, or short runs would never finish a shard."""
    begun = None
    for clip in clips:
        path = store.path(clip)
        if deadline is not None and path != begun and time.monotonic() > deadline:
            return
        begun = path
        yield clip


def _flushes(steps: Iterator[_Step], advance: Callable[[int], object]) -> Iterator[list[ManifestRow]]:
    """Rows to be flushed together, none of them kept back for long; `advance` gets the number of clips of each step."""
    group: list[ManifestRow] = []
    since = 0.0
    for step in steps:
        advance(step.clips)
        group += step.rows
        if len(group) >= FLUSH_ROWS or (group and time.monotonic() - since > FLUSH_SECONDS):
            yield group
            group, since = [], time.monotonic()
    if group:
        yield group
