"""Fine-tuned weights in use again: their classes, the views they were tested with, what they were trained on."""

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from fractalvid.finetune.clips.config import FrameConfig, Triple, ViewConfig, Voting
from fractalvid.finetune.targets.registry import TARGETS, WITH_SPLITS, TargetOptions, make_target
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.weights.initial import Initial, parse_initial
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.weights.checkpoint import Card, find_weights, load_card, load_tensors
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Trained:
    """Fine-tuned weights: where they lie, their card, their classes by name and the views they were tested with."""

    weights: Path
    card: Card
    classes: tuple[str, ...]
    views: ViewConfig

    def network(self) -> nn.Module:
        """The network with these weights. Raises `UserError` where they are not of the network on their card."""
        network = build_model(self.card.architecture, self.card.num_classes, seed=0)
        try:
            network.load_state_dict(load_tensors(self.weights))
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            file, named = find_weights(self.weights), self.card.architecture
            raise UserError(f"the weights {file} are not of the {named} on their card: {reason}") from error
        return network


def open_trained(
    weights: Path, *, views: int | None = None, crops: int | None = None, voting: Voting | None = None
) -> Trained:
    """Read the card of fine-tuned weights; `views`, `crops` and `voting` change how videos are tested.

    Raises:
        UserError: weights without a card, with a damaged one, or ones that name no classes.
    """
    card = load_card(weights)
    return Trained(weights, card, _class_names(card, weights), _view_config(card, weights, views, crops, voting))


def open_weights(
    text: str, *, views: int | None = None, crops: int | None = None, voting: Voting | None = None
) -> tuple[Initial, Trained]:
    """Fine-tuned weights as `--weights` says them: as tables name them, and to be used.

    Without a label of their own (LABEL=...) they are called what they were fine-tuned from.

    Raises:
        UserError: there are none, or they are damaged or not fine-tuned.
    """
    wanted = "fine-tuned weights are tested, a file or a run of finetune"
    if not Path(text).exists() and not Path(text.partition("=")[2] or text).exists():
        raise UserError(f"--weights {text!r}: there is no such file; {wanted}")
    init = parse_initial(text)
    if init.kind != "weights" or init.path is None:
        raise UserError(f"--weights {text!r}: {wanted}")
    trained = open_trained(Path(init.path), views=views, crops=crops, voting=voting)
    if text.startswith(f"{init.label}="):
        return init, trained
    started_from = trained.card.config.get("init")
    label = started_from.get("label") if isinstance(started_from, dict) else None
    return replace(init, label=str(label or init.label)), trained


def _class_names(card: Card, weights: Path) -> tuple[str, ...]:
    names = card.config.get("classes")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        tuned = f"finetune --init {shlex.quote(str(weights))}"
        raise UserError(f"the weights {weights} name no classes: they are not fine-tuned; {tuned} does that")
    if len(names) != card.num_classes:
        raise UserError(f"the card of {weights} is damaged: it names {len(names)} of {card.num_classes} classes")
    return tuple(names)


def _view_config(card: Card, weights: Path, views: int | None, crops: int | None, voting: Voting | None) -> ViewConfig:
    """Views as the run of the weights tested them, unless said otherwise."""
    config = card.config
    try:
        return ViewConfig(
            FrameConfig(
                clip_len=card.clip_len,
                frame_stride=max(1, math.ceil(card.frame_stride)),
                sampling=config.get("sampling") or "window",
                first_frames=config.get("first_frames") or 0,
            ),
            size=card.size,
            mean=_three(card.mean),
            std=_three(card.std),
            views=views or int(config.get("views", 10)),
            crops=crops or int(config.get("crops", 1)),
            voting=voting or config.get("voting") or "softmax",
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"the card of {weights} is damaged: {error}") from error


def _three(values: tuple[float, ...] | None) -> Triple:
    if values is None or len(values) != 3:
        raise ValueError("its mean and std must have a value a channel")
    return values[0], values[1], values[2]


def trained_on(config: Mapping[str, Any], data: Data) -> frozenset[str] | None:
    """Paths below the data folder that weights were trained on, read again from the lists that their card names.

    Videos of other folders count where official lists call them the same; else they are taken for other videos. None
    where the lists are not to be had any more. Few-shot training counts as training on the whole list.

    Args:
        config: of the weights' card.
        data: what they are to be tested on.
    """
    target = re.sub(r"-\d+$", "", str(config.get("target")))  # anigifs-40: its 40 most frequent classes
    same_lists = target == data.options.target and target in WITH_SPLITS
    if target not in TARGETS or not (same_lists or config.get("data") == str(data.root.resolve())):
        return frozenset()
    columns = config.get("columns") or {}
    options = TargetOptions(
        target,
        None if target == "demo" else data.root,
        annotations=_path(config.get("annotations")),
        csv=_path(config.get("table")),
        label_column=columns.get("label", "label"),
        split_column=columns.get("split", "split"),
        fold_column=columns.get("fold"),
    )
    if options.annotations is not None and not options.annotations.is_dir():
        options = replace(options, annotations=data.options.annotations)
    try:
        videos = make_target(options).index(data.root, str(config.get("split")))
    except UserError:
        return None
    return frozenset(video.path for video in videos if video.side == "train")


def _path(text: object) -> Path | None:
    return None if text is None else Path(str(text))
