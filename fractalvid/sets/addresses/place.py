"""Where a set lies: a folder of this machine, or an address that fsspec knows (`s3://`, `gs://`, `hf://`, `memory://`)."""

import os
import re
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from fractalvid.utils.errors import UserError

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+([^/].*)", re.IGNORECASE | re.DOTALL)
_LIKE_ONE = re.compile(r"(?![a-z]:)[^/]*:/.*", re.IGNORECASE | re.DOTALL)
"""What nobody calls a folder, but for the drives of Windows: an address with a slip."""
_ROOTED = ("file", "local", "memory")
"""Protocols whose addresses begin with a slash, as paths do, instead of a host's or a bucket's name."""


class Place(Protocol):
    """Files of a set, by their names under it. All methods raise `OSError` where a file can't be read."""

    def read(self, name: str, offset: int, size: int) -> bytes:
        """So many bytes of a file, fewer where it ends."""

    def open(self, name: str) -> BinaryIO:
        """A file, to be read from its beginning."""

    def size(self, name: str) -> int:
        """Of a file, in bytes."""

    def names(self, folder: str) -> frozenset[str]:
        """Names of what lies in a folder; none where there is no such folder."""

    def walk(self) -> list[str]:
        """Every file."""


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        """The set's folder."""
        self._path = path

    def read(self, name: str, offset: int, size: int) -> bytes:
        """See `Place`."""
        with (self._path / name).open("rb") as file:
            # Asked first: a damaged row may ask for more bytes than there is memory, or for a place beyond all files.
            size = min(size, os.fstat(file.fileno()).st_size - offset)
            if size <= 0:
                return b""
            file.seek(offset)
            return file.read(size)

    def open(self, name: str) -> BinaryIO:
        """See `Place`."""
        return (self._path / name).open("rb")

    def size(self, name: str) -> int:
        """See `Place`."""
        return (self._path / name).stat().st_size

    def names(self, folder: str) -> frozenset[str]:
        """See `Place`."""
        try:
            return frozenset(os.listdir(self._path / folder))
        except OSError:
            return frozenset()

    def walk(self) -> list[str]:
        """See `Place`."""
        return [path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if not path.is_dir()]


class RemoteFolder:
    """A folder behind an address; copies in other processes connect anew.

    Args:
        address: such as "s3://bucket/dataset".

    Raises:
        UserError: nothing that is installed knows such addresses, or this one would be a pattern for many.
    """

    def __init__(self, address: str) -> None:
        """See the class."""
        if set("*?[") & set(address):
            raise UserError(f"{address} is a pattern to fsspec, which may remove what else it fits: no * ? or [ in it")
        self.address = address
        self._process, self._connection = 0, None
        self._files()

    def __getstate__(self) -> dict[str, Any]:
        """Without the connection."""
        return vars(self) | {"_connection": None}

    def _files(self) -> Any:
        """The file system, connected to by this process."""
        if self._connection is None or self._process != os.getpid():
            import fsspec

            try:
                self._connection, self._root = fsspec.core.url_to_fs(self.address)
            except ImportError as error:
                raise UserError(f"{self.address} needs another package: {error}") from None
            except Exception as error:  # each file system has errors of its own
                raise UserError(f"can't reach {self.address}: {_short(error)}") from None
            self._process = os.getpid()
        return self._connection

    def _do(self, action: str, *arguments: Any, **options: Any) -> Any:
        """Call the file system; whatever goes wrong there becomes an `OSError`."""
        try:
            return getattr(self._files(), action)(*arguments, **options)
        except OSError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise OSError(_short(error)) from error

    def _at(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    def read(self, name: str, offset: int, size: int) -> bytes:
        """See `Place`."""
        return bytes(self._do("cat_file", self._at(name), start=offset, end=offset + size))

    def open(self, name: str) -> BinaryIO:
        """See `Place`."""
        return cast(BinaryIO, self._do("open", self._at(name), "rb"))

    def size(self, name: str) -> int:
        """See `Place`."""
        return int(self._do("size", self._at(name)))

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        return bool(self._do("exists", self._at(name)))

    def names(self, folder: str = "") -> frozenset[str]:
        """See `Place`."""
        try:
            found = self._do("ls", self._at(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return frozenset()
        return frozenset(str(name).rstrip("/").rpartition("/")[2] for name in found)

    def walk(self) -> list[str]:
        """See `Place`."""
        start = len(self._root.rstrip("/")) + 1
        return [str(name)[start:] for name in self._do("find", self._root, refresh=True)]

    def state(self, name: str) -> str:
        """Of a file: another one when its content has changed."""
        return str(self._do("ukey", self._at(name)))

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to this machine."""
        self._do("get_file", self._at(name), str(target))

    def put(self, folder: Path, names: list[str]) -> None:
        """Copy files of a local folder there, by the same names, several at a time where the file system can."""
        for parent in dict.fromkeys(name.rpartition("/")[0] for name in names):
            self._do("makedirs", self._at(parent), exist_ok=True)
        if names:
            self._do("put", [str(folder / name) for name in names], [self._at(name) for name in names])

    def move(self, source: str, target: str) -> None:
        """Give a file another name."""
        self._do("makedirs", self._at(target.rpartition("/")[0]), exist_ok=True)
        self._do("mv", self._at(source), self._at(target))

    def remove(self, name: str) -> None:
        """Remove a file, or a folder and all in it, if it is there."""
        if self.exists(name):
            self._do("rm", self._at(name), recursive=True)


def place_of(path: str | Path) -> LocalFolder | RemoteFolder:
    """The place that a path or an address names."""
    address = address_of(path)
    return LocalFolder(Path(path)) if address is None else RemoteFolder(address)


def address_of(path: str | Path) -> str | None:
    """The address that is meant, or None for a path of this machine.

    A `Path` keeps one slash of two ("s3:/bucket"); what looks so, and is no file here, is an address.

    Raises:
        UserError: it looks like an address and is none, or one of fsspec's chains.
    """
    text = path if isinstance(path, str) else path.as_posix()
    if not _LIKE_ONE.fullmatch(text) and not _bare_protocol(text):
        return None
    found = _ADDRESS.fullmatch(text)
    if "://" not in text and Path(path if found else text.partition("/")[0]).exists():
        return None
    if "::" in text:
        raise UserError(f"{text} is a chain of addresses: name that of the set alone, such as s3://bucket/set")
    if found is None:
        raise UserError(f"{text} is no address: write s3://bucket/set; or, for a folder of that name, its whole path")
    protocol, rest = found[1].lower(), found[2]
    return f"{protocol}://{'/' if protocol in _ROOTED else ''}{rest}"


def _bare_protocol(text: str) -> bool:
    """Whether it is what a `Path` keeps of "s3://"."""
    if not text.endswith(":"):
        return False
    from fsspec import available_protocols

    return text[:-1].lower() in available_protocols()


def _short(error: Exception) -> str:
    return (next(iter(str(error).splitlines()), "") or type(error).__name__)[:200]
