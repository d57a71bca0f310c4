"""What a process asks of its disk, in order: an observer before and after each operation that a fault may depend on."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

OPERATIONS = ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")
"""Functions of `os` that are watched; Python's own library calls them by these names as well."""


@dataclass(frozen=True)
class Moment:
    """Before or after one operation on one path.

    Attributes:
        operation: one of `OPERATIONS`.
        path: what it is done to, relative to the working folder; of two paths the new one.
        after: whether it is done by now.
        number: which one of all that the process asked for, from 0.
    """

    operation: str
    path: str
    after: bool
    number: int


class Observer(Protocol):
    """Told of every moment, on the thread that works; may kill the process or raise what the disk would."""

    def __call__(self, moment: Moment) -> None:
        """See the class."""


def watch(observer: Observer) -> None:
    """Tell of all that this process does from now on. The process is not to outlive its one command."""
    turn, counted = threading.RLock(), Counter[str]()

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            with turn:
                number, path = counted.total(), _path(name, arguments)
                counted[name] += 1
                observer(Moment(name, path, False, number))
                result = real(*arguments, **options)
                observer(Moment(name, path, True, number))
                return result

        return call

    for name in OPERATIONS:
        setattr(os, name, watched(name, getattr(os, name)))


def _path(name: str, arguments: tuple[Any, ...]) -> str:
    """The path that an operation is about; a descriptor's is what the system calls it."""
    target = arguments[1] if name in ("replace", "rename") else arguments[0]
    path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
    return os.path.relpath(path)


@dataclass(frozen=True)
class Point:
    """A named moment of a command.

    Attributes:
        operation: one of `OPERATIONS`.
        pattern: of the path, as `fnmatch` has it.
        nth: which of those that match, from 1.
        after: whether the operation is done.
    """

    operation: str
    pattern: str
    nth: int = 1
    after: bool = False

    def matches(self, moment: Moment) -> bool:
        """Whether a moment may be it, but for its number."""
        same = (moment.operation, moment.after) == (self.operation, self.after)
        return same and fnmatch(moment.path, self.pattern)


class At:
    """Does something at the one moment that is meant."""

    def __init__(self, point: Point | int, act: Callable[[Moment], None]) -> None:
        """`point` is a named one, or the number of an operation before which it is done."""
        self._point, self._act, self._seen = point, act, 0

    def __call__(self, moment: Moment) -> None:
        """See `Observer`."""
        if isinstance(self._point, int):
            here = not moment.after and moment.number == self._point
        else:
            self._seen += self._point.matches(moment)
            here = self._point.matches(moment) and self._seen == self._point.nth
        if here:
            self._act(moment)


def die(_: Moment) -> None:
    """End this process as a kill from outside does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Recorder:
    """Writes down every moment, a line each: before this one, that many operations were begun."""

    def __init__(self, log: Path) -> None:
        """`log` is written as it goes: nothing of it may wait in memory."""
        self._log = log.open("w", encoding="utf-8")

    def __call__(self, moment: Moment) -> None:
        """See `Observer`."""
        if not moment.after:
            self._log.write(f"{moment.operation} {moment.path}\n")
            self._log.flush()
