"""The loop around the steps: what happens after which, until the budget is spent or somebody stops it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fractalvid.pretrain.engine.batches import Prefetcher, Source
from fractalvid.pretrain.engine.checkpoint import CHECKPOINT, save_checkpoint
from fractalvid.pretrain.engine.config import TrainConfig
from fractalvid.pretrain.engine.divergence import check_skipped, check_weights
from fractalvid.pretrain.engine.freezing import set_train_mode
from fractalvid.pretrain.engine.log import Row
from fractalvid.pretrain.engine.progress import Reporter
from fractalvid.pretrain.engine.resuming import going_on
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.machine import PrecisionName, StopRequest, from_main, is_main, mean, share_buffers, world_size
from fractalvid.pretrain.optim import planned_lr, scaled
from fractalvid.utils.errors import UserError

Validate = Callable[[nn.Module], dict[str, float]]
"""The network, in evaluation mode -> named numbers."""


@dataclass(frozen=True)
class SharedValidation:
    """A validation that all processes take part in, each with its share of the clips, and that gives all the same.

    The loop calls it on every process, and any other validation on the main one alone.
    """

    measure: Validate

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Measure this process's share; what all have found together."""
        return self.measure(network)


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
        precision: fp32, bf16 or fp16: what was computed in.
    """

    steps: int
    history: list[Row]
    metrics: dict[str, float]
    seconds: float
    skipped: int
    precision: PrecisionName


class Loop:
    """One run of the loop.

    Args:
        state: what it goes on from.
        config: of the training.
        out: folder of the run; it exists.
        validate: what is measured now and then.
        validated: what that is called.
        lasting: whether an interrupted run can be gone on with: its folder stays.
    """

    def __init__(
        self,
        state: RunState,
        config: TrainConfig,
        out: Path,
        *,
        validate: Validate | None,
        validated: str,
        lasting: bool,
    ) -> None:
        """See the class."""
        self.state, self.config, self.out, self.lasting = state, config, out, lasting
        self.validate, self.validated = validate, validated
        self.update, self.budget = state.update, state.budget

    def go(self, source: Source, *, show: bool) -> TrainResult:
        """Take the steps that are left, on batches of `source`, with a progress bar if it is to be shown."""
        state = self.state
        self.reporter = Reporter(state, self.out, tensorboard=self.config.loop.tensorboard, show=show)
        try:
            if state.step != self.budget.total:
                with StopRequest() as stop, Prefetcher(source, self.config.loop.prefetch) as batches:
                    self._loop(batches, stop)
        finally:
            self.reporter.close()
        return TrainResult(
            steps=state.step,
            history=self.reporter.log.rows,
            metrics=self.reporter.last_validation(),
            seconds=self.budget.seconds,
            skipped=state.skipped,
            precision=self.update.precision.name,
        )

    def _loop(self, batches: Prefetcher, stop: StopRequest) -> None:
        self._set_train_mode()
        state, config = self.state, self.config.loop
        while state.step != self.budget.total:
            self._one_step(batches)
            last, stopping = state.step == self.budget.total, stop.agreed()
            measures = last or (config.val_every > 0 and state.step % config.val_every == 0)
            saves = last or (stopping and self.lasting) or state.step % config.checkpoint_every == 0
            if last or state.step % config.log_every == 0:
                self.reporter.row()
            if saves or measures:
                check_weights(state, self.out / CHECKPOINT)
            if self.validate and measures:
                with self.reporter.bar.during("validating"):
                    metrics = self._measure(self.validate)
                self.reporter.validation(metrics, self.validated)
            if saves:
                self._save()
            if stopping and not last:
                self._say_how_to_go_on()
                raise KeyboardInterrupt

    def _say_how_to_go_on(self) -> None:
        if self.lasting:
            total = self.budget.total or "an unknown number"
            self.reporter.bar.say(
                f"stopped after step {self.state.step} of {total}, saved in {self.out}; {going_on()} from there"
            )

    def _one_step(self, batches: Prefetcher) -> None:
        state, parts = self.state, self.config.loop.accumulate
        started, waited = time.perf_counter(), batches.waited
        for _ in range(parts - 1):
            self.update.add(self._next(batches))
        batch = self._next(batches)
        values = self.update.step(batch, self._lr())
        state.step += 1
        state.next_index = batch.next_index
        if values is None:
            state.skipped += 1
            state.skipped_in_a_row += 1
        else:
            state.skipped_in_a_row = 0
            self._follow()
        seconds = time.perf_counter() - started
        self._spend(seconds)
        times = {"seconds": seconds, "waited": batches.waited - waited, **self.update.watch.take()}
        self.reporter.step(batch.target.shape[0] * parts * world_size(), values, times)
        if values is None:
            check_weights(state, self.out / CHECKPOINT)
        check_skipped(state, self.out / CHECKPOINT, max_share=self.config.loop.max_bad_share)

    def _next(self, batches: Prefetcher) -> Any:
        try:
            return next(batches)
        except StopIteration:
            raise UserError(
                f"the data ended after {self.state.step} of {self.budget.total or 'all'} steps; "
                "give more data or a smaller budget"
            ) from None

    def _lr(self) -> float:
        step, optim, batch_size, total = self.state.step, self.config.optim, self.config.batch_size, self.budget.total
        if total is None:
            return scaled(optim.lr, batch_size) * min(1.0, (step + 1) / PROVISIONAL_WARMUP)
        return planned_lr(optim, batch_size, step, total)

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
            self.reporter.bar.say(
                f"step {self.state.step}: from the time so far, the budget is {self.budget.total} steps"
            )

    def _measure(self, validate: Validate) -> dict[str, float]:
        """What a validation finds: by the main process, or by all together where it is a `SharedValidation`."""
        if not isinstance(validate, SharedValidation):
            return from_main(partial(self._measure_here, validate))
        # Each process has running statistics of its own clips; those of the main one are kept.
        share_buffers(self.state.network)
        return self._measure_here(validate)

    def _measure_here(self, validate: Validate) -> dict[str, float]:
        self.state.network.eval()
        with torch.no_grad(), self.update.precision.autocast():
            metrics = validate(self.state.network)
        self._set_train_mode()
        return metrics

    def _set_train_mode(self) -> None:
        self.update.objective.train()
        # Momentum networks, which are frozen as well, stay in training mode.
        set_train_mode(self.update.objective.backbone)

    def _save(self) -> None:
        state = self.state.state_dict()
        if is_main():
            self.reporter.log.sync()
            save_checkpoint(self.out / CHECKPOINT, state)
