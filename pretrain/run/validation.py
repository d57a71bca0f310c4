"""What a run measures of its network now and then, on held-out clips."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import nn

from fractalvid.core.bank import Bank
from fractalvid.pretrain.engine import Batch, SharedValidation, Validate
from fractalvid.pretrain.machine import rank, world_size
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.monitors import (
    build_monitors,
    classification_metrics,
    first_classes,
    neighbour_metrics,
    together,
)
from fractalvid.pretrain.objectives import ObjectiveConfig
from fractalvid.pretrain.run.clips import render_device
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.run.threads import render_threads
from fractalvid.stream import FractalStream


def build_validation(bank: Bank, config: PretrainConfig) -> SharedValidation | None:
    """Measures a network on the same held-out clips every time, shared out over the processes.

    Args:
        bank: what is trained on.
        config: resolved; was checked.

    Returns:
        None where nothing is to be measured.
    """
    threads, measures = render_threads(config), list[Validate]()
    # A GPU that is asked for and not there has been said to be missing by the stream.
    device = render_device(config) if torch.cuda.is_available() else "cpu"
    if config.val_clips:
        batches = FractalStream.validation(
            validated_classes(config.objective, bank, config.val_clips),
            num_clips=config.val_clips,
            batch_size=config.part(),
            config=config.stream,
            threads=threads,
            rank=rank(),
            world_size=world_size(),
            device=device,
        )
        measures.append(partial(metrics, config.objective, batches=batches))
    if config.monitor.monitors:
        monitors = build_monitors(
            config.monitor,
            bank,
            config.stream,
            head=head_name(config.arch),
            batch_size=config.part(),
            threads=threads,
            device=device,
        )
        measures.append(monitors)
    return SharedValidation(together(measures)) if measures else None


def metrics(objective: ObjectiveConfig, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """How well a network does on held-out clips: top1, top5 and loss, or without labels `knn_top1`."""
    measure = classification_metrics if objective.views == 1 else neighbour_metrics
    return measure(network, batches)


def validated_classes(objective: ObjectiveConfig, bank: Bank, num_clips: int) -> Bank:
    """The classes that are validated on: all, or without labels so few that each has several clips."""
    return bank if objective.views == 1 else first_classes(bank, num_clips)
