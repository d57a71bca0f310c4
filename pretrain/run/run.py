"""A pre-training run: a bank of classes, its stream, a network, the loop, weights."""

import dataclasses
import sys
from functools import partial
from pathlib import Path

import torch

from fractalvid.core.bank import Bank, bank_difference
from fractalvid.core.constants import BANK_FILE
from fractalvid.core.seeds import STREAM_VERSION
from fractalvid.kernels.compiled import available_cores
from fractalvid.kinds import load_bank, sample_bank
from fractalvid.pretrain.clips.found import check_found
from fractalvid.pretrain.engine.folder import check_can_make, check_free, discard_run, prepare_run, read_config
from fractalvid.pretrain.engine.objective import Objective
from fractalvid.pretrain.engine.train import CHECKPOINT, train
from fractalvid.pretrain.engine.validation import Shared, Validate
from fractalvid.pretrain.machine.distributed import from_main, is_main, local_world_size, rank, world_size
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.monitors.monitors import Monitors, together
from fractalvid.pretrain.objectives.table import build_objective
from fractalvid.pretrain.optim.optimizer import scaled
from fractalvid.pretrain.recipes.fields import DEFAULT_CLASSES, to_json
from fractalvid.pretrain.run.clips import count_classes, open_clips, render_device
from fractalvid.pretrain.run.config import PretrainConfig, earlier_defaults
from fractalvid.pretrain.run.unused import check_run
from fractalvid.pretrain.weights.checkpoint import Card, save_weights
from fractalvid.sets.reader import SetReader
from fractalvid.stream import FractalStream, StreamConfig
from fractalvid.utils.errors import UserError

__all__ = [
    "PROGRAM",
    "PretrainConfig",
    "find_bank",
    "make_card",
    "make_objective",
    "pretrain",
    "render_threads",
    "resolved",
    "shortest_stride",
]

PROGRAM = "pretrain"


def pretrain(config: PretrainConfig, out: Path, *, resume: bool, progress: bool) -> Path:
    """Run, or go on with, a pre-training run in the folder `out`; returns the path of the weights.

    The folder holds `config.json`, `classes.npz`, the loop's files, and in the end `weights.safetensors` and
    its card.

    Raises:
        UserError: whatever is wrong with the configuration, the bank or the folder, before any training; or a training
            that diverges, before its weights are saved.
    """
    from_main(partial(check_run, config))
    bank = from_main(partial(_bank, config, out, resume=resume))
    config = resolved(config, bank)
    classes = from_main(partial(count_classes, config, bank))
    # Before videos are decoded, which takes long: there may be no such weights to begin with.
    objective = make_objective(bank, config, classes, resumed=resume and (out / CHECKPOINT).exists())
    clips = open_clips(config, bank, threads=render_threads(config), progress=progress and is_main())
    config = dataclasses.replace(config, found=clips.found)
    validate = _validation(bank, config)
    go_on = from_main(partial(_prepare, config, bank, out, resume=resume))
    if is_main():
        print(_opening(config, out, go_on=go_on), file=sys.stderr)
    result = train(
        objective,
        clips.source,
        config=config.engine,
        optim=config.optim,
        batch_size=config.batch_size,
        seed=config.seed,
        out=out,
        validate=validate,
        epoch_clips=config.an_epoch(),
        resume=resume,
        progress=progress,
    )
    weights = out / "weights.safetensors"
    if is_main():
        card = make_card(config, bank, result.metrics, classes=classes, precision=result.precision)
        save_weights(weights, objective.backbone, card)
    return weights


def _bank(config: PretrainConfig, out: Path, *, resume: bool) -> Bank:
    """The classes of the run, once it is clear that its folder can be written to and is not another's."""
    check_can_make(out)
    if not resume:
        check_free(out)
    return _kept_bank(config, out) if resume and (out / BANK_FILE).exists() else find_bank(config)


def resolved(config: PretrainConfig, bank: Bank) -> PretrainConfig:
    """The configuration with what follows from its classes, and from a set on disk, whose clips have their own colour.

    Raises:
        UserError: another colour was asked for.
    """
    config = dataclasses.replace(config, classes=len(bank), kind=bank.kind)
    if config.data is None:
        return config
    own = SetReader(config.data).config.colour
    if config.stream.colour not in (None, own):
        raise UserError(f"the clips of {config.data} have a colour of their own: leave out --colour")
    return dataclasses.replace(config, stream=dataclasses.replace(config.stream, colour=own))


def _prepare(config: PretrainConfig, bank: Bank, out: Path, *, resume: bool) -> bool:
    """Make the folder of the run; returns whether there is a checkpoint to go on from."""
    if resume:
        check_found(read_config(out, PROGRAM), to_json(config), out)
    defaults = to_json(earlier_defaults(config.objective.name))
    prepare_run(out, program=PROGRAM, config=to_json(config), resume=resume, free=config.free(), defaults=defaults)
    _keep_bank(bank, out, resume=resume)
    return (out / CHECKPOINT).exists()


