"""A fixed number of instances comes in the order of its definition, without drawing all of it for each clip."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fractalvid.core.seeds import Domain, Field, uniforms, words
from fractalvid.fractals.bank import ClassBank
from fractalvid.stream import FractalStream
from fractalvid.stream.order import MAX_INSTANCES, InstanceOrder, _ranked
from fractalvid.utils.errors import UserError

SEED = 2**33 + 5


def by_definition(n: int, rounds: NDArray[np.int64], class_id: NDArray[np.int64]) -> NDArray[np.int64]:
    """The stable argsort of one random number for each of n instances, at place e mod n."""
    cycle, place = np.divmod(rounds, n)
    keys = uniforms(SEED, Domain.ORDER, Field.PERMUTATION_KEY, cycle, class_id, n)
    found: NDArray[np.int64] = np.argsort(keys, axis=1, kind="stable")[np.arange(len(rounds)), place]
    return found


@pytest.mark.parametrize("kept", [1, 12, 100, 2**22])
@pytest.mark.parametrize("n", [1, 5, 97])
def test_the_order_is_that_of_its_definition(n: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fractalvid.stream.order.KEPT", kept)
    rounds, class_id = (a.ravel() for a in np.meshgrid(np.arange(230), np.arange(4), indexing="ij"))
    order = InstanceOrder(SEED, n, 4)
    expected = by_definition(n, rounds, class_id)
    assert np.array_equal(order.at(rounds, class_id), expected)
    mixed = np.random.default_rng(0).permutation(len(rounds))[:100]
    assert np.array_equal(order.at(rounds[mixed], class_id[mixed]), expected[mixed])


def test_equal_keys_stay_in_the_order_of_instances() -> None:
    keys = np.array([3, 1, 3, 2, 1, 3, 3, 2], np.uint32)
    ranked = np.argsort(keys, kind="stable")
    for first in range(8):
        for end in range(first + 1, 9):
            assert np.array_equal(_ranked(keys, first, end), ranked[first:end])


def test_so_many_that_keys_repeat() -> None:
    rounds = np.array([0, 1, 12_345, MAX_INSTANCES - 1, MAX_INSTANCES], np.int64)
    class_id = np.full(5, 3)
    order = InstanceOrder(SEED, MAX_INSTANCES, 1000)
    found = order.at(rounds[:3], class_id[:3])
    assert np.array_equal(found, by_definition(MAX_INSTANCES, rounds[:3], class_id[:3]))
    assert order.at(rounds[3:], class_id[3:]).max() < MAX_INSTANCES


@pytest.mark.parametrize(("kept", "draws"), [(2**22, 3 * 2), (3 * 10, 3 * 2 * 4)])
def test_a_cycle_is_drawn_once_for_many_clips(kept: int, draws: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(*arguments: Any) -> NDArray[np.uint32]:
        if arguments[2] is Field.PERMUTATION_KEY:
            drawn.append(arguments[-1])
        return words(*arguments)

    monkeypatch.setattr("fractalvid.stream.order.words", counted)
    monkeypatch.setattr("fractalvid.stream.order.KEPT", kept)
    stream = FractalStream(ClassBank.sample(3, seed=1), batch_size=3, seed=0, instances=40)
    for round_number in range(80):
        stream.draw(np.arange(3) + 3 * round_number)
    assert drawn == [40] * draws
    assert stream._cycles is not None
    assert sum(len(row.instances) for row in stream._cycles._rows.values()) <= kept


@pytest.mark.parametrize("n", [0, MAX_INSTANCES + 1, 2**31])
def test_numbers_that_make_no_sense_are_refused(n: int) -> None:
    with pytest.raises(UserError, match=f"instances is {n}; it must be 1 to 1048576"):
        FractalStream(ClassBank.sample(2, seed=1), batch_size=2, seed=0, instances=n)
