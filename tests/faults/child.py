"""A command of fractalvid in a process of its own, forked from a server that has imported what takes seconds."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from pkgutil import resolve_name

import torch

import fractalvid.finetune.cli
import fractalvid.finetune.run.pipeline
import fractalvid.kinds
import fractalvid.pretrain.cli
import fractalvid.pretrain.run
import fractalvid.sets.generation
import fractalvid.sets.merging
import fractalvid.stream  # noqa: F401  # all of them only to be there when a command forks
from fractalvid.cli.main import dispatch
from fractalvid.utils.errors import run_cli

Setting = tuple[str, object]
"""A name, as "package.module:NAME", and what it is instead of what it was."""


@dataclass(frozen=True)
class Job:
    """A command to be run.

    Attributes:
        words: the arguments of `fractalvid`.
        folder: where it runs; its temporary files and the user's cache lie below.
        settings: what is changed in its process, such as how often rows are written.
        disturb: called in its process before the command; None where nothing happens in there.
    """

    words: tuple[str, ...]
    folder: Path
    settings: tuple[Setting, ...] = ()
    disturb: Callable[[], object] | None = field(default=None, compare=False)

    @property
    def said(self) -> Path:
        """What it printed."""
        return self.folder.with_name(f"{self.folder.name}.txt")


def start(job: Job) -> ForkServerProcess:
    """Start a command; its process leads a session, by which all that it starts is found."""
    process = _context().Process(target=_run, args=(job,))
    process.start()
    return process


def _context() -> ForkServerContext:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # a server with threads is not to be forked
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _run(job: Job) -> None:
    os.setsid()
    with job.said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(job.folder)
    for name, folder in (("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache")):
        os.environ[name] = str(job.folder / folder)
    tempfile.tempdir = None
    torch.set_num_threads(1)
    for place, value in job.settings:
        module, _, attribute = place.partition(":")
        setattr(resolve_name(module), attribute, value)
    if job.disturb is not None:
        job.disturb()
    sys.exit(run_cli("fractalvid", dispatch, job.words))


def members(session: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, _, _, leader = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except (OSError, ValueError):  # gone meanwhile
                continue
            if int(leader) == session and state != "Z":
                found.append(int(entry.name))
    return found
