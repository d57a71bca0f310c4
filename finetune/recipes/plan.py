"""A run with nothing left open: what follows from a recipe, the weights and the benchmark."""

import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fractalvid.finetune.clips.config import ClipConfig, FrameConfig, Triple, ViewConfig
from fractalvid.finetune.recipes.recipe import KINETICS_MEAN, KINETICS_STD, LR, NORMALISATION, Recipe
from fractalvid.finetune.targets.base import TargetProtocol
from fractalvid.finetune.videos.data import Data, split_name
from fractalvid.pretrain.engine import LoopConfig, check_norms
from fractalvid.pretrain.models import check_clip
from fractalvid.pretrain.weights import Initial
from fractalvid.utils.errors import UserError

DEFAULT_MODEL = "r3d_18"
DEFAULT_SIZE = 112


@dataclass(frozen=True)
class Columns:
    """Which columns of the table say a video's class, side or fold, source, path, and the frames of a clip."""

    label: str
    split: str
    fold: str | None
    group: str | None
    path: str = "path"
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class HeldOut:
    """Which share of the videos is held out, and how it is drawn.

    It is what is chosen by, or, of one's own folders that name no side, what is tested.
    """

    share: float
    by: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ResolvedRecipe(Recipe):
    """A recipe that leaves nothing open; `mean` and `std` are what its normalisation came to."""

    lr: float = field()
    warmup_epochs: float = field()
    model: str = field()
    clip_len: int = field()
    frame_stride: int = field()
    size: int = field()
    views: int = field()
    crops: int = field()
    mean: Triple
    std: Triple

    def frame_config(self) -> FrameConfig:
        """How a clip's frames are chosen."""
        return FrameConfig(self.clip_len, self.frame_stride, self.sampling, self.first_frames or 0)

    def clip_config(self) -> ClipConfig:
        """What training clips look like."""
        return ClipConfig(self.frame_config(), self.size, self.mean, self.std, self.augment)

    def view_config(self) -> ViewConfig:
        """What test views look like, and how they vote."""
        return ViewConfig(
            self.frame_config(),
            self.size,
            self.mean,
            self.std,
            views=self.views,
            crops=self.crops,
            voting=self.voting,
        )


