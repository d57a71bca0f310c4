"""`pretrain --dry-run`: what a run would be, and how long it would take, from a few steps that are thrown away."""

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from fractalvid.pretrain.engine import Objective, read_rows
from fractalvid.pretrain.engine.log import Row
from fractalvid.pretrain.machine import from_main, world_size
from fractalvid.pretrain.models import architecture
from fractalvid.pretrain.models.cost import cost
from fractalvid.pretrain.probe import SECONDS, SETTLING, clip_macs
from fractalvid.pretrain.recipes import to_json, to_toml
from fractalvid.pretrain.run import (
    PretrainConfig,
    check_free,
    check_run,
    count_classes,
    find_bank,
    make_objective,
    resolved,
)
from fractalvid.utils.documents import Table, parse_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make
from fractalvid.utils.messages.phrases import counted
from fractalvid.utils.processes.children import child_environment

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_OVER = "the probe's time was over"


@dataclass(frozen=True)
class Measured:
    """What a probe has found out until its time was up.

    Attributes:
        rows: the log's, of each step that was done.
        batch: clips a step.
        settling: of the steps, the first, which are slower.
        macs_a_second: multiply-adds of the network alone; 0 where they were not measured.
        finished: all steps were done.
        gpu_bytes: the most memory of the GPU that was taken.
    """

    rows: list[Row]
    batch: int = 0
    settling: int = SETTLING
    macs_a_second: float = 0.0
    finished: bool = False
    gpu_bytes: int = 0


def dry_run(config: PretrainConfig, out: Path | None = None) -> str:
    """All of `dry_run_parts`."""
    return "\n".join(dry_run_parts(config, out))


def dry_run_parts(config: PretrainConfig, out: Path | None = None, *, seconds: float = SECONDS) -> Iterator[str]:
    """What is known at once, then what a probe has measured until a timer has ended it.

    First the resolved configuration as a recipe, shapes and parameters; then memory, steps, and time at full emulation.

    Args:
        config: the run's.
        out: the folder that the run would begin in; None where that is not known, or it is to go on in.
        seconds: that the probe may take.

    Raises:
        UserError: whatever the run itself would refuse.
    """
    check_run(config)
    if out is not None:
        from_main(partial(check_can_make, out))
        from_main(partial(check_free, out))
    bank = find_bank(config)
    config = resolved(config, bank)
    config.check_growth()
    classes = from_main(partial(count_classes, config, bank))
    objective = make_objective(bank, config, classes)
    yield "\n".join([to_toml(to_json(config)), "", *_network(config, objective, classes)])
    seen = from_main(partial(probed, config, seconds))
    yield "\n".join([_memory(config, objective, seen), _time(config, seen)])


def probed(config: PretrainConfig, seconds: float) -> Measured:
    """What a few steps of a resolved configuration take, measured by one process for at most so many seconds.

    Of several processes, each has its share of the clips; how they wait for each other is not measured.

    Raises:
        UserError: what opening the clips has refused, or the probe has failed.
    """
    alone = dataclasses.replace(config, batch_size=config.batch_size // world_size())
    with tempfile.TemporaryDirectory() as folder:
        told = _told({"config": to_json(alone), "folder": folder, "seconds": seconds})
        error = told.pop("error", None)
        if error:
            raise UserError(str(error))
        return Measured(rows=read_rows(Path(folder) / "metrics.jsonl"), **told)


def _told(wanted: Table) -> Table:
    """What a probe has printed."""
    environment = {name: value for name, value in child_environment().items() if name not in _TORCHRUN}
    done = subprocess.run(
        [sys.executable, "-m", "fractalvid.pretrain.probe"],
        input=json.dumps(wanted).encode(),
        capture_output=True,
        env=environment,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise UserError(f"a probe of a few steps has failed (exit code {done.returncode}): {said[-1]}")
    told: Table = {}
    for line in done.stdout.splitlines():
        told |= parse_json(line, Table, where="the probe")
    return told


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


def _memory(config: PretrainConfig, objective: Objective, seen: Measured) -> str:
    """What parameters take, and the most that the probe has taken; of fewer clips a step than the run's, it says so."""
    held = sum(_bytes(tensor) for tensor in (*objective.parameters(), *objective.buffers()))
    most = ""
    if seen.gpu_bytes:
        most = f"; the probe took up to {seen.gpu_bytes / 2**30:.2f} GiB of the GPU{_of_clips(config, seen)}"
    elif sys.platform != "win32":
        import resource  # which Windows lacks

        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
        most = f"; the probe took up to {peak / 2**30:.2f} GiB{_of_clips(config, seen)}"
    return f"# memory: {held / 2**20:.0f} MiB of parameters and buffers{most}"


def _of_clips(config: PretrainConfig, seen: Measured) -> str:
    """By how many clips a step a process of the probe came to its memory, and what that says of one of the run."""
    run = config.batch_size // world_size()
    if seen.batch == run:
        return f" with the {counted(run, 'clip')} a step that the run has"
    if not seen.batch:
        return f" before its first step; the run takes more, with {counted(run, 'clip')} a step"
    return f" with {seen.batch} of the {counted(run, 'clip')} a step: the run takes more (less with --accumulate)"


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _time(config: PretrainConfig, seen: Measured) -> str:
    """How fast it goes, and how long the budget's steps take or how many fit into it."""
    rate, about = _rate(config, seen)
    if not rate:
        return f"# time: not known: {_OVER} before two steps were done"
    rate *= world_size() / config.cost()
    about += ", worked out from that of whole clips by their pixels" if config.cost() < 1 else ""
    return f"# time: {rate:.3g} clips a second, {_budget(config, config.batch_size / rate)} without validation{about}"


def _rate(config: PretrainConfig, seen: Measured) -> tuple[float, str]:
    """Clips a second of one process, and what to know about the number; 0 where nothing was measured."""
    settled = seen.rows[seen.settling :] if seen.finished else seen.rows[1:]
    if not settled:
        rate = seen.macs_a_second / (clip_macs(config) * config.objective.views)
        return rate, f", estimated from the network on small clips alone: {_OVER} before two steps were done"
    rate, waited = (statistics.median(float(row[name]) for row in settled) for name in ("clips_per_s", "data_wait"))
    about = f"; {waited:.0%} of it is waiting for clips"
    about += "" if seen.batch * world_size() == config.batch_size else f", measured with {seen.batch} a step"
    return rate, about + ("" if seen.finished else f", estimated from {counted(len(settled), 'step')}: {_OVER}")


def _budget(config: PretrainConfig, step: float) -> str:
    """The budget, at so many seconds a step."""
    total = config.engine.budget(config.batch_size, config.an_epoch()).total
    if total is None:
        hours = config.engine.hours or 0.0
        return f"{hours:.2f} hours are about {hours * 3600 / step:.0f} steps"
    return f"{total} steps are about {total * step / 3600:.2f} hours"
