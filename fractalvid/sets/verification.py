"""Checking a generated set against its manifest, file by file, and making again what is broken.

Nothing is ever removed: files that do not belong to the set are named, and what is broken is replaced by the same clip.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from fractalvid.core.bank import Bank
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import kind_named, load_bank
from fractalvid.sets.card import CARD_FILE, bank_digest, card_of, check_continues
from fractalvid.sets.formats import EncodedClip, digest
from fractalvid.sets.formats.shards import add_clip
from fractalvid.sets.generation import LOCK_FILE, MAX_WORKERS, exclusive_folder, render_missing, rows_before
from fractalvid.sets.manifest import MANIFEST_FILE, ClipId, ManifestRow, write_manifest
from fractalvid.sets.part import PARTS_FOLDER
from fractalvid.sets.place import address_of
from fractalvid.sets.reader import ClipError, SetReader
from fractalvid.sets.workers import local_engine, store_of
from fractalvid.utils.checks import check_integer
from fractalvid.utils.documents import convert_config
from fractalvid.utils.errors import UserError

BATCH = 16
"""Clips that are checked together where each has a file of its own."""
_OF_PARTS = re.compile(rf"{PARTS_FOLDER}/\d{{6}}-of-\d{{6}}/")


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be.

    Attributes:
        path: the file, under the set's folder.
        what: what is wrong with it, in a few words.
        rows: the rows of the manifest that it concerns.
    """

    path: str
    what: str
    rows: tuple[ManifestRow, ...] = ()


@dataclass(frozen=True)
class Findings:
    """What `verify` found.

    Attributes:
        clips: how many the manifest names.
        missing: how many of the set were not made yet.
        problems: in the manifest's order.
        strays: paths of files that do not belong to the set, sorted.
    """

    clips: int
    missing: int
    problems: list[Problem]
    strays: list[str]

    @property
    def clean(self) -> bool:
        """Whether all is there, and nothing else."""
        return not (self.missing or self.problems or self.strays)

    def summary(self) -> str:
        """One line about the whole set."""
        if self.clean:
            return f"{self.clips} clips: every file is there, whole, and what the manifest says"
        counts = {"problems": len(self.problems), "strays": len(self.strays), "clips not made yet": self.missing}
        return f"{self.clips} clips: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)

    def lines(self) -> list[str]:
        """A line for each problem and each stray."""
        lines = [f"{problem.path}: {problem.what}" for problem in self.problems]
        lines += [f"{path}: does not belong to the set" for path in self.strays]
        return lines


def verify(path: str | Path, *, workers: int, progress: bool = True) -> Findings:
    """Look at every file of a set: is it there, whole, decodable, of the right length, and what the manifest says?

    Args:
        path: the set's folder.
        workers: threads.
        progress: show a progress bar.

    Raises:
        UserError: it is no generated set, or its card or manifest can't be read.
    """
    check_integer("workers", workers, 1, MAX_WORKERS)
    reader = SetReader(path)
    problems = _check_bank(reader)
    lengths = None if problems else _lengths(reader)
    rows, odd = _check_rows(reader)
    problems += odd
    sharded = reader.config.file_format.sharded
    parts = list(_by_file(rows) if sharded else _batches(rows))
    with (
        ThreadPoolExecutor(workers, "verify") as pool,
        tqdm(total=len(rows), unit="clip", disable=not progress, smoothing=0.05) as bar,
    ):
        for part, of_part in zip(parts, pool.map(lambda part: _check_part(reader, part, lengths), parts), strict=True):
            problems += of_part
            bar.update(len(part))
    there = _merged(reader).union(row.clip for row in rows)
    planned = store_of(reader.path, reader.config, reader.classes).plan(reader.part)
    return Findings(len(reader.rows), sum(clip not in there for clip in planned), problems, _strays(reader))


