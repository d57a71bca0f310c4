"""`pretrain export`: weights, their card and a README, ready to be given to others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fractalvid.core.constants import BANK_FILE
from fractalvid.kinds import load_bank
from fractalvid.pretrain.engine import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.models import architecture
from fractalvid.pretrain.run import WEIGHTS, kept_config, make_card
from fractalvid.pretrain.weights import Card, empty_network, head_classes, load_described, save_weights, without_head
from fractalvid.utils.documents import convert
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import is_empty, make_folder, write_text

TORCHVISION = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")
"""Architectures that torchvision has whole, under these names in `torchvision.models.video`."""


def export_weights(source: Path | str, out: Path | str, *, half: bool = False) -> Path:
    """Write weights.safetensors, weights.json and README.md to the folder `out`; returns the weights' path.

    Args:
        source: weights, a checkpoint, or the folder of a run. Of an unfinished run the last checkpoint is taken, and
            of one with an average of the weights (EMA), that.
        out: new or empty.
        half: store them in float16, in half the bytes. Loading brings them back to float32, rounded.

    Raises:
        UserError: nothing to export, something damaged, or `out` holds something already.
    """
    source, out = Path(source), Path(out)
    if out.exists() and not (out.is_dir() and is_empty(out)):
        raise UserError(f"{out} exists already: choose another --out, or empty it")
    tensors, card = _read(source)
    network = empty_network(card.architecture, card.num_classes)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise UserError(f"the weights of {source} do not fit their card's {card.architecture}: {first}") from error
    make_folder(out)
    weights = out / WEIGHTS
    if half:
        network = _halved(network, source)
    save_weights(weights, network, card)
    write_text(out / "README.md", readme(card))
    return weights


def _halved(network: nn.Module, source: Path) -> nn.Module:
    """The network in float16. Raises `UserError` where a number is too large for it."""
    halved = network.half()
    if not all(tensor.isfinite().all() for tensor in halved.state_dict().values()):
        raise UserError(f"--half: {source} has numbers that float16 cannot hold; leave it out")
    return halved


def _read(source: Path) -> tuple[dict[str, Tensor], Card]:
    """The tensors of a network, and what they are."""
    unfinished = source.is_dir() and not (source / WEIGHTS).exists() and (source / CHECKPOINT).exists()
    if unfinished or source.name == CHECKPOINT:
        return _read_checkpoint(source / CHECKPOINT if unfinished else source)
    return load_described(source)


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], Card]:
    """The tensors of a run's last checkpoint, and what they are."""
    state, run = load_checkpoint(path), path.parent
    config = kept_config(run)
    try:
        averaged = state["ema"]
        tensors = state["model"] or _below("main.backbone.", state["objective"])  # the latter beside auxiliary heads
        if averaged is not None:
            tensors = _below("module.", averaged)
        steps = int(state["step"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"the checkpoint {path} lacks what it should hold ({error})") from error
    if config.objective.headless:
        tensors = without_head(tensors, config.arch)
    bank, classes = load_bank(run / BANK_FILE), head_classes(tensors, config.arch)
    return tensors, make_card(config, bank, {"steps": steps}, classes=classes, precision=state["precision"])


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def readme(card: Card) -> str:
    """A model card in Markdown: what the weights are, what they want to see, how to load them, where they come from."""
    return "\n\n".join([_what(card), _loading(card), _input(card), _origin(card)]) + "\n"


def _what(card: Card) -> str:
    row = architecture(card.architecture)
    head = f"a head of {card.num_classes} classes" if card.num_classes else "no head"
    story = "Fine-tuned on real video from what its configuration names."
    if card.stream_version is not None:
        story = f"Pre-trained on {_seen(card.config)}."
    return f"# {card.architecture}\n\n{story}\n{row.about}; {row.feature_dim} features, {head}."


@dataclass(frozen=True)
class _Seen:
    """Of a configuration, what a network has learned from."""

    videos: str | None = None
    mix: float | None = None
    init: str | None = None


def _seen(config: Mapping[str, Any]) -> str:
    """What a network has learned from."""
    seen = convert(config, _Seen, where="the card's configuration")
    own, mix, init = seen.videos, seen.mix, seen.init
    drawn = "clips that a program has drawn"
    clips = drawn if not own else "videos of somebody's own" + (f" ({mix:g} of all) among {drawn}" if mix else "")
    return clips + (f", from the weights {init}" if init else "" if own else ": no real video was used")


def _loading(card: Card) -> str:
    name, head = card.architecture, architecture(card.architecture).head
    here = 'load_file("weights.safetensors")'
    if name in TORCHVISION:
        lines = ["from safetensors.torch import load_file", f"from torchvision.models.video import {name}"]
        if card.num_classes:
            lines.append(f"model = {name}(num_classes={card.num_classes})")
            lines.append(f"model.load_state_dict({here})")
        else:
            lines.append(f"model = {name}()")
            lines.append(f"model.load_state_dict({here}, strict=False)  # {head} stays as it was")
    elif card.num_classes:
        lines = ["from fractalvid.pretrain.models import build_model", "from safetensors.torch import load_file"]
        lines.append(f'model = build_model("{name}", {card.num_classes}, seed=0)')
        lines.append(f"model.load_state_dict({here})")
    else:
        lines = ["from fractalvid.pretrain.models import backbone", "from safetensors.torch import load_file"]
        lines += [f'model = backbone("{name}", seed=0)', f"model.load_state_dict({here})"]
    need = "torch, torchvision and safetensors" if name in TORCHVISION else "fractalvid"
    code = "\n".join(lines)
    return f"## Load it\n\nWith {need}:\n\n```python\n{code}\n```\n\nOr `finetune --target hmdb51 --data DIR --init .`"


def _input(card: Card) -> str:
    shape = f"(B, 3, {card.clip_len}, {card.size}, {card.size})"
    values = "in [0, 1]"
    if card.mean is not None or card.std is not None:
        values = f"from [0, 1], minus {_numbers(card.mean, '0')}, divided by {_numbers(card.std, '1')}"
    return f"## Input\n\nfloat32 {shape}: batch, colours, frames, rows, columns; values {values}."


def _numbers(values: tuple[float, ...] | None, default: str) -> str:
    """One number where all are the same."""
    if values is None:
        return default
    return ", ".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def _origin(card: Card) -> str:
    measured = "\n".join(f"- {name}: {value:.4g}" for name, value in card.metrics.items())
    config = json.dumps(card.config, indent=2)
    made = f"fractalvid {_version()}, seed {card.seed}"
    stream = "" if card.stream_version is None else f", stream version {card.stream_version}"
    return (
        f"## Where it comes from\n\n{made}{stream}.\n\n{measured or 'Nothing was measured.'}\n\n"
        f"<details><summary>The whole configuration</summary>\n\n```json\n{config}\n```\n\n</details>"
    )


def _version() -> str:
    try:
        return metadata.version("fractalvid")
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "of a checkout"
