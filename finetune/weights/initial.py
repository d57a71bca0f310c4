"""What a network starts from: weights of a pre-training, weights that others have published, or nothing.

`--init` reads

- `scratch`: nothing;
- `kinetics:ARCH` or `imagenet:ARCH`: torchvision's weights for the architecture ARCH (`kinetics` alone: r3d_18);
- `FILE:ARCH`: a checkpoint that the authors of TSM or X3D have published (see `fractalvid.pretrain.models.keymaps`);
- a weights file or a run's folder: our own weights, whose card says what they are.

`LABEL=...` before any of them names it in tables.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from fractalvid.finetune.clips.config import Triple
from fractalvid.pretrain.models import architecture, build_model, head_name
from fractalvid.pretrain.weights.checkpoint import find_weights, load_backbone, load_card
from fractalvid.pretrain.weights.published import (
    CHECKPOINT_SUFFIXES,
    IMAGENET,
    KINETICS,
    load_published,
    normalisation,
    published_state,
    with_checkpoint,
    with_imagenet,
)
from fractalvid.utils.errors import UserError


@dataclass(frozen=True)
class Initial:
    """An initialisation, described; `build` makes the network.

    `label` is what tables call it; `model`, `clip_len`, `size`, `mean` and `std` are None where the
    initialisation leaves them open; `sha256` of the weights file tells whether a finished run was made from
    the same weights.
    """

    label: str
    kind: Literal["scratch", "kinetics", "imagenet", "checkpoint", "weights"]
    path: str | None = None
    sha256: str | None = None
    model: str | None = None
    clip_len: int | None = None
    size: int | None = None
    mean: Triple | None = None
    std: Triple | None = None


def parse_initial(text: str) -> Initial:
    """Read what `--init` says.

    Raises:
        UserError: no such file, a file without a readable card, an architecture that has no such weights, or a label
            that cannot be a folder's name.
    """
    init = _parse(text)
    label = init.label
    if label in ("", ".", "..") or any(c in label for c in '/\\:*?"<>|') or not label.isprintable():
        raise UserError(f"the label {label!r} cannot be the name of a folder: give another with LABEL=...")
    return init


def _parse(text: str) -> Initial:
    label, equals, rest = text.partition("=")
    if not equals or Path(text).exists():  # a path may itself hold a =
        label, rest = "", text
    if equals and not label and rest != text:
        raise UserError(f"--init {text!r}: the label before = is empty")
    if rest == "scratch":
        return Initial(label or "scratch", "scratch")
    source, colon, model = rest.rpartition(":")
    if colon and not Path(rest).exists():  # a path may itself hold a :
        return _published(text, label, source, model)
    if rest == KINETICS:
        return _published(text, label, KINETICS, "r3d_18")
    if rest == IMAGENET:
        raise UserError(f"--init {text!r}: which network? {_choices(IMAGENET, with_imagenet())}")
    if not Path(rest).exists():
        raise UserError(
            f"--init {text!r}: there is no such file; it can be weights, scratch, kinetics:ARCH, imagenet:ARCH or "
            "FILE:ARCH"
        )
    if Path(rest).suffix in CHECKPOINT_SUFFIXES:
        raise UserError(f"--init {text!r}: of which network? {_choices(rest, with_checkpoint())}")
    return _weights(label, Path(rest))


def _choices(source: str, names: list[str]) -> str:
    return "say " + " or ".join(f"{source}:{name}" for name in names)


def _published(text: str, label: str, source: str, model: str) -> Initial:
    """Weights of others for the network `model`, with its clip as published and the normalisation they want."""
    try:
        row = architecture(model)
        mean, std = normalisation(model, source)
        if source not in (KINETICS, IMAGENET):
            published_state(model, source)  # a file of another kind is to be known before videos are looked at
    except UserError as error:
        raise UserError(f"--init {text!r}: {error}") from error
    if source in (KINETICS, IMAGENET):
        kind: Literal["kinetics", "imagenet"] = "kinetics" if source == KINETICS else "imagenet"
        return Initial(label or source, kind, None, None, model, row.clip_len, row.size, mean, std)
    file = Path(source)
    name, path = label or file.stem, str(file.resolve())
    return Initial(name, "checkpoint", path, _sha256(file), model, row.clip_len, row.size, mean, std)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _weights(label: str, path: Path) -> Initial:
    card = load_card(path)
    file = find_weights(path)
    name = file.resolve().parent.name if file.stem == "weights" else file.stem
    return Initial(
        label=label or name,
        kind="weights",
        path=str(file.resolve()),
        sha256=_sha256(file),
        model=card.architecture,
        clip_len=card.clip_len,
        size=card.size,
        # Weights of values left in [0, 1] want values left in [0, 1].
        mean=_triple(card.mean, (0.0, 0.0, 0.0)),
        std=_triple(card.std, (1.0, 1.0, 1.0)),
    )


def _triple(values: tuple[float, ...] | None, default: Triple) -> Triple:
    """One value a channel; a single value is that of all three."""
    if values is None:
        return default
    if len(values) == 1:
        return values[0], values[0], values[0]
    red, green, blue = values
    return red, green, blue


def build(init: Initial, model: str, num_classes: int, *, seed: int) -> tuple[nn.Module, str]:
    """The network with a fresh head of `num_classes`, and a line on what was loaded.

    Args:
        init: where the backbone comes from.
        model: name of the architecture.
        num_classes: K.
        seed: determines the head's weights (and the backbone's, from scratch).

    Raises:
        UserError: weights that do not fit the architecture exactly.
    """
    network = build_model(model, num_classes, seed=seed)
    if init.kind == "scratch":
        return network, "from scratch"
    if init.kind == "weights":
        assert init.path is not None
        return network, str(load_backbone(network, Path(init.path), head=head_name(model)))
    return network, str(load_published(network, model, init.path or init.kind))