def repair(path: str | Path, findings: Findings, *, workers: int, progress: bool = True) -> list[str]:
    """Make again what `verify` found broken or missing; returns lines about what did not come out as it was.

    Args:
        path: the set's folder.
        findings: of `verify`.
        workers: clips in the making at once.
        progress: show a progress bar.

    Raises:
        UserError: the set was made by another version or on another kind of processor, where its clips would have other
            bits; or its classes are lost.
    """
    if address_of(path) is not None:
        raise UserError(f"{path} lies elsewhere: only a set in a folder of this machine is repaired")
    out = Path(path)
    reader = SetReader(out)
    bank = _bank_again(reader)
    check_continues(reader.card, card_of(bank, reader.config), out)
    broken = {row for problem in findings.problems for row in problem.rows}
    try:
        with exclusive_folder(out):
            if any(problem.path == BANK_FILE for problem in findings.problems):
                bank.save(out / BANK_FILE)
            if broken:
                write_manifest(out / MANIFEST_FILE, [row for row in reader.rows if row not in broken])
            render_missing(
                *(bank, out, reader.config),
                engine=local_engine(workers),
                hours=None,
                progress=progress,
                part=reader.part,
                merged=_merged(reader),
            )
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror or error}; run the same command again") from error
    before = {row.clip: row for row in reader.rows}
    return [
        f"{row.path}: clip {_name(row)} is not what its manifest said; that row was wrong"
        for row in SetReader(out).rows
        if before.get(row.clip, row) != row
    ]


def _check_bank(reader: SetReader) -> list[Problem]:
    try:
        bank = load_bank(reader.path / BANK_FILE)
    except UserError as error:
        return [Problem(BANK_FILE, str(error))]
    return [] if _is_bank_of(reader, bank) else [Problem(BANK_FILE, f"holds other classes than {CARD_FILE} says")]


def _lengths(reader: SetReader) -> list[int]:
    """How many frames the clips of each class should have."""
    native = load_bank(reader.path / BANK_FILE).native_frames
    fixed = 1 if reader.config.file_format.still else reader.config.frames
    return [int(length) if fixed is None else fixed for length in native]


def _is_bank_of(reader: SetReader, bank: Bank) -> bool:
    said = (reader.card["kind"], reader.card["seed"], reader.card["bank_digest"])
    return said == (bank.kind, bank.seed, bank_digest(bank))


def _bank_again(reader: SetReader) -> Bank:
    """The set's bank; drawn again from its seed where the file is lost.

    Raises:
        UserError: what is drawn is not what the set was made from, so the bank was not drawn from a seed alone.
    """
    if not _check_bank(reader):
        return load_bank(reader.path / BANK_FILE)
    kind = kind_named(reader.card["kind"])
    where = f"the card {reader.path / CARD_FILE}, class_config"
    config = convert_config(reader.card["class_config"], type(kind.config()), where=where)
    bank = kind.sample(reader.classes, seed=int(reader.card["seed"]), config=config)
    if not _is_bank_of(reader, bank):
        raise UserError(f"{reader.path / BANK_FILE} is lost and its seed gives other classes: put that file back first")
    return bank


def _check_rows(reader: SetReader) -> tuple[list[ManifestRow], list[Problem]]:
    """The rows that name clips of the set, each once and in its place; and what is wrong with the others."""
    store = store_of(reader.path, reader.config, reader.classes)
    good: dict[ClipId, ManifestRow] = {}
    problems = []
    for row in reader.rows:
        if not reader.has(row):
            problems.append(Problem(MANIFEST_FILE, f"names clip {_name(row)}, which the set does not have", (row,)))
        elif row.path != store.path(row.clip) or bool(row.offset) != reader.config.file_format.sharded:
            problems.append(Problem(MANIFEST_FILE, f"says that clip {_name(row)} lies in {row.path}", (row,)))
        elif row.clip in good:
            problems.append(Problem(MANIFEST_FILE, f"names clip {_name(row)} twice", (row,)))
        elif bool(row.mask_bytes) != reader.config.masks:
            problems.append(Problem(MANIFEST_FILE, f"does not say whether clip {_name(row)} has a mask", (row,)))
        else:
            good[row.clip] = row
    return list(good.values()), problems


def _check_part(reader: SetReader, rows: list[ManifestRow], lengths: list[int] | None) -> list[Problem]:
    """What is wrong with some clips: all of a shard, or some that have files of their own."""
    problems = [problem for row in rows for problem in _check_clip(reader, row, lengths)]
    if not problems and reader.config.file_format.sharded:
        problems = _check_shard(reader, rows)
    return problems


