"""In which order a stream shows its classes, and, of a fixed number of them, their instances."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, words
from fractalvid.utils.checks import is_whole
from fractalvid.utils.errors import UserError

MAX_INSTANCES = 2**20
"""Of each class. Every class draws as many numbers before its first clip, 20 ms of them here; with more, a stream of
a thousand classes would begin with minutes of that, for clips that no run comes to see twice."""
KEPT = 2**22
"""Places of permutations kept at once, of all classes together: 16 MiB."""
_WORD = 2**32 - 1
"""Counters have 32 bits for the number of a round or a cycle: after so many, orders come again."""


class ClassOrder:
    """In each round, classes 0..K-1 come in the order of the stable argsort of one random word a class.

    Args:
        seed: the stream's.
        classes: K.
    """

    def __init__(self, seed: int, classes: int) -> None:
        """See the class."""
        self.seed, self.classes = seed, classes
        self._round = -1
        self._order = np.empty(0, np.int64)

    def at(self, rounds: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.int64]:
        """The classes (B,) at places (B,) of rounds (B,)."""
        class_id = np.empty(len(rounds), np.int64)
        for number in np.unique(rounds):
            here = rounds == number
            class_id[here] = self._in_round(int(number))[place[here]]
        return class_id

    def _in_round(self, number: int) -> NDArray[np.int64]:
        """The order (K,) of a round; the last one is kept."""
        if self._round != number:
            counted = number & _WORD
            key = words(self.seed, Domain.ORDER, Field.ORDER_KEY, counted, np.arange(self.classes), 1)[:, 0]
            self._round, self._order = number, np.argsort(key, kind="stable")
        return self._order


class _Row(NamedTuple):
    """Instances (n,) at the places of one row of a class's cycle."""

    cycle: int
    number: int
    instances: NDArray[np.int32]


class InstanceOrder:
    """In cycle c, a class shows its instances 0..n-1 in the order of the stable argsort of n random words.

    The words of a cycle are drawn once for a row of places, not for each clip: of each class, the instances at so many
    places are kept that all classes together keep at most `KEPT`, or one each.

    Args:
        seed: the stream's.
        instances: n.
        classes: K.

    Raises:
        UserError: n is not in 1..`MAX_INSTANCES`.
    """

    def __init__(self, seed: int, instances: int, classes: int) -> None:
        """See the class."""
        if not (is_whole(instances) and 1 <= instances <= MAX_INSTANCES):
            raise UserError(
                f"instances is {instances}; it must be 1 to {MAX_INSTANCES}, a whole number: without it, every round "
                "shows new ones"
            )
        self.seed, self.instances = seed, instances
        self._length = min(instances, max(1, KEPT // classes))
        self._rows: dict[int, _Row] = {}

    def at(self, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The instances (B,) that classes (B,) show in rounds (B,): at place e mod n of cycle e div n in round e."""
        cycle, place = np.divmod(rounds, self.instances)
        number, offset = np.divmod(place, self._length)
        wanted = zip(cycle.tolist(), class_id.tolist(), number.tolist(), offset.tolist(), strict=True)
        return np.array([self._row(c, k, row)[i] for c, k, row, i in wanted], np.int64)

    def _row(self, cycle: int, class_id: int, number: int) -> NDArray[np.int32]:
        """Row `number` of the places of a class in a cycle; the last one of a class is kept."""
        kept = self._rows.get(class_id)
        if kept is not None and (kept.cycle, kept.number) == (cycle, number):
            return kept.instances
        first = number * self._length
        drawn = words(self.seed, Domain.ORDER, Field.PERMUTATION_KEY, cycle & _WORD, class_id, self.instances)[0]
        instances = _ranked(drawn >> np.uint32(8), first, min(first + self._length, self.instances))
        self._rows[class_id] = _Row(cycle, number, instances)
        return instances


def _ranked(keys: NDArray[np.uint32], first: int, end: int) -> NDArray[np.int32]:
    """Places first..end-1 of the stable argsort of keys (n,), without sorting the others."""
    low, high = np.partition(keys, (first, end - 1))[[first, end - 1]]
    near = np.flatnonzero((keys >= low) & (keys <= high))
    before = first - int((keys < low).sum())
    order = np.argsort(keys[near], kind="stable")
    return near[order[before : before + end - first]].astype(np.int32)
