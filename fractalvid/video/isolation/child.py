"""The child: decodes what it is asked to, until nobody asks any more."""

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.video.errors import VideoError
from fractalvid.video.isolation.messages import Answer, Request, receive, receive_bytes, send
from fractalvid.video.reader import frame_times, frames_by_number, probe_video
from fractalvid.video.source import VideoSource, source_name

NO_MEMORY = "memory"
_NO_MEMORY_WHY = "cannot be read: Cannot allocate memory"


def main(memory: int) -> None:
    """Serve requests on standard input, with so many bytes of address space."""
    requests, answers = _private_streams()
    _limit(memory)
    send(answers, Answer())  # ready: what is imported takes no time of a video
    while True:
        try:
            request = receive(requests, Request)
            data = bytes(receive_bytes(requests, request.length))
        except EOFError:
            return
        _ends_after(request.seconds)
        answer, frames = _answer(request, data)
        send(answers, answer, frames)
        _ends_after(0)


def _private_streams() -> tuple[Any, Any]:
    """Standard input and output for messages alone: what libraries print goes nowhere."""
    streams = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    return streams


def _limit(memory: int) -> None:
    """Bound the memory, be the first to go where the machine has none left, and leave Ctrl-C to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(ValueError, OSError):  # a lower limit holds already, or the system has none
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        with contextlib.suppress(ValueError, OSError):  # a crash is to leave no file
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _ends_after(seconds: float) -> None:
    """Have the system end this process, whose parent may be gone; 0 for never."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _answer(request: Request, data: bytes) -> tuple[Answer, Sequence[NDArray[np.uint8]]]:
    """What there is to say, and the frames."""
    video: VideoSource = data if request.path is None else request.path
    with contextlib.suppress(OSError):  # gone; then so is what is asked for
        os.chdir(request.folder)
    try:
        if request.wanted == "times":
            times = frame_times(video, max_pixels=request.max_pixels)
            return Answer(times=None if times is None else times.tolist()), ()
        if request.wanted == "facts":
            return Answer(facts=astuple(probe_video(video, max_pixels=request.max_pixels))), ()
        wanted = None if request.numbers is None else frozenset(request.numbers)
        found = frames_by_number(video, request.rgb, request.short_side, request.max_pixels, wanted)
        order = list(found) if request.numbers is None else request.numbers
        missing = next((number for number in order if number not in found), None)
        if missing is not None:
            return Answer(error=VideoError.__name__, why=f"no frame {missing} decodes", name=source_name(video)), ()
        frames = [found[number] for number in order]
        return Answer(shape=[len(frames), *frames[0].shape]), frames
    except VideoError as error:
        if error.why == _NO_MEMORY_WHY:
            return Answer(error=NO_MEMORY), ()
        text = str(error.args[0])
        name = text.removesuffix(error.why).removesuffix(": ") if text != error.why else None
        return Answer(error=type(error).__name__, why=error.why, name=name), ()
    except MemoryError:
        return Answer(error=NO_MEMORY), ()
