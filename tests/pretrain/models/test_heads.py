"""Layers before and at the end of networks."""

import pytest
import torch
from torch import nn

from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.models.heads import put_projector
from fractalvid.utils.errors import UserError


@pytest.mark.parametrize("name", ["r3d_10", "tsm_mobilenet_v2"])
def test_a_projector_stands_before_the_head(name: str) -> None:
    network = build_model(name, 4, seed=0)
    put_projector(network, name, 2)
    assert network(torch.rand(2, 3, 4, 32, 32)).shape == (2, 4)
    head = network.get_submodule("fc" if name == "r3d_10" else "classifier")
    assert [type(layer) for layer in head.children()][:3] == [nn.Linear, nn.BatchNorm1d, nn.ReLU]


def test_a_head_of_maps_takes_no_projector() -> None:
    with pytest.raises(UserError, match="projector is 2: it stands before a linear head, and that of s3d is a convol"):
        put_projector(build_model("s3d", 4, seed=0), "s3d", 2)
