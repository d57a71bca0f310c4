"""The loop around the steps: what happens after which, until the budget is spent or somebody stops it."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fractalvid.pretrain.engine import trainable as freezing
from fractalvid.pretrain.engine.batches import Prefetcher, Source
from fractalvid.pretrain.engine.config import EngineConfig
from fractalvid.pretrain.engine.divergence import check_skipped, check_weights
from fractalvid.pretrain.engine.folder import CHECKPOINT
from fractalvid.pretrain.engine.progress import Report
from fractalvid.pretrain.engine.runlog import Row
from fractalvid.pretrain.engine.state import RunState
from fractalvid.pretrain.engine.validation import Shared, Validate
from fractalvid.pretrain.machine.distributed import from_main, is_main, mean, share_buffers, world_size
from fractalvid.pretrain.machine.interrupt import StopRequest
from fractalvid.pretrain.machine.precision import PrecisionName
from fractalvid.pretrain.optim.optimizer import OptimConfig, lr_at, scaled, warmup_steps
from fractalvid.pretrain.weights.checkpoint import save_checkpoint
from fractalvid.utils.errors import UserError

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
        config: how the loop runs.
        optim: the schedule of the learning rate.
        out: folder of the run; it exists.
        validate: what is measured now and then.
        lasting: whether an interrupted run can be gone on with: its folder stays.
    """

    def __init__(
        self,
        state: RunState,
        config: EngineConfig,
        optim: OptimConfig,
        out: Path,
        validate: Validate | None,
        *,
        lasting: bool,
    ) -> None:
        """See the class."""
        self.lasting = lasting
        self.state, self.config, self.optim, self.out, self.validate = state, config, optim, out, validate
        self.update, self.budget = state.update, state.budget

    def go(self, source: Source, *, show: bool) -> TrainResult:
        """Take the steps that are left, on batches of `source`, with a progress bar if it is to be shown."""
        state = self.state
        self.report = Report(state, self.out, tensorboard=self.config.tensorboard, show=show)
        try:
            if state.step != self.budget.total:
                with StopRequest() as stop, Prefetcher(source, self.config.prefetch) as batches:
                    self._loop(batches, stop)
        finally:
            self.report.close()
        history, metrics = self.report.log.rows, self.report.last_validation()
        name = self.update.precision.name
        return TrainResult(state.step, history, metrics, self.budget.seconds, state.skipped, name)

    def _loop(self, batches: Prefetcher, stop: StopRequest) -> None:
        self._set_train_mode()
        state, config = self.state, self.config
        while state.step != self.budget.total:
            self._one_step(batches)
            last, stopping = state.step == self.budget.total, stop.agreed()
            measures = last or (config.val_every > 0 and state.step % config.val_every == 0)
            saves = last or (stopping and self.lasting) or state.step % config.checkpoint_every == 0
            if last or state.step % config.log_every == 0:
                self.report.row()
            if saves or measures:
                check_weights(state, self.out / CHECKPOINT)
            if self.validate and measures:
                with self.report.bar.during("validating"):
                    found = self._measure(self.validate)
                self.report.validation(found)
            if saves:
                self._save()
            if stopping and not last:
                self._say_how_to_go_on()
                raise KeyboardInterrupt

    def _say_how_to_go_on(self) -> None:
        if self.lasting:
            total = self.budget.total or "an unknown number"
            self.report.bar.say(
                f"stopped after step {self.state.step} of {total}, saved in {self.out}; "
                "the same command with --resume goes on from there"
            )

    def _one_step(self, batches: Prefetcher) -> None:
        state, parts = self.state, self.config.accumulate
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
        self.report.step(batch.target.shape[0] * parts * world_size(), values, times)
        if values is None:
            check_weights(state, self.out / CHECKPOINT)
        check_skipped(state, self.out / CHECKPOINT, max_share=self.config.max_bad_share)

    def _next(self, batches: Prefetcher) -> Any:
        try:
            return next(batches)
        except StopIteration:
            raise UserError(
                f"the data ended after {self.state.step} of {self.budget.total or 'all'} steps; "
                "give more data or a smaller budget"
            ) from None

    def _lr(self) -> float:
        step, batch_size = self.state.step, self.state.batch_size
        base, total = scaled(self.optim.lr, batch_size), self.budget.total
        if total is None:
            return base * min(1.0, (step + 1) / PROVISIONAL_WARMUP)
        return lr_at(step, total, warmup_steps(self.optim, total), base, scaled(self.optim.last_lr, batch_size))

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

    def _measure(self, validate: Validate) -> dict[str, float]:
        """What a validation finds: by the main process, or by all together where it is `Shared`."""
        if not isinstance(validate, Shared):
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
        freezing.set_train_mode(self.update.objective.backbone)

    def _save(self) -> None:
        state = self.state.state_dict()
        if is_main():
            save_checkpoint(self.out / CHECKPOINT, state)
