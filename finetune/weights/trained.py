"""Fine-tuned weights in use again: their classes, the views they were tested with, what they were trained on."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from torch import nn

from fractalvid.finetune.clips.config import MAX_VIEWS, FrameConfig, Sampling, Triple, ViewConfig, Voting
from fractalvid.finetune.targets.base import Video
from fractalvid.finetune.targets.registry import TARGETS, WITH_SPLITS, TargetOptions, make_target
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.videos.holdout import hold_out
from fractalvid.finetune.videos.leakage import TrainingVideos
from fractalvid.finetune.videos.listing import Listing, why_absent
from fractalvid.pretrain.weights import Card, Initial, load_card, load_network, parse_initial
from fractalvid.pretrain.weights.initial import check_label
from fractalvid.utils.documents import convert
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import noting_nothing


@dataclass(frozen=True)
class _Start:
    label: str | None = None


@dataclass(frozen=True)
class _Columns:
    label: str = "label"
    split: str = "split"
    fold: str | None = None
    group: str | None = None
    path: str = "path"
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class _HeldOut:
    share: float
    by: Literal["group", "file"] = "group"
    seed: int = 0


@dataclass(frozen=True)
class _Training:
    """Of the configuration on a card, what is read again when the weights are used."""

    init: _Start | str | None = None
    classes: list[str] | int | None = None
    views: Annotated[int, msgspec.Meta(ge=1, le=MAX_VIEWS)] | None = None
    crops: Literal[1, 3] | None = None
    voting: Voting | None = None
    sampling: Sampling | None = None
    first_frames: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    target: str | None = None
    split: str | None = None
    mode: str | None = None
    epochs: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] | None = None
    data: str | None = None
    annotations: str | None = None
    table: str | None = None
    columns: _Columns | None = None
    held_out: _HeldOut | None = None
    allow_missing: bool = False


def _training(config: Mapping[str, Any], where: str = "the card's config") -> _Training:
    return convert(dict(config), _Training, where=where)


@dataclass(frozen=True)
class Trained:
    """Fine-tuned weights: where they lie, their card, their classes by name and the views they were tested with."""

    weights: Path
    card: Card
    classes: tuple[str, ...]
    views: ViewConfig

    def network(self) -> nn.Module:
        """The network with these weights; raises as `load_network` does."""
        return load_network(self.weights)


def open_trained(
    weights: Path, *, views: int | None = None, crops: int | None = None, voting: Voting | None = None
) -> Trained:
    """Read the card of fine-tuned weights; `views`, `crops` and `voting` change how videos are tested.

    Raises:
        UserError: weights without a card, with a damaged one, or ones that name no classes.
    """
    card = load_card(weights)
    config = _training(card.config, f"the card of {weights}, config")
    names = _class_names(card, config, weights)
    return Trained(weights, card, names, _view_config(card, config, weights, views, crops, voting))


def open_weights(
    text: str, *, views: int | None = None, crops: int | None = None, voting: Voting | None = None
) -> tuple[Initial, Trained]:
    """Fine-tuned weights as `--weights` says them: as tables name them, and to be used.

    Without a label of their own (LABEL=...) they are called what they were fine-tuned from.

    Raises:
        UserError: there are none, they are damaged or not fine-tuned, or what they were fine-tuned from is called what
            no folder can be.
    """
    wanted = "fine-tuned weights are tested, a file or a run of finetune"
    if not Path(text).exists() and not Path(text.partition("=")[2] or text).exists():
        raise UserError(f"--weights {text!r}: there is no such file; {wanted}")
    init = parse_initial(text, option="--weights")
    if init.kind != "weights" or init.path is None:
        raise UserError(f"--weights {text!r}: {wanted}")
    trained = open_trained(Path(init.path), views=views, crops=crops, voting=voting)
    if text.startswith(f"{init.label}="):
        return init, trained
    started_from = _training(trained.card.config).init
    label = started_from.label if isinstance(started_from, _Start) else None
    try:
        check_label(label or init.label)  # a card may come from elsewhere
    except UserError as error:
        raise UserError(f"--weights {text!r}: {error}") from error
    return replace(init, label=label or init.label), trained


def _class_names(card: Card, config: _Training, weights: Path) -> tuple[str, ...]:
    names = config.classes
    if not isinstance(names, list):
        tuned = f"finetune --init {shlex.quote(str(weights))}"
        raise UserError(f"the weights {weights} name no classes: they are not fine-tuned; {tuned} does that")
    if len(names) != card.num_classes:
        raise UserError(f"the card of {weights} is damaged: it names {len(names)} of {card.num_classes} classes")
    return tuple(names)


def _view_config(
    card: Card, config: _Training, weights: Path, views: int | None, crops: int | None, voting: Voting | None
) -> ViewConfig:
    """Views as the run of the weights tested them, unless said otherwise."""
    try:
        return ViewConfig(
            FrameConfig(
                clip_len=card.clip_len,
                frame_stride=max(1, math.ceil(card.frame_stride)),
                sampling=config.sampling or "window",
                first_frames=config.first_frames or 0,
            ),
            size=card.size,
            mean=_three(card.mean),
            std=_three(card.std),
            views=views or config.views or 10,
            crops=crops or config.crops or 1,
            voting=voting or config.voting or "softmax",
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"the card of {weights} is damaged: {error}") from error


def _three(values: tuple[float, ...] | None) -> Triple:
    if values is None or len(values) != 3:
        raise ValueError("its mean and std must have a value a channel")
    return values[0], values[1], values[2]


def trained_on(config: Mapping[str, Any], data: Data) -> TrainingVideos | None:
    """What weights were trained on, read again from the lists that their card names.

    Where the official lists of the data call them the same, they are taken to lie where the data do; else they lie
    where they lay, and where that folder is gone, they are other videos. None where the lists are not to be had any
    more. Few-shot training counts as training on the whole list; what was held out was not trained on.

    Args:
        config: of the weights' card.
        data: what they are to be tested on.
    """
    training = _training(config)
    target, frequent = _named(training.target or "")
    same_lists = target == data.options.target and target in WITH_SPLITS
    root = data.root if same_lists else _path(training.data)
    if target not in TARGETS or root is None or not root.is_dir():
        return TrainingVideos()
    try:
        options = _options(training, target, root, frequent)
        if same_lists and (options.annotations is None or not options.annotations.is_dir()):
            options = replace(options, annotations=data.options.annotations)
        with noting_nothing():  # the user has not asked for these videos
            return TrainingVideos(root, _training_side(training, options, root))
    except UserError:
        return None


def _named(target: str) -> tuple[str, int | None]:
    """The benchmark that a card names, and how many of its classes: anigifs-40 are its 40 most frequent ones."""
    kept = re.fullmatch(r"(.+)-([0-9]{1,4})", target)
    return (target, None) if kept is None else (kept[1], int(kept[2]))


def _options(training: _Training, target: str, root: Path, frequent: int | None) -> TargetOptions:
    """The options that named what weights were trained on. Raises `UserError` for ones that no benchmark can use."""
    columns, share = training.columns or _Columns(), training.held_out
    held_out: dict[str, Any] = {}
    if share is not None:
        held_out = {"val_share": share.share, "val_by": share.by, "val_seed": share.seed}
    return TargetOptions(
        target,
        root if TARGETS[target].needs_data else None,
        annotations=_path(training.annotations),
        csv=_path(training.table),
        label_column=columns.label,
        split_column=columns.split,
        fold_column=columns.fold,
        group_column=columns.group,
        path_column=columns.path,
        start_column=columns.start,
        end_column=columns.end,
        most_frequent=frequent,
        **held_out,
    )


def _training_side(training: _Training, options: TargetOptions, root: Path) -> tuple[Video, ...]:
    """The training videos that the options name below `root`. Raises `UserError` where they can't be listed."""
    target, split = make_target(options), training.split or ""
    if target.protocol.splits and split not in target.protocol.splits:
        raise UserError(f"{target.name} has no split {split!r}")
    videos = target.index(root, split)
    if training.allow_missing:  # a share is drawn of the videos that are there
        lost = why_absent(root, (video.path for video in videos))
        videos = [video for video in videos if video.path not in lost]
    listing = hold_out(Listing(target.classes(root, split), tuple(videos)), target, options, root)
    return listing.side("train")


def _path(text: object) -> Path | None:
    return None if text is None else Path(str(text))
