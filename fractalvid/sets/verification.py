"""Checking a generated set against its manifest, file by file, and making again what is broken.

Nothing is ever removed: files that do not belong to the set are named, and what is broken is replaced by the same clip.
"""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from fractalvid.core.bank import Bank, bank_kind
from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import KINDS, kind_named, load_bank
from fractalvid.sets.addresses.mirror import PIECES_FOLDER
from fractalvid.sets.addresses.place import RemoteFolder, address_of
from fractalvid.sets.card import CARD_FILE, bank_digest, card_of, check_continues
from fractalvid.sets.formats import EncodedClip
from fractalvid.sets.formats.shards import add_clip
from fractalvid.sets.generation import LOCK_FILE, MAX_WORKERS, exclusive_folder, render_missing, rows_before
from fractalvid.sets.manifest import MANIFEST_FILE, ClipId, ManifestRow, mask_path, write_manifest
from fractalvid.sets.part import MERGED_FOLDER, PARTS_FOLDER
from fractalvid.sets.reader import ClipError, SetReader
from fractalvid.sets.workers import local_engine, store_of
from fractalvid.utils.checks import check_integer
from fractalvid.utils.documents import convert_config
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.bars import bar_options
from fractalvid.utils.messages.phrases import counted

BATCH = 16
"""Clips that are checked together where each has a file of its own."""
_OF_PARTS = re.compile(rf"{PARTS_FOLDER}/\d{{6}}-of-\d{{6}}/")
_ON_THE_WAY = re.compile(rf"{PIECES_FOLDER}/\d{{9}}\.csv|{re.escape(MERGED_FOLDER)}")
"""What lies behind an address while a set is made there, or merged."""


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
        unchecked: a line for what could not be checked here.
    """

    clips: int
    missing: int
    problems: list[Problem]
    strays: list[str]
    unchecked: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all is there, and nothing else, as far as it could be checked."""
        return not (self.missing or self.problems or self.strays)

    def summary(self) -> str:
        """One line about the whole set."""
        clips = counted(self.clips, "clip")
        if self.clean:
            return f"{clips}: every file is there, whole, and what the manifest says"
        counts = {"problem": len(self.problems), "stray": len(self.strays)}
        said = [counted(count, name) for name, count in counts.items() if count]
        said += [f"{counted(self.missing, 'clip')} not made yet"] if self.missing else []
        return f"{clips}: {', '.join(said)}"

    def lines(self) -> list[str]:
        """A line for each problem and each stray, and for what could not be checked."""
        lines = [*self.unchecked, *(f"{problem.path}: {problem.what}" for problem in self.problems)]
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
    unchecked = _unchecked(reader)
    problems = [] if unchecked else _check_bank(reader)
    lengths = None if problems or unchecked else _lengths(reader)
    rows, odd = _check_rows(reader)
    problems += odd
    sharded = reader.config.file_format.sharded
    parts = list(_by_file(rows) if sharded else _batches(rows))
    with (
        ThreadPoolExecutor(workers, "verify") as pool,
        tqdm(total=len(rows), unit="clip", disable=not progress, smoothing=0.05, **bar_options()) as bar,
    ):
        for part, of_part in zip(parts, pool.map(lambda part: _check_part(reader, part, lengths), parts), strict=True):
            problems += of_part
            bar.update(len(part))
    there = _merged(reader).union(row.clip for row in rows)
    planned = store_of(reader.path, reader.config, reader.classes).plan(reader.part)
    missing = sum(clip not in there for clip in planned)
    return Findings(len(reader.rows), missing, problems, _strays(reader), unchecked)


def check_repairable(path: str | Path) -> None:
    """Refuse, before a long `verify`, a set that `repair` refuses whatever is found.

    Raises:
        UserError: as `repair` does, but for what stands in the way of single files.
    """
    _repairable(path)


def repair(path: str | Path, findings: Findings, *, workers: int, progress: bool = True) -> list[str]:
    """Make again what `verify` found broken or missing; returns lines about what did not come out as it was.

    Args:
        path: the set's folder.
        findings: of `verify`.
        workers: clips in the making at once.
        progress: show a progress bar.

    Raises:
        UserError: the set was made by another version or on another kind of processor, where its clips would have other
            bits; its classes are lost, or of a kind that is not known here; it lies behind an address; or folders
            stand where files belong.
    """
    out = Path(path)
    reader, bank = _repairable(path)
    broken = {row for problem in findings.problems for row in problem.rows}
    _check_way(out, [*(problem.path for problem in findings.problems if not problem.rows), *_remade(reader, broken)])
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


