"""S3D as torchvision builds it, but for the momentum of its norms (Xie et al. 2018, arXiv 1712.04851)."""

from functools import partial

from torch import nn
from torchvision.models import video


def s3d(num_classes: int) -> nn.Module:
    """S3D with BatchNorm of momentum 0.1: at the usual 0.001, tests see the first statistics for thousands of steps."""
    network: nn.Module = video.s3d(num_classes=num_classes, norm_layer=partial(nn.BatchNorm3d, eps=1e-3, momentum=0.1))
    return network
