"""Where the next iterator of a stream begins, in this process and in a DataLoader's workers."""

import os
from typing import Any

import torch

from fractalvid.utils.checks import is_whole
from fractalvid.utils.errors import UserError

MAX_INDEX = 2**62
"""Samples of a stream: beyond, the arithmetic of batches would leave 64 bits."""


class Position:
    """The first sample of the next iterator, which `load_state_dict` sets.

    A worker's first iterator begins with what was set when the worker was made: it may take seconds to start, and the
    process of the loader may have gone on by then. A worker that persists makes another iterator for each epoch, and
    these begin with what the loader's process has set since, which lies in memory that all share.
    """

    def __init__(self) -> None:
        """Begin with sample 0."""
        self._own = 0
        self._shared = torch.zeros(1, dtype=torch.int64, device="cpu")
        self._process = 0
        self._share()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A worker's copy has the memory of the loader's process; other copies get some of their own to share."""
        vars(self).update(state)
        self._share()

    def _share(self) -> None:
        self._shared.share_memory_()  # type: ignore[no-untyped-call]  # torch's method has no types

    def set(self, index: int, *, in_worker: bool) -> None:
        """Let iterators begin at sample `index`; in a worker, its own next one alone."""
        self._own, self._process = index, 0
        if not in_worker:
            self._shared[0] = index

    def begin(self, *, in_worker: bool) -> int:
        """The sample at which a new iterator begins."""
        if in_worker and self._process == os.getpid():
            return int(self._shared[0])
        self._process = os.getpid()
        return self._own


def index_of_state(state: dict[str, int], global_batch: int) -> int:
    """The sample at which a stream goes on.

    Raises:
        UserError: the state has none, or one at which no batch begins.
    """
    index = state.get("next_index") if isinstance(state, dict) else None
    if index is None or not is_whole(index):
        raise UserError(f"a stream's state is {{'next_index': a whole number}}, not {state!r}")
    if not 0 <= index < MAX_INDEX or index % global_batch:
        raise UserError(
            f"the stream cannot go on at sample {index}: next_index must be a multiple of the global batch size, "
            f"{global_batch}, from 0 up and below 2**62"
        )
    return int(index)
