"""Momentum contrast: queries are told from keys of a momentum encoder, which a queue keeps.

MoCo v2 (Chen et al. 2020, arXiv 2003.04297; He et al. 2020, arXiv 1911.05722), with the settings of the reference
method (arXiv 2411.17584). Keys are shuffled before BatchNorm, across processes as in the original, and within one
across groups (`fractalvid.pretrain.objectives.split_norm`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine import Outcome
from fractalvid.pretrain.machine import gather, rank
from fractalvid.pretrain.objectives.config import MoCoConfig, Related
from fractalvid.pretrain.objectives.losses import info_nce
from fractalvid.pretrain.objectives.momentum import WithMomentumEncoder
from fractalvid.pretrain.objectives.split_norm import encode_shuffled, groups_for, set_groups, split_batchnorm
from fractalvid.pretrain.objectives.two_views import mlp, outcome

EMPTY = -1
"""Stands for the ids of places in the queue that no key has taken yet."""


class MoCo(WithMomentumEncoder):
    """The first view asks, the second is the key.

    Attributes:
        queue: float32 (Q, D), normalised keys; 0 where no key has been yet.
        queue_id: int64 (Q, 2), class and instance of each, `EMPTY` likewise.
        place: int64 (), where the next key goes.
    """

    queue: Tensor
    queue_id: Tensor
    place: Tensor

    def __init__(self, backbone: nn.Module, features: int, config: MoCoConfig) -> None:
        """Put together the networks and an empty queue.

        Args:
            backbone: video (B, C, T, H, W) -> features (B, `features`).
            features: how many.
            config: the settings.
        """
        projector = mlp(features, config.hidden or features, config.dim, norm=False)
        super().__init__(split_batchnorm(backbone), projector, momentum=config.momentum, cosine=config.cosine)
        self.config = config
        self.register_buffer("queue", torch.zeros(config.queue, config.dim))
        self.register_buffer("queue_id", torch.full((config.queue, 2), EMPTY))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views, which puts its keys into the queue, those of all processes alike."""
        clips = len(batch.video)
        set_groups(self, groups_for(clips, self.config.bn_groups))
        query = self.embed(batch.video)
        keys = encode_shuffled(self.follower, batch.video2, batch.next_index)
        key = keys[rank() * clips :][:clips]
        loss = info_nce(
            query,
            key,
            self.queue.clone(),  # the queue changes before the gradient is computed
            temperature=self.config.temperature,
            usable=usable(self.queue_id, batch.clip_id, self.config.mask),
        )
        with torch.no_grad():
            enqueue(self.queue, self.queue_id, self.place, F.normalize(keys.float()), gather(batch.clip_id))
        return outcome(loss, (query, key), query)


def usable(queue_id: Tensor, clip_id: Tensor, mask: Related) -> Tensor:
    """Which keys in the queue are negatives of which queries: bool (B, Q).

    Args:
        queue_id: int64 (Q, 2), class and instance; places that are `EMPTY` are none.
        clip_id: int64 (B, 2), of the queries.
        mask: which other keys are none.
    """
    full = (queue_id[:, 0] != EMPTY).expand(len(clip_id), -1)
    if mask == "none":
        return full
    same = queue_id[None] == clip_id[:, None]  # (B, Q, 2)
    return full & ~(same[..., 0] if mask == "class" else same.all(dim=2))


def enqueue(queue: Tensor, queue_id: Tensor, place: Tensor, key: Tensor, clip_id: Tensor) -> None:
    """Put keys (B, D) and their ids (B, 2) into the queue in place of the oldest; of more than fit, the last.

    All of `queue` (Q, D), `queue_id` (Q, 2) and `place` () are changed in place.
    """
    length = len(queue)
    at = (place + torch.arange(len(key), device=queue.device))[-length:] % length
    queue[at] = key[-length:].to(queue.dtype)
    queue_id[at] = clip_id[-length:]
    place.copy_((place + len(key)) % length)
