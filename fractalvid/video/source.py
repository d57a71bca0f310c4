"""A video's file as FFmpeg sees it: bytes without a path, beside which there is nothing.

FFmpeg takes a path for an address: `a:b.mp4` for one of an unknown protocol, `http:...` for one to be fetched, `%d.gif`
for a row of files; and what a file holds may name further files. So it is given none.
"""

import io
import os
import stat
from pathlib import Path

from fractalvid.video.errors import ReadError

VideoSource = str | Path | bytes
"""A video: the path of its file, or the bytes of one."""


def source_name(source: VideoSource) -> str:
    """The name of a video in messages."""
    return "a video in memory" if isinstance(source, bytes) else str(source)


class SourceFile:
    """Reads a video for FFmpeg, and remembers whether the system failed to.

    Attributes:
        name: all that FFmpeg learns of the path: how it ends, a hint about the format.
        failure: the system's error, if there was one; FFmpeg, to which that looks like the end, cannot tell.
    """

    def __init__(self, source: VideoSource) -> None:
        """Open it.

        Raises:
            ReadError: the system does not let it be read, or it is no plain file.
        """
        self.failure: OSError | None = None
        self.name = "video"
        if isinstance(source, bytes):
            self._file: io.BytesIO | io.FileIO = io.BytesIO(source)
            return
        ending = os.path.splitext(source)[1]
        self.name += ending if ending[1:].isalnum() and ending.isascii() else ""
        try:
            self._file = open_plain(source)
        except (OSError, ValueError) as error:  # ValueError: a null character in the path
            raise ReadError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source) from error

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end, and where the system fails."""
        try:
            return self._file.read(size) or b""
        except OSError as error:
            self.failure = error
            return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position; -1, an error for FFmpeg, where there is none such, as damaged files ask for."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def no_other_file(url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
    """What FFmpeg gets where a video names another file or address: nothing."""
    return io.BytesIO()


def open_plain(path: str | Path) -> io.FileIO:
    """Open a plain file to be read; a pipe would block for ever, and can't be read twice. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(None, "Is a directory" if stat.S_ISDIR(mode) else "not a plain file")
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
