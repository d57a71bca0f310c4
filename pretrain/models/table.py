"""The networks, as one table: a new architecture is one more row.

Every network maps video float32 (B, 3, T, H, W) to logits float32 (B, K).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn
from torchvision.models import MobileNet_V2_Weights, ResNet18_Weights, ResNet50_Weights, WeightsEnum
from torchvision.models.video import (
    MC3_18_Weights,
    R2Plus1D_18_Weights,
    R3D_18_Weights,
    S3D_Weights,
    mc3_18,
    r2plus1d_18,
    r3d_18,
    s3d,
)

from fractalvid.pretrain.models.i3d import i3d_r50, inflate_state
from fractalvid.pretrain.models.keymaps import SLOWFAST_X3D, TSM_MOBILENET_V2, TSM_R50, TSN_R50, Checkpoint, Convert
from fractalvid.pretrain.models.r3d import r3d_10
from fractalvid.pretrain.models.two_d import tsm_mobilenet_v2, tsm_r50, tsn_r18, tsn_r50
from fractalvid.pretrain.models.x3d import X3D
from fractalvid.utils.errors import UserError
from fractalvid.utils.nearest import nearest


@dataclass(frozen=True)
class PublishedCost:
    """What others say a network costs.

    Attributes:
        params: parameters with a head of `num_classes`, in millions.
        gmacs: multiply-adds of one clip, in thousand millions (papers often call them FLOPs).
        num_classes: K.
        clip_len: frames of that clip.
        size: its rows and columns, in pixels.
        source: where it says so.
    """

    params: float
    gmacs: float
    num_classes: int
    clip_len: int
    size: int
    source: str


@dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: makes the network for a number of classes, drawing its parameters from torch's CPU generator.
        head: the attribute that holds the last, linear layer; all parameters in it are the classifier's.
        feature_dim: length of the features it classifies.
        about: what it is, for `--list`.
        clip_len: frames of a clip as published.
        size: rows and columns of a frame as published, in pixels.
        least_clip_len: frames that a clip needs at least.
        least_size: rows and columns that a frame needs at least, in pixels.
        cost: what is published about its cost; None if nothing is.
        kinetics: torchvision's weights of the network itself, trained on Kinetics-400.
        imagenet: torchvision's weights of the picture network below it, trained on ImageNet-1K.
        convert: makes this network's tensors of those of `imagenet`; None where they are the same.
        checkpoint: a file of its authors that can be read.
    """

    build: Callable[[int], nn.Module]
    head: str
    feature_dim: int
    about: str
    clip_len: int
    size: int
    least_clip_len: int = 1
    least_size: int = 16
    cost: PublishedCost | None = None
    kinetics: WeightsEnum | None = None
    imagenet: WeightsEnum | None = None
    convert: Convert | None = None
    checkpoint: Checkpoint | None = None


def _torchvision(entry: WeightsEnum, clip_len: int, size: int) -> PublishedCost:
    """The cost that torchvision's description of some weights states."""
    meta = entry.meta
    classes = len(meta["categories"])
    return PublishedCost(meta["num_params"] / 1e6, meta["_ops"], classes, clip_len, size, f"torchvision, {entry}")


_R3D = R3D_18_Weights.KINETICS400_V1
_MC3 = MC3_18_Weights.KINETICS400_V1
_R2PLUS1D = R2Plus1D_18_Weights.KINETICS400_V1
_S3D = S3D_Weights.KINETICS400_V1
_S3D_NORM = partial(nn.BatchNorm3d, eps=1e-3, momentum=0.1)
"""As torchvision's, but for the momentum: at its 0.001, tests see the first statistics for thousands of steps."""
_R18 = ResNet18_Weights.IMAGENET1K_V1
_R50 = ResNet50_Weights.IMAGENET1K_V1  # the one that TSM and I3D started from; V2 is of a later training recipe
_MOBILENET = MobileNet_V2_Weights.IMAGENET1K_V1

