"""Augmentation search: a growing set of the tuples that the network is worst at (Volpi & Murino 2019, algorithm 1).

Volpi & Murino, "Addressing Model Vulnerability to Distributional Shifts over Image Transformation Sets", ICCV 2019,
arXiv 1903.11900, with random search, as the Ani-GIFs benchmark uses it.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.finetune.generalise.pool import Pixels, draw_tuples, draw_uniform, identity, named
from fractalvid.pretrain.models.modes import evaluating

_SEARCHES = 1 << 32
"""Numbers of drawings of searches begin here, those of steps at 0."""


class Search(Method):
    """Each batch is transformed by a tuple of the set S, at first the identity alone; the worst found joins S.

    Attributes:
        members: the tuples, int64 (capacity, 4, 2), of which the first `count` are in the set.
        count: int64 ().
    """

    members: Tensor
    count: Tensor

    def __init__(self, pixels: Pixels, seed: int, *, rounds: int, searches: int) -> None:
        """An S of the identity.

        Args:
            pixels: what normalised clips are.
            seed: of all that is drawn.
            rounds: tuples that a search looks at.
            searches: how many searches there will be at most.
        """
        super().__init__()
        self.pixels, self.seed, self.rounds = pixels, seed, rounds
        self.register_buffer("members", identity().repeat(1 + searches, 1, 1))
        self.register_buffer("count", torch.ones((), dtype=torch.int64))

    @torch.no_grad()
    def renew(self, network: nn.Module, batch: DomainBatch, step: int) -> None:
        """Look at `rounds` random tuples: the one under which the network's cross-entropy is highest joins S."""
        tried = draw_tuples(self.seed, _SEARCHES + step, self.rounds)
        with evaluating(network):
            losses = torch.stack([self._loss(network, batch, one) for one in tried])
        self.members[int(self.count)] = tried[int(losses.argmax())].to(self.members.device)
        self.count += 1

    def _loss(self, network: nn.Module, batch: DomainBatch, chosen: Tensor) -> Tensor:
        return F.cross_entropy(network(self.pixels.transform(batch.video, chosen)).float(), batch.target)

    def change(self, batch: DomainBatch, step: int) -> DomainBatch:
        """The batch under a tuple of S, each equally likely."""
        number = int(draw_uniform(self.seed, step, 1)[0] * int(self.count))
        return replace(batch, video=self.pixels.transform(batch.video, self.members[number]))

    def found(self) -> dict[str, object]:
        """S in words."""
        return {"tuples": [named(one) for one in self.members[: int(self.count)]]}