def _repairable(path: str | Path) -> tuple[SetReader, Bank]:
    """A set that this machine can make again, and its classes; raises as `check_repairable` does."""
    address = address_of(path)
    if address is not None:
        raise UserError(
            f"{address} lies elsewhere: only a set in a folder of this machine is repaired; without --repair it is "
            "checked where it lies"
        )
    reader = SetReader(path)
    bank = _bank_again(reader)
    check_continues(reader.card, card_of(bank, reader.config), reader.path)
    return reader, bank


def _remade(reader: SetReader, broken: Set[ManifestRow]) -> Iterator[str]:
    """Files that a repair writes: of clips that the manifest does not name, or names in a broken row."""
    store = store_of(reader.path, reader.config, reader.classes)
    there = _merged(reader).union(row.clip for row in reader.rows if row not in broken)
    for clip in store.plan(reader.part):
        if clip not in there:
            yield store.path(clip)
            if reader.config.masks and not reader.config.file_format.sharded:
                yield mask_path(clip)


def _check_way(out: Path, names: Iterable[str]) -> None:
    """Refuse folders where files are to be written, and files where their folders belong.

    Raises:
        UserError: with the first of them.
    """
    clear = {out}
    for name in names:
        path = out / name
        if path.is_dir():
            raise UserError(f"{path} is a folder, where a file belongs: move it away first")
        for folder in reversed([above for above in path.parents if above.is_relative_to(out)]):
            if folder not in clear and folder.exists() and not folder.is_dir():
                raise UserError(f"{folder} is a file, where a folder belongs: move it away first")
            clear.add(folder)


def _unchecked(reader: SetReader) -> tuple[str, ...]:
    """A line where the set's classes are of a kind of the user's own, which this program does not know yet."""
    kind = reader.card["kind"]
    with suppress(UserError):  # a bank that can't be read is a problem, whatever its kind
        if kind not in KINDS and bank_kind(reader.path / BANK_FILE) == kind:
            why = f"kind {kind!r} is not known here: from Python, import the module that registers it, then verify"
            return (f"{BANK_FILE}: classes, and how long their clips are, can't be checked; {why}",)
    return ()


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
    if reader.card["kind"] not in KINDS:
        raise UserError(
            f"{reader.path} can't be repaired: its kind {reader.card['kind']!r} is not known here; from Python, import "
            "the module that registers it first"
        )
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
        shape = reader.frames(row).shape[:3]
        if _is_longer(reader, row.path, row.bytes):
            yield Problem(row.path, f"clip {_name(row)}: its file goes on after it", (row,))
        elif shape != expected:
            yield Problem(row.path, f"clip {_name(row)} has frames of shape {shape}, not {expected}", (row,))
    except ClipError as error:
        yield Problem(row.path, f"clip {_name(row)}: {error.reason}", (row,))
    if not row.mask_bytes:
        return
    path = row.files()[-1]
    try:
        shape = reader.mask(row).shape
        if _is_longer(reader, path, row.mask_bytes):
            yield Problem(path, f"the mask of clip {_name(row)}: its file goes on after it", (row,))
        elif shape != expected:
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
    return frozenset() if above == name else frozenset(row.clip for row in rows_before(above, reader.card, None))


def _strays(reader: SetReader) -> list[str]:
    """Files under the set's folder that belong to no clip of it, nor to a part that waits to be merged.

    Of clips whose rows a kill or a full disk kept from the manifest there may be files; they are made again.
    """
    expected = {CARD_FILE, MANIFEST_FILE, BANK_FILE, LOCK_FILE} | {path for row in reader.rows for path in row.files()}
    store = store_of(reader.path, reader.config, reader.classes)
    for clip in store.plan(reader.part):
        expected |= {store.path(clip), mask_path(clip)}
    found = [path for path in reader.place.walk() if path not in expected and not _OF_PARTS.match(path)]
    remote = isinstance(reader.place, RemoteFolder)
    return sorted(path for path in found if not (remote and _ON_THE_WAY.fullmatch(path)))


def _by_file(rows: Iterable[ManifestRow]) -> Iterator[list[ManifestRow]]:
    held: dict[str, list[ManifestRow]] = {}
    for row in rows:
        held.setdefault(row.path, []).append(row)
    yield from held.values()


def _batches(rows: list[ManifestRow]) -> Iterator[list[ManifestRow]]:
    return (rows[i : i + BATCH] for i in range(0, len(rows), BATCH))


def _name(row: ManifestRow) -> str:
    return f"{row.class_id}/{row.instance_id}"
