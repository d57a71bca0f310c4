"""A process that decodes, and how it is talked to."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.video.errors import check_kept
from fractalvid.video.isolation.messages import Answer, Request, receive, send

_START_SECONDS = 120.0
_PIPE_BYTES = 2**20
_SET_PIPE_BYTES = 1031
"""Linux's number for how much a pipe holds; there is no constant for it on other systems."""


class Child:
    """A process that decodes."""

    def __init__(self, program: str, memory: int) -> None:
        """Start it, with so many bytes of address space; it imports what this process could."""
        self.memory = memory
        code = f"import sys; sys.path[:] = {sys.path!r}; from {program} import main; main({memory})"
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | one_thread,
        )
        _enlarge(self._process.stdout)
        self._ready = False

    def ask(self, request: Request, data: bytes, seconds: float) -> tuple[Answer, NDArray[np.uint8] | None]:
        """What it says of a video.

        Raises:
            EOFError, OSError, UserError: it ended, or was ended, or said what is no answer.
        """
        if not self._ready:
            with self._ending_after(_START_SECONDS):
                receive(self._process.stdout, Answer)
            self._ready = True
        with self._ending_after(seconds):
            send(self._process.stdin, request, [data])
            answer = receive(self._process.stdout, Answer)
            return answer, None if answer.shape is None else self._frames(request, answer.shape)

    @contextlib.contextmanager
    def _ending_after(self, seconds: float) -> Iterator[None]:
        """End the process unless what is done here is done by then."""
        late = threading.Timer(seconds, self._process.kill)
        late.daemon = True
        late.start()
        try:
            yield
        finally:
            late.cancel()

    def _frames(self, request: Request, shape: list[int]) -> NDArray[np.uint8]:
        """The frames that follow an answer; what it announces of them is judged before there is memory for them."""
        if len(shape) != (4 if request.rgb else 3) or (request.rgb and shape[3] != 3):
            raise EOFError("no frames")
        check_kept(shape[0], shape[2], shape[1], request.max_pixels, None)
        frames = np.empty(shape, np.uint8)
        rest = frames.data.cast("B")
        while rest:
            got = self._process.stdout.readinto(rest)  # type: ignore[union-attr]  # it is a pipe
            if not got:
                raise EOFError("the child has ended")
            rest = rest[got:]
        return frames

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def end(self) -> int:
        """End it, unless it has ended; its exit code, a negative one that of a signal."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # of one that is about to die by itself, its own reason is wanted
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]  # likewise
        return code

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.end()


def _enlarge(pipe: Any) -> None:
    """Let a pipe hold more, so that frames come in fewer pieces."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_BYTES, _PIPE_BYTES)
