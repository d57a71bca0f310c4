"""What goes between a process and the child that decodes for it: a line of JSON of bounded size, then plain bytes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from fractalvid.utils.documents import ByteCount, Count, parse_json

T = TypeVar("T")

_HEAD = 4
MOST_HEAD = 2**26
"""Bytes of a message without the bytes that follow it."""


@dataclass(frozen=True)
class Request:
    """What is asked of a child.

    Attributes:
        folder: where paths begin.
        path: of the video; None where its bytes follow.
        length: how many those are.
        wanted: its frames, only what there is of it, or only when frames are shown.
        numbers: of the frames that are wanted; None for all.
        rgb: three channels, or grey.
        short_side: as of `read_video`.
        max_pixels: likewise.
        seconds: after which the child ends itself, whoever else may do so.
    """

    folder: str
    path: str | None
    length: ByteCount
    wanted: Literal["frames", "facts", "times"]
    numbers: list[int] | None
    rgb: bool
    short_side: int | None
    max_pixels: int
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What a child found.

    Attributes:
        facts: `VideoFacts`, as a list.
        times: of `frame_times`; None also where frames carry none.
        shape: of the uint8 array whose bytes follow.
        error: the name of a kind of `VideoError`, or "memory" where there was none left.
        why: its reason.
        name: what it names.
    """

    facts: tuple[Count, Count, Count, float, float, Count] | None = None
    times: list[float] | None = None
    shape: list[Count] | None = None
    error: str | None = None
    why: str = ""
    name: str | None = None


def send(file: Any, message: Request | Answer, body: Sequence[Any] = ()) -> None:
    """Write a message, and the arrays or bytes that belong to it. Raises `OSError` where nobody reads it."""
    head = json.dumps(asdict(message)).encode("ascii")
    for part in (len(head).to_bytes(_HEAD, "little"), head, *body):
        rest = memoryview(part).cast("B") if len(part) else memoryview(b"")
        while rest:
            rest = rest[file.write(rest) :]


def receive(file: Any, kind: type[T]) -> T:
    """Read a message; what follows it is left to be read.

    Raises:
        EOFError: the other side has ended.
        UserError: it is no message.
    """
    length = int.from_bytes(receive_bytes(file, _HEAD), "little")
    if length > MOST_HEAD:
        raise EOFError("no message")
    return parse_json(bytes(receive_bytes(file, length)), kind, where="a message", non_finite=True)


def receive_bytes(file: Any, count: int) -> bytearray:
    """Exactly so many bytes. Raises `EOFError` where there are fewer."""
    data = bytearray(count)
    rest = memoryview(data)
    while rest:
        got = file.readinto(rest)
        if not got:
            raise EOFError("the other side has ended")
        rest = rest[got:]
    return data
