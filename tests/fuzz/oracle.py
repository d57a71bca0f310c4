"""What must hold of any input: success or one line, soon, in little memory, and nothing written elsewhere."""

import resource
import shutil
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import Target

SECONDS = 5.0
"""Of the processor: by the clock a busy machine would find what is not there."""
MEMORY = 2**29
"""Bytes by which an input of a few KB may raise the peak of a process."""
LINE = 1000
"""Characters of an error."""
_CANARY = "nothing writes here"


@dataclass(frozen=True)
class Finding:
    """What went wrong: of one kind are those of one target, error and place."""

    target: str
    error: str
    place: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.target}: {self.error} at {self.place}"


class Oracle:
    """Tries inputs in a folder of its own, beside which lies a canary.

    Args:
        folder: an empty folder.
        target: what the inputs are for.
    """

    def __init__(self, folder: Path, target: Target) -> None:
        """See the class."""
        self._folder, self._target = folder, target
        self._inside, self._canary = folder / "inside", folder / "canary"
        self._canary.write_text(_CANARY)
        self._peak = _peak()

    def warm(self, seeds: list[bytes]) -> None:
        """Read inputs that are as they should be, which may import and compile."""
        for seed in seeds:
            self._inside.mkdir()
            with suppress(*self._target.allowed):
                self._target.run(seed, self._inside)
            shutil.rmtree(self._inside)
        self._peak = _peak()

    def check(self, data: bytes) -> Finding | None:
        """Try one input; what is wrong, or None."""
        self._inside.mkdir()
        begin = time.process_time()
        try:
            finding = self._outcome(data)
        finally:
            shutil.rmtree(self._inside)
        seconds, peak = time.process_time() - begin, _peak()
        grown, self._peak = peak - self._peak, peak
        if finding is None and seconds > SECONDS:
            finding = self._finding("slow", f"more than {SECONDS:g} s")
        if finding is None and grown > MEMORY:
            finding = self._finding("memory", f"more than {MEMORY >> 20} MiB")
        return finding or self._written()

    def _outcome(self, data: bytes) -> Finding | None:
        try:
            self._target.run(data, self._inside)
        except self._target.allowed as error:
            text = str(error)
            if text and len(text) <= LINE and len(text.splitlines()) == 1:
                return None
            return self._finding("no line", _where(error))
        # Of any kind: that is what is looked for.
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return self._finding(type(error).__name__, _where(error))
        return None

    def _written(self) -> Finding | None:
        """Whether anything lies where nothing should."""
        names = sorted(path.name for path in self._folder.iterdir())
        if names == ["canary"] and self._canary.read_text() == _CANARY:
            return None
        return self._finding("written outside", ", ".join(names)[:100])

    def _finding(self, error: str, place: str) -> Finding:
        return Finding(self._target.name, error, place)


def _where(error: BaseException) -> str:
    """The deepest of our own lines that an error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/tests/" not in frame.filename and "/site-packages/" not in frame.filename]
    ours = [frame for frame in ours if any(f"/{name}/" in frame.filename for name in _PACKAGES)] or list(frames)
    last = ours[-1]
    return f"{'/'.join(Path(last.filename).parts[-3:])}:{last.lineno}"


_PACKAGES = ("fractalvid", "kernels", "pretrain", "finetune")


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
