"""Children that decode, one for each thread that asks: kept while they live, replaced when they die."""

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.forks import per_process
from fractalvid.video.errors import KEPT_FRAMES, ReadError, TooLargeError, VideoError
from fractalvid.video.isolation.messages import Answer, Request
from fractalvid.video.isolation.process import Child
from fractalvid.video.names import picture_files
from fractalvid.video.source import VideoSource, source_name

PROGRAM = "fractalvid.video.isolation.child"
SECONDS, SECONDS_A_BYTE = 300.0, 1e-6
"""What a video may take: five minutes, and as long again for each 300 MB of it."""
MEMORY = 2**31
"""Bytes of address space of a child, beside those of the frames that a video may be kept in."""
_NO_MEMORY = "memory"
_KINDS: dict[str, type[VideoError]] = {kind.__name__: kind for kind in (VideoError, ReadError, TooLargeError)}
_FAULTS = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE")
"""Signals of a program that is broken; others may come from outside, or for want of memory."""


class DecoderError(VideoError):
    """A video at which the decoder crashes, or for which it needs more time or memory than it may have."""

    def __init__(self, why: str, name: object = None, *, lasting: bool = False) -> None:
        """`lasting`: it would be so again, whatever the limits."""
        super().__init__(why, name)
        self.lasting = lasting


@dataclass(frozen=True)
class Limits:
    """`seconds` that a video may take, without those for its bytes, and bytes of `memory`, without those of frames."""

    seconds: float = SECONDS
    memory: int = MEMORY


class Pool:
    """Children, started when they are needed. Safe to use from several threads; a forked process has its own.

    Args:
        limits: of a video.
        program: the module whose `main` a child runs.
    """

    def __init__(self, limits: Limits | None = None, program: str | None = None) -> None:
        """See the class."""
        self.limits, self._program = limits or Limits(), program or PROGRAM
        self._idle, self._lock = per_process(list[Child]), per_process(threading.Lock)
        self.started = 0

    def read(
        self,
        video: VideoSource,
        numbers: NDArray[np.int64] | None,
        *,
        rgb: bool,
        short_side: int | None,
        max_pixels: int,
    ) -> NDArray[np.uint8]:
        """As `read_frames` or, without numbers, `read_video`.

        Raises:
            VideoError: as those do, and where the child crashes, or needs too much time or memory.
        """
        wanted = None if numbers is None else numbers.tolist()
        _, frames = self._ask(video, wanted, max_pixels, rgb=rgb, short_side=short_side)
        if frames is None:
            raise DecoderError("the decoder gave no frames", source_name(video))
        return frames

    def facts(self, video: VideoSource, *, max_pixels: int) -> tuple[int, int, int, float, float, int]:
        """The fields of `probe_video`; raises as `read` does."""
        answer, _ = self._ask(video, None, max_pixels, what="facts")
        if answer.facts is None:
            raise DecoderError("the decoder gave no facts", source_name(video))
        return answer.facts

    def times(self, video: VideoSource, *, max_pixels: int) -> NDArray[np.float64] | None:
        """As `frame_times`; raises as `read` does."""
        answer, _ = self._ask(video, None, max_pixels, what="times")
        return None if answer.times is None else np.array(answer.times, np.float64)

    def _ask(
        self,
        video: VideoSource,
        numbers: list[int] | None,
        max_pixels: int,
        *,
        what: Literal["frames", "facts", "times"] = "frames",
        rgb: bool = True,
        short_side: int | None = None,
    ) -> tuple[Answer, NDArray[np.uint8] | None]:
        data, path = (video, None) if isinstance(video, bytes) else (b"", str(video))
        seconds = self.limits.seconds + SECONDS_A_BYTE * _bytes_of(video)
        # The child ends itself a little later, should there be nobody any more who does.
        ends = 1.1 * seconds + 5
        request = Request(_folder(), path, len(data), what, numbers, rgb, short_side, max_pixels, ends)
        with self._child(max_pixels) as child:
            begin = time.monotonic()
            try:
                answer, frames = child.ask(request, data, seconds)
            except (EOFError, OSError, UserError) as error:
                raise _ended(child.end(), time.monotonic() - begin >= seconds, seconds, video) from error
        if answer.error is None:
            return answer, frames
        if answer.error == _NO_MEMORY:
            raise DecoderError(
                f"needs more than {child.memory / 2**30:.1f} GiB of memory to decode", source_name(video)
            )
        raise _KINDS.get(answer.error, VideoError)(answer.why, answer.name)

    @contextlib.contextmanager
    def _child(self, max_pixels: int) -> Iterator[Child]:
        """A child that nobody else asks; it is kept unless it died or was left in the middle of an answer."""
        memory = self.limits.memory + 3 * KEPT_FRAMES * max_pixels
        child = self._take(memory)
        try:
            yield child
        except BaseException:
            child.kill()
            raise
        with self._lock():
            self._idle().append(child)

    def _take(self, memory: int) -> Child:
        with self._lock():
            while idle := self._idle():
                child = idle.pop()
                if child.memory == memory and child.alive():
                    return child
                child.kill()
            self.started += 1
        return Child(self._program, memory)

    def close(self) -> None:
        """End all children that nobody asks just now."""
        with self._lock():
            for child in self._idle():
                child.kill()
            self._idle().clear()


def _folder() -> str:
    """Where relative paths begin; nowhere if that folder is gone, as the child then finds out."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _ended(code: int, late: bool, seconds: float, video: VideoSource) -> VideoError:
    """What is said of a video at which a child ended."""
    name = source_name(video)
    if late:
        return DecoderError(f"takes longer than {seconds:.0f} s to decode", name)
    by = next((one.name for one in signal.Signals if one.value == -code), f"exit code {code}")
    if by == "SIGKILL":
        return DecoderError("the decoder was killed, perhaps for want of memory", name)
    return DecoderError(f"the decoder crashes ({by})", name, lasting=by in _FAULTS)


def _bytes_of(video: VideoSource) -> int:
    """The size of a video; 0 of one that is not there, which the child says."""
    if isinstance(video, bytes):
        return len(video)
    try:
        files = picture_files(Path(video)) if os.path.isdir(video) else [video]
        return sum(os.path.getsize(file) for file in files)
    except (OSError, ValueError):
        return 0


POOL = Pool()
"""The children of this process."""
atexit.register(POOL.close)
