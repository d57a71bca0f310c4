"""A pre-training run: a bank of classes, its stream, a network, the loop, weights."""

import dataclasses
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import tyro

from fractalvid.bank import Bank, KindName, bank_difference
from fractalvid.draws import STREAM_VERSION
from fractalvid.errors import UserError
from fractalvid.kinds import load_bank, sample_bank
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
CURRICULUM = 0.6
"""Share of a run over which emulation comes in: strong from the first step, it costs accuracy in short runs."""
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
    kind: KindName | None = None
    """What the classes are of: fractals (ifs) if not given, or a rival of theirs. With --bank, the bank's own kind."""
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
    curriculum: float | None = None
    """With --emulate: share of the run's clips after which it is at full strength, rising from nothing; by default 0.6.
    0 is all at once. A budget in time needs a number of clips instead, as in --emulate paper,samples=60000."""
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
        self.streamed()

    def streamed(self) -> StreamConfig:
        """The clips, with the curriculum of their emulation worked out from the budget.

        Raises:
            UserError: a curriculum that is no share, has nothing to be about, or cannot be worked out.
        """
        emulate = self.stream.emulate
        fixed = emulate is None or emulate.curriculum.samples is not None
        if fixed and self.curriculum is not None:
            what = "has its own number of samples" if emulate else "is off"
            raise UserError(f"curriculum is {self.curriculum}, but emulation {what}: leave out --curriculum")
        share = CURRICULUM if self.curriculum is None else self.curriculum
        if not 0 <= share <= 1:
            raise UserError(f"curriculum is {share}; it must lie between 0 and 1")
        if emulate is None or fixed:
            return self.stream
        if self.engine.steps is None and share > 0:
            raise UserError(
                "a budget in time doesn't tell after how many clips emulation is to be at full strength: say so, as in "
                "--emulate paper,samples=60000, or give --steps"
            )
        samples = round(share * (self.engine.steps or 0) * self.batch_size)
        curriculum = dataclasses.replace(emulate.curriculum, samples=samples)
        return dataclasses.replace(self.stream, emulate=dataclasses.replace(emulate, curriculum=curriculum))


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
    config = dataclasses.replace(config, classes=len(bank), kind=bank.kind)
    stream = FractalStream(
        bank,
        batch_size=config.batch_size,
        config=config.streamed(),
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


def _kept_bank(config: PretrainConfig, out: Path) -> Bank:
    """The run's own copy of its bank, which has to be the bank that is asked for."""
    kept = load_bank(out / BANK)
    own = "a run goes on with its own classes"
    if config.classes not in (None, len(kept)):
        raise UserError(f"the run in {out} has {len(kept)} classes, not {config.classes}; {own}: leave out --classes")
    if config.kind not in (None, kept.kind):
        raise UserError(f"the run in {out} is on {kept.kind}, not {config.kind}; {own}: leave out --kind")
    # The path the run began with may have moved or changed since: it is asked for only where it is another.
    if config.bank is not None and str(config.bank) != read_config(out, PROGRAM).get("bank"):
        differing = bank_difference(kept, load_bank(config.bank))
        if differing:
            raise UserError(f"{config.bank} is not the bank of the run in {out}: {differing}; {own}: leave out --bank")
    return kept


def _keep_bank(bank: Bank, out: Path, *, resume: bool) -> None:
    """Put a copy of the bank into the folder of the run; if that fails, a new run leaves nothing behind."""
    if (out / BANK).exists():
        return
    try:
        bank.save(out / BANK)
    except BaseException:
        if not resume:
            discard_run(out)
        raise


def _find_bank(config: PretrainConfig) -> Bank:
    """The bank asked for, or one sampled from the seed."""
    if config.bank is None:
        return sample_bank(config.kind or "ifs", config.classes or DEFAULT_CLASSES, seed=config.seed)
    bank = load_bank(config.bank)
    if config.classes not in (None, len(bank)):
        raise UserError(f"{config.bank} has {len(bank)} classes, not {config.classes}; leave out --classes")
    if config.kind not in (None, bank.kind):
        raise UserError(f"{config.bank} is of kind {bank.kind}, not {config.kind}; leave out --kind")
    return bank


def _validation(bank: Bank, config: PretrainConfig) -> Validate | None:
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
    return f"{verb} {config.arch} on {config.classes} classes of {config.kind}, clips {clip}, in {out}"


def shortest_stride(bank: Bank, stream: StreamConfig) -> float:
    """The stride, in native frames, of the shortest clips: less than asked for where those are too short."""
    last = int(bank.native_frames.min()) - 1
    return min(stream.frame_stride, last / max(1, stream.clip_len - 1))


def _card(config: PretrainConfig, bank: Bank, result: TrainResult) -> Card:
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
