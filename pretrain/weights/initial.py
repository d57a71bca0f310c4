"""What a network starts from: weights of an earlier run, weights that others have published, or nothing.

`--init` of both commands reads

- `scratch`: nothing;
- `kinetics:ARCH` or `imagenet:ARCH`: torchvision's weights for the architecture ARCH;
- `FILE:ARCH`: a checkpoint that the authors of TSM or X3D have published (see `fractalvid.pretrain.models.keymaps`);
- a weights file or a run's folder: our own weights, whose card says what they are.

`:ARCH` is left out where the command knows the architecture already; `kinetics` alone is otherwise that of r3d_18.
`LABEL=...` before any of them names it in tables.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from fractalvid.pretrain.models import architecture, build_model, head_name
from fractalvid.pretrain.models.keymaps import Triple
from fractalvid.pretrain.weights.cards import find_weights, load_card
from fractalvid.pretrain.weights.loading import LoadReport, load_backbone
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

FORMS = "scratch, kinetics:ARCH, imagenet:ARCH or FILE:ARCH"
"""What `--init` takes besides our own weights."""


@dataclass(frozen=True)
class Initial:
    """An initialisation, described.

    Attributes:
        label: what tables call it.
        kind: where the weights come from; `checkpoint` is a file of others, `weights` one of ours.
        path: of the weights' file; None where there is none, or torch.hub knows it.
        sha256: of that file: whether a finished run was made from the same weights.
        model: the architecture; this and the following are None where the initialisation leaves them open.
        clip_len: frames of a clip.
        size: rows and columns of a frame, in pixels.
        mean: subtracted from values in [0, 1], one a channel.
        std: divided by afterwards, one a channel.
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


def parse_initial(text: str, arch: str | None = None) -> Initial:
    """Read what `--init` says.

    Args:
        text: one of the forms above.
        arch: the architecture that is to be initialised, where that is known.

    Raises:
        UserError: no such file, a file without a readable card, an architecture that has no such weights or is not
            `arch`, or a label that cannot be a folder's name.
    """
    label, rest = _split_label(text)
    init = _parse(text, rest, arch)
    init = replace(init, label=label or init.label)
    if init.label in ("", ".", "..") or any(c in init.label for c in '/\\:*?"<>|') or not init.label.isprintable():
        raise UserError(f"the label {init.label!r} cannot be the name of a folder: give another with LABEL=...")
    return init


def _split_label(text: str) -> tuple[str, str]:
    """The label, empty where there is none, and the rest."""
    label, equals, rest = text.partition("=")
    if not equals or Path(text).exists():  # a path may itself hold a =
        return "", text
    if not label:
        raise UserError(f"--init {text!r}: the label before = is empty")
    return label, rest


def _parse(text: str, rest: str, arch: str | None) -> Initial:
    """The initialisation `rest`, which is `text` without its label."""
    if rest == "scratch":
        return Initial("scratch", "scratch")
    source, colon, model = rest.rpartition(":")
    if colon and not Path(rest).exists():  # a path may itself hold a :
        if arch not in (None, model):
            raise UserError(f"--init {text!r}: the weights of {model!r} are not for {arch}; use the same architecture")
        return _published(text, source, model)
    if rest in (KINETICS, IMAGENET) or Path(rest).suffix in CHECKPOINT_SUFFIXES:
        return _published(text, rest, arch or _meant(text, rest))
    return _weights(text, Path(rest))


def _meant(text: str, source: str) -> str:
    """The architecture of weights of others for which none is given."""
    if source == KINETICS:
        return "r3d_18"
    names = with_imagenet() if source == IMAGENET else with_checkpoint()
    which = "which" if source == IMAGENET else "of which"
    raise UserError(f"--init {text!r}: {which} network? say {' or '.join(f'{source}:{name}' for name in names)}")


def _published(text: str, source: str, model: str) -> Initial:
    """Weights of others for the network `model`, with its clip as published and the normalisation they want."""
    try:
        row = architecture(model)
        mean, std = normalisation(model, source)
        if source not in (KINETICS, IMAGENET):
            published_state(model, source)  # a file of another kind is to be known before videos are looked at
    except UserError as error:
        raise UserError(f"--init {text!r}: {error}") from error
    shape: dict[str, Any] = {"model": model, "clip_len": row.clip_len, "size": row.size}
    if source == KINETICS:
        return Initial(source, "kinetics", mean=mean, std=std, **shape)
    if source == IMAGENET:
        return Initial(source, "imagenet", mean=mean, std=std, **shape)
    file = Path(source)
    return Initial(file.stem, "checkpoint", path=str(file.resolve()), sha256=_sha256(file), mean=mean, std=std, **shape)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _weights(text: str, path: Path) -> Initial:
    """Our own weights."""
    try:
        file = find_weights(path)
    except UserError as error:
        raise UserError(f"--init {text!r}: {error}; besides weights it can be {FORMS}") from error
    card = load_card(path)
    return Initial(
        label=file.resolve().parent.name if file.stem == "weights" else file.stem,
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


def load_initial(network: nn.Module, arch: str, init: Initial) -> LoadReport | None:
    """Load everything but the head of `network`; None where it starts from scratch.

    Args:
        network: a `build_model(arch, ...)`; changed in place, and only if everything fits.
        arch: its architecture.
        init: where the weights come from.

    Raises:
        UserError: the weights cannot be had, or do not cover the whole backbone exactly.
    """
    if init.kind == "scratch":
        return None
    if init.kind == "weights":
        assert init.path is not None
        return load_backbone(network, Path(init.path), head=head_name(arch))
    return load_published(network, arch, init.path or init.kind)


def build_initial(arch: str, num_classes: int, init: Initial, *, seed: int) -> tuple[nn.Module, str]:
    """The network with a fresh head of `num_classes`, and a line on what was loaded.

    Args:
        arch: name of the architecture.
        num_classes: K.
        init: where the backbone comes from.
        seed: determines the head's weights (and the backbone's, from scratch).

    Raises:
        UserError: as `load_initial` does.
    """
    network = build_model(arch, num_classes, seed=seed)
    report = load_initial(network, arch, init)
    return network, "from scratch" if report is None else str(report)
