"""ResNet-50 inflated over time (I3D).

The pattern of kernels, 3 x 1 x 1 in every block or every other one, is that of Wang et al. 2018 ("Non-local neural
networks", arXiv 1711.07971), as the model zoos of PySlowFast and PyTorchVideo publish it under "I3D 8x8 R50". Layers
have the names of torchvision's ResNet-50, so that its weights are inflated name by name.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from fractalvid.pretrain.models.heads import init_head
from fractalvid.pretrain.models.pooling import FramePool

_TEMPORAL_BLOCKS = {"layer1": (0, 1, 2), "layer2": (0, 2), "layer3": (0, 2, 4), "layer4": (1,)}
KERNEL_FRAMES = {"conv1": 5} | {
    f"{stage}.{block}.conv1": 3 for stage, blocks in _TEMPORAL_BLOCKS.items() for block in blocks
}
"""Frames that a convolution spans, by its name; those not named span one."""


def i3d_r50(num_classes: int) -> nn.Module:
    """I3D-ResNet-50 for 8 frames of 224 x 224, logits (B, K) of video (B, 3, T, H, W), T at least 2.

    As published, the last BatchNorm of every block starts at gamma 0.
    """
    pictures = resnet50(num_classes=num_classes, zero_init_residual=True)
    init_head(pictures.fc)
    pictures.layer1.append(nn.MaxPool3d(kernel_size=(2, 1, 1)))  # has no parameters: no name changes
    pictures.avgpool = nn.AdaptiveAvgPool3d(1)
    network: nn.Module = pictures
    _inflate_children(network, "")
    return network


def _inflate_children(module: nn.Module, prefix: str) -> None:
    """Put a layer over time in the place of every layer over pictures below `module`."""
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d):
            setattr(module, name, _conv3d(child, KERNEL_FRAMES.get(prefix + name, 1)))
        elif isinstance(child, nn.BatchNorm2d):
            setattr(module, name, _batch_norm3d(child))
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, FramePool())
        else:
            _inflate_children(child, f"{prefix}{name}.")


def _conv3d(conv: nn.Conv2d, frames: int) -> nn.Conv3d:
    """A convolution over `frames` frames with the channels, stride and padding of `conv`, freshly drawn."""
    (side, _), (stride, _) = conv.kernel_size, conv.stride  # all are square
    layer = nn.Conv3d(
        conv.in_channels,
        conv.out_channels,
        kernel_size=(frames, side, side),
        stride=(1, stride, stride),
        padding=(frames // 2, side // 2, side // 2),
        bias=False,
    )
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def _batch_norm3d(norm: nn.BatchNorm2d) -> nn.BatchNorm3d:
    layer = nn.BatchNorm3d(norm.num_features)
    layer.load_state_dict(norm.state_dict())  # gamma is 0 at the end of a block
    return layer


def inflate_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors for `i3d_r50` from those of torchvision's ResNet-50 (Carreira & Zisserman 2017, arXiv 1705.07750).

    Kernels (O, I, H, W) are repeated over the T frames that the convolution spans and divided by T, so that a video
    of one picture gives what the picture gives, but for the zeros that pad the first and the last frames.
    """
    return {name: _inflate_tensor(name, tensor) for name, tensor in state.items()}


def _inflate_tensor(name: str, tensor: Tensor) -> Tensor:
    if tensor.ndim != 4:
        return tensor
    frames = KERNEL_FRAMES.get(name.removesuffix(".weight"), 1)
    return torch.stack([tensor] * frames, dim=2) / frames
