"""Arrays of an npz file, of which nothing is unpacked before its announced type and shape were judged."""

import math
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.forks import per_process

_MEMBERS = 100
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_parser = per_process(threading.Lock)
"""Held while Python's parser reads a head: in Python 3.11, threads that parse at the same time raise `SystemError`."""


class Announced(NamedTuple):
    """What a member says that it holds."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class NpzError(UserError):
    """A file that holds no arrays, or damaged ones."""


class Npz:
    """An open npz file.

    Attributes:
        arrays: what is announced of each array, by its name.
    """

    def __init__(self, opened: zipfile.ZipFile) -> None:
        """Read the head of each member."""
        if len(opened.namelist()) > _MEMBERS:
            raise NpzError(f"more than {_MEMBERS} arrays")
        self._opened = opened
        arrays = (info for info in opened.infolist() if info.filename.endswith(".npy"))
        self._members = {info.filename.removesuffix(".npy"): info for info in arrays}
        self.arrays: dict[str, Announced] = {}
        for name, info in self._members.items():
            with self._open(info) as file:
                self.arrays[name] = _head(file)[0]

    def read(self, name: str, *, most: int) -> NDArray[Any]:
        """An array of at most `most` bytes.

        Raises:
            NpzError: there is none of this name, it is larger, holds objects, or is damaged.
        """
        if name not in self.arrays:
            raise NpzError(f"no array {name}")
        announced = self.arrays[name]
        if announced.dtype.hasobject:
            raise NpzError(f"{name} holds objects")
        if announced.size > most:
            raise NpzError(f"{name} has {announced.size} bytes, more than {most}")
        with _damaged(name), self._open(self._members[name]) as file:
            _, in_columns = _head(file)
            data = file.read(announced.size)
            if len(data) != announced.size or file.read(1):
                raise NpzError(f"{name} does not have the {announced.size} bytes that it announces")
            values = np.frombuffer(data, announced.dtype).copy()
            return values.reshape(announced.shape, order="F" if in_columns else "C")

    def _open(self, info: zipfile.ZipInfo) -> IO[bytes]:
        if info.compress_type not in _METHODS:  # others unpack to any amount of memory by themselves
            raise NpzError(f"{info.filename[:40]!r} is compressed in a way that NumPy does not use")
        return self._opened.open(info)


@contextmanager
def open_npz(source: Path | IO[bytes]) -> Iterator[Npz]:
    """Open an npz file.

    Raises:
        NpzError: it is none, or is damaged.
        OSError: there is no such file, or it can't be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file, open_npz(file) as opened:
            yield opened
        return
    with _damaged("the file"):
        archive = zipfile.ZipFile(source)
    with archive:
        with _damaged("the file"):
            opened = Npz(archive)
        yield opened


@contextmanager
def _damaged(what: str) -> Iterator[None]:
    try:
        yield
    except (UserError, MemoryError):
        raise
    # Of any kind: NumPy hands on whatever its zip, zlib, tokenizer and parser raise at bytes that make no sense.
    except Exception as error:
        raise NpzError(f"{what} is damaged ({type(error).__name__})") from None


def _head(file: IO[bytes]) -> tuple[Announced, bool]:
    """What a member announces, and whether its first axis varies fastest; the file stands at its values then."""
    version = npy.read_magic(file)
    if version != (1, 0):  # the others are for heads of more than 64 KiB
        raise NpzError(f"version {version} of NumPy's format")
    with _parser():
        shape, in_columns, dtype = npy.read_array_header_1_0(file)
    if any(length < 0 for length in shape):
        raise NpzError(f"shape {shape}")
    return Announced(tuple(int(length) for length in shape), dtype), in_columns
