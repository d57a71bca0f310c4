"""What is small of a set behind an address, kept on this machine: card, bank and manifest."""

import hashlib
import os
from pathlib import Path

from fractalvid.core.constants import BANK_FILE
from fractalvid.sets.addresses.place import RemoteFolder
from fractalvid.sets.card import CARD_FILE
from fractalvid.sets.manifest import MANIFEST_FILE, ManifestRow, read_manifest, write_manifest
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import move_durably, write_text
from fractalvid.utils.processes.locks import waiting_lock
from fractalvid.video.index import default_cache_dir

PIECES_FOLDER = "manifest"
"""Of pieces of a manifest, under the address, while a set is being made: object stores can't append to a file."""
_OF_A_SET = {CARD_FILE, BANK_FILE, MANIFEST_FILE, PIECES_FOLDER}


def mirrored(remote: RemoteFolder) -> Path:
    """A folder of this machine with the set's card, bank and manifest as they are there now.

    It is not made where there is nothing of a set: a mistyped address leaves nothing behind.

    Raises:
        UserError: the address can't be read, or the folder can't be written to.
    """
    folder = default_cache_dir() / "sets" / hashlib.sha256(remote.address.encode()).hexdigest()[:20]
    try:
        if not os.path.isdir(folder) and not _OF_A_SET & remote.names():
            return folder
        _make(folder, remote)
        with waiting_lock(folder / ".lock"):  # processes that train together all come here at once
            there = remote.names()
            for name in (CARD_FILE, BANK_FILE, MANIFEST_FILE):
                _fetch(remote, name, folder, there)
            if PIECES_FOLDER in there:
                write_manifest(folder / MANIFEST_FILE, _with_pieces(remote, folder))
                (folder / f"{MANIFEST_FILE}.state").unlink(missing_ok=True)
    except OSError as error:
        if Path(str(error.filename or "")).is_relative_to(folder):
            raise _cannot_keep(remote, folder, error) from error
        raise UserError(f"can't read {remote.address}: {error}") from error
    return folder


def _make(folder: Path, remote: RemoteFolder) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_keep(remote, folder, error) from error


def _cannot_keep(remote: RemoteFolder, folder: Path, error: OSError) -> UserError:
    reason = error.strerror or error
    return UserError(
        f"can't keep card and manifest of {remote.address} in {folder}: {reason}; set XDG_CACHE_HOME to a folder that "
        "can be written to"
    )


def _fetch(remote: RemoteFolder, name: str, folder: Path, there: frozenset[str]) -> None:
    """Copy a file, unless the copy that is here is of the same state."""
    here, noted = folder / name, folder / f"{name}.state"
    if name not in there:
        for path in (here, noted):
            path.unlink(missing_ok=True)
        return
    state = remote.state(name)
    if not (here.exists() and noted.exists() and noted.read_text(encoding="utf-8") == state):
        copy = here.with_name(f".{name}.tmp")
        remote.fetch(name, copy)
        move_durably(copy, here)
        write_text(noted, state)


def _with_pieces(remote: RemoteFolder, folder: Path) -> list[ManifestRow]:
    """The rows of the manifest and of all its pieces, the latest of each clip."""
    manifest, piece = folder / MANIFEST_FILE, folder / ".piece.tmp"
    rows = {row.clip: row for row in (read_manifest(manifest) if manifest.exists() else [])}
    for name in sorted(remote.names(PIECES_FOLDER)):
        remote.fetch(f"{PIECES_FOLDER}/{name}", piece)
        rows |= {row.clip: row for row in read_manifest(piece)}
    piece.unlink(missing_ok=True)
    return list(rows.values())
