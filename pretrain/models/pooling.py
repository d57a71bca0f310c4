"""Pooling of each frame by itself."""

from torch import Tensor, nn
from torch.nn import functional as F


class FramePool(nn.Module):
    """The maximum of 3 x 3 places, every other one, in each frame: `MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))`.

    It is the same to the bit, computed as pictures are. In bfloat16 on a CPU, autocast would have pooling over time
    computed in float32, and all of the first stage's shortcut after it: a sixth of a training step.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H / 2, W / 2), rounded up, of x (B, C, T, H, W), in its layout."""
        channels_last = x.stride(1) == 1
        frames = x.transpose(1, 2) if channels_last else x  # whichever of both needs no copy
        pooled: Tensor = F.max_pool2d(frames.flatten(0, 1), 3, 2, 1)
        pooled = pooled.view(*frames.shape[:2], *pooled.shape[1:])
        return pooled.transpose(1, 2) if channels_last else pooled
