"""What a network starts from: weights of an earlier run, weights of others, or nothing.

`--init` of both commands reads

- `scratch`: nothing;
- `fractal-small`: weights that come with the program (see `fractalvid.pretrain.weights.shipped`);
- `kinetics:ARCH` or `imagenet:ARCH`: torchvision's weights for the architecture ARCH;
- a weights file with its card, or a run's folder: our own weights, whose card says what they are;
- `FILE:ARCH`: any other file with the tensors of a network by name (see `fractalvid.pretrain.weights.matching`), or a
  folder with such a file, whole or in parts, as libraries lay it (see `fractalvid.pretrain.weights.folders`).

`:ARCH` is left out where the command knows the architecture already, or the tensors are of one network only; `kinetics`
alone is otherwise that of r3d_18. `LABEL=...` before any of them names it in tables.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import nn

from fractalvid.pretrain.models import architecture, build_model, head_name
from fractalvid.pretrain.models.keymaps import Triple
from fractalvid.pretrain.weights.cards import card_path, find_weights, load_card
from fractalvid.pretrain.weights.folders import NAMES, find_in_folder, is_index, label_of, parts_of
from fractalvid.pretrain.weights.loading import LoadReport, load_backbone
from fractalvid.pretrain.weights.matching import find_network
from fractalvid.pretrain.weights.published import IMAGENET, KINETICS, load_published, normalisation, with_imagenet
from fractalvid.pretrain.weights.shipped import SMALL, shipped_names, shipped_weights
from fractalvid.pretrain.weights.state_dicts import SUFFIXES
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.notes import note

FORMS = f"scratch, {SMALL}, kinetics:ARCH, imagenet:ARCH, FILE:ARCH, or FOLDER:ARCH with {' or '.join(NAMES)}"
"""What `--init` takes besides our own weights."""
_PLAIN_STEMS = ("weights", "model", "pytorch_model", "checkpoint")
"""Names of files that do not say what they are: their folder does."""
_NOT_IN_NAMES = '/\\:*?"<>|'
"""What no name of a folder may hold, on any system."""


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


def parse_initial(text: str | Path, arch: str | None = None, *, option: str = "--init") -> Initial:
    """Read what `--init` says.

    Args:
        text: one of the forms above, or the path of weights.
        arch: the architecture that is to be initialised, where that is known.
        option: what the user has typed before it, for errors.

    Raises:
        UserError: no such file, a file without a readable card that holds no tensors of our networks, an architecture
            that has no such weights or is not `arch`, or a label that cannot be a folder's name.
    """
    text = str(text)
    try:
        label, rest = split_label(text)
        init = _parse(rest, arch)
        init = replace(init, label=label or init.label)
        check_label(init.label)
    except UserError as error:
        raise UserError(f"{option} {text!r}: {error}") from error
    return init


def check_label(label: str) -> None:
    """Raise `UserError` for a label that cannot be a folder's name, as of results that are filed under it."""
    if label in ("", ".", "..") or any(c in label for c in _NOT_IN_NAMES) or not label.isprintable():
        raise UserError(f"the label {label!r} cannot be the name of a folder: give another with LABEL=...")


def split_label(text: str) -> tuple[str, str]:
    """The label of what `--init` says, empty where there is none, and the rest.

    Raises:
        UserError: nothing stands before the =.
    """
    label, equals, rest = text.partition("=")
    if not equals or _is_path(text):  # a path may itself hold a =
        return "", text
    if not label:
        raise UserError("the label before = is empty")
    source = _split_arch(rest)[0]
    in_a_folder = any(separator in label for separator in "/\\:")
    named = source in ("scratch", KINETICS, IMAGENET, *shipped_names())
    if in_a_folder and not (named or _is_path(rest)):
        return "", text
    return label, rest


def _split_arch(text: str) -> tuple[str, str | None]:
    """A source and the architecture after its last colon, None where there is none."""
    source, colon, arch = text.rpartition(":")
    drive = len(source) == 1 and source.isalpha()  # C:weights.pth, of Windows
    if not colon or drive or not re.fullmatch(r"[\w-]*", arch) or Path(text).exists():  # a path may itself hold a :
        return text, None
    return source, arch


def _is_path(text: str) -> bool:
    """Whether something lies at a path, which an architecture may follow."""
    return Path(text).exists() or (text.rpartition(":")[0] != "" and Path(text.rpartition(":")[0]).exists())


