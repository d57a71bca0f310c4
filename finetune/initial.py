"""What a network starts from: weights of a pre-training, torchvision's Kinetics weights, or nothing."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models.video import R3D_18_Weights

from finetune.augment import Triple
from fractalvid.errors import UserError
from pretrain.checkpoint import find_weights, load_backbone, load_backbone_state, load_card
from pretrain.models import build_model, head_name


@dataclass(frozen=True)
class Initial:
    """An initialisation, described; `build` makes the network.

    `label` is what tables call it; `model`, `clip_len`, `size`, `mean` and `std` are None where the
    initialisation leaves them open; `sha256` of the weights file tells whether a finished run was made from
    the same weights.
    """

    label: str
    kind: Literal["scratch", "kinetics", "weights"]
    path: str | None = None
    sha256: str | None = None
    model: str | None = None
    clip_len: int | None = None
    size: int | None = None
    mean: Triple | None = None
    std: Triple | None = None


def parse_initial(text: str) -> Initial:
    """Read `scratch`, `kinetics`, a weights file or run folder, or any of them as `LABEL=...`.

    Raises:
        UserError: no such file, a file without a readable card, or a label that cannot be a folder's name.
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
    if rest == "kinetics":
        return _kinetics(label or "kinetics")
    if not Path(rest).exists():
        raise UserError(f"--init {text!r}: there is no such file; it can be weights, scratch or kinetics")
    return _weights(label, Path(rest))


def _kinetics(label: str) -> Initial:
    preset = R3D_18_Weights.KINETICS400_V1.transforms()
    # 16 frames of 112 x 112: what torchvision's reference training of these weights used.
    return Initial(label, "kinetics", None, None, "r3d_18", 16, 112, tuple(preset.mean), tuple(preset.std))


def _weights(label: str, path: Path) -> Initial:
    card = load_card(path)
    file = find_weights(path)
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    name = file.resolve().parent.name if file.stem == "weights" else file.stem
    return Initial(
        label=label or name,
        kind="weights",
        path=str(file.resolve()),
        sha256=digest,
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


def kinetics_state() -> Mapping[str, Tensor]:
    """The state dict of torchvision's R3D-18 trained on Kinetics-400, downloaded through torch.hub's cache.

    Raises:
        UserError: it is not in the cache and cannot be downloaded.
    """
    weights = R3D_18_Weights.KINETICS400_V1
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise UserError(
            f"the Kinetics weights cannot be downloaded ({error}); put {weights.url} into {folder} yourself"
        ) from error
    return state


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
    head = head_name(model)
    if init.kind == "scratch":
        return network, "from scratch"
    if init.kind == "kinetics":
        return network, str(load_backbone_state(network, kinetics_state(), head=head, source="the Kinetics weights"))
    assert init.path is not None
    return network, str(load_backbone(network, Path(init.path), head=head))
