"""Scene debiasing beside an objective with labels (Choi et al. 2019, arXiv 1912.05534)."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fractalvid.pretrain.engine import Objective, Outcome
from fractalvid.pretrain.objectives.debias.batch import DebiasBatch
from fractalvid.pretrain.objectives.debias.config import DebiasConfig
from fractalvid.pretrain.objectives.debias.losses import entropy, scene_loss
from fractalvid.pretrain.objectives.debias.reversal import reverse_gradient
from fractalvid.pretrain.objectives.two_views import mlp


class Debiased(Objective):
    """L_action - lambda L_scene - alpha H: classes are told apart, scenes are not.

    The scene classifier, an MLP on the features, lowers L_scene; through gradient reversal features raise lambda of it.
    H is the entropy of what the network says of the clips without their figures. The published method takes turns
    between H and the rest; here each step minimises the sum.
    """

    def __init__(self, main: Objective, config: DebiasConfig, *, head: str, features: int, scenes: int) -> None:
        """Put it around another objective.

        Args:
            main: classifies clips by the head of its network (`Supervised`).
            config: weights.
            head: the part of that network that is its head.
            features: length of what the head takes.
            scenes: S, how many scenes batches tell apart; 0 where they tell none.
        """
        super().__init__()
        self.main, self.config = main, config
        self.scene_head = mlp(features, features, scenes, norm=False) if config.scene and scenes else None
        self._seen: list[Tensor] | None = None
        # First of all hooks: what others drop of the features, the scene classifier sees.
        main.backbone.get_submodule(head).register_forward_pre_hook(self._see, prepend=True)
        # Past nn.Module's bookkeeping: as a second submodule, its parameters would be saved twice.
        object.__setattr__(self, "backbone", main.backbone)

    def _see(self, _head: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Keep the features of a pass that is looked at: elsewhere, as in tests, they would only take memory."""
        if self._seen is not None:
            features = inputs[0]
            # Some heads take features (B, C, T, 1, 1) of several times.
            self._seen.append(features if features.ndim == 2 else features.flatten(2).mean(2))

    def forward(self, batch: DebiasBatch) -> Outcome:
        """The sum of all losses of a batch."""
        seen: list[Tensor] = []
        self._seen = seen
        outcome = self.main(batch)
        self._seen = None
        features = seen.pop()
        loss, parts = outcome.loss, {"main_loss": outcome.loss.detach(), **outcome.parts}
        if self.scene_head is not None and batch.scene is not None:
            logits = self.scene_head(reverse_gradient(features, self.config.scene))
            told = scene_loss(logits, batch.scene)
            loss = loss + told
            parts |= {"scene_loss": told.detach(), "scene_accuracy": _accuracy(logits, batch.scene)}
        if self.config.masked and batch.masked is not None and batch.is_masked is not None:
            with without_trace(self.backbone):
                logits = self.backbone(batch.masked)
            open_minded = entropy(logits, batch.is_masked)
            loss = loss - self.config.masked * open_minded
            # As a share of the most there can be.
            parts["masked_entropy"] = open_minded.detach() / math.log(max(2, logits.shape[1]))
        return Outcome(loss, outcome.logits, outcome.target, parts)

    def after_step(self, step: int, total: int | None) -> None:
        """What the main objective does."""
        self.main.after_step(step, total)


@torch.no_grad()
def _accuracy(logits: Tensor, scene: Tensor) -> Tensor:
    """Probability of the guessed scene, the mean over the clips whose scene is known; 0 where none is."""
    guessed = scene.gather(1, logits.argmax(1, keepdim=True)).sum()
    return guessed / (scene.sum(1) > 0).sum().clamp(min=1)


@contextmanager
def without_trace(network: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm normalises as ever, and what it sees does not enter its running statistics."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    kept = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 0.0
    try:
        yield
    finally:
        for module, momentum in zip(norms, kept, strict=True):
            module.momentum = momentum
