"""The training loop, of pre-training and fine-tuning alike.

A run is a folder: `checkpoint.pt` (everything to go on), `metrics.jsonl` and `tensorboard/`. A run that was
stopped and resumed passes through the same states as one that never was; on one CPU process, bit for bit.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fractalvid.errors import UserError
from pretrain import trainable as freezing
from pretrain.budget import Budget, Hours
from pretrain.checkpoint import load_checkpoint, save_checkpoint
from pretrain.interrupt import StopRequest
from pretrain.mixing import check_alpha, draw_mixture
from pretrain.optim import OptimConfig, build_optimizer, lr_at, scaled, warmup_steps
from pretrain.precision import PrecisionName, resolve_device, resolve_precision
from pretrain.prefetch import Prefetcher, Source
from pretrain.runlog import Meter, MetricLog, Progress, Row
from pretrain.update import LossFn, Update, cross_entropy

Validate = Callable[[nn.Module], dict[str, float]]
"""The network, in evaluation mode -> named numbers."""

CHECKPOINT = "checkpoint.pt"
FEW_STEPS = 100
"""The share of skipped steps is taken of at least this many, so that one early one doesn't end a long run."""
PROVISIONAL_WARMUP = 500
"""While a budget in time isn't steps yet, the learning rate rises as in a warm-up of this many steps."""


