"""The probe of `pretrain --dry-run`: a few steps in a process of their own, which a timer ends whatever it is doing.

A step in the midst of a convolution, a compiler and a folder of videos can't be told to stop: this process can. What
it has measured until then lies in the folder that it was given, and in the lines of JSON that it has printed.
"""

import dataclasses
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import torch

from fractalvid.pretrain.engine import TrainConfig, train
from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.models import ARCHITECTURES, build_model
from fractalvid.pretrain.models.cost import cost
from fractalvid.pretrain.recipes import override
from fractalvid.pretrain.run import (
    PretrainConfig,
    count_classes,
    find_bank,
    make_objective,
    open_clips,
    render_threads,
    torch_threads,
)
from fractalvid.utils.documents import Table, parse_json
from fractalvid.utils.errors import UserError

SECONDS = 20.0
"""From the moment that all is imported."""
STEPS, SETTLING = 12, 4
"""Steps of the probe, and the first of them, which are slower."""
FEW_STEPS, FEW_SETTLING = 4, 1
"""The same where a step takes seconds."""
_FOR_STEPS = 0.4
"""Share of the time that the steps are to take: the rest is for what comes before them, and for surprises."""
_SMALL = 64
"""Rows and columns of the clips by which the machine's speed is found."""


def main() -> None:
    """Measure the configuration that comes as JSON on standard input, for at most so many seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the dry run, and that ends this
    wanted = parse_json(sys.stdin.read(), Table, where="the probe's configuration")
    timer = threading.Timer(wanted["seconds"], os._exit, (0,))
    timer.daemon = True
    timer.start()
    try:
        config = override(PretrainConfig(), wanted["config"], where="the probe")
        measure(config, Path(wanted["folder"]), wanted["seconds"])
    except UserError as error:
        _tell(error=str(error))


def measure(config: PretrainConfig, folder: Path, seconds: float) -> None:
    """Tell the machine's speed, train a few steps whose log is `folder`/metrics.jsonl, and tell what was needed.

    Args:
        config: resolved, of one process.
        folder: empty.
        seconds: until the timer ends this.
    """
    torch.set_num_threads(torch_threads(config) or torch.get_num_threads())
    on_gpu = resolve_device(config.engine.device).type == "cuda"
    batch, few = config.batch_size, False
    if not on_gpu:  # where a probe is short as it is
        rate = macs_a_second(config)
        batch, few = affordable_batch(config, rate * seconds * _FOR_STEPS)
        _tell(macs_a_second=rate)
    _tell(batch=batch, settling=FEW_SETTLING if few else SETTLING)
    smaller = dataclasses.replace(config, batch_size=batch)
    bank = find_bank(config)
    objective = make_objective(bank, config, count_classes(config, bank))
    clips = open_clips(_at_full_strength(smaller), bank, threads=render_threads(config), progress=False)
    train(objective, clips.source, _few(smaller, FEW_STEPS if few else STEPS), folder, lasting=False, progress=False)
    _tell(finished=True, gpu_bytes=torch.cuda.max_memory_allocated() if on_gpu else 0)


def _tell(**found: object) -> None:
    print(json.dumps(found), flush=True)


def macs_a_second(config: PretrainConfig) -> float:
    """Multiply-adds a second of the network's training, on two clips so small that even a busy machine soon knows."""
    size = min(config.stream.size, max(_SMALL, ARCHITECTURES[config.arch].least_size))
    network = build_model(config.arch, 2, seed=0)
    clips = torch.rand(2, 3, config.stream.clip_len, size, size)
    taken = []
    for _ in range(2):  # the first is slower
        started = time.perf_counter()
        network(clips).sum().backward()
        taken.append(time.perf_counter() - started)
    return 2 * clip_macs(config, size=size) / min(taken)


def clip_macs(config: PretrainConfig, *, size: int | None = None) -> float:
    """Multiply-adds of training on one view of a clip: backwards is twice forwards.

    Args:
        config: the run's.
        size: rows and columns; the run's where None.
    """
    return 3.0 * cost(config.arch, 2, clip_len=config.stream.clip_len, size=size or config.stream.size).macs


def affordable_batch(config: PretrainConfig, macs: float) -> tuple[int, bool]:
    """Clips a step of a probe of so many multiply-adds, and whether it has few steps; a clip's cost hardly differs."""
    clips = macs / (clip_macs(config) * config.objective.views)
    few, batch = config.batch_size * STEPS > clips, config.batch_size
    groups = config.engine.accumulate * (config.objective.moco.bn_groups or 1)
    while few and batch * FEW_STEPS > clips and batch % (4 * groups) == 0:  # a group of BatchNorm needs two clips
        batch //= 2
    return batch, few


def _few(config: PretrainConfig, steps: int) -> TrainConfig:
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
    """The run without a curriculum: most of its clips cost what the last ones do. Whole clips, where they grow."""
    config = dataclasses.replace(config, grow=(), grow_clips=None)
    emulate = config.stream.emulate
    if emulate is None:
        return config
    emulate = dataclasses.replace(emulate, curriculum=dataclasses.replace(emulate.curriculum, samples=0))
    return dataclasses.replace(config, curriculum=None, stream=dataclasses.replace(config.stream, emulate=emulate))


if __name__ == "__main__":
    main()
