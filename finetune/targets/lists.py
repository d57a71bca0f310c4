"""What the targets have in common: where list files lie, how tables are read, and which name was meant."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fractalvid.finetune.targets.base import subfolders, video_names
from fractalvid.utils.documents import MAX_LOG_BYTES, read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.nearest import ALIKE, nearest
from fractalvid.utils.phrases import first_few

_MOST_CHARACTERS = 4096
"""Of a cell or line: the longest path that systems know."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the one of `known` that is most like `name`, or nothing."""
    near = nearest(name, known, at_least=ALIKE)
    return f" (nearest: {near!r})" if near else ""


def list_folders(annotations: Path | None, places: Sequence[Path], *names: str) -> list[Path]:
    """Folders in which list files may lie, the likeliest first: those called `names` in a place, then the place.

    The place is `annotations` where the user gave it, else each of `places`.

    Raises:
        UserError: `annotations` is no folder.
    """
    if annotations is not None and not annotations.is_dir():
        wrong = "is a file" if annotations.exists() else "does not exist"
        raise UserError(f"the annotations folder {annotations} {wrong}")
    chosen = places if annotations is None else (annotations,)
    folders = [folder for place in chosen for folder in (*(place / name for name in names), place)]
    return [folder for folder in folders if folder.is_dir()]


def find_list(name: str, folders: Sequence[Path], origin: str) -> Path:
    """The list file called `name` in the first of `folders` that has it; `origin` says where it comes from.

    Raises:
        UserError: there is none.
    """
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = first_few(map(str, folders)) if folders else "the data folder"
    raise UserError(f"no {name} ({origin}) in {looked}; give its folder with --annotations")


def read_lines(path: Path, expected: str) -> list[tuple[int, str]]:
    """The lines of a list file that are not blank, with their numbers from 1.

    They come without their ends (LF or CRLF), a byte order mark or trailing blanks. Bytes that are not UTF-8 are kept
    as surrogates, as Python reads the names of such files.

    Raises:
        UserError: it cannot be read, or holds no line; `expected` says what its lines look like.
    """
    text = read_bytes(path, what="the list", most=MAX_LOG_BYTES).decode("utf-8", errors="surrogateescape")
    # Not splitlines(): that would also split at form feeds and other characters that names may hold.
    lines = [line.rstrip() for line in text.removeprefix("\ufeff").split("\n")]
    if not any(lines):
        raise UserError(f"{path} is empty; expected lines {expected}")
    odd = next((n for n, line in enumerate(lines, start=1) if "\0" in line or len(line) > _MOST_CHARACTERS), None)
    if odd is not None:
        raise UserError(f"{path}, line {odd} is no line of a list: it holds a zero byte, or has no end")
    return [(number, line) for number, line in enumerate(lines, start=1) if line]


def read_csv(path: Path, what: str = "") -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Read a CSV file with a header: its columns, and its lines as (line number, column -> value without blanks).

    `what` names it in errors, as "the table ".

    Raises:
        UserError: it cannot be read, or is no CSV with commas; of a line only when that is reached.
    """
    called = f"{what}{path}"
    data = read_bytes(path, what=what.strip() or "the table", most=MAX_LOG_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_number = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{called} is not UTF-8 text in line {line_number}: {error.reason}") from error
    if "\0" in text:
        raise UserError(f"{called}, line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a zero byte")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        columns = list(reader.fieldnames or ())
    except csv.Error as error:
        raise UserError(f"{called}, line 1: {error}") from error

    separator = next((mark for mark in ";\t" if len(columns) == 1 and mark in columns[0]), None)
    if separator is not None:
        name = "tabs" if separator == "\t" else repr(separator)
        raise UserError(f"{what}{path} has its columns separated by {name}: save it with commas between them")

    def lines() -> Iterator[tuple[int, dict[str, str]]]:
        try:
            for line in reader:
                values = {str(key): str(value or "").strip() for key, value in line.items() if key}
                longest = max(map(len, values.values()), default=0)
                if longest > _MOST_CHARACTERS:
                    raise UserError(f"{called}, line {reader.line_num}: a cell of {longest} characters")
                yield reader.line_num, values
        except csv.Error as error:
            raise UserError(f"{called}, line {reader.line_num + 1}: {error}") from error

    return columns, lines()


def class_key(name: str) -> str:
    """A class name without what copies of a data set disagree on: case, and spaces or underscores between words."""
    return " ".join(name.casefold().replace("_", " ").split())


def videos_below(root: Path, base: Path) -> list[str]:
    """Videos in `base` and in the folders in it, relative to `root`, with `/`."""
    folders = [base, *(base / name for name in subfolders(base))]
    return [(folder / name).relative_to(root).as_posix() for folder in folders for name in video_names(folder)]


def first_folder(root: Path, *names: str) -> Path:
    """The first folder in `root` called one of `names` that is there, else `root` itself."""
    return next((root / name for name in names if (root / name).is_dir()), root)
