"""Batches that are drawn and fitted together are those that are made one by one."""

from itertools import islice

import numpy as np
import pytest
import torch

from fractalvid.core.bank import Bank, Fit
from fractalvid.kinds import sample_bank
from fractalvid.stream import Batch, FractalStream, StreamConfig, render
from fractalvid.stream import fractal_stream as module
from fractalvid.stream.samples import Samples
from fractalvid.utils.arrays import map_arrays

CONFIG = StreamConfig(clip_len=3, size=24, points=1000, masks=True)


def check_equal(one: Batch, other: Batch) -> None:
    """All that both hold, but for the position after them, which `at` knows of its own samples alone."""
    for name, value in vars(one).items():
        if name != "next_index":
            map_arrays(lambda a, b: torch.testing.assert_close(a, b, rtol=0, atol=0), value, getattr(other, name))


@pytest.mark.parametrize(
    ("kind", "emulate"),
    [("ifs", None), ("ifs", "full"), ("ifs", "scene"), ("shapes", None), ("perlin", "paper")],
)
def test_batches_of_any_number_are_those_of_at(kind: str, emulate: str | None) -> None:
    stream = FractalStream(
        sample_bank(7, kind=kind), batch_size=3, config=CONFIG, seed=4, emulate=emulate, views=2, rank=1, world_size=2
    )
    for number, batch in enumerate(islice(stream, 6)):  # one alone, then two, then three of four
        index = 6 * number + 3 + np.arange(3)
        assert batch.next_index == 6 * (number + 1)
        check_equal(batch, stream.at(index))


def test_truth_is_that_of_each_batch() -> None:
    config = StreamConfig(clip_len=3, size=24, points=1000, truth=("motion", "flow"))
    stream = FractalStream(sample_bank(7), batch_size=2, config=config, seed=4)
    for number, batch in enumerate(islice(stream, 3)):
        assert batch.truth is not None
        check_equal(batch, stream.at(2 * number + np.arange(2)))


def test_no_more_clips_are_fitted_at_once_than_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, real = list[int](), render.fit_together

    def fit_together(bank: Bank, samples: Samples, threads: int | None) -> Fit | None:
        fitted.append(len(samples.index))
        return real(bank, samples, threads)

    monkeypatch.setattr(module, "TOGETHER", 13)
    monkeypatch.setattr(module, "fit_together", fit_together)
    list(islice(FractalStream(sample_bank(7), batch_size=3, config=CONFIG, seed=4, threads=1), 9))
    assert fitted == [3, 6, 12, 12]
    fitted.clear()
    list(islice(FractalStream(sample_bank(7), batch_size=2, config=CONFIG, seed=4, threads=1), 8))
    assert fitted == [2, 4, 8, 8]  # of at most four batches
    fitted.clear()
    list(islice(FractalStream(sample_bank(7), batch_size=7, config=CONFIG, seed=4, threads=2), 6))
    assert fitted[:4] == [7, 14, 21, 21]  # and twice as many where others are rendered meanwhile


def test_batches_are_those_of_one_thread_whatever_is_fitted_ahead() -> None:
    def stream(threads: int) -> FractalStream:
        return FractalStream(sample_bank(7), batch_size=3, config=CONFIG, seed=4, threads=threads)

    for one, two in zip(islice(stream(1), 12), islice(stream(2), 12), strict=True):
        assert one.next_index == two.next_index
        check_equal(one, two)
    ahead = stream(2)
    batches = iter(ahead)
    next(batches)
    assert ahead.state_dict() == {"next_index": 3}  # what is on its way does not count
    check_equal(next(batches), stream(1).at([3, 4, 5]))


def test_what_cannot_be_fitted_is_an_error_where_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def fit_together(bank: Bank, samples: Samples, threads: int | None) -> Fit | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError
        return render.fit_together(bank, samples, threads)

    monkeypatch.setattr(module, "fit_together", fit_together)
    batches = iter(FractalStream(sample_bank(7), batch_size=3, config=CONFIG, seed=4, threads=2))
    assert next(batches).next_index == 3
    with pytest.raises(MemoryError):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)
