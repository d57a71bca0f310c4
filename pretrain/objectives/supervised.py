"""Telling classes apart."""

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn import functional as F

from fractalvid.pretrain.engine.objective import Objective, Outcome
from fractalvid.pretrain.machine.distributed import rank
from fractalvid.pretrain.objectives.mixing import check_alpha, draw_mixture
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class SupervisedConfig:
    """What the loss does with labels."""

    label_smoothing: float = 0.1
    """Probability spread over all classes by the supervised loss."""
    mixup: float = 0.0
    """Blend clips and labels in pairs: alpha of mixup's Beta distribution, such as 0.2; 0 is off."""
    cutmix: float = 0.0
    """Paste boxes of other clips: alpha of CutMix's Beta distribution, such as 1; 0 is off; with --mixup, either."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"label-smoothing is {self.label_smoothing}; it must be at least 0 and below 1")
        check_alpha("mixup", self.mixup)
        check_alpha("cutmix", self.cutmix)


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
