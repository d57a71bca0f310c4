"""The training loop, of pre-training and fine-tuning alike, on one process or many.

A run is a folder: `checkpoint.pt` (everything to go on), `metrics.jsonl` and `tensorboard/`, which the main process
alone reads and writes. A run that was stopped and resumed passes through the same states as one that never was; on one
CPU process, bit for bit.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fractalvid.errors import UserError
from pretrain import trainable as freezing
from pretrain.checkpoint import load_checkpoint, save_checkpoint
from pretrain.distributed import from_main, is_main, mean, rank, world_size
from pretrain.ema import Ema
from pretrain.engine_config import EngineConfig
from pretrain.interrupt import StopRequest
from pretrain.mixing import Mixture, draw_mixture
from pretrain.noise import noise_from
from pretrain.objectives.base import Objective
from pretrain.objectives.supervised import LossFn, Supervised
from pretrain.optim import OptimConfig, build_optimizer, lr_at, scaled, warmup_steps
from pretrain.precision import resolve_device, resolve_precision
from pretrain.prefetch import Prefetcher, Source
from pretrain.report import Report
from pretrain.rundir import make_folder
from pretrain.runlog import Row
from pretrain.state import RunState
from pretrain.update import Update

__all__ = ["CHECKPOINT", "EngineConfig", "TrainResult", "Validate", "train"]

Validate = Callable[[nn.Module], dict[str, float]]
"""The network, in evaluation mode -> named numbers."""

CHECKPOINT = "checkpoint.pt"
FEW_STEPS = 100
"""The share of skipped steps is taken of at least this many, so that one early one doesn't end a long run."""
PROVISIONAL_WARMUP = 500
"""While a budget in time isn't steps yet, the learning rate rises as in a warm-up of this many steps."""


@dataclass(frozen=True)
class TrainResult:
    """What a run came to.

    Attributes:
        steps: steps done, skipped ones included.
        history: all rows of `metrics.jsonl`.
        metrics: the last validation, or empty without one.
        seconds: time spent in steps, those before a resume included.
        skipped: steps skipped because their loss or gradients weren't finite.
    """

    steps: int
    history: list[Row]
    metrics: dict[str, float]
    seconds: float
    skipped: int


def train(
    model: nn.Module,
    source: Source,
    *,
    config: EngineConfig,
    optim: OptimConfig,
    batch_size: int,
    seed: int,
    out: Path,
    loss_fn: LossFn | None = None,
    validate: Validate | None = None,
    trainable: Iterable[nn.Parameter] | None = None,
    epoch_clips: int | None = None,
    resume: bool = False,
    progress: bool = True,
) -> TrainResult:
    """Train `model` in place on batches of `source` until the budget is spent.

    Args:
        model: an `Objective`, or a network that maps `batch.video` to what `loss_fn` takes; ends on the device it was
            trained on, its weights averaged where `config.ema` says so.
        source: where batches come from, `config.part(batch_size)` clips each; must not end before the budget does. With
            several processes, each has its own share of the clips.
        config: how the loop runs.
        optim: how parameters are updated.
        batch_size: clips a step, of all processes and parts together, for the learning rate and the progress bar.
        seed: of the noise in training: dropout, mixing.
        out: folder of the run.
        loss_fn: (output, batch) -> scalar; smoothed cross-entropy if None. With mixing on, `batch` is the mixed one,
            its targets probabilities (B, K). Objectives have their own.
        validate: called every `config.val_every` steps and at the end with the network (an objective's backbone), on
            the main process, without gradients, in evaluation mode.
        trainable: parameters to train, None for all; the rest, BatchNorm statistics too, stays bit-equal.
        epoch_clips: clips an epoch of the source, for a budget in epochs.
        resume: go on from the checkpoint in `out`, where there is one.
        progress: show a progress bar.

    Raises:
        UserError: impossible settings, unreadable checkpoint, a source that ends, too many skipped steps.
        KeyboardInterrupt: SIGINT or SIGTERM, after a checkpoint was written.
    """
    config.check()
    optim.check()
    if batch_size < 1:
        raise UserError(f"batch-size is {batch_size}; it must be at least 1")
    config.part(batch_size)
    budget = config.budget(batch_size, epoch_clips)
    objective = _objective(model, loss_fn, config)
    state = from_main(lambda: _checkpoint(out, resume=resume))
    precision = resolve_precision(config.precision, resolve_device(config.device))
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
        run = _Run(RunState(update, ema, budget, batch_size=batch_size, seed=seed), config, optim, out, validate)
        if state is not None:
            run.state.load_state_dict(state, out / CHECKPOINT)
            source.load_state_dict({"next_index": run.state.next_index})
        result = run.go(source, show=progress)
        if ema is not None:
            objective.backbone.load_state_dict(ema.network.state_dict())
        return result


def _objective(model: nn.Module, loss_fn: LossFn | None, config: EngineConfig) -> Objective:
    """`model` itself, or a network told to tell classes apart."""
    if not isinstance(model, Objective):
        return Supervised(model, config.label_smoothing, loss_fn=loss_fn)
    if loss_fn is not None:
        raise ValueError("an objective has a loss of its own: leave out loss_fn")
    if (config.mixup or config.cutmix) and not model.mixes:
        raise UserError("mixup and cutmix are for objectives that tell classes apart, not for this one; leave them out")
    return model


