"""A network that learns in the source by a method that has another domain in mind."""

from torch import nn
from torch.nn import functional as F

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.pretrain.engine import Objective, Outcome


class Generalising(Objective):
    """Cross-entropy in float32 of what a method makes of each batch, and what it adds."""

    def __init__(self, network: nn.Module, method: Method, *, batch_size: int, every: int) -> None:
        """Train all of `network`.

        Args:
            network: maps video (B, 3, T, H, W) to logits (B, K); kept whole as weights.
            method: its buffers become part of checkpoints.
            batch_size: clips of the source a step.
            every: steps from one renewal of the method to the next; the first comes after so many.
        """
        super().__init__()
        self.backbone = network
        self.method = method
        self.batch_size, self.every = batch_size, every

    def forward(self, batch: DomainBatch) -> Outcome:
        """The loss of a batch; where it is time for that, the method is renewed before."""
        step = batch.next_index // self.batch_size - 1
        if step > 0 and step % self.every == 0:
            self.method.renew(self.backbone, batch, step)
        batch = self.method.change(batch, step)
        with self.method.around(self.backbone, batch):
            logits = self.backbone(batch.video)
        loss = F.cross_entropy(logits.float(), batch.target)
        extra = self.method.extra_loss(logits, batch)
        if extra is None:
            return Outcome(loss, logits, batch.target)
        return Outcome(loss + extra, logits, batch.target, parts={"extra": extra.detach()})


def renewals(steps: int, every: int) -> int:
    """How often a method is renewed in a run of `steps` steps."""
    return (steps - 1) // every
