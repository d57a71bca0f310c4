"""Runs of a grid that failed, and why: a file each, so that a grid that goes on need not fail again to know."""

import json
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from fractalvid.utils.documents import read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder, write_text
from fractalvid.utils.messages.phrases import one_line


@dataclass(frozen=True)
class Failure:
    """Why a run failed: a line, and where in the program, for what was no mistake of the user."""

    reason: str
    trace: str = ""


def failure_of(error: Exception) -> Failure:
    """What to keep of an error that ended a run."""
    if isinstance(error, UserError):
        return Failure(one_line(str(error)))
    first = next(iter(str(error).splitlines()), "")
    return Failure(one_line(f"{type(error).__name__}: {first}"), "".join(traceback.format_exception(error)))


class Failures:
    """The failures of a grid, by the names of its runs, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        """The folder is made by the first."""
        self._folder = folder

    def of(self, name: str) -> Failure | None:
        """Why a run failed, None where it did not. Raises `UserError` where the file is damaged."""
        path = self._path(name)
        return read_json(path, Failure, what="why a run failed,") if path.is_file() else None

    def keep(self, name: str, failure: Failure) -> None:
        """Remember why a run failed."""
        make_folder(self._folder)
        write_text(self._path(name), json.dumps(asdict(failure), indent=2) + "\n")

    def forget(self, name: str) -> None:
        """A run is to be tried again, or has succeeded."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"
