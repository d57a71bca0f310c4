"""Networks of pictures that see a clip frame by frame: TSN averages over frames, TSM shifts channels between them.

Their parts and parameters have the names that torchvision gives those of the picture network.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import mobilenet_v2, resnet18, resnet50
from torchvision.models.mobilenetv2 import InvertedResidual

from fractalvid.pretrain.models.heads import init_head

SHIFT_SHARE = 8
"""One channel in so many moves a frame back, and as many move a frame on (Lin et al. 2019)."""


def shift(x: Tensor, frames: int) -> Tensor:
    """Move an eighth of the channels one frame back, an eighth one frame on; zeros move in (arXiv 1811.08383).

    Args:
        x: (B * T, C, H, W), the frames of a clip one after another.
        frames: T.

    Returns:
        (B * T, C, H, W): of frame t, channels from frame t + 1, from frame t - 1, and the rest its own.
    """
    clips = x.view(-1, frames, *x.shape[1:])  # (B, T, C, H, W)
    count = x.shape[1] // SHIFT_SHARE
    if not count:  # PyTorch before 2.10 can't pad what has no channels
        return x
    moving = F.pad(clips[:, :, : 2 * count], (0, 0, 0, 0, 0, 0, 1, 1))  # (B, T + 2, C/4, H, W)
    shifted = (moving[:, 2:, :count], moving[:, :-2, count:], clips[:, :, 2 * count :])
    return torch.cat(shifted, dim=2).flatten(0, 1)


class ShiftedConv2d(nn.Conv2d):
    """A convolution of frames that sees them shifted; what goes around it, the shortcut, does not."""

    frames = 1
    """Frames of a clip: `FrameNetwork` sets it before each batch."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps (B * T, C, H, W) to (B * T, C', H', W')."""
        return super().forward(shift(input, self.frames))


def _shifted(conv: nn.Conv2d) -> ShiftedConv2d:
    """The same convolution, with a shift before it."""
    layer = ShiftedConv2d(conv.in_channels, conv.out_channels, kernel_size=1, bias=False)
    layer.weight = conv.weight
    return layer


class FrameNetwork(nn.Module):
    """A network of pictures over clips: the features of all frames are averaged, then classified.

    That is the average consensus of temporal segment networks (Wang et al. 2016, arXiv 1608.00859) before the softmax,
    as the head is linear. A clip's frames are the segments.
    """

    def __init__(self, pictures: nn.Module, head: str) -> None:
        """Take over the parts of a picture network.

        Args:
            pictures: its children, but for `avgpool` and the head, are applied one after another.
            head: its last child, which maps features to logits.
        """
        super().__init__()
        self._head = head
        for name, part in pictures.named_children():
            if name != "avgpool":
                self.add_module(name, part)
        for layer in getattr(self, head).modules():
            if isinstance(layer, nn.Linear):
                init_head(layer)

    def forward(self, video: Tensor) -> Tensor:
        """Logits (B, K) of video (B, 3, T, H, W)."""
        frames = video.shape[2]
        x = video.transpose(1, 2).flatten(0, 1)  # (B * T, 3, H, W)
        for module in self.modules():
            if isinstance(module, ShiftedConv2d):
                module.frames = frames
        for name, part in self.named_children():
            if name != self._head:
                x = part(x)
        features = x.mean((2, 3)).reshape(-1, frames, x.shape[1]).mean(1)  # (B, C)
        logits: Tensor = getattr(self, self._head)(features)
        return logits


def tsn_r18(num_classes: int) -> nn.Module:
    """TSN on torchvision's ResNet-18."""
    return FrameNetwork(resnet18(num_classes=num_classes), "fc")


def tsn_r50(num_classes: int) -> nn.Module:
    """TSN on torchvision's ResNet-50."""
    return FrameNetwork(resnet50(num_classes=num_classes), "fc")


def tsm_r50(num_classes: int) -> nn.Module:
    """TSM on torchvision's ResNet-50: the first convolution of every block sees shifted channels."""
    pictures = resnet50(num_classes=num_classes)
    for stage in (pictures.layer1, pictures.layer2, pictures.layer3, pictures.layer4):
        for block in stage:
            block.conv1 = _shifted(block.conv1)
    return FrameNetwork(pictures, "fc")


def tsm_mobilenet_v2(num_classes: int) -> nn.Module:
    """TSM on torchvision's MobileNetV2: the expansion of every block with a shortcut sees shifted channels."""
    pictures = mobilenet_v2(num_classes=num_classes, dropout=0.0)
    for block in pictures.features:
        if isinstance(block, InvertedResidual) and block.use_res_connect:
            expansion = block.conv[0]
            expansion[0] = _shifted(expansion[0])
    return FrameNetwork(pictures, "classifier")
