"""The networks, as one table: a new architecture is one more row.

Every network maps video float32 (B, 3, T, H, W) to logits float32 (B, K), and names its parts as
torchvision's `VideoResNet` does: `stem`, `layer1` to `layer4`, `avgpool` and the head `fc`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.video import r3d_18
from torchvision.models.video.resnet import BasicBlock, Conv3DSimple

from fractalvid.errors import UserError
from pretrain.nearest import nearest


@dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: makes the network for a number of classes, drawing its parameters from torch's CPU generator.
        head: name of the last linear layer.
        about: what it is, for `--list`.
    """

    build: Callable[[int], nn.Module]
    head: str
    about: str


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
            nn.MaxPool3d(kernel_size=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
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
        _init_head(self.fc)

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


def _init_head(head: nn.Linear) -> None:
    """As torchvision starts the heads of its video networks: small, so that all classes begin equal."""
    nn.init.normal_(head.weight, 0.0, 0.01)
    nn.init.zeros_(head.bias)


def _r3d_18(num_classes: int) -> nn.Module:
    model: nn.Module = r3d_18(weights=None, num_classes=num_classes)
    return model


def _r3d_10(num_classes: int) -> nn.Module:
    return R3D(32, (1, 1, 1, 1), num_classes)


ARCHITECTURES: dict[str, Architecture] = {
    "r3d_18": Architecture(_r3d_18, "fc", "torchvision's R3D-18, 33.2 M parameters and the head"),
    "r3d_10": Architecture(_r3d_10, "fc", "R3D-10 of width 32, 3.6 M parameters and the head: trains on a CPU"),
}


def architecture(name: str) -> Architecture:
    """The row called `name`; a `UserError` naming the nearest one where there is none."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = nearest(name, ARCHITECTURES)
    raise UserError(f"no architecture is called {name!r}; did you mean {near}? There are {', '.join(ARCHITECTURES)}")


def build_model(name: str, num_classes: int, *, seed: int) -> nn.Module:
    """A freshly initialised network.

    Args:
        name: a row of the table `ARCHITECTURES`.
        num_classes: K, the size of the head.
        seed: determines the initial parameters; torch's global generator is left as it was.

    Raises:
        UserError: no such architecture, or fewer than one class.
    """
    row = architecture(name)
    if num_classes < 1:
        raise UserError(f"a network needs at least 1 class, not {num_classes}")
    with _drawing_from(seed):
        return row.build(num_classes)


def head_name(name: str) -> str:
    """The attribute that holds the last linear layer of architecture `name`."""
    return architecture(name).head


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Inside, torch's CPU generator starts at `seed`; outside it never notices."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
