"""Putting together the parts of a set that several machines have made (`generate --shard`).

Files are moved, not copied, and the parts' manifests stay until the set's own is written: after a kill, the same call
goes on; of a set that is complete already it says so.
"""

import errno
import shlex
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.sets.addresses.place import RemoteFolder, place_of
from fractalvid.sets.card import CARD_FILE, check_continues, write_card
from fractalvid.sets.generation import MADE_BEFORE_CARD, exclusive_folder, rows_before
from fractalvid.sets.manifest import MANIFEST_FILE, ClipId, ManifestRow, write_manifest
from fractalvid.sets.part import MERGED_FOLDER, PARTS_FOLDER, Part
from fractalvid.sets.reader import SetReader
from fractalvid.sets.workers import store_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import DurableFolder, sync_folders, write_with
from fractalvid.utils.messages.phrases import first_few
from fractalvid.utils.processes.temporary import temporary_folder


def merge(out: str | Path) -> int:
    """Make one set of its parts, with the bytes of one that a single machine made.

    Args:
        out: the set's folder or address, with all its parts below. Parts made elsewhere are copied to `parts/` first.

    Returns:
        How many clips the set holds.

    Raises:
        UserError: there are neither parts nor a complete set, parts are missing, incomplete or of another set, or
            nothing can be written.
    """
    target = _target(out)
    try:
        target.clean()
        names = sorted(name for name in place_of(out).names(PARTS_FOLDER) if "-of-" in name)
        if not names:
            return _merged_before(out)
        parts = _read_parts(out, names)
        before = rows_before(out, parts[0].card, load_bank(parts[0].path / BANK_FILE))
        _check_complete(parts, frozenset(row.clip for row in before))
        # By clip: after a kill in the last moments of this the set's own manifest names what the parts' do.
        rows = list({row.clip: row for row in (*before, *(row for part in parts for row in part.rows))}.values())
        with target.opened(parts[0]):
            target.move({name: part.part.folder for part in parts for row in part.rows for name in row.files()})
            target.finish(sorted(rows, key=lambda row: (row.path, row.offset)))
    except OSError as error:
        raise UserError(f"can't merge {out}: {error.strerror or error}; run the same command again") from error
    return len(rows)


def _merged_before(out: str | Path) -> int:
    """The clips of a set without parts that is complete, as after a merge that was killed in its last moment.

    Raises:
        UserError: there is none.
    """
    if CARD_FILE in place_of(out).names(""):
        reader = SetReader(out)
        store = store_of(reader.path, reader.config, reader.classes)
        clips = len(store.complete_rows(reader.rows))
        if reader.part.whole and clips == store.count():
            return clips
    quoted = shlex.quote(str(out))
    raise UserError(f"{out} holds no parts to merge: fractalvid generate --out {quoted} --shard 1/16 makes one")


def _read_parts(out: str | Path, names: list[str]) -> list[SetReader]:
    """All parts that lie under `out`, which must be those of one set.

    Raises:
        UserError: some are missing, or they are not of one set.
    """
    parts = [SetReader(f"{str(out).rstrip('/')}/{PARTS_FOLDER}/{name}") for name in names]
    first = parts[0]
    for part in parts[1:]:
        if part.part.count != first.part.count:
            raise UserError(
                f"{out} holds parts {first.part} and {part.part}, of two ways to take it apart: remove one's"
            )
        check_continues(first.card, part.card, first.name)
        check_continues(part.card, first.card, part.name)
    found = {part.part.number for part in parts}
    lacking = [str(Part(n, first.part.count)) for n in range(1, first.part.count + 1) if n not in found]
    if lacking:
        raise UserError(f"{out} lacks parts: {first_few(lacking)}; run generate with --shard {lacking[0]}")
    return parts


def _check_complete(parts: list[SetReader], before: frozenset[ClipId]) -> None:
    """Refuse parts in which clips are missing, but for those that the set holds already."""
    store = store_of(parts[0].path, parts[0].config, parts[0].classes)
    for part in parts:
        there = before.union(row.clip for row in part.rows)
        missing = sum(clip not in there for clip in store.plan(part.part))
        if missing:
            raise UserError(f"{missing} clips of part {part.part} are missing: run generate with --shard {part.part}")


