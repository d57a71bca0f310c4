"""How a network is fine-tuned and tested: every option."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fractalvid.core.constants import MAX_CLIP_FRAMES
from fractalvid.finetune.clips.config import MAX_VIEWS, AugmentConfig, Sampling, Triple, Voting
from fractalvid.pretrain.machine import PrecisionName
from fractalvid.pretrain.models import architecture
from fractalvid.pretrain.objectives import check_alpha
from fractalvid.pretrain.objectives.debias.config import check_debias
from fractalvid.pretrain.recipes import load
from fractalvid.utils.checks import MAX_COUNT, check_at_most, check_fields
from fractalvid.utils.errors import UserError

Mode = Literal["full", "linear"]
Normalise = Literal["kinetics", "imagenet", "symmetric", "unit"]
Metric = Literal["top1", "mean_class"]

RECIPES = Path(__file__).parent
"""Published protocols, a TOML file each."""

KINETICS_MEAN: Triple = (0.43216, 0.394666, 0.37645)
"""Channel means of real video (Kinetics-400, as torchvision's weights use them)."""
KINETICS_STD: Triple = (0.22803, 0.22145, 0.216989)
NORMALISATION: dict[str, tuple[Triple, Triple]] = {
    "kinetics": (KINETICS_MEAN, KINETICS_STD),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "symmetric": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Mean and deviation a channel: of Kinetics, of ImageNet, or for values in [-1, 1] and in [0, 1]."""
LR: dict[Mode, float] = {"full": 1e-3, "linear": 1e-2}
"""Peak learning rate of AdamW for 32 clips a step; a head alone bears, and needs, a larger one."""
_COUNTS = ("shots", "epochs", "batch_size", "clip_len", "frame_stride", "first_frames", "views", "eval_every")
_MOST = {
    **dict.fromkeys(_COUNTS, MAX_COUNT),
    **dict.fromkeys(("clip_len", "frame_stride"), MAX_CLIP_FRAMES),
    **dict.fromkeys(("lr", "weight_decay", "grad_clip"), 1e30),
    "views": MAX_VIEWS,
}
"""Largest values of settings."""


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune and to test."""

    mode: Mode = "full"
    """full: everything trains; linear: only the head, on frozen features (a linear probe)."""
    settle: bool = True
    """linear: BatchNorm's statistics are taken from 256 unlabelled training clips; without, they are the weights'."""
    standardise: bool = True
    """linear: the head learns from features of mean 0 and deviation 1, and takes that scale into its weights after."""
    shots: int | None = None
    """Few-shot: so many training videos a class, drawn by the seed; default all."""
    epochs: int = 30
    """Times that every training video is seen."""
    batch_size: int = 16
    """Clips a step."""
    lr: float | None = None
    """Peak learning rate for 32 clips a step, scaled with the batch; default 1e-3 (full), 1e-2 (linear)."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw, or sgd with momentum."""
    momentum: float = 0.9
    """Momentum of sgd, beta 1 of adamw."""
    classic_momentum: bool = False
    """With sgd: plain momentum; without it, Nesterov's."""
    weight_decay: float = 0.02
    """Weight decay: decoupled (adamw) or classic (sgd)."""
    dropout: float = 0.0
    """Share of the features that the head does not see in a step of training."""
    warmup_epochs: float | None = None
    """Epochs in which the learning rate rises, before it falls to a hundredth along a cosine; default 2, at most a
    fifth."""
    label_smoothing: float = 0.1
    """Share of the target spread over all classes."""
    mixup: float = 0.0
    """Blend clips and labels in pairs: alpha of mixup's Beta distribution, such as 0.2; 0 is off."""
    cutmix: float = 0.0
    """Paste boxes of other clips: alpha of CutMix's Beta distribution, such as 1; 0 is off; with --mixup, either."""
    debias: float = 0.0
    """Weights of scene debiasing (arXiv 1912.05534; 0.5 as published) by --scenes, --masks or both: features are made
    worse at telling the scene, and of clips without their people the network is to say nothing; 0 is off."""
    grad_clip: float = 5.0
    """Largest norm of the gradient."""
    model: Annotated[str | None, tyro.conf.arg(aliases=("--arch",))] = None
    """Network, one of those that finetune --list names; default that of the weights, else r3d_18."""
    clip_len: int | None = None
    """Frames of a clip; default that of the weights, else the benchmark's."""
    frame_stride: int | None = None
    """Frames from one frame of a clip to the next; default what spans as many as the benchmark's clips: 4 where those
    are of 16, every other one, and these of 8. Short videos shrink it."""
    size: int | None = None
    """Rows and columns of a frame; default that of the weights, else 112."""
    sampling: Sampling = "window"
    """window: --clip-len frames --frame-stride apart; segments: one frame of each of --clip-len equal parts (TSN)."""
    first_frames: int | None = None
    """Only so many frames from the start of a video count; default all."""
    normalise: Normalise | None = None
    """Mean and deviation of kinetics or imagenet, or values in [-1, 1] (symmetric) or [0, 1] (unit); default the
    weights', else kinetics."""
    views: int | None = None
    """Clips a test video, spread uniformly; default the benchmark's."""
    crops: int | None = None
    """Squares a test clip: 1 (centre) or 3 (along the long side); default the benchmark's."""
    voting: Voting = "softmax"
    """How views make one judgement: the mean of their softmax or of their logits, or a vote."""
    metric: Metric = "top1"
    """The accuracy that the result is headed by: top1, or mean_class, in which all classes weigh equally."""
    eval_every: int = 0
    """Look every so many epochs at one central view of each validation video (--val-share), or test video where there
    are none, for the curve: no weights are chosen by it. 0: no."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    """Random crop, flip, RandAugment and blur of training clips."""
    precision: PrecisionName = "auto"
    """Arithmetic: auto is bfloat16 where the processor computes it itself."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        if self.model is not None:
            architecture(self.model)
        if self.epochs == 0:
            raise UserError("--epochs is 0: it must be at least 1; finetune test --weights W tests without training")
        counts = ("epochs", "batch_size", "shots", "clip_len", "frame_stride", "size", "first_frames", "views")
        for name in counts:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name.replace('_', '-')} is {value}: it must be at least 1")
        if self.crops not in (None, 1, 3):
            raise UserError(f"--crops is {self.crops}: it can be 1 (the centre) or 3 (along the long side)")
        if self.size is not None and not 16 <= self.size <= 1024:
            raise UserError(f"--size is {self.size}: the networks take 16 to 1024 pixels")
        if self.lr is not None and not self.lr > 0:
            raise UserError(f"--lr is {self.lr}: it must be above 0")
        if self.warmup_epochs is not None and not 0 <= self.warmup_epochs < self.epochs:
            raise UserError(
                f"--warmup-epochs is {self.warmup_epochs:g}: at least 0 and less than --epochs {self.epochs}"
            )
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"--label-smoothing is {self.label_smoothing}: at least 0 and below 1")
        check_alpha("--mixup", self.mixup)
        check_alpha("--cutmix", self.cutmix)
        check_debias("--debias", self.debias)
        if self.debias and (self.mode == "linear" or self.mixup or self.cutmix):
            raise UserError("--debias goes neither with --mode linear nor with --mixup and --cutmix: leave out one")
        if not self.weight_decay >= 0:
            raise UserError(f"--weight-decay is {self.weight_decay}: it must be 0 or more")
        if not self.grad_clip >= 0:
            raise UserError(f"--grad-clip is {self.grad_clip}: it must be 0 (does not clip) or more")
        for name in ("dropout", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}: at least 0 and below 1")
        if self.classic_momentum and (self.optimizer != "sgd" or self.momentum == 0):
            raise UserError(
                "--classic-momentum is about the momentum of --optimizer sgd, which there is none of here; "
                "--no-classic-momentum takes it back"
            )
        if self.eval_every < 0:
            raise UserError(f"--eval-every is {self.eval_every}: it must be 0 or more")
        check_at_most(self, _MOST)


def with_warmup(recipe: Recipe, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are to change a recipe: of other epochs, its warm-up stays the same share unless they name one."""
    epochs = settings.get("epochs")
    if recipe.warmup_epochs is None or not isinstance(epochs, int) or not 0 < epochs <= MAX_COUNT:
        return dict(settings)
    return {"warmup_epochs": recipe.warmup_epochs * epochs / recipe.epochs, **settings}


def load_recipe(name: str) -> Recipe:
    """The recipe that a name or the path of a .toml file means.

    Raises:
        UserError: there is none, or it has settings that there are not.
    """
    return load.load_recipe(name, Recipe(), RECIPES)
