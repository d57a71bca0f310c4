"""The processes of one run, as torchrun starts them: who is who, and what they tell each other.

Everything here works, and does nothing, in a run of one process.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import zip_longest
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from fractalvid.utils.errors import UserError

T = TypeVar("T")

TIMEOUT = timedelta(hours=2)
"""How long processes wait for one that is alive but silent, such as one whose share of the videos takes longer to
decode. One that has ended is noticed at once."""
PATIENCE = timedelta(days=30)
"""How long they wait for what the main process does alone, such as a test of hours."""
_LOST = ("connection", "gloo", "nccl", "socket", "timed out")


_patient: dist.ProcessGroup | None = None
"""All processes, in which they wait for the main one with patience."""


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes logs, checkpoints and weights."""
    return rank() == 0


def local_rank() -> int:
    """Which process of this machine this is: the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def local_world_size() -> int:
    """How many processes share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size() > 1 else 1


def several() -> bool:
    """Whether torchrun has started this process as one of several; they need not know each other yet."""
    return (os.environ.get("WORLD_SIZE") or "1") != "1"


def process_name(program: str) -> str:
    """What to call this process in errors: the program, and which of several processes it is."""
    return f"{program} (rank {os.environ.get('RANK', '?')} of {os.environ['WORLD_SIZE']})" if several() else program


def run_together(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Run `main` with the arguments of a command on all processes that torchrun has started; returns an exit code."""
    try:
        with processes():
            main(arguments)
    except ToldByMain:
        return 2
    return 0


@contextmanager
def processes() -> Iterator[None]:
    """Inside, the processes that torchrun has started know each other; without torchrun, nothing happens.

    Tensors on GPUs travel by NCCL, all others by gloo.

    Raises:
        UserError: the others can't be reached; also later, where a process has ended in the midst of a run.
    """
    if world_size() > 1 or not several():
        yield
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {missing[0]} is not set: start several processes with "
            "torchrun, or unset WORLD_SIZE for one"
        )
    with _telling_of_losses():
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=TIMEOUT)
        with _patience():
            yield
        # After an error the others may be gone, and an orderly end would wait for them.
        dist.destroy_process_group()


@contextmanager
def _patience() -> Iterator[None]:
    """Inside, processes wait for the main one as long as `PATIENCE` says."""
    global _patient
    group = dist.new_group(backend="gloo", timeout=PATIENCE)
    assert isinstance(group, dist.ProcessGroup)  # this process is in it, as all are
    _patient = group
    try:
        yield
    finally:
        _patient = None


@contextmanager
def _telling_of_losses() -> Iterator[None]:
    """Inside, what torch raises where another process is gone becomes a `UserError`."""
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error).lower() for word in _LOST):
            raise
        # Without the place in gloo's source before it, and its advice after it.
        told = (str(error).splitlines() or [type(error).__name__])[0].split("] ", 1)[-1].split(". ")[0]
        raise UserError(
            f"another process of this run has ended or can't be reached ({told}); see its own error, then start all of "
            "them again, with --resume where a checkpoint was saved"
        ) from error


class ToldByMain(UserError):
    """A `UserError` of the main process, raised on the others: it was told already."""


class _Gather(torch.autograd.Function):
    """All ranks' tensors; each rank's gradient is the sum of what all ranks' losses ask of its part."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        asked = total(grad[0].contiguous())
        return asked[rank() * ctx.rows : (rank() + 1) * ctx.rows]


def gather(x: Tensor) -> Tensor:
    """`x` (B, ...) of all ranks one after another, (R B, ...), in rank order and with gradient; `x` itself on one.

    B has to be the same on all ranks. The mean over ranks of losses of the gathered tensor has, after the gradients
    were averaged over ranks, the gradient of that mean.
    """
    if world_size() == 1:
        return x
    gathered: Tensor = _Gather.apply(x.contiguous())
    return gathered


def mean(x: Tensor) -> Tensor:
    """The mean of `x` over all ranks, without gradient; `x` itself on one."""
    if world_size() == 1:
        return x
    return total(x) / world_size()


def total(x: Tensor) -> Tensor:
    """The sum of `x` over all ranks, without gradient; `x` itself on one."""
    if world_size() == 1:
        return x
    summed = x.detach().clone()
    dist.all_reduce(summed)
    return summed


def in_turns(own: Sequence[tuple[Tensor, ...]]) -> Sequence[tuple[Tensor, ...]]:
    """Tensors of all ranks, which have taken turns: the first of rank 0, of rank 1, ..., the second of rank 0, ...

    They come to lie where this rank's own are, or on the CPU where it has none.
    """
    if world_size() == 1:
        return own
    device = own[0][0].device if own else torch.device("cpu")
    theirs = all_of([tuple(tensor.cpu() for tensor in tensors) for tensors in own])
    rounds = zip_longest(*theirs, fillvalue=())
    return [tuple(tensor.to(device) for tensor in tensors) for turn in rounds for tensors in turn if tensors]


@torch.no_grad()
def share_buffers(module: nn.Module) -> None:
    """Give every rank the buffers that `module` has on rank 0, such as running statistics."""
    for buffer in module.buffers() if world_size() > 1 else ():
        dist.broadcast(buffer, 0)


def any_of(flag: bool) -> bool:
    """Whether `flag` holds on any rank; every rank has to ask."""
    return flag if world_size() == 1 else float(mean(torch.tensor(float(flag)))) > 0


def all_of(value: T) -> list[T]:
    """`value` of every rank, in rank order."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def from_main(work: Callable[[], T]) -> T:
    """What `work` returns on the main process, for all: only there it is called, so only there files are read.

    Raises:
        UserError: what `work` has raised, on every process alike.
    """
    if world_size() == 1:
        return work()
    told: list[Any] = [None, None]
    if is_main():
        try:
            told[0] = work()
        except UserError as error:
            told[1] = str(error)
    dist.broadcast_object_list(told, group=_patient)
    if told[1] is not None:
        raise UserError(told[1]) if is_main() else ToldByMain(told[1])
    result: T = told[0]
    return result
