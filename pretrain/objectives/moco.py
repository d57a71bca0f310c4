"""Momentum contrast: keys of a slow network, kept in a queue, are what queries are told from.

MoCo v2 (Chen et al. 2020, arXiv 2003.04297; He et al. 2020, arXiv 1911.05722), with the settings of the reference
method (arXiv 2411.17584). Keys are shuffled before BatchNorm, across processes as in the original, and within one
across groups (`fractalvid.pretrain.objectives.split_norm`).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.machine.distributed import gather, rank
from fractalvid.pretrain.objectives.checks import check_size, check_temperature
from fractalvid.pretrain.objectives.losses import agreement, info_nce, spread
from fractalvid.pretrain.objectives.momentum import Follower, check_momentum, momentum_at
from fractalvid.pretrain.objectives.projector import mlp
from fractalvid.pretrain.objectives.split_norm import groups_for, in_other_company, set_groups, split_batchnorm
from fractalvid.utils.errors import UserError

Related = Literal["instance", "class", "none"]
EMPTY = -1
"""Stands for the ids of places in the queue that no key has taken yet."""


@dataclass(frozen=True)
class MoCoConfig:
    """Momentum contrast; the defaults are the reference method's."""

    queue: int = 2**14
    """Keys that queries are told from."""
    temperature: float = 0.07
    """Divides cosines."""
    momentum: float = 0.999
    """What the key network keeps of itself at each step."""
    cosine: bool = False
    """Let the momentum rise to 1 in half a cosine."""
    dim: int = 128
    """Components of queries and keys."""
    hidden: int | None = None
    """Width of the projector's hidden layer; as many as the network has features if not given."""
    mask: Related = "instance"
    """Keys in the queue that are no negatives: those of the same instance, of the same class, or none."""
    bn_groups: int | None = None
    """Groups in which each process's BatchNorm takes its clips, keys in another order than queries, so that statistics
    don't tell which belong together; 1 is one of all. If not given, up to 8 of at least 8 clips, or 2 of fewer; with
    several processes one each, since keys are shuffled across processes."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        check_size("moco.queue", self.queue)
        check_size("moco.dim", self.dim)
        check_size("moco.hidden", self.hidden)
        check_temperature("moco.temperature", self.temperature)
        check_momentum("moco.momentum", self.momentum)
        check_size("moco.bn-groups", self.bn_groups)
        if self.mask not in ("instance", "class", "none"):
            raise UserError(f"moco.mask is {self.mask!r}; it can be instance, class or none")


class MoCo(Objective):
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
        super().__init__()
        self.config = config
        self.backbone = split_batchnorm(backbone)
        self.projector = mlp(features, config.hidden or features, config.dim, norm=False)
        self.follower = Follower(self.backbone, self.projector)
        self.register_buffer("queue", torch.zeros(config.queue, config.dim))
        self.register_buffer("queue_id", torch.full((config.queue, 2), EMPTY))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch of two views, which puts its keys into the queue, those of all processes alike."""
        clips = len(batch.video)
        set_groups(self, groups_for(clips, self.config.bn_groups))
        query = self.projector(self.backbone(batch.video))
        keys = in_other_company(self.follower, batch.video2, batch.next_index)
        key = keys[rank() * clips :][:clips]
        loss = info_nce(
            *(query, key),
            # A copy: the queue changes before the gradient is computed.
            self.queue.clone(),
            temperature=self.config.temperature,
            usable=usable(self.queue_id, batch.clip_id, self.config.mask),
        )
        with torch.no_grad():
            enqueue(self.queue, self.queue_id, self.place, F.normalize(keys.float()), gather(batch.clip_id))
        return Outcome(loss, parts={"agreement": agreement(query, key), "spread": spread(query)})

    def after_step(self, step: int, total: int | None) -> None:
        """Let the key network follow."""
        momentum = momentum_at(step, total, self.config.momentum, cosine=self.config.cosine)
        self.follower.follow((self.backbone, self.projector), momentum)


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
