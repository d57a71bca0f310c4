"""Pooling frame by frame is pooling over rows and columns of videos, to the bit."""

import pytest
import torch
from torch import nn

from fractalvid.pretrain.machine import resolve_precision
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.models.pooling import FramePool

OVER_TIME = nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
LAYOUTS = [torch.contiguous_format, torch.channels_last_3d]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(2, 5, 3, 8, 6), (1, 2, 1, 7, 9), (3, 1, 2, 4, 4)])
def test_values_and_gradients_are_those_of_pooling_over_time(
    shape: tuple[int, ...], layout: torch.memory_format
) -> None:
    generator = torch.Generator().manual_seed(0)
    video = torch.randn(shape, generator=generator).contiguous(memory_format=layout)
    ones, others = (video.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2))
    pooled, expected = FramePool()(ones), OVER_TIME(others)
    assert torch.equal(pooled, expected)
    weights = torch.randint(-8, 9, expected.shape, generator=generator).float()  # whose sums are exact in any order
    (pooled * weights).sum().backward()
    (expected * weights).sum().backward()
    assert ones.grad is not None and others.grad is not None
    assert torch.equal(ones.grad, others.grad)


def test_the_layout_stays_and_nothing_is_copied_for_it() -> None:
    video = torch.randn(2, 4, 3, 8, 8).contiguous(memory_format=torch.channels_last_3d)
    assert FramePool()(video).is_contiguous(memory_format=torch.channels_last_3d)
    assert FramePool()(video.contiguous()).is_contiguous()


def test_bfloat16_stays_bfloat16_behind_it() -> None:
    video = torch.randn(2, 4, 3, 8, 8, dtype=torch.bfloat16)
    with resolve_precision("bf16", torch.device("cpu")).autocast():
        pooled = FramePool()(video)
    assert pooled.dtype == torch.bfloat16
    assert torch.equal(pooled.float(), OVER_TIME(video.float()))


@pytest.mark.parametrize("name", ["r3d_10", "i3d_r50"])
def test_networks_of_ours_pool_by_it_and_keep_their_names(name: str) -> None:
    network = build_model(name, 3, seed=0)
    pools = [module for module in network.modules() if isinstance(module, FramePool)]
    assert len(pools) == 1
    assert not any("pool" in key for key in network.state_dict())
