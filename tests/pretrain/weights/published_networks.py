"""Networks built as the authors of TSM and X3D publish them, with their names and in their order of layers."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck

SETTING = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
"""MobileNetV2 (arXiv 1801.04381, table 2): expansion, channels, blocks, stride."""


class FlatBlock(nn.Module):
    """An inverted residual whose layers are one flat list, as in mit-han-lab/temporal-shift-module."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = c_in * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(c_in, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()]
        layers += [nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU6()]
        layers += [nn.Conv2d(inner, c_out, 1, bias=False), nn.BatchNorm2d(c_out)]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


class FlatMobileNetV2(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6())]
        c_in = 32
        for expansion, c_out, depth, stride in SETTING:
            for n in range(depth):
                blocks.append(FlatBlock(c_in, c_out, stride if n == 0 else 1, expansion))
                c_in = c_out
        blocks.append(nn.Sequential(nn.Conv2d(c_in, 1280, 1, bias=False), nn.BatchNorm2d(1280), nn.ReLU6()))
        self.features = nn.Sequential(*blocks)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def tsm_state(pictures: nn.Module, head: str, *, shifts: bool = True) -> dict[str, Tensor]:
    """A TSM file's tensors: the picture network below `module.base_model`, shifted layers as `net`, a new head.

    Without shifts it is one of the same authors' TSN files.
    """
    shifted = {f"{name}.conv.0" for name, m in pictures.named_modules() if isinstance(m, FlatBlock) and m.shortcut}
    shifted |= {f"{name}.conv1" for name, m in pictures.named_modules() if isinstance(m, Bottleneck)}
    return {_tsm_name(k, shifted if shifts else set(), head): tensor for k, tensor in pictures.state_dict().items()}


def _tsm_name(name: str, shifted: set[str], head: str) -> str:
    layer, _, kind = name.rpartition(".")
    if layer == head:
        return f"module.new_fc.{kind}"
    return f"module.base_model.{layer}.net.{kind}" if layer in shifted else f"module.base_model.{name}"


def _conv(c_in: int, c_out: int, stride: int = 1, bias: bool = False) -> nn.Conv3d:
    return nn.Conv3d(c_in, c_out, 1, (1, stride, stride), bias=bias)


class SlowFastBlock(nn.Module):
    """One `pathway0_resN` of PySlowFast's X3D."""

    def __init__(self, c_in: int, c_out: int, inner: int, squeezed: int, stride: int, excite: bool) -> None:
        super().__init__()
        if stride > 1:
            self.branch1, self.branch1_bn = _conv(c_in, c_out, stride), nn.BatchNorm3d(c_out)
        parts: dict[str, nn.Module] = {
            "a": _conv(c_in, inner),
            "a_bn": nn.BatchNorm3d(inner),
            "b": nn.Conv3d(inner, inner, 3, (1, stride, stride), 1, groups=inner, bias=False),
            "b_bn": nn.BatchNorm3d(inner),
            "c": _conv(inner, c_out),
            "c_bn": nn.BatchNorm3d(c_out),
        }
        if excite:
            se = {"fc1": _conv(inner, squeezed, bias=True), "fc2": _conv(squeezed, inner, bias=True)}
            parts["se"] = nn.ModuleDict(se)
        self.branch2 = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        part = self.branch2
        y = part["a_bn"](part["a"](x)).relu()
        y = part["b_bn"](part["b"](y))
        if "se" in part:
            se = part["se"]
            assert isinstance(se, nn.ModuleDict)
            y = y * torch.sigmoid(se["fc2"](se["fc1"](y.mean((2, 3, 4), keepdim=True)).relu()))
        y = part["c_bn"](part["c"](y * torch.sigmoid(y)))
        shortcut = self.branch1_bn(self.branch1(x)) if hasattr(self, "branch1") else x
        return F.relu(shortcut + y)


class SlowFastX3D(nn.Module):
    """X3D-S and X3D-M with PySlowFast's names."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        stem = {
            "conv_xy": nn.Conv3d(3, 24, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False),
            "conv": nn.Conv3d(24, 24, (5, 1, 1), 1, (2, 0, 0), groups=24, bias=False),
            "bn": nn.BatchNorm3d(24),
        }
        self.s1 = nn.ModuleDict({"pathway0_stem": nn.ModuleDict(stem)})
        stages = [(24, 24, 54, 8, 3), (24, 48, 108, 8, 5), (48, 96, 216, 16, 11), (96, 192, 432, 32, 7)]
        for number, (c_in, c_out, inner, squeezed, depth) in enumerate(stages, start=2):
            blocks = {
                f"pathway0_res{n}": SlowFastBlock(
                    c_out if n else c_in, c_out, inner, squeezed, 1 if n else 2, n % 2 == 0
                )
                for n in range(depth)
            }
            self.add_module(f"s{number}", nn.ModuleDict(blocks))
        head: dict[str, nn.Module] = {
            "conv_5": _conv(192, 432),
            "conv_5_bn": nn.BatchNorm3d(432),
            "lin_5": _conv(432, 2048),
            "projection": nn.Linear(2048, num_classes),
        }
        self.head = nn.ModuleDict(head)

    def forward(self, video: Tensor) -> Tensor:
        stem = self.s1["pathway0_stem"]
        assert isinstance(stem, nn.ModuleDict)
        x = stem["bn"](stem["conv"](stem["conv_xy"](video))).relu()
        for number in range(2, 6):
            stage = getattr(self, f"s{number}")
            for block in stage.values():
                x = block(x)
        x = self.head["conv_5_bn"](self.head["conv_5"](x)).relu()
        x = self.head["lin_5"](x.mean((2, 3, 4), keepdim=True)).relu()
        logits: Tensor = self.head["projection"](x.flatten(1))
        return logits
