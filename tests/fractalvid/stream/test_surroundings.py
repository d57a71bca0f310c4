"""Batches don't depend on what the caller has set in torch."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch

from fractalvid import ClassBank, FractalStream, StreamConfig


class _DefaultType:
    """Inside, torch makes numbers of double precision."""

    def __enter__(self) -> None:
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(torch.float32)


def batches(emulate: str) -> list[torch.Tensor]:
    config = StreamConfig(clip_len=3, size=32, points=500, masks=True)
    bank = ClassBank.sample(3, seed=0)
    stream = FractalStream(bank, batch_size=2, seed=0, config=config, emulate=emulate)
    held_out = FractalStream.validation(bank, num_clips=2, batch_size=2, config=config)
    made = [next(iter(stream)), stream.at([4, 1]), next(iter(held_out))]
    return [tensor for batch in made for tensor in (batch.video, batch.target, batch.mask) if tensor is not None]


@pytest.mark.parametrize("emulate", ["none", "light,share=1,samples=1", "full,share=1,samples=1", "scene,share=1"])
@pytest.mark.parametrize("within", [torch.inference_mode, lambda: torch.device("meta"), _DefaultType])
def test_what_is_around_them_changes_nothing(emulate: str, within: Callable[[], AbstractContextManager[None]]) -> None:
    wanted = batches(emulate)
    with within():
        seen = batches(emulate)
    for own, other in zip(seen, wanted, strict=True):
        assert (own.dtype, own.device) == (other.dtype, other.device)
        assert torch.equal(own, other)
