"""A pre-training run: a bank of classes, its stream, a network, the loop, weights."""

import dataclasses
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import tyro

from fractalvid.classes import ClassBank
from fractalvid.draws import STREAM_VERSION
from fractalvid.errors import UserError
from fractalvid.stream import FractalStream, StreamConfig
from pretrain.checkpoint import Card, save_weights
from pretrain.configs import to_json
from pretrain.engine import CHECKPOINT, EngineConfig, TrainResult, Validate, train
from pretrain.models import architecture, build_model
from pretrain.optim import OptimConfig
from pretrain.rundir import check_can_make, discard_run, prepare_run, read_config
from pretrain.validation import classification_metrics

PROGRAM = "pretrain"
BANK = "classes.npz"
DEFAULT_CLASSES = 1000
FREE = frozenset(
    {"bank", "threads"}
    | {
        f"engine.{name}"
        for name in (
            "device",
            "torch_threads",
            "prefetch",
            "tensorboard",
            "log_every",
            "val_every",
            "checkpoint_every",
            "max_bad_share",
        )
    }
)
"""Settings that may change when a run is resumed: they change where and how it runs, not what it learns."""


@dataclass(frozen=True)
class PretrainConfig:
    """A pre-training run, completely."""

    arch: str = "r3d_18"
    """The network: see --list."""
    classes: int | None = None
    """How many classes to invent; 1000 if not given. With --bank, the bank's own number."""
    bank: Path | None = None
    """Classes from `fractalvid classes`, instead of inventing them from --seed."""
    seed: int = 0
    """Determines classes, clips, their order and the initial weights."""
    batch_size: int = 32
    """Clips a step."""
    instances: int | None = None
    """Instances of each class to train on; without it every round brings new ones."""
    val_clips: int = 1000
    """Held-out instances of the same classes to validate on; 0 for no validation."""
    threads: int | None = None
    """Threads that draw clips; the machine decides if not given."""
    stream: tyro.conf.OmitArgPrefixes[StreamConfig] = field(default_factory=StreamConfig)
    """The clips."""
    optim: tyro.conf.OmitArgPrefixes[OptimConfig] = field(default_factory=OptimConfig)
    """The optimiser."""
    engine: tyro.conf.OmitArgPrefixes[EngineConfig] = field(default_factory=EngineConfig)
    """The loop."""

    def check(self) -> None:
        """Raise a `UserError` for values no run can use; what the bank and the stream refuse, they say."""
        architecture(self.arch)
        if self.classes is not None and self.classes < 2:
            raise UserError(f"classes is {self.classes}; telling classes apart needs at least 2")
        for name, least in (
            ("seed", 0),
            ("batch_size", 2),
            ("instances", 1),
            ("val_clips", 0),
            ("threads", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"{name.replace('_', '-')} is {value}; it must be at least {least}")
        if self.seed >= 2**64:
            raise UserError(f"seed is {self.seed}; it must be below 2^64")
        if self.stream.channels != 3:
            raise UserError(f"channels is {self.stream.channels}; these networks take 3")
        self.optim.check()
        self.engine.check()


def pretrain(config: PretrainConfig, out: Path, *, resume: bool, progress: bool) -> Path:
    """Run, or go on with, a pre-training run in the folder `out`; returns the path of the weights.

    The folder holds `config.json`, `classes.npz`, the loop's files, and in the end `weights.safetensors` and
    its card.

    Raises:
        UserError: whatever is wrong with the configuration, the bank or the folder, before any training.
    """
    config.check()
    check_can_make(out)
    bank = _kept_bank(config, out) if resume and (out / BANK).exists() else _find_bank(config)
    config = dataclasses.replace(config, classes=len(bank))
    stream = FractalStream(
        bank,
        batch_size=config.batch_size,
        config=config.stream,
        seed=config.seed,
        instances=config.instances,
        threads=config.threads,
    )
    validate = _validation(bank, config)
    model = build_model(config.arch, len(bank), seed=config.seed)
    prepare_run(out, program=PROGRAM, config=to_json(config), resume=resume, free=FREE)
    _keep_bank(bank, out, resume=resume)
    print(_opening(config, out, go_on=(out / CHECKPOINT).exists()), file=sys.stderr)
    result = train(
        model,
        stream,
        config=config.engine,
        optim=config.optim,
        batch_size=config.batch_size,
        seed=config.seed,
        out=out,
        validate=validate,
        resume=resume,
        progress=progress,
    )
    weights = out / "weights.safetensors"
    save_weights(weights, model, _card(config, bank, result))
    return weights


def _kept_bank(config: PretrainConfig, out: Path) -> ClassBank:
    """The run's own copy of its bank, which has to be the bank that is asked for."""
    kept = ClassBank.load(out / BANK)
    own = "a run goes on with its own classes"
    if config.classes not in (None, len(kept)):
        raise UserError(f"the run in {out} has {len(kept)} classes, not {config.classes}; {own}: leave out --classes")
    # The path the run began with may have moved or changed since: it is asked for only where it is another.
    if config.bank is not None and str(config.bank) != read_config(out, PROGRAM).get("bank"):
        differing = bank_difference(kept, ClassBank.load(config.bank))
        if differing:
            raise UserError(f"{config.bank} is not the bank of the run in {out}: {differing}; {own}: leave out --bank")
    return kept


def bank_difference(one: ClassBank, other: ClassBank) -> str | None:
    """What tells two banks apart, in a few words; None where they hold the same classes."""
    if len(one) != len(other):
        return f"{len(other)} classes, not {len(one)}"
    if one.seed != other.seed:
        return f"seed {other.seed}, not {one.seed}"
    for field_ in dataclasses.fields(ClassBank):
        a, b = getattr(one, field_.name), getattr(other, field_.name)
        if not (np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b):
            return f"another {field_.name}"
    return None


def _keep_bank(bank: ClassBank, out: Path, *, resume: bool) -> None:
    """Put a copy of the bank into the folder of the run; if that fails, a new run leaves nothing behind."""
    if (out / BANK).exists():
        return
    try:
        bank.save(out / BANK)
    except BaseException:
        if not resume:
            discard_run(out)
        raise


def _find_bank(config: PretrainConfig) -> ClassBank:
    """The bank asked for, or one sampled from the seed."""
    if config.bank is None:
        return ClassBank.sample(config.classes or DEFAULT_CLASSES, seed=config.seed)
    bank = ClassBank.load(config.bank)
    if config.classes not in (None, len(bank)):
        raise UserError(f"{config.bank} has {len(bank)} classes, not {config.classes}; leave out --classes")
    return bank


def _validation(bank: ClassBank, config: PretrainConfig) -> Validate | None:
    """Measures a network on the same held-out clips every time."""
    if not config.val_clips:
        return None
    batches = FractalStream.validation(
        bank,
        num_clips=config.val_clips,
        batch_size=config.batch_size,
        config=config.stream,
        threads=config.threads,
    )
    return partial(classification_metrics, batches=batches)


def _opening(config: PretrainConfig, out: Path, *, go_on: bool) -> str:
    clip = f"{config.stream.clip_len} x {config.stream.size} x {config.stream.size}, {config.batch_size} a step"
    verb = "going on with" if go_on else "pre-training"
    return f"{verb} {config.arch} on {config.classes} classes, clips {clip}, in {out}"


def shortest_stride(bank: ClassBank, stream: StreamConfig) -> float:
    """The stride, in native frames, of the shortest clips: less than asked for where those are too short."""
    last = int(bank.native_frames.min()) - 1
    return min(stream.frame_stride, last / max(1, stream.clip_len - 1))


def _card(config: PretrainConfig, bank: ClassBank, result: TrainResult) -> Card:
    stream = config.stream
    return Card(
        architecture=config.arch,
        num_classes=len(bank),
        clip_len=stream.clip_len,
        size=stream.size,
        frame_stride=shortest_stride(bank, stream),
        mean=None if stream.mean is None else (stream.mean,) * stream.channels,
        std=None if stream.std is None else (stream.std,) * stream.channels,
        seed=config.seed,
        stream_version=STREAM_VERSION,
        config=to_json(config),
        metrics=result.metrics,
    )
