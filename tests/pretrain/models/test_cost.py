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


@pytest.mark.parametrize(
    ("name", "stem", "of_first"), [("r3d_10", 32**2 * 3 * 7 * 7, 27), ("rmc3_10", 16**2 * 7 * 7, 9)]
)
def test_costs_of_networks_without_published_ones(name: str, stem: int, of_first: int) -> None:
    ours = cost(name, 5, clip_len=8, size=64)
    assert ours.params == sum(p.numel() for p in build_model(name, 5, seed=0).parameters())
    # Multiply-adds by hand: output positions, kernel, channels in and out.
    layer1 = 2 * 8 * 16**2 * of_first * 32 * 32
    later = sum((8 // 2**n) * (16 // 2**n) ** 2 * 32 * 2 ** (n - 1) * 32 * 2**n * (27 + 2 * 27 + 1) for n in (1, 2, 3))
    assert ours.macs == 8 * stem * 3 * 32 + layer1 + later + 256 * 5