def render_threads(config: PretrainConfig) -> int | None:
    """Threads for rendering on this process: several on one machine share its cores."""
    if config.threads is not None or local_world_size() == 1:
        return config.threads
    return max(1, available_cores() // local_world_size())


def make_objective(bank: Bank, config: PretrainConfig, classes: int, *, resumed: bool = False) -> Objective:
    """The network and what it is trained for, as they begin; a checkpoint makes up for weights that moved since.

    Raises:
        UserError: one class alone is to be told apart, or whatever is wrong with the weights to begin with.
    """
    if config.objective.name == "supervised" and classes < 2:
        source, instead = config.data or config.bank or "the bank", "train without labels, as by --objective simclr"
        raise UserError(f"{source} has 1 class; telling classes apart needs at least 2: give more, or {instead}")
    return build_objective(
        config.objective,
        config.arch,
        bank,
        num_classes=classes,
        seed=config.seed,
        supervised=config.engine,
        init=None if resumed else config.init,
    )


def _kept_bank(config: PretrainConfig, out: Path) -> Bank:
    """The run's own copy of its bank, which has to be the bank that is asked for."""
    kept = load_bank(out / BANK_FILE)
    own = "a run goes on with its own classes"
    if config.classes not in (None, len(kept)):
        raise UserError(f"the run in {out} has {_classes(len(kept))}, not {config.classes}; {own}: leave out --classes")
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
    if (out / BANK_FILE).exists():
        return
    try:
        bank.save(out / BANK_FILE)
    except BaseException:
        if not resume:
            discard_run(out)
        raise


def find_bank(config: PretrainConfig) -> Bank:
    """The bank asked for, a set's own, or one sampled from the seed."""
    source = config.bank if config.data is None else SetReader(config.data).path / BANK_FILE
    if source is None:
        return sample_bank(config.classes or DEFAULT_CLASSES, kind=config.kind or "ifs", seed=config.seed)
    bank = load_bank(source)
    if config.classes not in (None, len(bank)):
        raise UserError(f"{source} has {_classes(len(bank))}, not {config.classes}; leave out --classes")
    if config.kind not in (None, bank.kind):
        raise UserError(f"{source} is of kind {bank.kind}, not {config.kind}; leave out --kind")
    return bank


def _validation(bank: Bank, config: PretrainConfig) -> Shared | None:
    """Measures a network on the same held-out clips every time, shared out over the processes."""
    threads, measures = render_threads(config), list[Validate]()
    # A GPU that is asked for and not there has been said to be missing by the stream.
    device = render_device(config) if torch.cuda.is_available() else "cpu"
    if config.val_clips:
        batches = FractalStream.validation(
            config.objective.validation_bank(bank, config.val_clips),
            num_clips=config.val_clips,
            batch_size=config.part(),
            config=config.stream,
            threads=threads,
            rank=rank(),
            world_size=world_size(),
            device=device,
        )
        measures.append(partial(config.objective.metrics, batches=batches))
    if config.monitor.monitors:
        head, size = head_name(config.arch), config.part()
        monitors = Monitors(
            *(config.monitor, bank, config.stream), head=head, batch_size=size, threads=threads, device=device
        )
        measures.append(monitors)
    return Shared(together(measures)) if measures else None


def _opening(config: PretrainConfig, out: Path, *, go_on: bool) -> str:
    clip = f"{config.stream.clip_len} x {config.stream.size} x {config.stream.size}"
    rate = f"learning rate {scaled(config.optim.lr, config.batch_size):.3g}"
    verb = "going on with" if go_on else "pre-training"
    name = "" if config.objective.name == "supervised" else f" by {config.objective.name}"
    classes = f"{_classes(config.classes or 0)} of {config.kind}"
    own = "" if config.videos is None else f" and own videos ({config.mix:g})" if config.mix else "own videos"
    what = f"{verb} {config.arch}{name} on {classes + own if config.mix or not own else own}"
    return f"{what}, clips {clip}, {_shared_out(config)} a step, {rate}, in {out}"


def _classes(number: int) -> str:
    return f"{number} {'class' if number == 1 else 'classes'}"


def _shared_out(config: PretrainConfig) -> str:
    """The clips of a step, and who takes how many of them at a time."""
    parts = [(world_size(), "processes"), (config.engine.accumulate, "parts")]
    named = [f"{number} {what}" for number, what in parts if number > 1]
    return f"{config.batch_size}" + (f" ({' x '.join(named)} x {config.part()})" if named else "")


def shortest_stride(bank: Bank, stream: StreamConfig) -> float:
    """The stride, in native frames, of the shortest clips: less than asked for where those are too short."""
    last = int(bank.native_frames.min()) - 1
    return min(stream.frame_stride, last / max(1, stream.clip_len - 1))


def make_card(
    config: PretrainConfig, bank: Bank, metrics: dict[str, float], *, classes: int, precision: str | None
) -> Card:
    """What the weights of a run are, given its resolved configuration, its last validation, labels and arithmetic."""
    stream = config.stream
    return Card(
        architecture=config.arch,
        num_classes=classes if config.objective.name == "supervised" else 0,
        clip_len=stream.clip_len,
        size=stream.size,
        frame_stride=stream.frame_stride if config.videos and not config.mix else shortest_stride(bank, stream),
        mean=None if stream.mean is None else (stream.mean,) * stream.channels,
        std=None if stream.std is None else (stream.std,) * stream.channels,
        seed=config.seed,
        stream_version=STREAM_VERSION,
        config=to_json(config),
        metrics=metrics,
        precision=precision,
    )
