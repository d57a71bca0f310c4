"""What the targets have in common: where list files lie, how tables are read, and which name was meant."""

import codecs
import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fractalvid.utils.documents import MAX_LOG_BYTES, read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few

_MOST_CHARACTERS = 4096
"""Of a cell or line: the longest path that systems know."""


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


def read_lines(path: Path, expected: str, *, empty: bool = False) -> list[tuple[int, str]]:
    """The lines of a list file that are not blank, with their numbers from 1.

    They come without their ends (LF or CRLF), a byte order mark or trailing blanks. Bytes that are not UTF-8 are kept
    as surrogates, as Python reads the names of such files.

    Raises:
        UserError: it cannot be read, or holds no line and may not be `empty`; `expected` says what its lines look like.
    """
    text = read_bytes(path, what="the list", most=MAX_LOG_BYTES).decode("utf-8", errors="surrogateescape")
    # Not splitlines(): that would also split at form feeds and other characters that names may hold.
    lines = [line.rstrip() for line in text.removeprefix("\ufeff").split("\n")]
    if not any(lines) and not empty:
        raise UserError(f"{path} is empty; expected lines {expected}")
    odd = next((n for n, line in enumerate(lines, start=1) if "\0" in line or len(line) > _MOST_CHARACTERS), None)
    if odd is not None:
        raise UserError(f"{path}, line {odd} is no line of a list: it holds a zero byte, or has no end")
    return [(number, line) for number, line in enumerate(lines, start=1) if line]


def read_csv(path: Path, what: str = "") -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """Read a CSV file with a header: its columns, and its lines as (line number, column -> value without blanks).

    Columns are separated by commas, semicolons or tabs, whichever the header has; lines without any value are passed
    over. `what` names the file in errors, as "the table ".

    Raises:
        UserError: it cannot be read, or is no such file; of a line only when that is reached.
    """
    called = f"{what}{path}"
    text = _text(path, what)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text))
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise UserError(f"{called}, line 1: {error}") from error
    twice = [column for column, count in Counter(columns).items() if column and count > 1]
    if twice:
        raise UserError(f"{called} has two columns {twice[0]!r}; name each differently")

    def lines() -> Iterator[tuple[int, dict[str, str]]]:
        try:
            for values in reader:
                filled = [value.strip() for value in values]
                _check_cells(filled, len(columns), f"{called}, line {reader.line_num}")
                if any(filled):
                    filled += [""] * (len(columns) - len(filled))
                    yield reader.line_num, {key: value for key, value in zip(columns, filled, strict=False) if key}
        except csv.Error as error:
            raise UserError(f"{called}, line {reader.line_num}: {error}") from error

    return columns, lines()


def _check_cells(values: Sequence[str], columns: int, where: str) -> None:
    longest = max(map(len, values), default=0)
    if longest > _MOST_CHARACTERS:
        raise UserError(f"{where}: a cell of {longest} characters")
    if any(values[columns:]):
        quote = 'put values that hold the separator in quotes "'
        raise UserError(f"{where}: {len(values)} values, but the header names {columns} columns; {quote}")


def _text(path: Path, what: str) -> str:
    """The text of a table in UTF-8 or, as spreadsheets save it, UTF-16, without its byte order mark."""
    called, data = f"{what}{path}", read_bytes(path, what=what.strip() or "the table", most=MAX_LOG_BYTES)
    try:
        encoding = _encoding(data)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-8" if encoding == "utf-8-sig" else "UTF-16"
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{called} is not {name} text in line {line}: {error.reason}; save it in UTF-8") from error
    if "\0" in text:
        raise UserError(f"{called}, line {text.count(chr(10), 0, text.index(chr(0))) + 1} holds a zero byte")
    return text


def _encoding(data: bytes) -> str:
    """UTF-16 where a byte order mark says so, or every other byte is zero, as of Latin letters; else UTF-8."""
    if len(data) > 2 and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = data[:64]
    if head and 3 * head.count(0) >= len(head):
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    return "utf-8-sig"


def _separator(text: str) -> str:
    """What stands between the columns of the header: a comma, or where it has none, a semicolon or a tab."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in ",;\t" if mark in header), ",")


def class_key(name: str) -> str:
    """A class name without what copies of a data set disagree on: case, Unicode composition, spaces or underscores."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())


def first_folder(root: Path, *names: str) -> Path:
    """The first folder in `root` called one of `names` that is there, else `root` itself."""
    return next((root / name for name in names if (root / name).is_dir()), root)