class _Target(Protocol):
    """Where a set is put together."""

    def clean(self) -> None:
        """Remove what a merge left that was killed when all was done."""

    def opened(self, part: SetReader) -> AbstractContextManager[None]:
        """Make the set's own card and bank, after those of a part."""

    def move(self, sources: dict[str, str]) -> None:
        """Move files, by name, from the folders of their parts; some may be there from a merge that was killed."""

    def finish(self, rows: list[ManifestRow]) -> None:
        """Write the manifest, then remove the parts."""


def _target(out: str | Path) -> _Target:
    place = place_of(out)
    return _RemoteTarget(place) if isinstance(place, RemoteFolder) else _LocalTarget(Path(out))


def _write_head(folder: Path, part: SetReader) -> None:
    """The card and the bank of the set that a part is of."""
    write_card(folder, {name: value for name, value in part.card.items() if name != "part"})
    load_bank(part.path / BANK_FILE).save(folder / BANK_FILE)


class _LocalTarget:
    """A folder of this machine."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def clean(self) -> None:
        _remove_parts(self._out / MERGED_FOLDER)

    @contextmanager
    def opened(self, part: SetReader) -> Iterator[None]:
        names = {path.name for path in self._out.iterdir()}
        if CARD_FILE not in names and names - {PARTS_FOLDER} - MADE_BEFORE_CARD:
            raise UserError(f"{self._out} holds something else beside the parts: move that away first")
        _write_head(self._out, part)
        with exclusive_folder(self._out):
            yield

    def move(self, sources: dict[str, str]) -> None:
        for folder in dict.fromkeys((self._out / name).parent for name in sources):
            folder.mkdir(parents=True, exist_ok=True)
        for name, part in sources.items():
            source, target = self._out / part / name, self._out / name
            if source.exists():
                _move(source, target)
            elif not target.exists():
                raise _missing(source)
        DurableFolder(self._out).sync_names(self._out / name for name in sources)

    def finish(self, rows: list[ManifestRow]) -> None:
        write_manifest(self._out / MANIFEST_FILE, rows)
        (self._out / PARTS_FOLDER).rename(self._out / MERGED_FOLDER)
        sync_folders([self._out])  # or a loss of power may bring back parts of which files are missing
        _remove_parts(self._out / MERGED_FOLDER)


def _move(source: Path, target: Path) -> None:
    """Move a file, from another file system too."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with source.open("rb") as opened:
            write_with(target, partial(shutil.copyfileobj, opened))
        source.unlink()


def _remove_parts(folder: Path) -> None:
    """Remove the parts' folder, or what a link of that name leads to and the link."""
    if folder.is_symlink():
        for part in folder.glob("*-of-*"):
            _remove_parts(part)
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


class _RemoteTarget:
    """A folder behind an address."""

    def __init__(self, remote: RemoteFolder) -> None:
        self._remote = remote

    def clean(self) -> None:
        if self._remote.exists(MERGED_FOLDER):
            self._remote.remove(PARTS_FOLDER)
            self._remote.remove(MERGED_FOLDER)

    @contextmanager
    def opened(self, part: SetReader) -> Iterator[None]:
        with temporary_folder() as self._folder:
            _write_head(self._folder, part)
            self._remote.put(self._folder, [BANK_FILE, CARD_FILE])
            yield

    def move(self, sources: dict[str, str]) -> None:
        for name, folder in sources.items():
            source = f"{folder}/{name}"
            if self._remote.exists(source):
                self._remote.move(source, name)
            elif not self._remote.exists(name):
                raise _missing(source)

    def finish(self, rows: list[ManifestRow]) -> None:
        write_manifest(self._folder / MANIFEST_FILE, rows)
        self._remote.put(self._folder, [MANIFEST_FILE])
        # Object stores rename no folders: a file there says that the parts are done with.
        (self._folder / MERGED_FOLDER).touch()
        self._remote.put(self._folder, [MERGED_FOLDER])
        self.clean()


def _missing(source: object) -> UserError:
    return UserError(f"{source} is missing, which its manifest names: fractalvid verify --repair on that part")
