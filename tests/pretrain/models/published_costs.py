"""What others say that networks cost."""

from dataclasses import dataclass
from pkgutil import resolve_name


@dataclass(frozen=True)
class PublishedCost:
    """Millions of parameters with a head of K classes, and thousand millions of multiply-adds of one clip."""

    params: float
    gmacs: float
    num_classes: int
    clip_len: int
    size: int
    source: str


def torchvision(weights: str, clip_len: int, size: int) -> PublishedCost:
    """The cost that torchvision's description of some weights states."""
    meta = resolve_name(f"torchvision.models:{weights}").meta
    classes = len(meta["categories"])
    return PublishedCost(meta["num_params"] / 1e6, meta["_ops"], classes, clip_len, size, f"torchvision, {weights}")


COSTS = {
    "r3d_18": torchvision("video.R3D_18_Weights.KINETICS400_V1", 16, 112),
    "mc3_18": torchvision("video.MC3_18_Weights.KINETICS400_V1", 16, 112),
    "r2plus1d_18": torchvision("video.R2Plus1D_18_Weights.KINETICS400_V1", 16, 112),
    "s3d": torchvision("video.S3D_Weights.KINETICS400_V1", 16, 224),
    "i3d_r50": PublishedCost(28.04, 37.53, 400, 8, 256, "PyTorchVideo model zoo, I3D R50 8x8"),
    "tsn_r18": torchvision("ResNet18_Weights.IMAGENET1K_V1", 1, 224),
    "tsn_r50": torchvision("ResNet50_Weights.IMAGENET1K_V1", 1, 224),
    "tsm_r50": PublishedCost(24.3, 33.0, 400, 8, 224, "Lin et al. 2019, arXiv 1811.08383"),
    "tsm_mobilenet_v2": torchvision("MobileNet_V2_Weights.IMAGENET1K_V1", 1, 224),
    "x3d_s": PublishedCost(3.76, 1.96, 400, 13, 160, "Feichtenhofer 2020, arXiv 2004.04730"),
    "x3d_m": PublishedCost(3.76, 4.73, 400, 16, 224, "Feichtenhofer 2020, arXiv 2004.04730"),
}
