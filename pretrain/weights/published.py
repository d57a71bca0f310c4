"""Weights of others, as state dicts of our networks.

Three kinds of source, called by these names wherever a source is asked for:

- `kinetics`: torchvision's weights of the video network, trained on Kinetics-400;
- `imagenet`: torchvision's weights of the picture network below it, trained on ImageNet-1K;
- the path of a file that holds tensors of the network by name, whoever wrote it (`matching`), or a checkpoint that the
  authors of TSM or X3D link to (`keymaps` says where).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from fractalvid.pretrain.models import ARCHITECTURES, Architecture, architecture
from fractalvid.pretrain.models.keymaps import Triple
from fractalvid.pretrain.weights.loading import LoadReport, load_backbone_state
from fractalvid.pretrain.weights.matching import find_network
from fractalvid.utils.errors import UserError

KINETICS, IMAGENET = "kinetics", "imagenet"


def with_kinetics() -> list[str]:
    """Architectures that `kinetics` exists for."""
    return [name for name, row in ARCHITECTURES.items() if row.kinetics is not None]


def with_imagenet() -> list[str]:
    """Architectures that `imagenet` exists for."""
    return [name for name, row in ARCHITECTURES.items() if row.imagenet is not None]


def normalisation(name: str, source: str) -> tuple[Triple, Triple]:
    """Mean and standard deviation of each channel, of values in [0, 1], that the weights were trained with.

    Of a file they are what is usual for the network, since nothing in it tells: its authors', else those of
    torchvision's weights; where there are none, values stay in [0, 1].

    Raises:
        UserError: there are no such weights for architecture `name`.
    """
    row = architecture(name)
    if source not in (KINETICS, IMAGENET):
        if row.checkpoint is not None:
            return row.checkpoint.mean, row.checkpoint.std
        if row.kinetics is None and row.imagenet is None:
            return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        source = IMAGENET if row.kinetics is None else KINETICS
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
        return find_network(Path(source), name).state
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
    head = architecture(name).head
    if source in (KINETICS, IMAGENET):
        called = "the Kinetics weights" if source == KINETICS else "the ImageNet weights"
        return load_backbone_state(network, published_state(name, source), head=head, source=called)
    match = find_network(Path(source), name)
    report = load_backbone_state(network, match.state, head=head, source=f"the weights {source}")
    return replace(report, unexpected=(*report.unexpected, *match.unused), origin=match.origin())


def _entry(name: str, row: Architecture, source: str) -> WeightsEnum:
    where = row.kinetics if source == KINETICS else row.imagenet
    if where is None:
        there = with_kinetics() if source == KINETICS else with_imagenet()
        raise UserError(f"torchvision has no {source} weights for {name}; it has them for {', '.join(there)}")
    entry: WeightsEnum = resolve_name(where)
    return entry


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