def _checkpoint(out: Path, *, resume: bool) -> dict[str, Any] | None:
    """What the folder of the run holds to go on from; makes it where it isn't there."""
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise UserError(f"{out} holds a run already; resume it (--resume) or choose another folder (--out)")
    state = load_checkpoint(checkpoint) if checkpoint.exists() else None
    make_folder(out)
    return state


class _Run:
    """The loop around the steps."""

    def __init__(
        self, state: RunState, config: EngineConfig, optim: OptimConfig, out: Path, validate: Validate | None
    ) -> None:
        self.state, self.config, self.optim, self.out, self.validate = state, config, optim, out, validate
        self.update, self.budget = state.update, state.budget

    def go(self, source: Source, *, show: bool) -> TrainResult:
        state = self.state
        self.report = Report(state, self.out, tensorboard=self.config.tensorboard, show=show)
        try:
            if state.step != self.budget.total:
                with StopRequest() as stop, Prefetcher(source, self.config.prefetch) as batches:
                    self._loop(batches, stop)
        finally:
            self.report.close()
        history, metrics = self.report.log.rows, self.report.last_validation()
        return TrainResult(state.step, history, metrics, self.budget.seconds, state.skipped)

    def _loop(self, batches: Prefetcher, stop: StopRequest) -> None:
        self._set_train_mode()
        state, config = self.state, self.config
        while state.step != self.budget.total:
            self._one_step(batches)
            last, stopping = state.step == self.budget.total, stop.agreed()
            if last or state.step % config.log_every == 0:
                self.report.row()
            if self.validate and (last or (config.val_every and state.step % config.val_every == 0)):
                self.report.validation(from_main(partial(self._measure, self.validate)))
            if last or stopping or state.step % config.checkpoint_every == 0:
                self._save()
            if stopping and not last:
                total = self.budget.total or "an unknown number"
                self.report.bar.say(
                    f"stopped after step {state.step} of {total}, saved in {self.out}; "
                    "the same command with --resume goes on from there"
                )
                raise KeyboardInterrupt

    def _one_step(self, batches: Prefetcher) -> None:
        state, parts = self.state, self.config.accumulate
        started, waited = time.perf_counter(), batches.waited
        for part in range(parts - 1):
            batch = self._next(batches)
            self.update.add(batch, self._mixture(batch, part))
        batch = self._next(batches)
        values = self.update.step(batch, self._lr(), self._mixture(batch, parts - 1))
        state.step += 1
        state.next_index = batch.next_index
        if values is None:
            state.skipped += 1
        else:
            self._follow()
        seconds = time.perf_counter() - started
        self._spend(seconds)
        times = {"seconds": seconds, "waited": batches.waited - waited, **self.update.watch.take()}
        self.report.step(batch.target.shape[0] * parts * world_size(), values, times)
        self._check_skipped()

    def _next(self, batches: Prefetcher) -> Any:
        try:
            return next(batches)
        except StopIteration:
            raise UserError(
                f"the data ended after {self.state.step} of {self.budget.total or 'all'} steps; "
                "give more data or a smaller budget"
            ) from None

    def _mixture(self, batch: Any, part: int) -> Mixture | None:
        """How a part of this step's clips is mixed: on each rank in its own way."""
        number = (self.state.step * self.config.accumulate + part) * world_size() + rank()
        shape, config = tuple(batch.video.shape), self.config
        return draw_mixture(self.state.seed, number, shape, mixup=config.mixup, cutmix=config.cutmix)

    def _lr(self) -> float:
        step, batch_size = self.state.step, self.state.batch_size
        base, total = scaled(self.optim.lr, batch_size), self.budget.total
        if total is None:
            return base * min(1.0, (step + 1) / PROVISIONAL_WARMUP)
        return lr_at(step, total, warmup_steps(self.optim, total), base, scaled(self.optim.final_lr, batch_size))

    def _follow(self) -> None:
        """What goes along with the weights after a step."""
        with torch.no_grad():
            self.update.objective.after_step(self.state.step, self.budget.total)
        if self.state.ema is not None:
            self.state.ema.update(self.update.objective.backbone)

    def _spend(self, seconds: float) -> None:
        """Count the time of a step; once it is known, tell how many steps a budget in time is."""
        timing = self.budget.total is None
        # All ranks have to come to the same number of steps.
        self.budget.record(self.state.step, float(mean(torch.tensor(seconds))) if timing else seconds)
        if timing and self.budget.total is not None:
            self.report.bar.say(
                f"step {self.state.step}: from the time so far, the budget is {self.budget.total} steps"
            )

    def _check_skipped(self) -> None:
        state = self.state
        counted = max(state.step, min(FEW_STEPS, self.budget.total or FEW_STEPS))
        if state.skipped > self.config.max_bad_share * counted:
            raise UserError(
                f"{state.skipped} of {state.step} steps had a non-finite loss or gradients, over the limit of "
                f"{self.config.max_bad_share:.1%}; lower --lr, use --precision fp32 or raise --max-bad-share"
            )

    def _measure(self, validate: Validate) -> dict[str, float]:
        self.state.network.eval()
        with torch.no_grad(), self.update.precision.autocast():
            metrics = validate(self.state.network)
        self._set_train_mode()
        return metrics

    def _set_train_mode(self) -> None:
        self.update.objective.train()
        # Momentum networks, which are frozen as well, stay in training mode.
        freezing.set_train_mode(self.update.objective.backbone)

    def _save(self) -> None:
        state = self.state.state_dict()
        if is_main():
            save_checkpoint(self.out / CHECKPOINT, state)


@contextmanager
def _torch_threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
