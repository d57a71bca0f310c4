"""`pretrain --dry-run`: what a run would be, and how long it would take, from a few steps that are thrown away."""

import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fractalvid.kernels.compiled import available_cores
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
FEW_STEPS, FEW_SETTLING = 4, 1
"""The same where a step takes seconds."""
PROBE_SECONDS = 20.0
MACS_A_CORE = 15e9
"""Multiply-adds that a core does in a second, rather too few: by this the probe's length is chosen."""


def dry_run(config: PretrainConfig, out: Path | None = None) -> str:
    """All of `dry_run_parts`."""
    return "\n".join(dry_run_parts(config, out))


def dry_run_parts(config: PretrainConfig, out: Path | None = None) -> Iterator[str]:
    """What is known at once, then what a probe has measured, which takes about `PROBE_SECONDS`.

    First the resolved configuration as a recipe, shapes and parameters; then memory, steps, and time at full emulation.

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
    yield "\n".join([to_toml(to_json(config)), "", *_network(config, objective, classes)])
    probed, few = _probed(config, classes)
    clips = open_clips(_at_full_strength(probed), bank, threads=render_threads(config), progress=False)
    with tempfile.TemporaryDirectory() as folder:
        result = train(
            objective,
            clips.source,
            _probe(probed, FEW_STEPS if few else STEPS),
            Path(folder),
            lasting=False,
            progress=False,
        )
    times = _time(config, result, settling=FEW_SETTLING if few else SETTLING)
    smaller = f", measured with {probed.batch_size} a step" if probed.batch_size < config.batch_size else ""
    yield "\n".join([*_memory(objective), *(line + smaller for line in times)])


def _probed(config: PretrainConfig, classes: int) -> tuple[PretrainConfig, bool]:
    """The run with so small a batch that a probe of it ends soon, and whether that takes few steps, too.

    A clip takes as long in a small batch, nearly. On a GPU a probe is short as it is.
    """
    if torch.cuda.is_available() and config.engine.device != "cpu":
        return config, False
    each = cost(config.arch, classes, clip_len=config.stream.clip_len, size=config.stream.size)
    affordable = PROBE_SECONDS * MACS_A_CORE * available_cores() / (3 * each.macs)  # backwards is twice forwards
    few, batch, parts = config.batch_size * STEPS > affordable, config.batch_size, config.batch_size // config.part()
    while few and batch * FEW_STEPS > affordable and batch % (4 * parts) == 0:  # a part needs two clips
        batch //= 2
    return dataclasses.replace(config, batch_size=batch), few


def _probe(config: PretrainConfig, steps: int) -> TrainConfig:
    """The run's training, but of a few steps, each of which is logged."""
    loop = dataclasses.replace(
        config.engine,
        steps=steps,
        epochs=None,
        hours=None,
        log_every=1,
        val_every=0,
        checkpoint_every=steps,
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


def _time(config: PretrainConfig, result: TrainResult, *, settling: int) -> list[str]:
    rows = [row for row in result.history if row["kind"] == "train"][settling:]
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
