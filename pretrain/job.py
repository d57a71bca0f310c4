"""A pre-training run: a bank of classes, its stream, a network, the loop, weights."""

import dataclasses
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
from pretrain.rundir import prepare_run
from pretrain.validation import classification_metrics

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
    bank = _find_bank(config, out / "classes.npz" if resume else None)
    config = dataclasses.replace(config, classes=len(bank))
    stream = FractalStream(
        bank,
        batch_size=config.batch_size,
        config=config.stream,
        seed=config.seed,
        instances=config.instances,
        threads=config.threads,
    )
    prepare_run(out, program="pretrain", config=to_json(config), resume=resume, free=FREE)
    if not (out / "classes.npz").exists():
        bank.save(out / "classes.npz")
    model = build_model(config.arch, len(bank), seed=config.seed)
    print(_opening(config, out, go_on=(out / CHECKPOINT).exists()), file=sys.stderr)
    result = train(
        model,
        stream,
        config=config.engine,
        optim=config.optim,
        batch_size=config.batch_size,
        seed=config.seed,
        out=out,
        validate=_validation(bank, config),
        resume=resume,
        progress=progress,
    )
    weights = out / "weights.safetensors"
    save_weights(weights, model, _card(config, bank, result))
    return weights


def _find_bank(config: PretrainConfig, kept: Path | None) -> ClassBank:
    """The run's own copy where it goes on, else the bank asked for, else one sampled from the seed."""
    if kept is not None and kept.exists():
        return ClassBank.load(kept)
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
