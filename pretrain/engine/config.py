"""A training as frozen dataclasses: how the loop runs, and all that a result depends on beside objective and clips."""

from dataclasses import dataclass, field

from fractalvid.pretrain.machine import PrecisionName, check_compiler, resolve_device, world_size
from fractalvid.pretrain.optim import Budget, Hours, OptimConfig, check_amounts, check_budget, epoch_steps
from fractalvid.utils.checks import (
    MAX_COUNT,
    MAX_SETTING,
    MAX_THREADS,
    check_at_most,
    check_count,
    check_fields,
    check_integer,
)
from fractalvid.utils.errors import UserError

_MOST = dict.fromkeys(("steps", "epochs", "log_every", "val_every", "checkpoint_every"), MAX_COUNT) | {
    **{"hours": MAX_SETTING, "grad_clip": 1e30, "accumulate": MAX_COUNT, "prefetch": 10_000},
    "torch_threads": MAX_THREADS,
}
"""Largest values of the settings of a loop."""


@dataclass(frozen=True)
class LoopConfig:
    """How the loop runs. Give one budget: `steps`, `epochs` or `hours`."""

    steps: int | None = None
    """Steps to train."""
    epochs: float | None = None
    """Epochs to train; what one is, the source of clips says."""
    hours: Hours = None
    """Time to train (2h, 20m, or a number of hours); becomes a number of steps after the first 50."""
    accumulate: int = 1
    """Parts that each process takes its clips of a step in, one after the other, to save memory. BatchNorm, and what
    tells clips from each other, sees a part at a time."""
    precision: PrecisionName = "auto"
    """auto (bf16 where the device computes it itself, else fp16 on a GPU and fp32 on a CPU; a run goes on in what it
    began in), fp32, bf16 or fp16."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. With several processes (torchrun), auto and cuda are a GPU for each."""
    sync_bn: bool = False
    """BatchNorm over the clips of all processes, on GPUs; without it, over those of each."""
    grad_clip: float = 5.0
    """Largest norm of all gradients together; 0 doesn't clip."""
    ema: float = 0.0
    """Also average the weights over steps, keeping such a share each time (0.999); validation and the final weights
    are the average's. 0 is off."""
    max_bad_share: float = 0.05
    """Share of steps that may be skipped for a non-finite loss or gradient before the run stops; it also does after 20
    in a row."""
    log_every: int = 20
    """Steps from one row of metrics.jsonl to the next."""
    val_every: int = 500
    """Steps from one validation to the next; 0 validates only at the end."""
    checkpoint_every: int = 500
    """Steps from one checkpoint to the next; there is always one at the end."""
    prefetch: int = 2
    """Batches fetched ahead in the background."""
    torch_threads: int | None = None
    """Threads torch computes with; if not given, torch's own choice, or half of the cores on AMX beside a stream."""
    channels_last: bool = False
    """Keep weights, and what is computed with them, in channels-last order, which some devices compute faster."""
    compile: bool = False
    """Compile the network with torch.compile: a slow start, then faster steps on GPUs; on CPUs steps were no faster."""
    tensorboard: bool = True
    """Also write TensorBoard files."""

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        check_amounts(self.steps, self.epochs, self.hours)
        for name in ("accumulate", "log_every", "checkpoint_every", "prefetch", "torch_threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name.replace('_', '-')} is {value}; it must be at least 1")
        if self.val_every < 0 or not self.grad_clip >= 0:
            raise UserError(f"val-every ({self.val_every}) and grad-clip ({self.grad_clip}) can't be negative")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema is {self.ema}; it must be at least 0 (off) and below 1, such as 0.999")
        if not 0 <= self.max_bad_share <= 1:
            raise UserError(f"max-bad-share is {self.max_bad_share}; it must lie between 0 and 1")
        check_at_most(self, _MOST)

    def check(self) -> None:
        """Raise a `UserError` unless there is one budget."""
        check_budget(self.steps, self.epochs, self.hours)

    def check_machine(self) -> None:
        """Raise a `UserError` for what this machine can't do."""
        from fractalvid.pretrain.machine import resolve_precision  # it imports torch

        device = resolve_device(self.device)
        if self.sync_bn and device.type != "cuda":
            raise UserError(f"sync-bn needs CUDA GPUs, not {device}; leave it out")
        if self.compile:
            check_compiler(device)
        resolve_precision(self.precision, device)

    def budget(self, batch_size: int, epoch_clips: int | None) -> Budget:
        """The budget in steps or time.

        Args:
            batch_size: clips a step.
            epoch_clips: clips an epoch; None where there are none.

        Raises:
            UserError: epochs of a source that has none.
        """
        if self.epochs is None:
            return Budget(self.steps, self.hours)
        if epoch_clips is None:
            raise UserError(f"epochs is {self.epochs:g}, but these clips have no epochs: give --steps or --hours")
        return Budget(epoch_steps(self.epochs, epoch_clips, batch_size), None)

    def part(self, batch_size: int) -> int:
        """Clips that one process takes at a time, of `batch_size` a step.

        Raises:
            UserError: they can't be shared out evenly.
        """
        parts = world_size() * self.accumulate
        if batch_size % parts:
            shared = [(world_size(), "processes (torchrun)"), (self.accumulate, "parts (--accumulate)")]
            told = " x ".join(f"{number} {what}" for number, what in shared if number > 1)
            raise UserError(f"batch-size is {batch_size}; it must be a multiple of {parts}, for {told}")
        return batch_size // parts


@dataclass(frozen=True)
class TrainConfig:
    """All that a training depends on, beside its objective and its clips.

    Attributes:
        loop: how the loop runs.
        optim: how parameters are updated.
        batch_size: clips a step, of all processes and parts together.
        seed: of the noise in training, such as dropout.
        epoch_clips: clips an epoch, for a budget in epochs.
    """

    loop: LoopConfig
    optim: OptimConfig = field(default_factory=OptimConfig)
    batch_size: int = 32
    seed: int = 0
    epoch_clips: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that no run can use."""
        check_fields(self)
        check_integer("batch_size", self.batch_size, 1, MAX_COUNT)
        check_integer("seed", self.seed, 0, 2**64 - 1)
        check_count("epoch_clips", self.epoch_clips)

    def check(self) -> None:
        """Raise a `UserError` for values no run can use together, or this machine can't."""
        self.loop.check()
        self.loop.check_machine()
        self.loop.part(self.batch_size)

    def budget(self) -> Budget:
        """How many steps, or how much time; raises as `LoopConfig.budget` does."""
        return self.loop.budget(self.batch_size, self.epoch_clips)


def check_norms(batch_size: int, part: int) -> None:
    """Raise a `UserError` where each process takes single clips (`part`), of which BatchNorm has no deviation."""
    if part < 2:
        raise UserError(
            f"batch-size is {batch_size}, so that each process takes one clip at a time; BatchNorm needs 2: raise "
            "--batch-size"
        )
