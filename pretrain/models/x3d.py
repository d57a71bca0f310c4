"""X3D: a ResNet of thin, channelwise 3D convolutions (Feichtenhofer 2020, arXiv 2004.04730).

X3D-S and X3D-M are one network, of 24 channels in the stem and 3, 5, 11 and 7 blocks; they differ in the clips it sees.
"""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.models.heads import init_head

WIDTHS = (24, 24, 48, 96, 192)
"""Channels of the stem and of the four stages."""
BLOCKS = (3, 5, 11, 7)
EXPANSION = 2.25
"""Channels inside a block, as a multiple of those it returns."""
SQUEEZE = 1 / 16
FEATURES = 2048


class SqueezeExcitation(nn.Module):
    """Weighs channels by what all of the clip holds (Hu et al. 2018, arXiv 1709.01507)."""

    def __init__(self, channels: int) -> None:
        """For `channels` channels; they are squeezed to a sixteenth, in steps of 8."""
        super().__init__()
        squeezed = _in_eights(channels * SQUEEZE)
        self.fc1 = nn.Conv3d(channels, squeezed, kernel_size=1)
        self.fc2 = nn.Conv3d(squeezed, channels, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) to the same shape."""
        scale: Tensor = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool3d(x, 1))))
        return x * scale.sigmoid()


def _in_eights(width: float) -> int:
    """The multiple of 8 nearest to `width`, at least 8, and the next one where that takes more than a tenth away."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


class Block(nn.Module):
    """Expand, convolve each channel over 3 x 3 x 3, weigh channels in every other block, project back."""

    def __init__(self, c_in: int, c_out: int, *, stride: int, excite: bool) -> None:
        """From `c_in` to `c_out` channels; `stride` is that in space."""
        super().__init__()
        inner = int(EXPANSION * c_out)
        self.conv1 = nn.Sequential(_conv(c_in, inner), nn.BatchNorm3d(inner), nn.ReLU(inplace=True))
        depthwise = nn.Conv3d(
            inner, inner, kernel_size=3, stride=(1, stride, stride), padding=1, groups=inner, bias=False
        )
        self.conv2 = nn.Sequential(depthwise, nn.BatchNorm3d(inner))
        self.se = SqueezeExcitation(inner) if excite else nn.Identity()
        norm = nn.BatchNorm3d(c_out)
        nn.init.zeros_(norm.weight)  # so that the block begins as its shortcut
        self.conv3 = nn.Sequential(_conv(inner, c_out), norm)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.downsample = nn.Sequential(_conv(c_in, c_out, stride), nn.BatchNorm3d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, H, W) to (B, C', T, H / stride, W / stride)."""
        inside = F.silu(self.se(self.conv2(self.conv1(x))))
        return F.relu(self.conv3(inside) + self.downsample(x))


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Conv3d:
    return nn.Conv3d(c_in, c_out, kernel_size=1, stride=(1, stride, stride), bias=False)


class X3D(nn.Module):
    """X3D of the size that S and M share."""

    def __init__(self, num_classes: int) -> None:
        """Layers with freshly drawn parameters; as published, the last BatchNorm of a block starts at gamma 0."""
        super().__init__()
        width, last = WIDTHS[0], int(EXPANSION * WIDTHS[-1])
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False),
            nn.Conv3d(width, width, kernel_size=(5, 1, 1), padding=(2, 0, 0), groups=width, bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        stages = [_stage(*widths, depth) for widths, depth in zip(pairwise(WIDTHS), BLOCKS, strict=True)]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.conv5 = nn.Sequential(_conv(WIDTHS[-1], last), nn.BatchNorm3d(last), nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.lin5 = _conv(last, FEATURES)
        self.fc = nn.Linear(FEATURES, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        init_head(self.fc)

    def forward(self, video: Tensor) -> Tensor:
        """Logits (B, K) of video (B, 3, T, H, W)."""
        x = self.stem(video)  # (B, 24, T, H/2, W/2)
        x = self.layer1(x)  # (B, 24, T, H/4, W/4)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)  # (B, 192, T, H/32, W/32)
        x = self.avgpool(self.conv5(x))  # (B, 432, 1, 1, 1)
        x = F.relu(self.lin5(x)).flatten(1)  # (B, 2048)
        logits: Tensor = self.fc(x)
        return logits


def _stage(c_in: int, c_out: int, depth: int) -> nn.Sequential:
    """`depth` blocks; the first halves the sides, and the first, third, ... weigh channels."""
    blocks = (
        Block(c_in if n == 0 else c_out, c_out, stride=2 if n == 0 else 1, excite=n % 2 == 0) for n in range(depth)
    )
    return nn.Sequential(*blocks)
