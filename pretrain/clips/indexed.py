"""What sources have in common: samples by their index, shared out over processes, in shuffled order."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, words
from fractalvid.stream import Batch
from fractalvid.utils.checks import check_share
from fractalvid.utils.errors import UserError

At = Callable[[NDArray[np.int64]], Batch]
"""Samples by their index (B,)."""


@dataclass(frozen=True)
class Share:
    """Which samples this process takes: of each global batch, `batch_size` beginning at `rank` times that.

    Attributes:
        batch_size: B, on this process.
        rank: which of `world_size` processes this is.
        world_size: R.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        check_share(self.batch_size, self.rank, self.world_size)

    @property
    def total(self) -> int:
        """Samples of a global batch."""
        return self.batch_size * self.world_size


class IndexedSource(ABC):
    """A source whose samples are a function of their index, so that it can be entered, and shared out, anywhere."""

    def __init__(self, share: Share) -> None:
        """Begin with sample 0."""
        self.share = share
        self._begin = 0

    @abstractmethod
    def at(self, index: NDArray[np.int64]) -> Batch:
        """The samples `index` (B,)."""

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batch whose `next_index` this is, also on another world size with the same global batch."""
        index = int(state["next_index"])
        if index < 0 or index % self.share.total:
            raise UserError(f"the source cannot go on at sample {index}: not a multiple of the global batch size")
        self._begin = index

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end."""
        first = self._begin
        while True:
            own = first + self.share.rank * self.share.batch_size
            first += self.share.total
            yield replace(self.at(np.arange(own, own + self.share.batch_size)), next_index=first)


class ShuffledOrder:
    """An order of `count` items that is another one each time through, all keyed by the seed."""

    def __init__(self, seed: int, count: int) -> None:
        """No order is drawn before it is asked for."""
        self._seed, self._count = seed, count
        self._known: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __getitem__(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """The items of samples `index` (B,)."""
        rounds, place = np.divmod(index, self._count)
        items = np.empty(len(index), np.int64)
        for number in np.unique(rounds).tolist():
            here = rounds == number
            items[here] = self._order(number)[place[here]]
        return items

    def _order(self, number: int) -> NDArray[np.int64]:
        if self._known[0] != number:
            drawn = words(self._seed, Domain.ORDER, Field.ORDER_KEY, number, np.arange(self._count), 1)
            self._known = number, np.argsort(drawn[:, 0], kind="stable")
        return self._known[1]
