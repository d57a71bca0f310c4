"""The networks, as one table: a new architecture is one more row.

Every network maps video float32 (B, 3, T, H, W) to logits float32 (B, K). The table says where networks are built, and
imports that only when one is: lists and checks of names need no torch.
"""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.models.keymaps import SLOWFAST_X3D, TSM_MOBILENET_V2, TSM_R50, TSN_R50, Checkpoint
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import suggestion

if TYPE_CHECKING:
    from torch import nn

_LAYERS = ("layer1", "layer2", "layer3", "layer4")
_STAGES = ("stem", *_LAYERS)
_OF_PICTURES = ("maxpool", *_LAYERS)


@dataclass(frozen=True)
class Architecture:
    """One row of the table. Functions and weights are named as `module:name`.

    Attributes:
        builder: the function that makes the network for `num_classes`, drawing parameters from torch's CPU generator.
        head: the attribute that holds the last, linear layer; all parameters in it are the classifier's.
        feature_dim: length of the features it classifies.
        about: what it is, for `--list`.
        clip_len: frames of a clip as published.
        size: rows and columns of a frame as published, in pixels.
        least_clip_len: frames that a clip needs at least.
        least_size: rows and columns that a frame needs at least, in pixels.
        kinetics: torchvision's weights of the network itself, trained on Kinetics-400.
        imagenet: torchvision's weights of the picture network below it, trained on ImageNet-1K.
        convert: the function that makes this network's tensors of those of `imagenet`; None where they are the same.
        checkpoint: a file of its authors that can be read.
        stages: the modules whose outputs are its stages, the lowest first; the head stands for what it takes.
        channels_last: whether it was measured to train faster in that layout on a CPU.
    """

    builder: str
    head: str
    feature_dim: int
    about: str
    clip_len: int
    size: int
    least_clip_len: int = 1
    least_size: int = 16
    kinetics: str | None = None
    imagenet: str | None = None
    convert: str | None = None
    checkpoint: Checkpoint | None = None
    stages: tuple[str, ...] = _STAGES
    channels_last: bool = False

    def build(self, num_classes: int) -> "nn.Module":
        """The network with a head of `num_classes`, its parameters drawn from torch's CPU generator."""
        network: nn.Module = resolve_name(self.builder)(num_classes=num_classes)
        return network


_OURS = "fractalvid.pretrain.models"
_VIDEO = "torchvision.models.video"
_R18 = "torchvision.models:ResNet18_Weights.IMAGENET1K_V1"
_R50 = "torchvision.models:ResNet50_Weights.IMAGENET1K_V1"  # what TSM and I3D began with; V2 was trained otherwise
_MOBILENET = "torchvision.models:MobileNet_V2_Weights.IMAGENET1K_V1"

ARCHITECTURES: dict[str, Architecture] = {
    "r3d_18": Architecture(
        f"{_VIDEO}:r3d_18", "fc", 512, "torchvision's R3D-18, 33.2 M parameters and the head",
        clip_len=16, size=112, kinetics=f"{_VIDEO}:R3D_18_Weights.KINETICS400_V1",
    ),
    "mc3_18": Architecture(
        f"{_VIDEO}:mc3_18", "fc", 512, "torchvision's MC3-18, 11.5 M: 3D below, 2D above",
        clip_len=16, size=112, kinetics=f"{_VIDEO}:MC3_18_Weights.KINETICS400_V1",
    ),
    "r2plus1d_18": Architecture(
        f"{_VIDEO}:r2plus1d_18", "fc", 512, "torchvision's R(2+1)D-18, 31.3 M: space, then time",
        clip_len=16, size=112, kinetics=f"{_VIDEO}:R2Plus1D_18_Weights.KINETICS400_V1",
    ),
    "s3d": Architecture(
        f"{_OURS}.s3d:s3d", "classifier", 1024, "torchvision's S3D, 7.9 M: 13 frames of 209 pixels or more",
        clip_len=16, size=224, least_clip_len=13, least_size=209, kinetics=f"{_VIDEO}:S3D_Weights.KINETICS400_V1",
        stages=("features.0", "features.3", "features.6", "features.12", "features.15"),
    ),
    "i3d_r50": Architecture(
        f"{_OURS}.i3d:i3d_r50", "fc", 2048,
        "I3D on ResNet-50, kernels 3 x 1 x 1, 27.2 M; from ImageNet weights inflated",
        clip_len=8, size=224, least_clip_len=2, imagenet=_R50, convert=f"{_OURS}.i3d:inflate_state",
        stages=_OF_PICTURES,
    ),
    "tsn_r18": Architecture(
        f"{_OURS}.two_d:tsn_r18", "fc", 512, "TSN on torchvision's ResNet-18, 11.2 M: frames seen one by one",
        clip_len=8, size=224, imagenet=_R18, stages=_OF_PICTURES,
    ),
    "tsn_r50": Architecture(
        f"{_OURS}.two_d:tsn_r50", "fc", 2048, "TSN on torchvision's ResNet-50, 23.5 M: frames seen one by one",
        clip_len=8, size=224, imagenet=_R50, checkpoint=TSN_R50, stages=_OF_PICTURES,
    ),
    "tsm_r50": Architecture(
        f"{_OURS}.two_d:tsm_r50", "fc", 2048, "TSM on torchvision's ResNet-50, 23.5 M: channels shifted between frames",
        clip_len=8, size=224, imagenet=_R50, checkpoint=TSM_R50, stages=_OF_PICTURES,
    ),
    "tsm_mobilenet_v2": Architecture(
        f"{_OURS}.two_d:tsm_mobilenet_v2", "classifier", 1280, "TSM on torchvision's MobileNetV2, 2.2 M",
        clip_len=8, size=224, imagenet=_MOBILENET, checkpoint=TSM_MOBILENET_V2,
        stages=("features.0", "features.3", "features.6", "features.13", "features.18"),
    ),
    "x3d_s": Architecture(
        f"{_OURS}.x3d:X3D", "fc", 2048, "X3D-S, 3.0 M: thin channelwise 3D convolutions",
        clip_len=13, size=160, checkpoint=SLOWFAST_X3D, stages=(*_STAGES, "fc"),
    ),
    "x3d_m": Architecture(
        f"{_OURS}.x3d:X3D", "fc", 2048, "X3D-M, 3.0 M: X3D-S for longer and larger clips",
        clip_len=16, size=224, checkpoint=SLOWFAST_X3D, stages=(*_STAGES, "fc"),
    ),
    "r3d_10": Architecture(
        f"{_OURS}.r3d:r3d_10", "fc", 256, "R3D-10 of width 32, 3.6 M parameters and the head: trains on a CPU",
        clip_len=8, size=64, channels_last=True,
    ),
    "rmc3_10": Architecture(
        f"{_OURS}.r3d:rmc3_10", "fc", 256, "rMC3-10 of width 32, 3.6 M: R3D-10, lower part 2D; half its time in fp32",
        clip_len=8, size=64, channels_last=True,
    ),
}  # fmt: skip


def architecture(name: str) -> Architecture:
    """The row called `name`; a `UserError` naming the nearest one where there is none."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    hint = suggestion(name, ARCHITECTURES)
    raise UserError(f"no architecture is called {name!r}{hint}There are {', '.join(ARCHITECTURES)}")


def trains_channels_last(name: str, device: str) -> bool:
    """Whether an architecture trains faster in that layout on a device (`resolve_device`)."""
    return architecture(name).channels_last and resolve_device(device).type == "cpu"


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
