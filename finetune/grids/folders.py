"""The folder of a grid: recognised by its result, which is there from the first run on, and held by one process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fractalvid.utils.documents import Table, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, make_folder
from fractalvid.utils.processes.locks import exclusive_lock

_LOCK = ".in-use.tmp"
"""Named like what a killed write leaves: a folder with nothing else counts as empty."""


def check_out(out: Path, file: str, what: str) -> Table | None:
    """What the result in a folder says; None of a new or empty folder.

    Args:
        out: the folder.
        file: the name of the result.
        what: as "a sweep".

    Raises:
        UserError: it holds something else, or cannot be made.
    """
    check_can_make(out)
    if not out.is_dir() or is_empty(out):
        return None
    if not (out / file).is_file():
        raise UserError(f"--out {out} holds something else than {what}; choose a new or empty folder")
    content = read_json(out / file, Table, what="the result")
    if content.get("what") != what:
        raise UserError(f"{out / file} is not that of {what}; choose a new or empty folder for --out")
    return content


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Inside, the folder is this process's. Raises `UserError` where another one works in it."""
    make_folder(out)
    with exclusive_lock(out / _LOCK, f"another process works in {out}: wait for it, or choose another --out"):
        yield
