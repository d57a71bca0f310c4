"""Networks with fresh parameters that a seed determines, whole or without their heads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fractalvid.core.constants import MAX_CLASSES
from fractalvid.pretrain.models.table import architecture
from fractalvid.utils.checks import check_integer, is_whole
from fractalvid.utils.errors import UserError


def build_model(name: str, num_classes: int, *, seed: int) -> nn.Module:
    """A freshly initialised network: video float32 (B, 3, T, H, W) to logits float32 (B, K).

    Args:
        name: a row of the table `ARCHITECTURES`.
        num_classes: K, the size of the head.
        seed: determines the initial parameters; torch's global generator is left as it was.

    Raises:
        UserError: no such architecture, no number of classes, or no seed.
    """
    row = architecture(name)
    check_integer("seed", seed, 0, 2**64 - 1)
    if is_whole(num_classes) and num_classes < 1:
        raise UserError(f"a network needs at least 1 class, not {num_classes} (num_classes)")
    check_integer("num_classes", num_classes, 1, MAX_CLASSES)
    with _drawing_from(seed):
        return row.build(num_classes)


def backbone(name: str, *, seed: int) -> nn.Module:
    """A freshly initialised network without its head: video float32 (B, 3, T, H, W) to features float32 (B, F).

    F is `feature_dim(name)`. Parameters have the names they have in the whole network, and no layer drops anything.

    Raises:
        UserError: no such architecture, or no seed.
    """
    network = build_model(name, 1, seed=seed)
    setattr(network, architecture(name).head, nn.Identity())
    return network


@contextmanager
def _drawing_from(seed: int) -> Iterator[None]:
    """Inside, torch's CPU generator starts at `seed`; outside it never notices."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
