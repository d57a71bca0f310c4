"""A pre-training run from its configuration to its weights: classes, clips, a network, the loop."""

import dataclasses
import sys
from functools import partial
from pathlib import Path

from fractalvid.core.bank import Bank
from fractalvid.core.seeds import STREAM_VERSION
from fractalvid.pretrain.clips import check_same_clips, check_same_folders, count_scenes
from fractalvid.pretrain.engine import CHECKPOINT, Objective, train
from fractalvid.pretrain.machine import from_main, is_main, world_size
from fractalvid.pretrain.objectives import build_objective
from fractalvid.pretrain.optim import scaled
from fractalvid.pretrain.recipes import to_json
from fractalvid.pretrain.run.classes import keep_bank, resolved, run_bank
from fractalvid.pretrain.run.clips import count_classes, open_clips
from fractalvid.pretrain.run.config import PretrainConfig
from fractalvid.pretrain.run.folder import WEIGHTS, begin_run, read_config, resume_run, write_config
from fractalvid.pretrain.run.resume import Resumption, keep_earlier_weights, outlook, resumption
from fractalvid.pretrain.run.threads import render_threads, torch_threads
from fractalvid.pretrain.run.unused import check_run
from fractalvid.pretrain.run.validation import build_validation
from fractalvid.pretrain.weights import Card, save_weights
from fractalvid.stream import StreamConfig
from fractalvid.utils.checks import check_instance
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted


def pretrain(config: PretrainConfig, out: Path | str, *, resume: bool = False, progress: bool = True) -> Path:
    """Run, or go on with, a pre-training run in the folder `out`; returns the path of the weights.

    The folder holds `config.json`, `classes.npz`, the loop's files, and in the end `weights.safetensors` and
    its card.

    Args:
        config: all settings.
        out: the folder; new, empty, or with `resume` that of the same run.
        resume: go on with the run that is there.
        progress: show a progress bar.

    Raises:
        UserError: whatever is wrong with the configuration, the bank or the folder, before any training; or a training
            that diverges, before its weights are saved.
    """
    check_instance("config", config, PretrainConfig)
    out = Path(out)
    going = from_main(partial(resumption, config, out)) if resume else Resumption(config, config)
    config = going.config
    from_main(partial(check_run, config))
    bank = from_main(partial(run_bank, config, out, resume=resume))
    config = resolved(config, bank)
    config.check_growth()
    going = Resumption(resolved(going.begun, bank), config)
    if resume and from_main(partial(_is_finished, going, out)):
        return out / WEIGHTS
    classes = from_main(partial(count_classes, config, bank))
    # Before videos are decoded, which takes long: there may be no such weights to begin with.
    objective = make_objective(bank, config, classes, resumed=resume and (out / CHECKPOINT).exists())
    clips = open_clips(config, bank, threads=render_threads(config), progress=progress and is_main())
    config = dataclasses.replace(config, found=clips.digest)
    validate = build_validation(bank, config)
    going = Resumption(dataclasses.replace(going.begun, found=clips.digest), config)
    go_on = from_main(partial(_prepare, going, bank, out, resume=resume))
    if is_main():
        print(_opening(config, out, go_on=go_on), file=sys.stderr)
    loop = dataclasses.replace(config.engine, torch_threads=torch_threads(config))
    training = dataclasses.replace(config.training(), loop=loop)
    result = train(objective, clips.source, training, out, validate=validate, resume=resume, progress=progress)
    if is_main():
        card = make_card(config, bank, result.metrics, classes=classes, precision=result.precision)
        save_weights(out / WEIGHTS, objective.backbone, card)
    return out / WEIGHTS


