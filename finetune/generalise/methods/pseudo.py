"""Pseudo-labelling: the target's clips of which the network is sure join the training under its own answers.

The method is handed clips and their numbers. The labels of the target are nowhere in what it is given.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.pretrain.models.modes import evaluating

Classify = Callable[[nn.Module], Tensor]
"""A network -> its class probabilities float (n, K) of the target's n clips."""


class Pseudo(Method):
    """Beside each batch of the source come as many clips of the target; those that were accepted are learned from.

    Attributes:
        answers: int64 (n,): the class under which a clip of the target counts, -1 where it is not accepted.
        renewals: int64 (): how often the target was classified.
    """

    answers: Tensor
    renewals: Tensor

    def __init__(self, classify: Classify, clips: int, *, threshold: float) -> None:
        """Accept none yet.

        Args:
            classify: what a network says of the target's clips.
            clips: their number n.
            threshold: probability that the most probable class has to reach.
        """
        super().__init__()
        self.classify, self.threshold = classify, threshold
        self.register_buffer("answers", torch.full((clips,), -1))
        self.register_buffer("renewals", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def renew(self, network: nn.Module, batch: DomainBatch, step: int) -> None:
        """Classify the target anew: what was accepted before may be so no more, or under another class."""
        with evaluating(network):
            sure, best = self.classify(network).max(1)
        self.answers.copy_(torch.where(sure >= self.threshold, best, -1))
        self.renewals += 1

    def change(self, batch: DomainBatch, step: int) -> DomainBatch:
        """The batch, and those of the target's clips beside it that are accepted."""
        assert batch.others is not None and batch.numbers is not None
        answers = self.answers[batch.numbers]
        taken = answers >= 0
        if not bool(taken.any()):
            return batch
        video = torch.cat([batch.video, batch.others[taken]])
        return replace(batch, video=video, target=torch.cat([batch.target, answers[taken]]))

    def found(self) -> dict[str, object]:
        """How many clips are accepted after the last classification, and how many of each class."""
        kept = self.answers[self.answers >= 0]
        return {
            "classifications": int(self.renewals),
            "accepted": len(kept),
            "of": len(self.answers),
            "by_class": kept.bincount().tolist(),
        }
