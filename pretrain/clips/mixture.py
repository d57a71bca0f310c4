"""A mixture of two sources: every so many samples, one of the second."""

import numpy as np
from numpy.typing import NDArray

from fractalvid.pretrain.clips.indexed import At, IndexedSource, Share
from fractalvid.pretrain.clips.stored import joined
from fractalvid.stream import Batch
from fractalvid.utils.errors import UserError


class MixedClips(IndexedSource):
    """Samples of `one`, and a share of `other`'s evenly among them; both go through their own samples in order.

    Args:
        one: samples of the first source by their index.
        other: those of the second.
        part: share of the second's, above 0 and below 1.
        share: which samples this process takes.
    """

    def __init__(self, one: At, other: At, *, part: float, share: Share) -> None:
        """See the class."""
        super().__init__(share)
        if not 0 < part < 1:
            raise UserError(f"mix is {part}; it must lie between 0 and 1")
        self._one, self._other, self._part = one, other, part

    def at(self, index: NDArray[np.int64]) -> Batch:
        """The samples `index` (B,)."""
        before = np.floor(index * self._part).astype(np.int64)
        second = np.floor((index + 1) * self._part).astype(np.int64) > before
        parts, places = [], []
        for source, here, own in ((self._one, ~second, index - before), (self._other, second, before)):
            if here.any():
                parts.append(source(own[here]))
                places.append(np.flatnonzero(here))
        return joined(parts, places)
