"""Telling classes apart."""

from typing import Any

from torch import nn
from torch.nn import functional as F

from fractalvid.pretrain.engine import Objective, Outcome
from fractalvid.pretrain.machine import rank
from fractalvid.pretrain.objectives.config import SupervisedConfig
from fractalvid.pretrain.objectives.mixing import draw_mixture


class Supervised(Objective):
    """A network that maps video (B, C, T, H, W) to logits (B, K), and their cross-entropy, computed in float32."""

    def __init__(self, network: nn.Module, config: SupervisedConfig | None = None, *, seed: int = 0) -> None:
        """Train all of `network`.

        Args:
            network: is kept whole as weights, its head included.
            config: the settings; the defaults if None.
            seed: of mixing, which draws nothing from torch's generators.
        """
        super().__init__()
        self.backbone = network
        self.config = SupervisedConfig() if config is None else config
        self.seed = seed

    def forward(self, batch: Any) -> Outcome:
        """The loss of a batch, whose clips and targets are mixed before where that is on."""
        config = self.config
        mixture = draw_mixture(
            self.seed,
            batch.next_index,
            tuple(batch.video.shape),
            rank=rank(),
            mixup=config.mixup,
            cutmix=config.cutmix,
        )
        logits = self.backbone(batch.video if mixture is None else mixture.videos(batch.video))
        target = batch.target if mixture is None else mixture.targets(batch.target, logits.shape[1])
        loss = F.cross_entropy(logits.float(), target, label_smoothing=config.label_smoothing)
        return Outcome(loss, logits, target)
