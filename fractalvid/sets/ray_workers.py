"""Machines of a Ray cluster as workers: they render and encode, and this process writes.

Bytes travel to this process, so the machines need no common file system, and shards are those of one machine. A task
that is lost with its machine is given to another one.
"""

import os
import platform
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from fractalvid.core.bank import Bank
from fractalvid.sets.card import made_on
from fractalvid.sets.config import SetConfig
from fractalvid.sets.encoding import encode_clips
from fractalvid.sets.formats import EncodedClip
from fractalvid.sets.manifest import ClipId
from fractalvid.sets.workers import ClipMaker, Engine
from fractalvid.utils.errors import UserError

TRIES = 5
"""How often a chunk of clips may be lost with the machine that made it, before the run ends."""
LOOK_SECONDS = 10.0
"""How often the cluster is asked how many cores it has: machines come and go."""


def ray_engine(address: str | None = None) -> Engine:
    """The cores of a Ray cluster as workers.

    Args:
        address: of the cluster, as `ray.init` takes it: "auto" for the one that this machine belongs to; None for one
            of this machine alone, made for the purpose.

    Raises:
        UserError: Ray is not installed.
    """
    try:
        _ray()
    except ImportError:
        raise UserError('--engine ray needs Ray: pip install "fractalvid[ray]", on every machine') from None
    return lambda maker, out, clips: open_ray_workers(maker, address)


@contextmanager
def open_ray_workers(maker: ClipMaker, address: str | None) -> Iterator["RayWorkers"]:
    """Connect to a cluster for as long as clips are made. An error, or an interrupt, cancels what is in the making.

    Raises:
        UserError: there is no such cluster, or a chunk of clips was lost too often.
    """
    ray = _ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unasked
    try:
        _check_answers(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster at {address}: {_first_line(error)}; start one with: ray start --head"
        ) from error
    workers = RayWorkers(maker)
    try:
        yield workers
    except ray.exceptions.RayError as error:
        raise UserError(
            f"the Ray cluster failed: {_first_line(error)}; what is there stays valid, run it again"
        ) from error
    finally:
        workers.cancel()
        ray.shutdown()


class RayWorkers:
    """Cores of the cluster that this process is connected to."""

    def __init__(self, maker: ClipMaker) -> None:
        """Hand bank and configuration to the cluster, once."""
        ray = _ray()
        self._store = maker.store
        self._bank, self._config = ray.put(maker.bank), ray.put(maker.config)
        self._made_on = made_on(maker.config)
        self._render = ray.remote(num_cpus=1, max_retries=TRIES)(_render)
        self._pending = set[Any]()
        self._cores, self._looked = 0, 0.0

    @property
    def at_once(self) -> int:
        """The cluster's cores, of which there may be more or fewer in a while."""
        ray = _ray()
        if time.monotonic() - self._looked > LOOK_SECONDS or not self._cores:
            self._cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
            self._looked = time.monotonic()
        return self._cores

    def make(self, clips: list[ClipId]) -> "_Pending":
        """Have some clips made, by whichever machine is free."""
        task = self._render.remote(self._bank, self._config, self._made_on, clips)
        self._pending.add(task)
        return _Pending(task, self)

    def finish(self, task: Any) -> list[Any]:
        """Wait for a task, and write what it made."""
        ray = _ray()
        try:
            encoded: list[EncodedClip] = ray.get(task)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            raise (cause if isinstance(cause, UserError) else error) from None
        self._pending.discard(task)
        return [self._store.write(clip) for clip in encoded]

    def cancel(self) -> None:
        """End what nobody waits for any more."""
        ray = _ray()
        for task in self._pending:
            ray.cancel(task, force=True)


@dataclass(frozen=True)
class _Pending:
    """Clips in the making somewhere."""

    task: Any
    workers: RayWorkers

    def result(self) -> list[Any]:
        """Wait for them; what the store's `write` gave for each."""
        return self.workers.finish(self.task)


def _render(bank: Bank, config: SetConfig, wanted: dict[str, str], clips: list[ClipId]) -> list[EncodedClip]:
    """On a machine of the cluster: some clips as bytes.

    Raises:
        UserError: clips would have other bits here than on the machine that began the set.
    """
    here = made_on(config)
    for name, value in wanted.items():
        if here[name] != value:
            raise UserError(
                f"a machine of the cluster ({platform.node()}) has {name} = {here[name]}, the one that began the set "
                f"{value}: their clips would differ; leave it out of the cluster"
            )
    return encode_clips(bank, config, clips)


def _ray() -> Any:
    """The package, which takes a second to import and is half typed."""
    return import_module("ray")


def _check_answers(address: str | None) -> None:
    """Ask whether anybody listens there: Ray itself tries for minutes. Raises `OSError`."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
