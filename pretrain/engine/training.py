"""A training from beginning to end, for pre-training and fine-tuning alike, on one process or many.

A run is a folder: `checkpoint.pt` (everything to go on), `metrics.jsonl` and `tensorboard/`, which the main process
alone reads and writes. A run that was stopped and resumed passes through the same states as one that never was; on one
CPU process, bit for bit.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fractalvid.pretrain.engine.batches import Source
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.engine.config import LoopConfig, TrainConfig
from fractalvid.pretrain.engine.freezing import only_trainable
from fractalvid.pretrain.engine.loop import Loop, TrainResult, Validate
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.machine import (
    Precision,
    from_main,
    resolve_device,
    resolve_precision,
    resumed_precision,
    seeded,
    world_size,
)
from fractalvid.pretrain.optim import Ema, build_optimizer
from fractalvid.utils.checks import check_instance
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder


def train(
    objective: Objective,
    source: Source,
    config: TrainConfig,
    out: Path | str,
    *,
    validate: Validate | None = None,
    validated: str = "validation",
    trainable: Iterable[nn.Parameter] | None = None,
    resume: bool = False,
    lasting: bool = True,
    progress: bool = True,
) -> TrainResult:
    """Train the network of `objective` in place on batches of `source` until the budget is spent.

    Args:
        objective: a network and what it is trained for; ends on the device it was trained on, the weights of its
            backbone averaged where `config.loop.ema` says so.
        source: where batches come from, `config.loop.part(config.batch_size)` clips each; must not end before the
            budget does. With several processes, each has its own share of the clips.
        config: all other settings.
        out: folder of the run.
        validate: called every `config.loop.val_every` steps and at the end with the objective's backbone, on the main
            process, or on all where it is a `SharedValidation`, without gradients, in evaluation mode.
        validated: what its line is called, as it may be of test videos.
        trainable: parameters to train, None for all; the rest, BatchNorm statistics too, stays bit-equal.
        resume: go on from the checkpoint in `out`, where there is one.
        lasting: False where `out` is thrown away: a run that is stopped then neither saves nor says how to go on.
        progress: show a progress bar.

    Raises:
        UserError: impossible settings, unreadable checkpoint, a source that ends, too many skipped steps,
            weights that are not finite, which are neither returned nor saved.
        KeyboardInterrupt: SIGINT or SIGTERM, after a checkpoint was written if the run is lasting.
    """
    check_instance("config", config, TrainConfig)
    out = Path(out)
    config.check()
    budget = config.budget()
    saved = from_main(lambda: _checkpoint(out, resume=resume))
    precision = _precision(config.loop, saved)
    objective.to(precision.device)
    if config.loop.sync_bn and world_size() > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(objective)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    with (
        _torch_threads(config.loop.torch_threads),
        torch.cuda.device(precision.device) if precision.device.type == "cuda" else nullcontext(),
        seeded(config.seed, precision.device),
        only_trainable(objective, trainable) as parameters,
    ):
        update = Update(
            objective, parameters, build_optimizer(config.optim, objective, parameters), precision, config.loop
        )
        ema = Ema(objective.backbone, config.loop.ema) if config.loop.ema else None
        state = RunState(update, ema, budget, batch_size=config.batch_size, seed=config.seed)
        if saved is not None:
            state.load_state_dict(saved, out / CHECKPOINT)
            source.load_state_dict({"next_index": state.next_index})
        loop = Loop(state, config, out, validate=validate, validated=validated, lasting=lasting)
        result = loop.go(source, show=progress)
        if ema is not None:
            objective.backbone.load_state_dict(ema.network.state_dict())
        return result


def _checkpoint(out: Path, *, resume: bool) -> dict[str, Any] | None:
    """What the folder of the run holds to go on from; makes it where it isn't there."""
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise UserError(f"{out} holds a run already; resume it (--resume) or choose another folder (--out)")
    state = load_checkpoint(checkpoint) if checkpoint.exists() else None
    make_folder(out)
    return state


def _precision(config: LoopConfig, saved: dict[str, Any] | None) -> Precision:
    """Device and arithmetic of a new run, or of one that goes on from a checkpoint."""
    device = resolve_device(config.device)
    if saved is None:
        return resolve_precision(config.precision, device)
    return resumed_precision(config.precision, device, saved["precision"])


@contextmanager
def _torch_threads(number: int | None) -> Iterator[None]:
    """Inside, torch computes with so many threads; with its own choice for None."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