def _check_clip(reader: SetReader, row: ManifestRow, lengths: list[int] | None) -> Iterator[Problem]:
    """What is wrong with a clip's bytes and frames, and with its mask's."""
    length = row.frames if lengths is None else lengths[row.class_id]
    expected = (length, reader.config.size, reader.config.size)
    try:
        if digest(reader.video_bytes(row)) != row.digest or _is_longer(reader, row.path, row.bytes):
            yield Problem(row.path, f"clip {_name(row)} is not what the manifest says", (row,))
        elif (shape := reader.frames(row).shape[:3]) != expected:
            yield Problem(row.path, f"clip {_name(row)} has frames of shape {shape}, not {expected}", (row,))
    except ClipError as error:
        yield Problem(row.path, f"clip {_name(row)}: {error.reason}", (row,))
    if not row.mask_bytes:
        return
    path = row.files()[-1]
    try:
        if digest(reader.mask_bytes(row)) != row.mask_digest or _is_longer(reader, path, row.mask_bytes):
            yield Problem(path, f"the mask of clip {_name(row)} is not what the manifest says", (row,))
        elif (shape := reader.mask(row).shape) != expected:
            yield Problem(path, f"the mask of clip {_name(row)} has shape {shape}, not {expected}", (row,))
    except ClipError as error:
        yield Problem(path, f"the mask of clip {_name(row)}: {error.reason}", (row,))


def _is_longer(reader: SetReader, path: str, size: int) -> bool:
    """Whether a file of one clip, or mask, goes on after it; a shard is looked at as a whole."""
    return not reader.config.file_format.sharded and reader.place.size(path) > size


def _check_shard(reader: SetReader, rows: list[ManifestRow]) -> list[Problem]:
    """Whether a shard is, byte for byte, what its clips make."""
    path, file_format = rows[0].path, reader.config.file_format
    with reader.place.open(path) as file:
        written, offsets = _Comparison(file), []
        tar = tarfile.TarFile(path, "w", fileobj=written, format=tarfile.USTAR_FORMAT)
        for row in sorted(rows, key=lambda row: row.offset):
            mask = reader.mask_bytes(row) if row.mask_bytes else b""
            clip = EncodedClip.of(row.clip, row.frames, reader.video_bytes(row), mask)
            offsets.append(add_clip(tar, clip, file_format) == row.offset)
        tar.close()
        whole = written.equal and all(offsets) and not file.read(1)
    return [] if whole else [Problem(path, "is not the shard that its clips make", tuple(rows))]


class _Comparison(io.RawIOBase):
    """Something to write to that keeps nothing, and knows whether a file holds just what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.equal = True

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.equal &= self._file.read(len(data)) == data
        return len(data)

    def tell(self) -> int:
        return self._file.tell()


def _merged(reader: SetReader) -> frozenset[ClipId]:
    """Of a part, the clips that the set above it holds already, from parts that were merged before it grew."""
    if reader.part.whole:
        return frozenset()
    name = reader.name if address_of(reader.name) else Path(reader.name).resolve().as_posix()
    above = name.rstrip("/").removesuffix(f"/{reader.part.folder}")
    return frozenset() if above == name else frozenset(row.clip for row in rows_before(above, reader.card))


def _strays(reader: SetReader) -> list[str]:
    """Files under the set's folder that belong to no row, nor to a part that waits to be merged."""
    expected = {CARD_FILE, MANIFEST_FILE, BANK_FILE, LOCK_FILE} | {path for row in reader.rows for path in row.files()}
    return sorted(path for path in reader.place.walk() if path not in expected and not _OF_PARTS.match(path))


def _by_file(rows: Iterable[ManifestRow]) -> Iterator[list[ManifestRow]]:
    held: dict[str, list[ManifestRow]] = {}
    for row in rows:
        held.setdefault(row.path, []).append(row)
    yield from held.values()


def _batches(rows: list[ManifestRow]) -> Iterator[list[ManifestRow]]:
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))


def _name(row: ManifestRow) -> str:
    return f"{row.class_id}/{row.instance_id}"
