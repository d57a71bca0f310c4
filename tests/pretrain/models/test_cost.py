"""What networks cost, against what is published."""

import pytest

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.models.cost import cost
from tests.pretrain.models.published_costs import COSTS


@pytest.mark.parametrize("name", COSTS)
def test_costs_are_the_published_ones(name: str) -> None:
    told = COSTS[name]
    ours = cost(name, told.num_classes, clip_len=told.clip_len, size=told.size)
    # Papers round; the zoo of I3D counts norms and pooling, too.
    of_torchvision = told.source.startswith("torchvision")
    assert ours.params / 1e6 == pytest.approx(told.params, rel=1e-9 if of_torchvision else 0.01)
    assert ours.macs / 1e9 == pytest.approx(told.gmacs, rel=1e-3 if of_torchvision else 0.015)


def test_cost_of_a_network_without_published_ones() -> None:
    ours = cost("r3d_10", 5, clip_len=8, size=64)
    assert ours.params == sum(p.numel() for p in build_model("r3d_10", 5, seed=0).parameters())
    # Multiply-adds by hand: output positions, kernel, channels in and out.
    stem = 8 * 32**2 * 3 * 7 * 7 * 3 * 32
    layer1 = 2 * 8 * 16**2 * 27 * 32 * 32
    later = sum((8 // 2**n) * (16 // 2**n) ** 2 * 32 * 2 ** (n - 1) * 32 * 2**n * (27 + 2 * 27 + 1) for n in (1, 2, 3))
    assert ours.macs == stem + layer1 + later + 256 * 5
