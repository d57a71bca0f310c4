"""3D ResNets of basic blocks, small enough for a CPU."""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv3DNoTemporal, Conv3DSimple

from fractalvid.pretrain.models.cpu.folded import folded, folds
from fractalvid.pretrain.models.cpu.pooled_norm import fits, pooled_norm
from fractalvid.pretrain.models.heads import init_head
from fractalvid.pretrain.models.pooling import FramePool


class R3D(nn.Module):
    """A 3D ResNet of `BasicBlock`s with free width and depth (Tran et al. 2018, arXiv 1711.11248).

    Tensors are called as in torchvision's networks of the family.
    """

    def __init__(
        self,
        stem: nn.Sequential,
        width: int,
        blocks: tuple[int, int, int, int],
        num_classes: int,
        *,
        first: type[Conv3DSimple | Conv3DNoTemporal] = Conv3DSimple,
    ) -> None:
        """Layers with freshly drawn parameters.

        Args:
            stem: makes (B, width, T, H/4, W/4) of video (B, 3, T, H, W).
            width: channels of the stem and the first stage; every later stage doubles them.
            blocks: blocks in each of the four stages.
            num_classes: K.
            first: the convolutions of the first stage; those of the others are 3 x 3 x 3.
        """
        super().__init__()
        self.stem = stem
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        stages = [
            _stage(first if c_in == c_out else Conv3DSimple, c_in, c_out, depth)
            for (c_in, c_out), depth in zip(pairwise(widths), blocks, strict=True)
        ]
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool3d((1, 1, 1))
        self.fc = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        init_head(self.fc)

    def forward(self, video: Tensor) -> Tensor:
        """Logits (B, K) of video (B, 3, T, H, W)."""
        x = self.stem(video)  # (B, w, T, H/4, W/4)
        x = self.layer1(x)
        x = self.layer2(x)  # (B, 2w, T/2, H/8, W/8)
        x = self.layer3(x)  # (B, 4w, T/4, H/16, W/16)
        x = self.layer4(x)  # (B, 8w, T/8, H/32, W/32)
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _stage(kind: type[Conv3DSimple | Conv3DNoTemporal], c_in: int, c_out: int, depth: int) -> nn.Sequential:
    """`depth` basic blocks. Where channels change, the first one halves the resolution, its shortcut with it."""
    stride, shortcut = 1, None
    if c_in != c_out:
        stride = 2
        shortcut = nn.Sequential(
            nn.Conv3d(c_in, c_out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm3d(c_out)
        )
    first = BasicBlock(c_in, c_out, kind, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(c_out, c_out, kind) for _ in range(depth - 1)))


def _stem(width: int, frames: int, stride: int) -> nn.Sequential:
    """Kernels of `frames` x 7 x 7, `stride` pixels apart, normalised."""
    kernel, padding = (frames, 7, 7), (frames // 2, 3, 3)
    convolution = nn.Conv3d(3, width, kernel, stride=(1, stride, stride), padding=padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm3d(width), nn.ReLU(inplace=True))


_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class PooledStem(nn.Sequential):
    """Convolution, BatchNorm, ReLU and `FramePool`, on a CPU in fewer operations: the same but for rounding.

    Where hooks watch one of the layers, each is called.
    """

    def forward(self, video: Tensor) -> Tensor:
        """(B, w, T, H/4, W/4) of video (B, 3, T, H, W)."""
        layers: tuple[Any, ...] = tuple(self)
        convolution, norm, relu, pool = layers
        watched = any(getattr(layer, hooks) for layer in layers for hooks in _HOOKS)
        x = folded(video, convolution) if not watched and folds(video, convolution) else convolution(video)
        pooled: Tensor = pooled_norm(x, norm) if not watched and fits(x, norm) else pool(relu(norm(x)))
        return pooled


def r3d_10(num_classes: int) -> nn.Module:
    """R3D-10: one block a stage, 32 channels in the first; trains on a CPU.

    Its stem ends with a max pool in space, as in ResNets of pictures: cheaper than the original's, and learns faster.
    """
    return R3D(PooledStem(*_stem(32, 3, 2), FramePool()), 32, (1, 1, 1, 1), num_classes)


def rmc3_10(num_classes: int) -> nn.Module:
    """rMC3-10: R3D-10 whose stem and first stage see frames one by one, and the later three space and time.

    The reversed mixed convolutions of Tran et al. 2018 (arXiv 1711.11248, section 3.3), which Xie et al. 2018 (arXiv
    1712.04851) call top-heavy. Where R3D-10 strides by 2 and pools, its stem strides by 4. On a CPU a training step
    takes less than half of R3D-10's time, but it carries over less to real video: benchmarks/results/hmdb51_rmc3.md.
    """
    return R3D(_stem(32, 1, 4), 32, (1, 1, 1, 1), num_classes, first=Conv3DNoTemporal)
