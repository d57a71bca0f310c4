"""What a network costs: parameters, and multiply-adds of a clip."""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from fractalvid.pretrain.models.table import architecture


@dataclass(frozen=True)
class Cost:
    """Parameters of a network, and multiply-adds of one clip.

    Attributes:
        params: all parameters, the head's included.
        macs: multiply-adds of convolutions and linear layers, as papers count them ("FLOPs"); the rest is not counted.
    """

    params: int
    macs: int


def cost(name: str, num_classes: int, *, clip_len: int, size: int) -> Cost:
    """The cost of architecture `name` with `num_classes` classes and one clip of `clip_len` x `size` x `size`.

    Only shapes are computed: no memory is taken, and no parameters are drawn.

    Raises:
        UserError: no such architecture.
    """
    with torch.device("meta"), torch.no_grad():
        network = architecture(name).build(num_classes).eval()
        counter = FlopCounterMode(display=False)
        with counter:
            network(torch.empty(1, 3, clip_len, size, size))
    # torch counts a multiplication and an addition as two.
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