def _parse(text: str, arch: str | None) -> Initial:
    """The initialisation `text`, which has no label."""
    if not text:
        raise UserError("nothing is named to start from: scratch, weights or a run")
    if text == "scratch":
        return Initial("scratch", "scratch")
    source, named = _split_arch(text)
    if named is not None:
        architecture(named)
        if arch not in (None, named):
            raise UserError(f"the weights of {named!r} are not for {arch}; use the same architecture: --model {named}")
    if not source:
        raise UserError("there is no file named before the colon")
    wanted = named or arch
    if source in (KINETICS, IMAGENET):
        return _published(source, wanted or _meant(source))
    path = shipped_weights(source) or Path(source)
    if path != Path(source) and Path(source).exists():
        note(f"--init {source} is what comes with the program; ./{source} is what lies here")
    inside = find_in_folder(path) if path.is_dir() else path if is_index(path) and path.is_file() else None
    if inside is not None:
        return _foreign(inside, wanted)
    if path.is_dir() or path.suffix == ".json" or (path.is_file() and card_path(path).is_file()):
        return _weights(path, wanted)
    if path.is_file() or named is not None or path.suffix in SUFFIXES:
        return _foreign(path, wanted)
    return _weights(path, wanted)  # which says what there could be


def _meant(source: str) -> str:
    """The architecture of torchvision's weights for which none is given."""
    if source == KINETICS:
        return "r3d_18"
    raise UserError(f"which network? say {' or '.join(f'{source}:{name}' for name in with_imagenet())}")


def _published(source: str, model: str) -> Initial:
    """Torchvision's weights for the network `model`, with its clip as published and the normalisation they want."""
    row = architecture(model)
    mean, std = normalisation(model, source)
    kind: Literal["kinetics", "imagenet"] = "kinetics" if source == KINETICS else "imagenet"
    return Initial(source, kind, model=model, clip_len=row.clip_len, size=row.size, mean=mean, std=std)


def _foreign(file: Path, arch: str | None) -> Initial:
    """A file without a card, with the clip and the normalisation that are usual for its network.

    It is read here: what is wrong with it is to be known before videos are looked at.
    """
    model = find_network(file, arch).arch
    row, (mean, std) = architecture(model), normalisation(model, str(file))
    return Initial(
        label=label_of(file) if file.name.partition(".")[0] in _PLAIN_STEMS else file.stem,
        kind="checkpoint",
        path=os.path.abspath(file),
        sha256=_sha256(file),
        model=model,
        clip_len=row.clip_len,
        size=row.size,
        mean=mean,
        std=std,
    )


def _sha256(file: Path) -> str:
    """Of a file, or of the digests of an index and its parts."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    if is_index(file):
        for part in parts_of(file):
            digest.update(_sha256(part).encode())
    return digest.hexdigest()


def _weights(path: Path, arch: str | None) -> Initial:
    """Our own weights."""
    try:
        file = find_weights(path.with_suffix(".safetensors") if path.suffix == ".json" else path)
    except UserError as error:
        raise UserError(f"{error}; besides weights it can be {FORMS}") from error
    card = load_card(path)
    if arch not in (None, card.architecture):
        raise UserError(
            f"the weights of {card.architecture!r} are not for {arch}; use the same architecture: --model "
            f"{card.architecture}"
        )
    return Initial(
        label=file.resolve().parent.name if file.stem in _PLAIN_STEMS else file.stem,
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
    return network, "from scratch" if report is None else f"{report}{_assumed(init)}"


def describe_loaded(init: Initial, report: LoadReport) -> str:
    """A line on what a network begins with, where what its clips look like is settled elsewhere."""
    source = init.path if init.path is not None else f"{init.kind}:{init.model}"
    return f"{source} ({init.model}): {report}"


def _assumed(init: Initial) -> str:
    """What is assumed of weights that do not say which clips they were trained on."""
    if init.kind != "checkpoint":
        return ""
    mean, std = (" ".join(f"{value:.3g}" for value in values or ()) for values in (init.mean, init.std))
    return (
        f"; without a card, clips of {init.clip_len} x {init.size} x {init.size}, mean {mean} and deviation {std} are "
        f"assumed, as is usual for {init.model} (--clip-len, --size and --normalise change them)"
    )