def _is_finished(going: Resumption, out: Path) -> bool:
    """Whether nothing is left to do for the run in `out`; says so, or with which learning rate it goes on.

    Raises:
        UserError: it began with other settings, or has done more than it is asked for.
    """
    kept = read_config(out)
    settings = {**to_json(going.begun), "found": kept.get("found")}
    check_same_folders(kept, settings, out)
    resume_run(out, settings, free=going.config.free(), defaults=to_json(PretrainConfig()))
    seen = outlook(going, out)
    if seen.line:
        print(seen.line, file=sys.stderr)
    return seen.finished


def _prepare(going: Resumption, bank: Bank, out: Path, *, resume: bool) -> bool:
    """Make the folder of the run; returns whether there is a checkpoint to go on from."""
    settings = to_json(going.begun)
    if resume:
        kept = read_config(out)
        check_same_clips(kept, settings, out)
        resume_run(out, settings, free=going.config.free(), defaults=to_json(PretrainConfig()))
        places = {name: settings[name] for name in ("data", "videos", "bank")}
        if going.extended:
            keep_earlier_weights(out, (going.config.extended_at or (0,))[-1])
            write_config(out, to_json(going.config))
        elif any(kept.get(name) != place for name, place in places.items()):
            write_config(out, {**kept, **places})  # so that --resume alone finds them the next time
    else:
        begin_run(out, settings)
    keep_bank(bank, out, resume=resume)
    return (out / CHECKPOINT).exists()


def make_objective(bank: Bank, config: PretrainConfig, classes: int, *, resumed: bool = False) -> Objective:
    """The network and what it is trained for, as they begin; `resumed` leaves weights to start from to a checkpoint.

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
        scenes=count_scenes(config.stream, len(bank)) if config.objective.debias else 0,
        seed=config.seed,
        supervised=config.engine,
        init=None if resumed else config.init,
        say=partial(_say_loaded, config),
    )


def _say_loaded(config: PretrainConfig, loaded: str) -> None:
    """What a network begins with, and what its clips are normalised by, which the weights do not settle."""
    stream = config.stream
    plain = stream.mean is None and stream.std is None
    inputs = "stay in [0, 1]" if plain else f"are normalised by --mean {stream.mean or 0} --std {stream.std or 1}"
    if is_main():
        print(f"begins with {loaded}; this run's clips {inputs}", file=sys.stderr)


def _opening(config: PretrainConfig, out: Path, *, go_on: bool) -> str:
    """What a run is, in the line that it begins with."""
    clip = f"{config.stream.clip_len} x {config.stream.size} x {config.stream.size}"
    grow = "".join(f"{stage.frames} x {stage.size} x {stage.size}, then " for stage in config.stages())
    rate = f"learning rate {scaled(config.optim.lr, config.batch_size):.3g}"
    verb = "going on with" if go_on else "pre-training"
    name = "" if config.objective.name == "supervised" else f" by {config.objective.name}"
    classes = f"{counted(config.classes or 0, 'class', 'classes')} of {config.kind}"
    own = "" if config.videos is None else f" and own videos ({config.mix:g})" if config.mix else "own videos"
    what = f"{verb} {config.arch}{name} on {classes + own if config.mix or not own else own}"
    return f"{what}, clips {grow}{clip}, {_shared_out(config)} a step, {rate}, in {out}"


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
    """What the weights of a run are.

    Args:
        config: resolved.
        bank: its classes.
        metrics: the last validation.
        classes: how many labels tell apart.
        precision: what was computed in.
    """
    stream = config.stream
    return Card(
        architecture=config.arch,
        num_classes=0 if config.objective.headless else classes,
        clip_len=stream.clip_len,
        size=stream.size,
        frame_stride=stream.frame_stride if config.videos and not config.mix else shortest_stride(bank, stream),
        mean=None if stream.mean is None else (stream.mean,) * stream.channels,
        std=None if stream.std is None else (stream.std,) * stream.channels,
        seed=config.seed,
        stream_version=STREAM_VERSION if config.videos is None or config.mix else None,
        config=to_json(config),
        metrics=metrics,
        precision=precision,
    )
