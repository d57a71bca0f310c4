"""The stages of every network: what the last one gives is what its head classifies."""

import pytest
import torch
from torch import nn

from fractalvid.pretrain.models import ARCHITECTURES, build_model, stage_features, stage_names
from fractalvid.pretrain.models.stages import pooled


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_last_stage_is_what_the_head_sees(name: str) -> None:
    row = ARCHITECTURES[name]
    torch.manual_seed(0)
    network = build_model(name, 4, seed=0).eval()
    video = torch.rand(2, 3, max(2, row.least_clip_len), max(32, row.least_size), max(32, row.least_size))
    seen = list[torch.Tensor]()
    head: nn.Module = getattr(network, row.head)
    head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].flatten(1)))
    with torch.inference_mode():
        features = stage_features(network, name, video)
    assert tuple(features) == stage_names(name)
    assert len(features) == len(row.stages) >= 5
    assert all(len(values) == 2 and values.dtype == torch.float32 for values in features.values())
    last = features[stage_names(name)[-1]]
    assert last.shape == (2, row.feature_dim)
    torch.testing.assert_close(last, seen[0], rtol=1e-4, atol=1e-5)
    assert not any(module._forward_hooks for module in network.modules())


def test_maps_are_pooled_over_frames_too() -> None:
    maps = torch.rand(2, 5, 3, 4, 4)
    mean = maps.mean((2, 3, 4))
    torch.testing.assert_close(pooled(maps, 2), mean)
    torch.testing.assert_close(pooled(maps.transpose(1, 2).flatten(0, 1), 2), mean)
    torch.testing.assert_close(pooled(mean, 2), mean)
