"""Weights that others have published, as state dicts of our networks.

Three kinds of source, called by these names wherever a source is asked for:

- `kinetics`: torchvision's weights of the video network, trained on Kinetics-400;
- `imagenet`: torchvision's weights of the picture network below it, trained on ImageNet-1K;
- the path of a checkpoint that the authors of TSM or X3D link to (`keymaps` says where).
"""

from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from fractalvid.pretrain.models import ARCHITECTURES, Architecture, architecture
from fractalvid.pretrain.models.keymaps import Checkpoint, Triple
from fractalvid.pretrain.weights.loading import LoadReport, load_backbone_state
from fractalvid.utils.errors import UserError

KINETICS, IMAGENET = "kinetics", "imagenet"
CHECKPOINT_SUFFIXES = (".pth", ".pyth", ".pt", ".tar")
"""Endings of files that others publish; our own weights are .safetensors."""


def with_kinetics() -> list[str]:
    """Architectures that `kinetics` exists for."""
    return [name for name, row in ARCHITECTURES.items() if row.kinetics is not None]


def with_imagenet() -> list[str]:
    """Architectures that `imagenet` exists for."""
    return [name for name, row in ARCHITECTURES.items() if row.imagenet is not None]


def with_checkpoint() -> list[str]:
    """Architectures whose authors' checkpoints can be read."""
    return [name for name, row in ARCHITECTURES.items() if row.checkpoint is not None]


def normalisation(name: str, source: str) -> tuple[Triple, Triple]:
    """Mean and standard deviation of each channel, of values in [0, 1], that the weights were trained with.

    Raises:
        UserError: there are no such weights for architecture `name`.
    """
    row = architecture(name)
    if source not in (KINETICS, IMAGENET):
        checkpoint = _checkpoint(name, row)
        return checkpoint.mean, checkpoint.std
    preset = _entry(name, row, source).transforms()
    return tuple(preset.mean), tuple(preset.std)


def published_state(name: str, source: str) -> Mapping[str, Tensor]:
    """The state dict of architecture `name` from `source`, its head that of the classes it was trained on.

    Torchvision's weights are downloaded into torch.hub's cache unless they are there.

    Raises:
        UserError: there are no such weights, they cannot be downloaded, or the file cannot be read.
    """
    row = architecture(name)
    if source not in (KINETICS, IMAGENET):
        checkpoint = _checkpoint(name, row)
        return checkpoint.rename(_read(Path(source), checkpoint))
    state = _download(_entry(name, row, source), source)
    if source == KINETICS or row.convert is None:
        return state
    converted: dict[str, Tensor] = resolve_name(row.convert)(state)
    return converted


def load_published(network: nn.Module, name: str, source: str) -> LoadReport:
    """Load everything but the head of `network`, a `build_model(name, ...)`, from `source`.

    Raises:
        UserError: as `published_state`, or the tensors do not cover the whole backbone exactly.
    """
    state = published_state(name, source)
    called = {KINETICS: "the Kinetics weights", IMAGENET: "the ImageNet weights"}.get(source, f"the weights {source}")
    return load_backbone_state(network, state, head=architecture(name).head, source=called)


def _entry(name: str, row: Architecture, source: str) -> WeightsEnum:
    where = row.kinetics if source == KINETICS else row.imagenet
    if where is None:
        there = with_kinetics() if source == KINETICS else with_imagenet()
        raise UserError(f"torchvision has no {source} weights for {name}; it has them for {', '.join(there)}")
    entry: WeightsEnum = resolve_name(where)
    return entry


def _checkpoint(name: str, row: Architecture) -> Checkpoint:
    if row.checkpoint is None:
        raise UserError(f"{name} reads nobody's checkpoint files; {', '.join(with_checkpoint())} do")
    return row.checkpoint


def _download(entry: WeightsEnum, source: str) -> Mapping[str, Tensor]:
    try:
        state: Mapping[str, Tensor] = entry.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        called = "Kinetics" if source == KINETICS else "ImageNet"
        raise UserError(
            f"the {called} weights cannot be downloaded ({error}); put {entry.url} into {folder} yourself"
        ) from error
    return state


def _read(path: Path, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The tensors of a file written by `torch.save`; no code in it is ever run."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; the one meant is at {checkpoint.where}")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no common type for what a broken file does to it
        raise UserError(
            f"the weights {path} can't be read: damaged, or they hold more than tensors and plain values; "
            f"if you trust the file, save its {checkpoint.entry!r} alone, in a dictionary under that name"
        ) from error
    state = content.get(checkpoint.entry) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise UserError(f"{path} holds no tensors under {checkpoint.entry!r}; it is none of {checkpoint.where}")
    return state
