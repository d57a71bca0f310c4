"""The first convolution on processors with matrix units (AMX), whose products of three channels they cannot take."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.machine import has_amx


def folds(video: Tensor, convolution: nn.Module) -> bool:
    """Whether `folded` says the same and pays: in bfloat16 on a CPU with AMX. Elsewhere it was measured as slower."""
    if type(convolution) is not nn.Conv3d:
        return False
    kernel, stride, padding = convolution.kernel_size, convolution.stride, convolution.padding
    return (
        (kernel[1:], stride, padding) == ((7, 7), (1, 2, 2), (kernel[0] // 2, 3, 3))
        and convolution.bias is None
        and video.device.type == "cpu"
        and video.shape[3] % 2 == video.shape[4] % 2 == 0
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
        and has_amx()
    )


def folded(video: Tensor, convolution: nn.Conv3d) -> Tensor:
    """What `convolution`, of kernels k x 7 x 7 that stride by 2, makes of video (B, C, T, H, W).

    Blocks of 2 x 2 pixels become 4C channels, and the kernel, a row and a column of zeros before it, k x 4 x 4 of them.
    """
    batch, channels, length, height, width = video.shape
    blocks = video.to(torch.bfloat16).reshape(batch, channels, length, height // 2, 2, width // 2, 2)
    pixels = blocks.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)
    out, _, deep, _, _ = convolution.weight.shape
    weight = F.pad(convolution.weight, (1, 0, 1, 0)).view(out, channels, deep, 4, 2, 4, 2)
    kernel = weight.permute(0, 1, 4, 6, 2, 3, 5).flatten(1, 3)
    layout = torch.channels_last_3d
    padded = F.pad(pixels.contiguous(memory_format=layout), (2, 1, 2, 1))
    return F.conv3d(padded, kernel.contiguous(memory_format=layout), padding=(deep // 2, 0, 0))
