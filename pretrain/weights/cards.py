"""Weights as files: tensors (safetensors) and, beside them, a card (JSON) that says what they are."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
import safetensors.torch
from torch import Tensor, nn

from fractalvid.core.constants import MAX_CLASSES, WEIGHTS_FILE
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.weights.shipped import at_path_or_shipped, shipped_weights
from fractalvid.utils.documents import Table, convert, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text, write_with

WEIGHTS_FORMAT = "fractalvid.weights"
VERSION = 1


@dataclass(frozen=True)
class Card:
    """What weights are: enough to build the network, feed it and tell where it comes from.

    Attributes:
        architecture: a name `fractalvid.pretrain.models.build_model` knows.
        num_classes: K, the size of the head; 0 without one.
        clip_len: frames of a clip.
        size: rows and columns of a frame, in pixels.
        frame_stride: native frames from one frame to the next; smaller than asked for where clips are short.
        mean: subtracted from values in [0, 1], one a channel; None if values stay in [0, 1].
        std: divided by afterwards, one a channel; None likewise.
        seed: seed of the run.
        stream_version: version of the generator's stream; None for weights of real video.
        config: the resolved configuration of the run.
        metrics: the last validation.
        precision: what training computed in: fp32, bf16 or fp16; None where that is not known.
    """

    architecture: str
    num_classes: int
    clip_len: int
    size: int
    frame_stride: float
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    seed: int
    stream_version: int | None
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    precision: str | None = None


_Channels = Annotated[tuple[float, ...], msgspec.Meta(min_length=1, max_length=3)]
_Scales = Annotated[tuple[Annotated[float, msgspec.Meta(gt=0)], ...], msgspec.Meta(min_length=1, max_length=3)]


@dataclass(frozen=True)
class _Described:
    """A `Card` as its file holds it, with bounds that no network and no clip exceeds."""

    architecture: Annotated[str, msgspec.Meta(max_length=100)]
    num_classes: Annotated[int, msgspec.Meta(ge=0, le=MAX_CLASSES)]
    clip_len: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    size: Annotated[int, msgspec.Meta(ge=1, le=16_384)]
    frame_stride: Annotated[float, msgspec.Meta(gt=0, le=10_000)]
    mean: _Channels | None
    std: _Scales | None
    seed: Annotated[int, msgspec.Meta(ge=0)]
    stream_version: int | None
    config: Table = field(default_factory=dict)
    metrics: dict[str, float | None] = field(default_factory=dict)
    precision: str | None = None


def save_weights(path: Path | str, model: nn.Module, card: Card) -> None:
    """Write the parameters and buffers of `model` to `path` (.safetensors) and its card beside it (.json).

    Both appear whole or not at all, the card first: where the weights lie, their card does. Where the card counts no
    classes, the model's head is left out.

    Raises:
        UserError: `path` has another ending, the card is not one of `model` or of anything that JSON can say, or the
            folder can't be written to.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise UserError(f"{path} is no name for weights: it has to end in .safetensors, beside which the card is .json")
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if card.num_classes == 0:
        tensors = without_head(tensors, card.architecture)
    _check_head(tensors, card, "the weights")
    described = {"format": WEIGHTS_FORMAT, "version": VERSION, **dataclasses.asdict(card)}
    # JSON has no word for what is no number.
    described["metrics"] = {name: v if math.isfinite(v) else None for name, v in card.metrics.items()}
    # One key: safetensors writes several in random order, and equal weights are to be equal files.
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    try:
        text = json.dumps(described, indent=2)
    except TypeError as error:
        raise UserError(f"the card of {path} can't be written: {error}") from None
    write_text(card_path(path), text + "\n")
    write_with(path, lambda file: file.write(data))


def card_path(path: Path) -> Path:
    """Where the card of the weights at `path` lies."""
    return path.with_suffix(".json")


def find_weights(path: Path | str) -> Path:
    """The weights file `path` means: itself, or `weights.safetensors` in the run folder `path`.

    Raises:
        UserError: there is none.
    """
    path = Path(path)
    file = path / WEIGHTS_FILE if path.is_dir() else path
    if not file.is_file():
        if shipped_weights(str(path)) is not None:
            raise UserError(
                f"{path} is a start for --init, and knows no classes but its fractals: fine-tune from it first"
            )
        raise UserError(f"no weights at {file}; give a .safetensors file or the folder of a finished run")
    return file


def load_card(path: Path | str) -> Card:
    """The card of weights: the file at `path`, its card or the run folder; or a name, as for `load_network`.

    Raises:
        UserError: no card, or it is damaged, foreign or of a newer version.
    """
    path = at_path_or_shipped(path)
    file = path if path.suffix == ".json" else card_path(find_weights(path))
    if not file.is_file():
        raise UserError(f"the weights have no card: there is no file {file}")
    content = read_json(file, Any, what="the card")
    if not isinstance(content, dict) or content.get("format") != WEIGHTS_FORMAT:
        raise UserError(f"{file} is not a card of weights (its format is not {WEIGHTS_FORMAT!r})")
    if content.get("version") != VERSION:
        version = str(content.get("version"))[:40]
        raise UserError(f"the card {file} has version {version}; this program reads version {VERSION}")
    card = convert(content, _Described, where=f"the card {file}")
    for name, values in (("mean", card.mean), ("std", card.std)):
        if values is not None and len(values) == 2:  # a value for all channels, or one for each
            raise UserError(f"the card {file}: {name} has 2 values; expected 1 or 3")
    metrics = {name: math.nan if value is None else value for name, value in card.metrics.items()}
    return Card(**{field.name: getattr(card, field.name) for field in dataclasses.fields(Card)} | {"metrics": metrics})


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a weights file, on the CPU.

    Raises:
        UserError: no such file, or it is truncated or no safetensors file.
    """
    file = find_weights(path)
    try:
        return safetensors.torch.load_file(file)
    # Of any kind: shapes, types and layouts that do not fit each other are found by PyTorch, or by nobody before it.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)[:200]
        raise UserError(f"the weights {file} can't be read: truncated, or no safetensors file ({reason})") from error


def in_head(name: str, head: str) -> bool:
    """Whether the tensor called `name` belongs to the part of a network called `head`."""
    return name == head or name.startswith(head + ".")


def without_head(tensors: Mapping[str, Tensor], architecture_name: str) -> dict[str, Tensor]:
    """All tensors of a network but its head's."""
    head = head_name(architecture_name)
    return {name: value for name, value in tensors.items() if not in_head(name, head)}


def head_classes(tensors: Mapping[str, Tensor], architecture_name: str) -> int:
    """How many classes the head among a network's tensors tells apart; 0 where there is none."""
    head = head_name(architecture_name)
    rows = [value.shape[0] for name, value in tensors.items() if in_head(name, head) and value.ndim > 1]
    return rows[-1] if rows else 0


def load_described(path: Path | str) -> tuple[dict[str, Tensor], Card]:
    """The tensors of weights and their card, which agree on the head: before a network is built of what the card says.

    Raises:
        UserError: as `load_card` and `load_tensors`; an unknown architecture; or a head of another number of classes.
    """
    card, tensors = load_card(path), load_tensors(path)
    _check_head(tensors, card, f"the weights {find_weights(path)}")
    return tensors, card


def _check_head(tensors: Mapping[str, Tensor], card: Card, what: str) -> None:
    """Raise `UserError` where weights have another number of classes than their card says."""
    there = head_classes(tensors, card.architecture)
    if there != card.num_classes:
        raise UserError(
            f"{what} are not those of their card: it says {card.num_classes} classes, the head of {card.architecture} "
            f"in them has {there}"
        )