ARCHITECTURES: dict[str, Architecture] = {
    "r3d_18": Architecture(
        lambda k: r3d_18(num_classes=k), "fc", 512, "torchvision's R3D-18, 33.2 M parameters and the head",
        clip_len=16, size=112, cost=_torchvision(_R3D, 16, 112), kinetics=_R3D,
    ),
    "mc3_18": Architecture(
        lambda k: mc3_18(num_classes=k), "fc", 512, "torchvision's MC3-18, 11.5 M: 3D below, 2D above",
        clip_len=16, size=112, cost=_torchvision(_MC3, 16, 112), kinetics=_MC3,
    ),
    "r2plus1d_18": Architecture(
        lambda k: r2plus1d_18(num_classes=k), "fc", 512, "torchvision's R(2+1)D-18, 31.3 M: space, then time",
        clip_len=16, size=112, cost=_torchvision(_R2PLUS1D, 16, 112), kinetics=_R2PLUS1D,
    ),
    "s3d": Architecture(
        lambda k: s3d(num_classes=k, norm_layer=_S3D_NORM), "classifier", 1024,
        "torchvision's S3D, 7.9 M: 13 frames of 209 pixels or more",
        clip_len=16, size=224, least_clip_len=13, least_size=209, cost=_torchvision(_S3D, 16, 224), kinetics=_S3D,
    ),
    "i3d_r50": Architecture(
        i3d_r50, "fc", 2048, "I3D on ResNet-50, kernels 3 x 1 x 1, 27.2 M; from ImageNet weights inflated",
        clip_len=8, size=224, least_clip_len=2,
        cost=PublishedCost(28.04, 37.53, 400, 8, 256, "PyTorchVideo model zoo, I3D R50 8x8"),
        imagenet=_R50, convert=inflate_state,
    ),
    "tsn_r18": Architecture(
        tsn_r18, "fc", 512, "TSN on torchvision's ResNet-18, 11.2 M: frames seen one by one",
        clip_len=8, size=224, cost=_torchvision(_R18, 1, 224), imagenet=_R18,
    ),
    "tsn_r50": Architecture(
        tsn_r50, "fc", 2048, "TSN on torchvision's ResNet-50, 23.5 M: frames seen one by one",
        clip_len=8, size=224, cost=_torchvision(_R50, 1, 224), imagenet=_R50, checkpoint=TSN_R50,
    ),
    "tsm_r50": Architecture(
        tsm_r50, "fc", 2048, "TSM on torchvision's ResNet-50, 23.5 M: channels shifted between frames",
        clip_len=8, size=224, cost=PublishedCost(24.3, 33.0, 400, 8, 224, "Lin et al. 2019, arXiv 1811.08383"),
        imagenet=_R50, checkpoint=TSM_R50,
    ),
    "tsm_mobilenet_v2": Architecture(
        tsm_mobilenet_v2, "classifier", 1280, "TSM on torchvision's MobileNetV2, 2.2 M",
        clip_len=8, size=224, cost=_torchvision(_MOBILENET, 1, 224), imagenet=_MOBILENET, checkpoint=TSM_MOBILENET_V2,
    ),
    "x3d_s": Architecture(
        X3D, "fc", 2048, "X3D-S, 3.0 M: thin channelwise 3D convolutions",
        clip_len=13, size=160, cost=PublishedCost(3.76, 1.96, 400, 13, 160, "Feichtenhofer 2020, arXiv 2004.04730"),
        checkpoint=SLOWFAST_X3D,
    ),
    "x3d_m": Architecture(
        X3D, "fc", 2048, "X3D-M, 3.0 M: X3D-S for longer and larger clips",
        clip_len=16, size=224, cost=PublishedCost(3.76, 4.73, 400, 16, 224, "Feichtenhofer 2020, arXiv 2004.04730"),
        checkpoint=SLOWFAST_X3D,
    ),
    "r3d_10": Architecture(
        r3d_10, "fc", 256, "R3D-10 of width 32, 3.6 M parameters and the head: trains on a CPU",
        clip_len=8, size=64,
    ),
}  # fmt: skip


def architecture(name: str) -> Architecture:
    """The row called `name`; a `UserError` naming the nearest one where there is none."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = nearest(name, ARCHITECTURES)
    raise UserError(f"no architecture is called {name!r}; did you mean {near}? There are {', '.join(ARCHITECTURES)}")


def head_name(name: str) -> str:
    """The attribute that holds the last linear layer of architecture `name`."""
    return architecture(name).head


def feature_dim(name: str) -> int:
    """Length of the features that the head of architecture `name` classifies, and that `backbone` gives."""
    return architecture(name).feature_dim


def check_clip(name: str, clip_len: int, size: int) -> None:
    """Raise a `UserError` for clips that architecture `name` cannot see.

    Args:
        name: a row of the table.
        clip_len: frames of a clip.
        size: rows and columns of a frame, in pixels.
    """
    row = architecture(name)
    if clip_len < row.least_clip_len or size < row.least_size:
        raise UserError(
            f"{name} needs clips of at least {row.least_clip_len} x {row.least_size} x {row.least_size}, not "
            f"{clip_len} x {size} x {size}; as published: --clip-len {row.clip_len} --size {row.size}"
        )
