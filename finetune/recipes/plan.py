"""A run with nothing left open: what follows from a recipe, the weights and the benchmark."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from fractalvid.finetune.clips.augment import AugmentConfig, Triple
from fractalvid.finetune.clips.evaluate import ViewConfig, Voting
from fractalvid.finetune.clips.sampling import Sampling
from fractalvid.finetune.clips.training import SourceConfig
from fractalvid.finetune.recipes.recipe import KINETICS_MEAN, KINETICS_STD, LR, NORMALISATION, Metric, Mode, Recipe
from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.finetune.weights.initial import Initial
from fractalvid.pretrain.machine.precision import PrecisionName
from fractalvid.pretrain.models import check_clip
from fractalvid.utils.errors import UserError

DEFAULT_MODEL = "r3d_18"
DEFAULT_SIZE = 112


@dataclass(frozen=True)
class Columns:
    """Which columns of the table say a video's class, side or fold, and source."""

    label: str
    split: str
    fold: str | None
    group: str | None


@dataclass(frozen=True)
class Plan:
    """A run with nothing left to default: what `config.json` says, and what a resumed run must agree with.

    `columns` are those of the table, if there is one; `videos_digest` tells lists of videos apart
    (`results.folder.videos_digest`), and `frames` says at how many pixels they are read, and whether as JPEG pictures
    (`ClipStore.kept`); both are None until the videos are listed.
    """

    target: str
    data: str
    annotations: str | None
    table: str | None
    split: str
    official_classes: int | None
    seed: int
    init: Initial
    mode: Mode
    shots: int | None
    model: str
    clip_len: int
    frame_stride: int
    size: int
    sampling: Sampling
    first_frames: int | None
    mean: Triple
    std: Triple
    views: int
    crops: int
    voting: Voting
    metric: Metric
    epochs: int
    batch_size: int
    lr: float
    optimizer: Literal["adamw", "sgd"]
    momentum: float
    weight_decay: float
    dropout: float
    warmup_epochs: float
    label_smoothing: float
    mixup: float
    cutmix: float
    grad_clip: float
    eval_every: int
    augment: AugmentConfig
    precision: PrecisionName
    allow_missing: bool
    columns: Columns | None = None
    videos_digest: str | None = None
    frames: str | None = None
    classic_momentum: bool = False

    def source_config(self) -> SourceConfig:
        """What training clips look like."""
        return SourceConfig(
            self.clip_len,
            self.frame_stride,
            self.size,
            self.mean,
            self.std,
            self.augment,
            self.sampling,
            self.first_frames or 0,
        )

    def view_config(self) -> ViewConfig:
        """What test clips look like, and how they vote."""
        return ViewConfig(
            self.clip_len,
            self.frame_stride,
            self.size,
            self.mean,
            self.std,
            self.views,
            self.crops,
            self.sampling,
            self.first_frames or 0,
            self.voting,
        )

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
    columns: Columns | None = None,
) -> Plan:
    """Fill in what the recipe leaves open: first from the weights, then from the benchmark's protocol."""
    if init.model is not None and recipe.model not in (None, init.model):
        instead = f"; say --init {init.kind}:{recipe.model}" if init.kind in ("kinetics", "imagenet") else ""
        raise UserError(f"--model {recipe.model}: the weights {init.label!r} are of a {init.model}{instead}")
    model = recipe.model or init.model or DEFAULT_MODEL
    clip_len, size = recipe.clip_len or init.clip_len or protocol.clip_len, recipe.size or init.size or DEFAULT_SIZE
    check_clip(model, clip_len, size)
    epochs = recipe.epochs
    mean, std = init.mean or KINETICS_MEAN, init.std or KINETICS_STD
    if recipe.normalise is not None:
        mean, std = NORMALISATION[recipe.normalise]
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
        shots=recipe.shots,
        model=model,
        clip_len=clip_len,
        frame_stride=recipe.frame_stride or protocol.frame_stride,
        size=size,
        sampling=recipe.sampling,
        first_frames=recipe.first_frames,
        mean=mean,
        std=std,
        views=recipe.views or protocol.views,
        crops=recipe.crops or protocol.crops,
        voting=recipe.voting,
        metric=recipe.metric,
        epochs=epochs,
        batch_size=recipe.batch_size,
        lr=recipe.lr or LR[recipe.mode],
        optimizer=recipe.optimizer,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        dropout=recipe.dropout,
        warmup_epochs=min(2.0, epochs / 5) if recipe.warmup_epochs is None else recipe.warmup_epochs,
        label_smoothing=recipe.label_smoothing,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        grad_clip=recipe.grad_clip,
        eval_every=recipe.eval_every,
        augment=recipe.augment,
        precision=recipe.precision,
        allow_missing=allow_missing,
        columns=columns,
        classic_momentum=recipe.classic_momentum,
    )
