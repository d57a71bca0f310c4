"""Simplified RADA: adversarial clips join the training, and should be answered as the clips they were made of.

After Yao et al. 2021, "Robust adaptive data augmentation", as the Ani-GIFs benchmark describes it: a perturbation of
the input maximises the task loss minus a penalty of how far features move, and features are kept consistent. Its
relational features belong to a hierarchical network of its own; here, on any network, the answers are kept consistent
instead. So this is not RADA, and its numbers are not to be read as RADA's.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fractalvid.finetune.generalise.methods.base import DomainBatch, Method
from fractalvid.finetune.generalise.pool import Pixels, draw_uniform
from fractalvid.pretrain.models.modes import evaluating


@dataclass(frozen=True)
class Ascent:
    """How clips are perturbed.

    Attributes:
        steps: gradient steps.
        rate: largest change of a value in one step, in units of the normalised input.
        penalty: weight of the squared distance of features.
        consistency: weight of the divergence of answers in training.
    """

    steps: int
    rate: float
    penalty: float
    consistency: float


class SimplifiedRada(Method):
    """Every so many steps the batch at hand is perturbed, and joins what later steps learn from beside the source.

    Attributes:
        clips: uint8 (capacity, B, 3, T, H, W): the perturbed batches, of which the first `count` are there.
        labels: int64 (capacity, B).
        answers: float32 (capacity, B, K): what the network said of the clips before they were perturbed.
        count: int64 ().
    """

    clips: Tensor
    labels: Tensor
    answers: Tensor
    count: Tensor

    def __init__(
        self, pixels: Pixels, seed: int, ascent: Ascent, head: str, shape: tuple[int, ...], classes: int, renewals: int
    ) -> None:
        """Nothing perturbed yet.

        Args:
            pixels: what normalised clips are.
            seed: of the choice among perturbed batches.
            ascent: how clips are perturbed.
            head: the attribute of the network that takes features.
            shape: (B, 3, T, H, W) of a batch.
            classes: K.
            renewals: how many batches will be perturbed at most.
        """
        super().__init__()
        self.pixels, self.seed, self.ascent, self.head = pixels, seed, ascent, head
        self.register_buffer("clips", torch.zeros((renewals, *shape), dtype=torch.uint8))
        self.register_buffer("labels", torch.zeros((renewals, shape[0]), dtype=torch.int64))
        self.register_buffer("answers", torch.zeros((renewals, shape[0], classes)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def renew(self, network: nn.Module, batch: DomainBatch, step: int) -> None:
        """Perturb the batch, and keep it."""
        number = int(self.count)
        with evaluating(network), torch.enable_grad():
            logits, _ = self._look(network, batch.video)
            perturbed = self.perturbed(network, batch)
        self.clips[number] = self.pixels.to_bytes(perturbed)
        self.labels[number] = batch.target
        self.answers[number] = logits.detach().softmax(1)
        self.count += 1

    def perturbed(self, network: nn.Module, batch: DomainBatch) -> Tensor:
        """The clips (B, 3, T, H, W) after ascent on cross-entropy minus the penalised distance of features."""
        still = self._look(network, batch.video)[1].detach()
        black, white = self.pixels.limits(batch.video)
        video = batch.video.detach()
        for _ in range(self.ascent.steps):
            video.requires_grad_(True)
            logits, features = self._look(network, video)
            distance = (features - still).square().flatten(1).mean(1).sum()
            gain = F.cross_entropy(logits, batch.target, reduction="sum") - self.ascent.penalty * distance
            (slope,) = torch.autograd.grad(gain, video)
            largest = slope.abs().amax((1, 2, 3, 4), keepdim=True).clamp_min(torch.finfo(slope.dtype).tiny)
            video = torch.clamp(video.detach() + self.ascent.rate * slope / largest, black, white)
        return video

    def _look(self, network: nn.Module, video: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K), and the features that the head takes."""
        seen = list[Tensor]()
        head: nn.Module = getattr(network, self.head)
        hook = head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].float()))
        try:
            return network(video).float(), seen[0]
        finally:
            hook.remove()

    def change(self, batch: DomainBatch, step: int) -> DomainBatch:
        """The batch, and one of the perturbed ones behind it."""
        if not int(self.count):
            return batch
        number = int(draw_uniform(self.seed, step, 1)[0] * int(self.count))
        video = torch.cat([batch.video, self.pixels.to_video(self.clips[number])])
        target = torch.cat([batch.target, self.labels[number]])
        return replace(batch, video=video, target=target, soft=self.answers[number])

    def extra_loss(self, logits: Tensor, batch: DomainBatch) -> Tensor | None:
        """How far the answers to perturbed clips are from those to the clips as they were (Kullback-Leibler)."""
        if batch.soft is None:
            return None
        now = logits[-len(batch.soft) :].float().log_softmax(1)
        return self.ascent.consistency * F.kl_div(now, batch.soft, reduction="batchmean")

    def found(self) -> dict[str, object]:
        """How many batches were perturbed."""
        return {"perturbed_batches": int(self.count), "note": "simplified: not the published RADA"}
