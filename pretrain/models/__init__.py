"""Networks for video: one table of architectures, each of which maps float32 (B, 3, T, H, W) to logits (B, K)."""

from fractalvid.pretrain.models.build import backbone, build_model
from fractalvid.pretrain.models.table import (
    ARCHITECTURES,
    Architecture,
    architecture,
    check_clip,
    feature_dim,
    head_name,
)

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "architecture",
    "backbone",
    "build_model",
    "check_clip",
    "feature_dim",
    "head_name",
]
