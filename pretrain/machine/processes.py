"""The processes of one run, as torchrun starts them: how many there are, which one this is, what the main one does.

A run of one process needs nothing of torch here: it is imported only where there are several.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fractalvid.utils.errors import UserError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

T = TypeVar("T")

TIMEOUT = timedelta(hours=2)
"""How long processes wait for one that is alive but silent, such as one whose share of the videos takes longer to
decode. One that has ended is noticed at once."""
PATIENCE = timedelta(days=30)
"""How long they wait for what the main process does alone, such as a test of hours."""
_LOST = ("connection", "gloo", "nccl", "socket", "timed out")
"""Words in torch's errors that tell of another process that is gone."""


class _Joined:
    """What `connected` has set up: nothing while this process is alone."""

    patient: "ProcessGroup | None" = None
    """All processes, as a group that waits for the main one as long as `PATIENCE` says."""
    kept: ClassVar[list["ProcessGroup"]] = []
    """Every group there was. Its threads take Python's lock to let go of what they last sent. To be freed, it waits for
    them and holds that lock: where it is freed at once, it may wait for ever."""


def started_together() -> bool:
    """Whether torchrun has started this process as one of several; they need not be connected yet."""
    return (os.environ.get("WORLD_SIZE") or "1") != "1"


def world_size() -> int:
    """How many processes train together."""
    dist = sys.modules.get("torch.distributed")  # until somebody imports it, no process knows of others
    return dist.get_world_size() if dist and dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return sys.modules["torch.distributed"].get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes logs, checkpoints and weights."""
    return rank() == 0


def local_rank() -> int:
    """Which process of this machine this is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def local_world_size() -> int:
    """How many processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def process_name(program: str) -> str:
    """What errors call this process: the program, and which of several processes it is."""
    if not started_together():
        return program
    return f"{program} (rank {os.environ.get('RANK', '?')} of {os.environ['WORLD_SIZE']})"


def run_together(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Run `main` with a command's arguments on all processes that torchrun has started; returns an exit code."""
    try:
        with connected():
            main(arguments)
    except ToldByMain:
        return 2
    return 0


@contextmanager
def connected() -> Iterator[None]:
    """Inside, the processes that torchrun has started are connected; without torchrun, nothing happens.

    Tensors on GPUs travel by NCCL, all others by gloo.

    Raises:
        UserError: the others can't be reached; also later, where a process has ended in the midst of a run.
    """
    if world_size() > 1 or not started_together():
        yield
        return
    import torch
    import torch.distributed as dist

    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {missing[0]} is not set: start several processes with "
            "torchrun, or unset WORLD_SIZE for one"
        )
    with _telling_of_losses():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
        with _patience():
            assert dist.group.WORLD is not None
            _Joined.kept.append(dist.group.WORLD)
            yield
        # After an error the others may be gone, and an orderly end would wait for them.
        dist.destroy_process_group()


@contextmanager
def _patience() -> Iterator[None]:
    """Inside, processes wait for the main one as long as `PATIENCE` says."""
    import torch.distributed as dist

    group = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, dist.ProcessGroup)  # this process is in it, as all are
    _Joined.patient = group
    _Joined.kept.append(group)
    try:
        yield
    finally:
        _Joined.patient = None


@contextmanager
def _telling_of_losses() -> Iterator[None]:
    """Inside, what torch raises where another process is gone becomes a `UserError`."""
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in _LOST):
            raise
        # Without the place in gloo's source before it, and its advice after it.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split("] ", 1)[-1].split(". ")[0]
        raise UserError(
            f"another process of this run has ended or can't be reached ({reason}); see its own error, then start all "
            "of them again, with --resume where a checkpoint was saved"
        ) from error


class ToldByMain(UserError):
    """A `UserError` of the main process, raised on the others: the user was told already."""


def from_main(work: Callable[[], T]) -> T:
    """What `work` returns on the main process, for all: only there it is called, so only there files are read.

    Raises:
        UserError: what `work` has raised, on every process alike.
    """
    if world_size() == 1:
        return work()
    import torch.distributed as dist

    result: Any = None
    error: str | None = None
    if is_main():
        try:
            result = work()
        except UserError as raised:
            error = str(raised)
    message = [result, error]
    dist.broadcast_object_list(message, group=_Joined.patient)
    result, error = message
    if error is not None:
        raise UserError(error) if is_main() else ToldByMain(error)
    value: T = result
    return value
