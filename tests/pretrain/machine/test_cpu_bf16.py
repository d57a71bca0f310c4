"""bfloat16 on a CPU: every convolution of every network gets the gradients that it gets in float32."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fractalvid.pretrain.machine.precision import Precision, computes_bf16, resolve_precision
from fractalvid.pretrain.models import ARCHITECTURES, build_model

pytestmark = pytest.mark.skipif(not computes_bf16(), reason="this processor computes no bfloat16 itself")

CPU = torch.device("cpu")
BF16, FP32 = resolve_precision("bf16", CPU), resolve_precision("fp32", CPU)

Conv = nn.Conv2d | nn.Conv3d


def convolutions(name: str, clip_len: int, size: int) -> Iterator[tuple[Conv, tuple[int, ...]]]:
    """Those of a network, each kind once, with the shapes of what they see of two clips; in no memory."""
    with torch.device("meta"):
        network = build_model(name, 5, seed=0)
    seen: dict[str, tuple[Conv, tuple[int, ...]]] = {}

    def note(module: Conv, inputs: tuple[Tensor], output: Tensor) -> None:
        shape = tuple(inputs[0].shape)
        seen[f"{module} {shape}"] = (module, shape)

    for module in network.modules():
        if isinstance(module, Conv):
            module.register_forward_hook(note)
    network(torch.empty(2, 3, clip_len, size, size, device="meta"))
    yield from seen.values()


def gradients(conv: Conv, video: Tensor, precision: Precision) -> list[Tensor]:
    """Of the weights and of the input, for the same gradient of the output."""
    conv.zero_grad()
    video = video.clone().requires_grad_()
    with precision.autocast():
        out = conv(video)
    out.backward(torch.randn(out.shape, generator=torch.Generator().manual_seed(2)).to(out.dtype))
    assert conv.weight.grad is not None and video.grad is not None
    return [conv.weight.grad.clone(), video.grad]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_gradients_of_all_convolutions_are_those_of_float32(name: str) -> None:
    row = ARCHITECTURES[name]
    for conv, shape in convolutions(name, max(row.least_clip_len, 8), max(row.least_size, 64)):
        layout = torch.channels_last if isinstance(conv, nn.Conv2d) else torch.channels_last_3d
        own = conv.to_empty(device="cpu").to(memory_format=layout)
        for number, parameter in enumerate(own.parameters()):
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(number))
        video = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
        for half, full in zip(gradients(own, video, BF16), gradients(own, video, FP32), strict=True):
            error = ((half - full).norm() / full.norm()).item()
            assert error < 0.02, f"{error:.3g} in {own} of {shape}"
