"""3D ResNets of basic blocks, small enough for a CPU."""

from itertools import pairwise

from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

from fractalvid.pretrain.models.heads import init_head
from fractalvid.pretrain.models.pooling import FramePool


class R3D(nn.Module):
    """A 3D ResNet of `BasicBlock`s with free width and depth (Tran et al. 2018, arXiv 1711.11248).

    Its stem ends with a max pool in space, as in ResNets of pictures: cheaper than the original's, and learns faster.
    """

    def __init__(self, width: int, blocks: tuple[int, int, int, int], num_classes: int) -> None:
        """Layers with freshly drawn parameters.

        Args:
            width: channels of the stem and the first stage; every later stage doubles them.
            blocks: blocks in each of the four stages.
            num_classes: K.
        """
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, kernel_size=(3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
            FramePool(),
        )
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        stages = [
            _stage(c_in, c_out, depth, stride=1 if number == 0 else 2)
            for number, ((c_in, c_out), depth) in enumerate(zip(pairwise(widths), blocks, strict=True))
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


def _stage(c_in: int, c_out: int, depth: int, stride: int) -> nn.Sequential:
    """`depth` basic blocks; the first one changes channels and resolution, its shortcut with it."""
    shortcut = None
    if stride != 1 or c_in != c_out:
        shortcut = nn.Sequential(
            nn.Conv3d(c_in, c_out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm3d(c_out)
        )
    first = BasicBlock(c_in, c_out, Conv3DSimple, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(c_out, c_out, Conv3DSimple) for _ in range(depth - 1)))


def r3d_10(num_classes: int) -> nn.Module:
    """R3D-10: one block a stage, 32 channels in the first; trains on a CPU."""
    return R3D(32, (1, 1, 1, 1), num_classes)
