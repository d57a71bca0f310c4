"""What the loop trains from, and a thread that fetches the next batches during the current step."""

import copy
import dataclasses
import queue
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from fractalvid.utils.arrays import map_arrays


class Batch(Protocol):
    """Some labelled clips; frozen dataclasses of tensors fit, and may have more fields."""

    @property
    def video(self) -> Tensor:
        """Float32 (B, C, T, H, W)."""

    @property
    def target(self) -> Tensor:
        """Class numbers, int64 (B,)."""

    @property
    def next_index(self) -> int:
        """What a source's `load_state_dict` takes to go on after this batch."""


class Source(Protocol):
    """An endless, or long enough, sequence of batches that can be entered anywhere."""

    def __iter__(self) -> Iterator[Any]:
        """Batches, from the start or from where `load_state_dict` said."""

    def load_state_dict(self, state: dict[str, int], /) -> None:
        """Make the next iteration begin at `state["next_index"]`."""


def to_device(batch: Any, device: torch.device) -> Any:
    """A copy of `batch` with its tensors, and those of records in it, on `device`; on the CPU the batch itself."""
    if device.type == "cpu":
        return batch
    if _is_record(batch):
        values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    else:
        values = vars(batch)
    held = {name: value for name, value in values.items() if isinstance(value, Tensor) or _is_record(value)}
    return replaced(batch, **{k: map_arrays(lambda v: v.to(device, non_blocking=True), v) for k, v in held.items()})


def replaced(batch: Any, **values: Any) -> Any:
    """A copy of `batch`, of whatever class, with other values in some fields."""
    if _is_record(batch):
        return dataclasses.replace(batch, **values)
    other = copy.copy(batch)
    for name, value in values.items():
        setattr(other, name, value)
    return other


def _is_record(batch: Any) -> bool:
    return dataclasses.is_dataclass(batch) and not isinstance(batch, type)


class Prefetcher:
    """Iterates `source` in a background thread, at most `depth` batches ahead. A context manager.

    An exception of the source is raised by `__next__`, in order, after the batches before it.

    Attributes:
        waited: seconds `__next__` has waited for data so far.
    """

    def __init__(self, source: Source, depth: int) -> None:
        """Nothing is fetched before the context is entered."""
        self.waited = 0.0
        self._source = source
        self._queue: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._fetch, name="prefetch", daemon=True)

    def __enter__(self) -> Self:
        """Start fetching."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop fetching; a batch being made is finished first."""
        self._stop.set()
        self._thread.join(timeout=30)

    def __iter__(self) -> Self:
        """The prefetcher itself."""
        return self

    def __next__(self) -> Any:
        """The next batch, waiting for it if need be."""
        started = time.perf_counter()
        kind, item = self._queue.get()
        self.waited += time.perf_counter() - started
        if kind == "batch":
            return item
        self._queue.put((kind, item))  # asked again, it says the same
        raise item

    def _fetch(self) -> None:
        try:
            for batch in self._source:
                self._put("batch", batch)
                if self._stop.is_set():
                    return
            self._put("end", StopIteration())
        except BaseException as error:  # whatever it is, the thread that trains has to hear of it
            self._put("error", error)

    def _put(self, kind: str, item: Any) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put((kind, item), timeout=0.1)
            except queue.Full:
                continue
