"""How a network is fine-tuned and tested: every option, and what follows from weights and benchmark."""

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from finetune.augment import AugmentConfig, Triple
from finetune.evaluate import ViewConfig
from finetune.initial import Initial
from finetune.source import SourceConfig
from finetune.targets.base import TargetProtocol
from fractalvid.errors import UserError
from pretrain.mixing import check_alpha
from pretrain.models import architecture
from pretrain.precision import PrecisionName

Mode = Literal["full", "linear"]

DEFAULT_MODEL = "r3d_18"
DEFAULT_SIZE = 112
KINETICS_MEAN: Triple = (0.43216, 0.394666, 0.37645)
"""Channel means of real video (Kinetics-400, as torchvision's weights use them)."""
KINETICS_STD: Triple = (0.22803, 0.22145, 0.216989)
LR: dict[Mode, float] = {"full": 1e-3, "linear": 1e-2}
"""Peak learning rate of AdamW for 32 clips a step; a head alone bears, and needs, a larger one."""


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune and to test."""

    mode: Mode = "full"
    """full: everything trains; linear: only the head, on frozen features (a linear probe)."""
    epochs: int = 30
    """Times that every training video is seen."""
    batch_size: int = 16
    """Clips a step."""
    lr: float | None = None
    """Peak learning rate for 32 clips a step, scaled with the batch; default 1e-3 (full), 1e-2 (linear)."""
    weight_decay: float = 0.02
    """AdamW's decoupled weight decay."""
    warmup_epochs: float | None = None
    """Epochs in which the learning rate rises, before it falls along a cosine; default 2, at most a fifth."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    mixup: float = 0.0
    """Blend clips and labels in pairs: alpha of mixup's Beta distribution, such as 0.2; 0 is off."""
    cutmix: float = 0.0
    """Paste boxes of other clips: alpha of CutMix's Beta distribution, such as 1; 0 is off; with --mixup, either."""
    grad_clip: float = 5.0
    """Largest norm of the gradient."""
    model: str | None = None
    """Network: r3d_18 or r3d_10; default that of the weights, else r3d_18."""
    clip_len: int | None = None
    """Frames of a clip; default that of the weights, else the benchmark's."""
    frame_stride: int | None = None
    """Frames from one frame of a clip to the next; default the benchmark's. Short videos shrink it."""
    size: int | None = None
    """Rows and columns of a frame; default that of the weights, else 112."""
    views: int | None = None
    """Windows a test video, spread uniformly; default the benchmark's."""
    crops: int | None = None
    """Squares a test window: 1 (centre) or 3 (along the long side); default the benchmark's."""
    eval_every: int = 0
    """Also test every so many epochs, one central view, for the curve: no weights are chosen by it. 0: no."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random crop, flip and colours of training clips."""
    precision: PrecisionName = "auto"
    """Arithmetic: auto is float32 on a CPU."""

    def check(self) -> None:
        """Raise `UserError` for values that no run can use."""
        if self.mode not in LR:
            raise UserError(f"--mode is {self.mode!r}: it can be full or linear")
        if self.model is not None:
            architecture(self.model)
        for name in ("epochs", "batch_size", "clip_len", "frame_stride", "size", "views", "crops"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} is {value}: it must be at least 1")
        if self.size is not None and not 16 <= self.size <= 1024:
            raise UserError(f"--size is {self.size}: the networks take 16 to 1024 pixels")
        if self.lr is not None and not (math.isfinite(self.lr) and self.lr > 0):
            raise UserError(f"--lr is {self.lr}: it must be above 0")
        if self.warmup_epochs is not None and not 0 <= self.warmup_epochs < self.epochs:
            raise UserError(
                f"--warmup-epochs is {self.warmup_epochs:g}: at least 0 and less than --epochs {self.epochs}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"--label-smoothing is {self.label_smoothing}: at least 0 and below 1")
        check_alpha("--mixup", self.mixup)
        check_alpha("--cutmix", self.cutmix)
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise UserError(f"--weight-decay is {self.weight_decay}: it must be 0 or more")
        if not self.grad_clip > 0:
            raise UserError(f"--grad-clip is {self.grad_clip}: it must be above 0")
        if self.eval_every < 0:
            raise UserError(f"--eval-every is {self.eval_every}: it must be 0 or more")
        self.augment.check()


@dataclass(frozen=True)
class Plan:
    """A run with nothing left to default: what `config.json` says, and what a resumed run must agree with."""

    target: str
    data: str
    annotations: str | None
    table: str | None
    split: str
    official_classes: int | None
    seed: int
    init: Initial
    mode: Mode
    model: str
    clip_len: int
    frame_stride: int
    size: int
    mean: Triple
    std: Triple
    views: int
    crops: int
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    mixup: float
    cutmix: float
    grad_clip: float
    eval_every: int
    augment: AugmentConfig
    precision: PrecisionName
    allow_missing: bool

    def source_config(self) -> SourceConfig:
        """What training clips look like."""
        return SourceConfig(self.clip_len, self.frame_stride, self.size, self.mean, self.std, self.augment)

    def view_config(self) -> ViewConfig:
        """What test clips look like."""
        return ViewConfig(self.clip_len, self.frame_stride, self.size, self.mean, self.std, self.views, self.crops)

    def steps(self, videos: int) -> int:
        """Training steps: enough that `videos` are each seen `epochs` times."""
        return math.ceil(self.epochs * videos / self.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in JSON."""
        return asdict(self)


def make_plan(
    recipe: Recipe,
    protocol: TargetProtocol,
    init: Initial,
    *,
    target: str,
    data: Path,
    annotations: Path | None,
    table: Path | None,
    split: str,
    seed: int,
    allow_missing: bool,
) -> Plan:
    """Fill in what the recipe leaves open: first from the weights, then from the benchmark's protocol."""
    if init.model is not None and recipe.model not in (None, init.model):
        raise UserError(f"--model {recipe.model}: the weights {init.label!r} are of a {init.model}")
    epochs = recipe.epochs
    return Plan(
        target=target,
        data=str(data.resolve()),
        annotations=None if annotations is None else str(annotations.resolve()),
        table=None if table is None else str(table.resolve()),
        split=split,
        official_classes=protocol.num_classes,
        seed=seed,
        init=init,
        mode=recipe.mode,
        model=recipe.model or init.model or DEFAULT_MODEL,
        clip_len=recipe.clip_len or init.clip_len or protocol.clip_len,
        frame_stride=recipe.frame_stride or protocol.frame_stride,
        size=recipe.size or init.size or DEFAULT_SIZE,
        mean=init.mean or KINETICS_MEAN,
        std=init.std or KINETICS_STD,
        views=recipe.views or protocol.views,
        crops=recipe.crops or protocol.crops,
        epochs=epochs,
        batch_size=recipe.batch_size,
        lr=recipe.lr or LR[recipe.mode],
        weight_decay=recipe.weight_decay,
        warmup_epochs=min(2.0, epochs / 5) if recipe.warmup_epochs is None else recipe.warmup_epochs,
        label_smoothing=recipe.label_smoothing,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        grad_clip=recipe.grad_clip,
        eval_every=recipe.eval_every,
        augment=recipe.augment,
        precision=recipe.precision,
        allow_missing=allow_missing,
    )
