"""Putting together the parts of a set that several machines have made (`generate --shard`).

Files are moved, not copied, and the parts' manifests stay until the set's own is written: after a kill, the same call
goes on.
"""

import shlex
import shutil
from pathlib import Path

from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.sets.card import CARD_FILE, check_continues, read_card, write_card
from fractalvid.sets.generation import LOCK_FILE, exclusive_folder
from fractalvid.sets.manifest import MANIFEST_FILE, ClipId, ManifestRow, write_manifest
from fractalvid.sets.part import PARTS_FOLDER, Part
from fractalvid.sets.reader import SetReader
from fractalvid.sets.workers import store_of
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import DurableFolder
from fractalvid.utils.phrases import first_few

_MERGED_FOLDER = ".merged"
"""What the folder of parts is called while it is removed."""


def merge(out: str | Path) -> int:
    """Make one set of its parts, with the bytes of one that a single machine made.

    Args:
        out: the set's folder, with all its parts below. Parts made elsewhere are copied to `parts/` there first.

    Returns:
        How many clips the set holds.

    Raises:
        UserError: there are no parts, some are missing, incomplete or of another set, or nothing can be written.
    """
    out = Path(out)
    try:
        shutil.rmtree(out / _MERGED_FOLDER, ignore_errors=True)  # of a merge that was killed when all was done
        parts = _read_parts(out)
        before = _rows_before(out, parts[0])
        _check_complete(out, parts, frozenset(row.clip for row in before))
        _begin(out, parts[0])
        with exclusive_folder(out):
            rows = before + [row for part in parts for row in part.rows]
            _move_files(out, parts)
            write_manifest(out / MANIFEST_FILE, sorted(rows, key=lambda row: (row.path, row.offset)))
            (out / PARTS_FOLDER).rename(out / _MERGED_FOLDER)
            shutil.rmtree(out / _MERGED_FOLDER)
    except OSError as error:
        raise UserError(f"can't merge {out}: {error.strerror or error}; run the same command again") from error
    return len(rows)


def _read_parts(out: Path) -> list[SetReader]:
    """All parts that lie under `out`, which must be those of one set.

    Raises:
        UserError: there are none, some are missing, or they are not of one set.
    """
    folders = sorted(path for path in (out / PARTS_FOLDER).glob("*-of-*") if path.is_dir())
    if not folders:
        raise UserError(
            f"{out} holds no parts to merge: fractalvid generate --out {shlex.quote(str(out))} --shard 1/16 makes one"
        )
    parts = [SetReader(folder) for folder in folders]
    first = parts[0]
    for part in parts[1:]:
        check_continues(first.card, part.card, first.path)
        check_continues(part.card, first.card, part.path)
    found = {part.part.number for part in parts}
    lacking = [str(Part(n, first.part.count)) for n in range(1, first.part.count + 1) if n not in found]
    if lacking:
        raise UserError(f"{out} lacks parts: {first_few(lacking)}; run generate with --shard {lacking[0]}")
    return parts


def _rows_before(out: Path, part: SetReader) -> list[ManifestRow]:
    """What the set holds already, from parts that were merged before it grew."""
    if not (out / CARD_FILE).exists():
        return []
    check_continues(read_card(out), part.card, out)
    return store_of(out, part.config, part.classes).complete_rows(SetReader(out).rows)


def _check_complete(out: Path, parts: list[SetReader], before: frozenset[ClipId]) -> None:
    """Refuse parts in which clips are missing, but for those that the set holds already."""
    store = store_of(out, parts[0].config, parts[0].classes)
    for part in parts:
        there = before.union(row.clip for row in part.rows)
        missing = sum(clip not in there for clip in store.plan(part.part))
        if missing:
            raise UserError(f"{missing} clips of part {part.part} are missing: run generate with --shard {part.part}")


def _begin(out: Path, part: SetReader) -> None:
    """Make the set's own card and bank, so that the folder is that of a set."""
    if not (out / CARD_FILE).exists() and {path.name for path in out.iterdir()} - {PARTS_FOLDER, LOCK_FILE}:
        raise UserError(f"{out} holds something else beside the parts: move that away first")
    write_card(out, {name: value for name, value in part.card.items() if name != "part"})
    load_bank(part.path / BANK_FILE).save(out / BANK_FILE)


def _move_files(out: Path, parts: list[SetReader]) -> None:
    """Move every part's files to their place; some may be there from a merge that was killed."""
    sources = {name: part.path / name for part in parts for row in part.rows for name in row.files()}
    for folder in dict.fromkeys((out / name).parent for name in sources):
        folder.mkdir(parents=True, exist_ok=True)
    for name, source in sources.items():
        if source.exists():
            source.replace(out / name)
        elif not (out / name).exists():
            raise UserError(
                f"{source} is missing, which its manifest names: run fractalvid verify --repair on that part"
            )
    DurableFolder(out).sync_names(out / name for name in sources)
