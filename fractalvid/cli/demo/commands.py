"""The commands that `fractalvid demo` runs, as a user would: started, shown, logged and timed."""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fractalvid.utils.errors import UserError
from fractalvid.utils.processes.children import child_environment


@dataclass(frozen=True)
class Part:
    """One command that the demo ran: what it was for, as a user would type it, and how long it took."""

    title: str
    command: str
    seconds: float


class Commands:
    """Runs commands one after the other, shows and logs what they say, and keeps their times.

    Args:
        out: the demo's folder; logs go to `logs/` in it.
        steps: how many commands there will be.

    Attributes:
        parts: the commands that have ended.
    """

    def __init__(self, out: Path, *, steps: int) -> None:
        """See the class."""
        self.parts: list[Part] = []
        self._out, self._steps = out, steps

    def run(self, title: str, program: str, *arguments: object, **options: object) -> None:
        """Run a command and wait for it.

        Args:
            title: what it is for.
            program: `fractalvid`, `pretrain` or `finetune`.
            arguments: its first words.
            options: see `as_options`.

        Raises:
            UserError: it failed; the text names it and its log.
        """
        number = len(self.parts) + 1
        words = [*map(str, arguments), *as_options(options)]
        command = shlex.join((program, *words))
        print(f"\n[{number}/{self._steps}] {title}\n  $ {command}", file=sys.stderr, flush=True)
        log = self._out / "logs" / f"{number}-{program}.log"
        started = time.perf_counter()
        code = run_logged([sys.executable, "-m", "fractalvid", *_subcommand(program), *words], log)
        if code:
            called = " ".join([program, *(word for word in words[:1] if not word.startswith("-"))])
            failed = f"`{called}` failed with exit code {code}{_complaint(log)}"
            raise UserError(f"step {number} of {self._steps}, {title}: {failed}")
        self.parts.append(Part(title, command, time.perf_counter() - started))


def _subcommand(program: str) -> list[str]:
    """How the command `fractalvid` calls what is a command of its own, too."""
    return [] if program == "fractalvid" else [program]


def as_options(values: Mapping[str, object]) -> list[str]:
    """Words of a command line: `batch_size=16` as `--batch-size 16`, `tensorboard=False` as `--no-tensorboard`."""
    words: list[str] = []
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def _complaint(log: Path) -> str:
    """What a program that failed said last, and where the rest stands."""
    if not log.exists():
        return "; what it said stands above"
    return f" ({last_line(log) or 'it said nothing'}); all it said is in {log}"


def last_line(log: Path) -> str:
    """The last thing that a program said."""
    lines = log.read_bytes().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run_logged(command: list[str], log: Path) -> int:
    """Run a command and show on stderr what it says; returns its exit code.

    Where stderr is a terminal, the command writes to it by itself, so that its progress bars move. Elsewhere finished
    lines are copied, without the states that a progress bar went through, and the file `log` keeps everything.
    """
    environment = child_environment(PYTHONUNBUFFERED="1", PYTHONUTF8="1")
    if sys.stderr.isatty():
        return subprocess.call(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment)
    with (
        log.open("wb") as file,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                file.write(line)
                print(f"  {_final_state(line)}", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def _final_state(line: bytes) -> str:
    """A line as a terminal shows it in the end, after a progress bar has overwritten itself."""
    return line.rstrip(b"\r\n").rpartition(b"\r")[2].decode(errors="replace")