@dataclass(frozen=True)
class Plan:
    """A run with nothing left to default: what `config.json` says, and what a resumed run must agree with.

    `columns` are those of the table, if there is one; `held_out` says how a side was drawn, if one was.
    `videos_digest` tells lists of videos apart (`results.folder.videos_digest`), and `frames` says at how many pixels
    they are read, and whether as JPEG pictures (`ClipStore.kept`); both are None until the videos are listed, and so is
    `files_digest`, which tells their files apart (`results.folder.files_digest`).
    `scenes` and `masks` say where those that debiasing takes lie, and `beside_digest` tells what they hold apart.
    `extended_at` tells after which steps the number of epochs became another, `extended_from` which it was until then.
    """

    target: str
    data: str
    annotations: str | None
    table: str | None
    columns: Columns | None
    split: str
    official_classes: int | None
    seed: int
    allow_missing: bool
    init: Initial
    recipe: ResolvedRecipe
    videos_digest: str | None = None
    frames: str | None = None
    held_out: HeldOut | None = None
    extended_at: tuple[int, ...] | None = None
    extended_from: tuple[int, ...] | None = None
    scenes: str | None = None
    masks: str | None = None
    beside_digest: str | None = None
    files_digest: str | None = None

    def steps(self, videos: int) -> int:
        """Training steps: enough that `videos` are each seen `epochs` times."""
        return math.ceil(self.recipe.epochs * videos / self.recipe.batch_size)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in JSON, but for `files_digest`; those of the recipe stand beside the others."""
        values = asdict(self)
        del values["files_digest"]  # the folder of a run alone keeps it
        recipe: dict[str, Any] = values.pop("recipe")
        del recipe["normalise"]  # mean and std say what it came to
        for name in ("extended_at", "extended_from"):
            if values[name] is None:
                del values[name]
        if not self.recipe.debias:
            del recipe["debias"], values["scenes"], values["masks"], values["beside_digest"]
        return values | recipe


def resolve(recipe: Recipe, protocol: TargetProtocol, init: Initial) -> ResolvedRecipe:
    """Fill in what the recipe leaves open: first from the weights, then from the benchmark's protocol.

    Raises:
        UserError: the weights are of another network than the recipe's, or the network cannot take such clips.
    """
    if init.model is not None and recipe.model not in (None, init.model):
        instead = f"; say --init {init.kind}:{recipe.model}" if init.kind in ("kinetics", "imagenet") else ""
        raise UserError(f"--model {recipe.model}: the weights {init.label!r} are of a {init.model}{instead}")
    model = recipe.model or init.model or DEFAULT_MODEL
    clip_len = recipe.clip_len or init.clip_len or protocol.clip_len
    size = recipe.size or init.size or DEFAULT_SIZE
    check_clip(model, clip_len, size)
    mean, std = init.mean or KINETICS_MEAN, init.std or KINETICS_STD
    if recipe.normalise is not None:
        mean, std = NORMALISATION[recipe.normalise]
    linear = recipe.mode == "linear"
    settled = {
        "settle": linear and recipe.settle,
        "standardise": linear and recipe.standardise,
        "model": model,
        "clip_len": clip_len,
        "size": size,
        "frame_stride": recipe.frame_stride or protocol.stride_of(clip_len),
        "views": recipe.views or protocol.views,
        "crops": recipe.crops or protocol.crops,
        "lr": recipe.lr or LR[recipe.mode],
        "augment": recipe.augment.settled(mirror=protocol.mirror),
        "warmup_epochs": default_warmup(recipe.epochs) if recipe.warmup_epochs is None else recipe.warmup_epochs,
    }
    asked = {each.name: getattr(recipe, each.name) for each in fields(Recipe)}
    return ResolvedRecipe(**asked | settled, mean=mean, std=std)


def default_warmup(epochs: int) -> float:
    """Epochs of warm-up, where none are asked for."""
    return min(2.0, epochs / 5)


def plan_run(
    data: Data,
    recipe: Recipe,
    init: Initial,
    *,
    split: str | None = None,
    seed: int = 0,
    allow_missing: bool = False,
    scenes: Path | None = None,
    masks: Path | None = None,
) -> Plan:
    """Settle everything that the options leave open.

    Args:
        data: the benchmark.
        recipe: how to train and test.
        init: what to start from.
        split: official split or fold; None for the benchmark's first.
        seed: of the head, the order and the augmentation.
        allow_missing: whether listed videos may be missing.
        scenes: table of the training videos' scenes, for debiasing.
        masks: folder with masks of the people in them.

    Raises:
        UserError: for what the options cannot mean.
    """
    check_training_seed(seed, "--seed")
    if recipe.debias and scenes is None and masks is None:
        raise UserError("--debias needs --scenes, --masks or both, which finetune without a subcommand takes")
    if not recipe.debias and (scenes is not None or masks is not None):
        raise UserError(f"--{'scenes' if masks is None else 'masks'} is for --debias, as in --debias 0.5")
    if recipe.mode == "full":  # the BatchNorm of frozen features needs no clips to normalise by
        check_norms(recipe.batch_size, LoopConfig().part(recipe.batch_size))
    options, target = data.options, data.target
    columns = Columns(
        label=options.label_column,
        split=options.split_column,
        fold=options.fold_column,
        group=options.group_column,
        path=options.path_column,
        start=options.start_column,
        end=options.end_column,
    )
    share = None if options.val_share is None else HeldOut(options.val_share, options.val_by, options.val_seed)
    return Plan(
        target=target.name,
        data=str(data.root.resolve()),
        annotations=_absolute(options.annotations),
        table=_absolute(options.csv),
        columns=None if options.csv is None else columns,
        held_out=share,
        split=split_name(data, split),
        official_classes=target.protocol.num_classes,
        seed=seed,
        allow_missing=allow_missing,
        init=init,
        recipe=resolve(recipe, target.protocol, init),
        scenes=_absolute(scenes),
        masks=_absolute(masks),
    )


def check_training_seed(seed: int, option: str) -> None:
    """Raise `UserError` for a seed that cannot be; `option` is what the user gave it by."""
    if not 0 <= seed < 2**63:
        raise UserError(f"{option} is {seed}: it must be 0 to 2^63 - 1")


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
