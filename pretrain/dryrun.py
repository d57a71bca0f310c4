"""`pretrain --dry-run`: what a run would be, and how long it would take, from a few steps that are thrown away."""

import dataclasses
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fractalvid.pretrain.engine import Objective, TrainConfig, TrainResult, train
from fractalvid.pretrain.machine import from_main
from fractalvid.pretrain.models import architecture
from fractalvid.pretrain.models.cost import cost
from fractalvid.pretrain.recipes import to_json, to_toml
from fractalvid.pretrain.run import (
    PretrainConfig,
    check_free,
    check_run,
    count_classes,
    find_bank,
    make_objective,
    open_clips,
    render_threads,
    resolved,
)
from fractalvid.utils.files import check_can_make

STEPS, SETTLING = 12, 4
"""Steps of the probe, and the first of them, which are slower."""


def dry_run(config: PretrainConfig, out: Path | None = None) -> str:
    """The resolved configuration as a recipe, then shapes, parameters, memory, steps and time at full emulation.

    Args:
        config: the run's.
        out: the folder that the run would begin in; None where that is not known, or it is to go on in.

    Raises:
        UserError: whatever the run itself would refuse.
    """
    check_run(config)
    if out is not None:
        from_main(partial(check_can_make, out))
        from_main(partial(check_free, out))
    bank = find_bank(config)
    config = resolved(config, bank)
    classes = from_main(partial(count_classes, config, bank))
    objective = make_objective(bank, config, classes)
    clips = open_clips(_at_full_strength(config), bank, threads=render_threads(config), progress=False)
    lines = [to_toml(to_json(config)), "", *_network(config, objective, classes)]
    with tempfile.TemporaryDirectory() as folder:
        result = train(objective, clips.source, _probe(config), Path(folder), lasting=False, progress=False)
    return "\n".join([*lines, *_memory(objective), *_time(config, result)])


def _probe(config: PretrainConfig) -> TrainConfig:
    """The run's training, but of a few steps, each of which is logged."""
    loop = dataclasses.replace(
        config.engine,
        steps=STEPS,
        epochs=None,
        hours=None,
        log_every=1,
        val_every=0,
        checkpoint_every=STEPS,
        tensorboard=False,
    )
    return dataclasses.replace(config.training(), loop=loop)


def _at_full_strength(config: PretrainConfig) -> PretrainConfig:
    """The run without a curriculum: most of its clips cost what the last ones do."""
    emulate = config.stream.emulate
    if emulate is None:
        return config
    emulate = dataclasses.replace(emulate, curriculum=dataclasses.replace(emulate.curriculum, samples=0))
    return dataclasses.replace(config, curriculum=None, stream=dataclasses.replace(config.stream, emulate=emulate))


def _network(config: PretrainConfig, objective: Objective, classes: int) -> list[str]:
    stream, part = config.stream, config.part()
    shape = (part, stream.channels, stream.clip_len, stream.size, stream.size)
    each = cost(config.arch, classes, clip_len=stream.clip_len, size=stream.size)
    head = f"with a head of {classes} classes" if config.objective.name == "supervised" else "with a head, left out"
    trained = sum(p.numel() for p in objective.parameters() if p.requires_grad)
    return [
        f"# clips: float32 {shape}, {config.batch_size} a step",
        f"# network: {config.arch}, {each.params / 1e6:.2f} M parameters {head}, "
        f"{each.macs / 1e9:.2f} G multiply-adds a clip, {architecture(config.arch).feature_dim} features",
        f"# trained: {trained / 1e6:.2f} M parameters, by {config.objective.name}",
    ]


def _memory(objective: Objective) -> list[str]:
    """What parameters take, and the most that the probe has taken."""
    held = sum(_bytes(tensor) for tensor in (*objective.parameters(), *objective.buffers()))
    if torch.cuda.is_available() and next(objective.parameters()).is_cuda:
        most = f"; at most {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB of the GPU"
    elif sys.platform != "win32":
        import resource  # which Windows lacks

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        most = f"; at most {peak / 2**30:.2f} GiB of this process"
    else:
        most = ""
    return [f"# memory: {held / 2**20:.0f} MiB of parameters and buffers{most}"]


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _time(config: PretrainConfig, result: TrainResult) -> list[str]:
    rows = [row for row in result.history if row["kind"] == "train"][SETTLING:]
    rate = statistics.median(float(row["clips_per_s"]) for row in rows)
    waited = statistics.median(float(row["data_wait"]) for row in rows)
    step = config.batch_size / rate
    total = config.engine.budget(config.batch_size, config.an_epoch()).total
    if total is None:
        hours = config.engine.hours or 0.0
        told = f"{hours:.2f} hours are about {hours * 3600 / step:.0f} steps"
    else:
        told = f"{total} steps are about {total * step / 3600:.2f} hours"
    return [f"# time: {rate:.1f} clips a second, {waited:.0%} of it waiting for them; {told} without validation"]
