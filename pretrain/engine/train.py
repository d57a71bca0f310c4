"""The training loop, of pre-training and fine-tuning alike, on one process or many.

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

from fractalvid.pretrain.engine import trainable as freezing
from fractalvid.pretrain.engine.batches import Source
from fractalvid.pretrain.engine.config import EngineConfig
from fractalvid.pretrain.engine.folder import CHECKPOINT
from fractalvid.pretrain.engine.loop import Loop, TrainResult
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.engine.update import Update
from fractalvid.pretrain.engine.validation import Validate
from fractalvid.pretrain.machine.distributed import from_main, world_size
from fractalvid.pretrain.machine.noise import noise_from
from fractalvid.pretrain.machine.precision import resolve_device, resolve_precision, resumed_precision
from fractalvid.pretrain.optim.ema import Ema
from fractalvid.pretrain.optim.optimizer import OptimConfig, build_optimizer
from fractalvid.pretrain.weights.checkpoint import load_checkpoint
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder

__all__ = ["CHECKPOINT", "EngineConfig", "TrainResult", "Validate", "train"]


def train(
    objective: Objective,
    source: Source,
    *,
    config: EngineConfig,
    optim: OptimConfig,
    batch_size: int,
    seed: int,
    out: Path,
    validate: Validate | None = None,
    trainable: Iterable[nn.Parameter] | None = None,
    epoch_clips: int | None = None,
    resume: bool = False,
    lasting: bool = True,
    progress: bool = True,
) -> TrainResult:
    """Train the network of `objective` in place on batches of `source` until the budget is spent.

    Args:
        objective: a network and what it is trained for; ends on the device it was trained on, the weights of its
            backbone averaged where `config.ema` says so.
        source: where batches come from, `config.part(batch_size)` clips each; must not end before the budget does. With
            several processes, each has its own share of the clips.
        config: how the loop runs.
        optim: how parameters are updated.
        batch_size: clips a step, of all processes and parts together, for the learning rate and the progress bar.
        seed: of the noise in training, such as dropout.
        out: folder of the run.
        validate: called every `config.val_every` steps and at the end with the objective's backbone, on
            the main process, or on all where it is `Shared`, without gradients, in evaluation mode.
        trainable: parameters to train, None for all; the rest, BatchNorm statistics too, stays bit-equal.
        epoch_clips: clips an epoch of the source, for a budget in epochs.
        resume: go on from the checkpoint in `out`, where there is one.
        lasting: False where `out` is thrown away: a run that is stopped then neither saves nor says how to go on.
        progress: show a progress bar.

    Raises:
        UserError: impossible settings, unreadable checkpoint, a source that ends, too many skipped steps,
            weights that are not finite, which are neither returned nor saved.
        KeyboardInterrupt: SIGINT or SIGTERM, after a checkpoint was written if the run is lasting.
    """
    config.check()
    optim.check()
    if batch_size < 1:
        raise UserError(f"batch-size is {batch_size}; it must be at least 1")
    config.part(batch_size)
    budget = config.budget(batch_size, epoch_clips)
    state = from_main(lambda: _checkpoint(out, resume=resume))
    device = resolve_device(config.device)
    if state is None:
        precision = resolve_precision(config.precision, device)
    else:
        precision = resumed_precision(config.precision, device, state)
    objective.to(precision.device)
    if config.sync_bn and world_size() > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(objective)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    with (
        _torch_threads(config.torch_threads),
        torch.cuda.device(precision.device) if precision.device.type == "cuda" else nullcontext(),
        noise_from(seed, precision.device),
        freezing.only(objective, trainable) as parameters,
    ):
        update = Update(
            objective,
            parameters,
            build_optimizer(optim, objective, parameters),
            precision,
            grad_clip=config.grad_clip,
            channels_last=config.channels_last,
            compiled=config.compile,
            accumulate=config.accumulate,
        )
        ema = Ema(objective.backbone, config.ema) if config.ema else None
        run = Loop(
            RunState(update, ema, budget, batch_size=batch_size, seed=seed),
            *(config, optim, out, validate),
            lasting=lasting,
        )
        if state is not None:
            run.state.load_state_dict(state, out / CHECKPOINT)
            source.load_state_dict({"next_index": run.state.next_index})
        result = run.go(source, show=progress)
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


@contextmanager
def _torch_threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
