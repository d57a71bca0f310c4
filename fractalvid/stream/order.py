"""Which instance of a class a stream shows where it shows a fixed number of them again and again."""

from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, words
from fractalvid.utils.errors import UserError

MAX_INSTANCES = 2**20
"""Of each class. Every class draws as many numbers before its first clip, 20 ms of them here; with more, a stream of
a thousand classes would begin with minutes of that, for clips that no run comes to see twice."""
KEPT = 2**22
"""Places of permutations kept at once, of all classes together: 16 MiB."""


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
        whole = isinstance(instances, Integral)
        if not (whole and 1 <= instances <= MAX_INSTANCES):
            raise UserError(
                f"instances is {instances}; it must be 1 to {MAX_INSTANCES}, a whole number: without it, every round "
                "shows new ones"
            )
        self.seed, self.instances = seed, instances
        self._length = min(instances, max(1, KEPT // classes))
        self._rows: dict[int, tuple[tuple[int, int], NDArray[np.int32]]] = {}

    def at(self, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
        """The instances (B,) that classes (B,) show in rounds (B,): at place e mod n of cycle e div n in round e."""
        cycle, place = np.divmod(rounds, self.instances)
        number, offset = np.divmod(place, self._length)
        wanted = zip(*(a.tolist() for a in (cycle, class_id, number, offset)), strict=True)
        return np.array([self._row(c, k, row)[i] for c, k, row, i in wanted], np.int64)

    def _row(self, cycle: int, class_id: int, number: int) -> NDArray[np.int32]:
        """Row `number` of the places of a class in a cycle; the last one of a class is kept."""
        found = self._rows.get(class_id)
        if found is not None and found[0] == (cycle, number):
            return found[1]
        first = number * self._length
        drawn = words(self.seed, Domain.ORDER, Field.PERMUTATION_KEY, cycle, class_id, self.instances)[0]
        row = _ranked(drawn >> np.uint32(8), first, min(first + self._length, self.instances))
        self._rows[class_id] = (cycle, number), row
        return row


def _ranked(keys: NDArray[np.uint32], first: int, end: int) -> NDArray[np.int32]:
    """Places first..end-1 of the stable argsort of keys (n,), without sorting the others."""
    low, high = np.partition(keys, (first, end - 1))[[first, end - 1]]
    near = np.flatnonzero((keys >= low) & (keys <= high))
    before = first - int((keys < low).sum())
    order = np.argsort(keys[near], kind="stable")
    return near[order[before : before + end - first]].astype(np.int32)
