"""Functions run on several processes at once, as torchrun would start them, but from a server that has torch loaded."""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import torch

from fractalvid.pretrain.machine import processes
from fractalvid.pretrain.machine.processes import TIMEOUT, process_name, run_together
from fractalvid.utils.errors import run_cli

LONGEST = 200.0
"""Seconds after which processes that still run are given up."""


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pretrain.ranks", "tests.pretrain.helpers"])
    return context


def start(work: Callable[..., Any], *arguments: Any, environment: dict[str, str] | None = None) -> ForkServerProcess:
    """A process that does some work and ends with the exit code that it returns, or 0."""
    process = _context().Process(target=_do, args=(work, arguments, environment or {}))
    process.start()
    return process


def _do(work: Callable[..., Any], arguments: tuple[Any, ...], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    with contextlib.ExitStack() as stack:
        if "TOLD" in environment:
            stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(environment["TOLD"], "w"))))
        code = work(*arguments)
    sys.exit(code)


def on_ranks(
    size: int, work: Callable[..., Any], *arguments: Any, told: Path, timeout: timedelta = TIMEOUT
) -> list[int]:
    """Call `work` on `size` processes that know each other; returns their exit codes, those of `run_cli`.

    What rank r says on stderr lies in `told`/r.txt; `timeout` is how long they wait for each other.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1"}
    shared["MASTER_PORT"] = str(port)
    told.mkdir(exist_ok=True)
    ranks = [
        start(
            _as_command,
            work,
            arguments,
            timeout,
            environment={**shared, "RANK": str(r), "LOCAL_RANK": str(r), "TOLD": str(told / f"{r}.txt")},
        )
        for r in range(size)
    ]
    return ends(ranks)


def ends(started: list[ForkServerProcess]) -> list[int]:
    """The exit codes of processes, once all have ended."""
    deadline = time.monotonic() + LONGEST
    for process in started:
        process.join(max(0.0, deadline - time.monotonic()))
    late = [process for process in started if process.exitcode is None]
    for process in late:
        process.kill()
        process.join()
    assert not late, "processes wait for each other"
    return [int(process.exitcode or 0) for process in started]


def _as_command(work: Callable[..., None], arguments: tuple[Any, ...], timeout: timedelta) -> int:
    processes.TIMEOUT = timeout
    return run_cli(process_name("test"), lambda argv: run_together(lambda _: work(*arguments), argv), [])


def end_self() -> None:
    """As if the machine had failed."""
    os.kill(os.getpid(), signal.SIGKILL)
