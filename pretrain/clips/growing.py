"""A source whose clips grow."""

from collections.abc import Iterator, Sequence
from typing import Any

from fractalvid.pretrain.engine import Source


class Growing:
    """Sources one after the other, each of which is entered where the one before it was left.

    Args:
        sources: of the same samples, in other sizes.
        ends: of all but the last, the sample before which it is left: a multiple of the global batch.
    """

    def __init__(self, sources: Sequence[Source], ends: Sequence[int]) -> None:
        """See the class."""
        assert len(sources) == len(ends) + 1
        self._sources, self._ends = sources, ends
        self._begin = 0

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is."""
        self._begin = int(state["next_index"])

    def __iter__(self) -> Iterator[Any]:
        """Batches, in the size that is each one's turn."""
        at = self._begin
        for source, end in zip(self._sources, [*self._ends, None], strict=True):
            if end is not None and at >= end:
                continue
            source.load_state_dict({"next_index": at})
            for batch in source:
                yield batch
                at = batch.next_index
                if end is not None and at >= end:
                    break