@dataclass(frozen=True)
class EngineConfig:
    """How the loop runs. Give one budget: `steps` or `hours`."""

    steps: int | None = None
    """Steps to train."""
    hours: Hours = None
    """Time to train (2h, 20m, or a number of hours); becomes a number of steps after the first 50."""
    precision: PrecisionName = "auto"
    """auto (bf16 or fp16 on a GPU, fp32 on a CPU), fp32, bf16 or fp16."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    grad_clip: float = 5.0
    """Largest norm of all gradients together; 0 doesn't clip."""
    label_smoothing: float = 0.1
    """Probability spread over all classes by the default loss."""
    mixup: float = 0.0
    """Blend clips and labels in pairs: alpha of mixup's Beta distribution, such as 0.2; 0 is off."""
    cutmix: float = 0.0
    """Paste boxes of other clips: alpha of CutMix's Beta distribution, such as 1; 0 is off; with --mixup, either."""
    max_bad_share: float = 0.05
    """Share of steps that may be skipped for a non-finite loss or gradient before the run stops."""
    log_every: int = 20
    """Steps from one row of metrics.jsonl to the next."""
    val_every: int = 500
    """Steps from one validation to the next; 0 validates only at the end."""
    checkpoint_every: int = 500
    """Steps from one checkpoint to the next; there is always one at the end."""
    prefetch: int = 2
    """Batches fetched ahead in the background."""
    torch_threads: int | None = None
    """Threads torch computes with; None leaves torch's own choice."""
    channels_last: bool = False
    """Keep videos and weights in channels-last order, which some devices compute faster."""
    compile: bool = False
    """Compile the network with torch.compile: a slow start, then faster steps."""
    tensorboard: bool = True
    """Also write TensorBoard files."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use."""
        Budget(self.steps, self.hours)
        for name in ("log_every", "checkpoint_every", "prefetch", "torch_threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name.replace('_', '-')} is {value}; it must be at least 1")
        if self.val_every < 0 or not self.grad_clip >= 0:
            raise UserError(f"val-every ({self.val_every}) and grad-clip ({self.grad_clip}) can't be negative")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"label-smoothing is {self.label_smoothing}; it must be at least 0 and below 1")
        check_alpha("mixup", self.mixup)
        check_alpha("cutmix", self.cutmix)
        if not 0 <= self.max_bad_share <= 1:
            raise UserError(f"max-bad-share is {self.max_bad_share}; it must lie between 0 and 1")
        resolve_precision(self.precision, resolve_device(self.device))


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
    resume: bool = False,
    progress: bool = True,
) -> TrainResult:
    """Train `model` in place on batches of `source` until the budget is spent.

    Args:
        model: maps `batch.video` to what `loss_fn` takes; ends on the device it was trained on.
        source: where batches come from; must not end before the budget does.
        config: how the loop runs.
        optim: how parameters are updated.
        batch_size: clips a step, for the learning rate and the progress bar.
        seed: of the noise in training: dropout, mixing.
        out: folder of the run.
        loss_fn: (output, batch) -> scalar; smoothed cross-entropy if None. With mixing on, `batch` is the mixed one,
            its targets probabilities (B, K).
        validate: called every `config.val_every` steps and at the end, without gradients, in evaluation mode.
        trainable: parameters to train, None for all; the rest, BatchNorm statistics too, stays bit-equal.
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
    checkpoint = out / CHECKPOINT
    if checkpoint.exists() and not resume:
        raise UserError(f"{out} holds a run already; resume it (--resume) or choose another folder (--out)")
    state = load_checkpoint(checkpoint) if checkpoint.exists() else None
    _make_folder(out)
    precision = resolve_precision(config.precision, resolve_device(config.device))
    model.to(precision.device)
    with (
        _torch_threads(config.torch_threads),
        _noise_from(seed, precision.device),
        freezing.only(model, trainable) as parameters,
    ):
        loss_fn = loss_fn or cross_entropy(config.label_smoothing)
        update = Update(
            model,
            parameters,
            build_optimizer(optim, model, parameters),
            loss_fn,
            precision,
            grad_clip=config.grad_clip,
            channels_last=config.channels_last,
            compiled=config.compile,
        )
        run = _Run(update, config, optim, batch_size, seed, out, validate)
        if state is not None:
            run.load_state_dict(state, checkpoint)
            source.load_state_dict({"next_index": run.next_index})
        return run.go(source, show=progress)


class _Run:
    """The loop around the steps, and everything it has to remember."""

    def __init__(
        self,
        update: Update,
        config: EngineConfig,
        optim: OptimConfig,
        batch_size: int,
        seed: int,
        out: Path,
        validate: Validate | None,
    ) -> None:
        self.update, self.config, self.batch_size, self.out = update, config, batch_size, out
        self.optim, self.seed, self.validate = optim, seed, validate
        self.budget = Budget(config.steps, config.hours)
        self.meter = Meter()
        self.step, self.next_index, self.skipped = 0, 0, 0

    def go(self, source: Source, *, show: bool) -> TrainResult:
        self.log = MetricLog(self.out, step=self.step, tensorboard=self.config.tensorboard)
        self.bar = Progress(done=self.step * self.batch_size, total=self._clips(), show=show)
        try:
            if self.step != self.budget.total:
                with StopRequest() as stop, Prefetcher(source, self.config.prefetch) as batches:
                    self._loop(batches, stop)
        finally:
            self.bar.close()
            self.log.close()
        return TrainResult(self.step, self.log.rows, self._last_validation(), self.budget.seconds, self.skipped)

    def _loop(self, batches: Prefetcher, stop: StopRequest) -> None:
        freezing.set_train_mode(self.update.model)
        while self.step != self.budget.total:
            self._one_step(batches)
            last = self.step == self.budget.total
            if last or self.step % self.config.log_every == 0:
                self._write_row()
            if last or (self.config.val_every and self.step % self.config.val_every == 0):
                self._validate()
            if last or stop.requested or self.step % self.config.checkpoint_every == 0:
                save_checkpoint(self.out / CHECKPOINT, self.state_dict())
            if stop.requested and not last:
                total = self.budget.total or "an unknown number"
                self.bar.say(
                    f"stopped after step {self.step} of {total}, saved in {self.out}; "
                    "the same command with --resume goes on from there"
                )
                raise KeyboardInterrupt

    def _one_step(self, batches: Prefetcher) -> None:
        started, waited = time.perf_counter(), batches.waited
        try:
            batch = next(batches)
        except StopIteration:
            raise UserError(
                f"the data ended after {self.step} of {self.budget.total or 'all'} steps; "
                "give more data or a smaller budget"
            ) from None
        shape, config = tuple(batch.video.shape), self.config
        mixture = draw_mixture(self.seed, self.step, shape, mixup=config.mixup, cutmix=config.cutmix)
        values = self.update.step(batch, self._lr(), mixture)
        self.step += 1
        self.next_index = batch.next_index
        clips = batch.target.shape[0]
        seconds = time.perf_counter() - started
        timing = self.budget.total is None
        self.budget.record(self.step, seconds)
        if timing and self.budget.total is not None:
            self.bar.say(f"step {self.step}: from the time so far, the budget is {self.budget.total} steps")
        self.meter.add(clips=clips, seconds=seconds, waited=batches.waited - waited, **(values or {}))
        if values is None:
            self._skip()
        shown: dict[str, float | str] = {k: v for k, v in (values or {}).items() if k in ("loss", "accuracy")}
        shown["wait"] = f"{self.meter.share('waited', 'seconds'):.0%}"
        if self.skipped:
            shown["skipped"] = self.skipped
        self.bar.update(clips, self._clips(), **shown)

    def _skip(self) -> None:
        self.skipped += 1
        self.bar.say(f"step {self.step} skipped: its loss or gradients were not finite ({self.skipped} so far)")
        counted = max(self.step, min(FEW_STEPS, self.budget.total or FEW_STEPS))
        if self.skipped > self.config.max_bad_share * counted:
            raise UserError(
                f"{self.skipped} of {self.step} steps had a non-finite loss or gradients, over the limit of "
                f"{self.config.max_bad_share:.1%}; lower --lr, use --precision fp32 or raise --max-bad-share"
            )

    def _lr(self) -> float:
        base = scaled(self.optim.lr, self.batch_size)
        total = self.budget.total
        if total is None:
            return base * min(1.0, (self.step + 1) / PROVISIONAL_WARMUP)
        final = scaled(self.optim.final_lr, self.batch_size)
        return lr_at(self.step, total, warmup_steps(self.optim, total), base, final)

    def _write_row(self) -> None:
        means = self.meter.take()
        clips, seconds, waited = means.pop("clips"), means.pop("seconds"), means.pop("waited")
        means["lr"] = self.update.optimizer.param_groups[0]["lr"]
        means["clips_per_s"] = clips / seconds
        means["data_wait"] = waited / seconds
        means["skipped"] = self.skipped
        means["seconds"] = self.budget.seconds
        self.log.write("train", self.step, means)

    def _validate(self) -> None:
        if self.validate is None:
            return
        self.update.model.eval()
        with torch.no_grad(), self.update.precision.autocast():
            metrics = self.validate(self.update.model)
        freezing.set_train_mode(self.update.model)
        self.log.write("val", self.step, metrics)
        told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self.bar.say(f"step {self.step}: validation {told}")

    def _last_validation(self) -> dict[str, float]:
        rows = [row for row in self.log.rows if row["kind"] == "val"]
        return {k: v for k, v in rows[-1].items() if k not in ("kind", "step")} if rows else {}

    def _clips(self) -> int | None:
        return None if self.budget.total is None else self.budget.total * self.batch_size

    def state_dict(self) -> dict[str, Any]:
        device = self.update.precision.device
        return {
            "step": self.step,
            "next_index": self.next_index,
            "skipped": self.skipped,
            "budget": self.budget.state_dict(),
            "meter": self.meter.state_dict(),
            "model": self.update.model.state_dict(),
            "optimizer": self.update.optimizer.state_dict(),
            "scaler": self.update.scaler.state_dict(),
            "rng": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load_state_dict(self, state: dict[str, Any], path: Path) -> None:
        try:
            self.update.model.load_state_dict(state["model"])
            self.update.optimizer.load_state_dict(state["optimizer"])
            self.update.scaler.load_state_dict(state["scaler"])
            self.budget.load_state_dict(state["budget"])
            self.meter.load_state_dict(state["meter"])
            self.step, self.next_index = int(state["step"]), int(state["next_index"])
            self.skipped = int(state["skipped"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(
                f"the checkpoint {path} is of another network or optimiser; use the run's own settings"
            ) from error
        torch.set_rng_state(state["rng"])
        if state["rng_cuda"] is not None and self.update.precision.device.type == "cuda":
            torch.cuda.set_rng_state(state["rng_cuda"], self.update.precision.device)


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"can't make the folder {out}: {error.strerror}; choose another with --out") from error


@contextmanager
def _torch_threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _noise_from(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, torch's generators (dropout draws from them) start at `seed`; afterwards they are as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield
