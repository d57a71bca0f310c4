"""How a run goes on: with the budget that it began with, with another, or not at all, because it is finished."""

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.pretrain.engine import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.optim import planned_lr
from fractalvid.pretrain.run.config import BUDGETS, PretrainConfig, kept_config
from fractalvid.pretrain.run.folder import PROGRAM, WEIGHTS
from fractalvid.pretrain.weights import card_path
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class Resumption:
    """A run that is to go on.

    Attributes:
        begun: what is asked for, with the budget that the folder of the run tells: all else has to agree with it.
        config: what it goes on with.
    """

    begun: PretrainConfig
    config: PretrainConfig

    @property
    def extended(self) -> bool:
        """Whether the budget is another one now."""
        return _budget(self.begun) != _budget(self.config)


@dataclass(frozen=True)
class Outlook:
    """How far a run is: whether there is nothing left to do, and a line for the user, or "" where all is as before."""

    finished: bool
    line: str


def resumption(config: PretrainConfig, out: Path) -> Resumption:
    """What the run in `out` goes on with, where `config` is asked for.

    With another budget, emulation keeps the number of clips over which it comes in, and clips are whole after as many
    as before: a sample stays what it was.

    Raises:
        UserError: there is no run, or its checkpoint is damaged.
    """
    kept = _at_its_places(kept_config(out), config)
    config = dataclasses.replace(config, extended_at=kept.extended_at)
    if kept.extended_at:
        config = _with_clips_of(kept, config)
    budget: dict[str, Any] = dict(zip(BUDGETS, _budget(kept), strict=True))
    begun = dataclasses.replace(config, engine=dataclasses.replace(config.engine, **budget))
    if _budget(config) != _budget(kept) and (out / CHECKPOINT).exists():
        step = int(load_checkpoint(out / CHECKPOINT)["step"])
        config = dataclasses.replace(_with_clips_of(kept, config), extended_at=(*(kept.extended_at or ()), step))
    return Resumption(begun, config)


def _at_its_places(kept: PretrainConfig, config: PretrainConfig) -> PretrainConfig:
    """The run that is there, with its clips where they lie now."""
    return dataclasses.replace(kept, data=config.data, videos=config.videos, bank=config.bank)


def _budget(config: PretrainConfig) -> tuple[int | float | None, ...]:
    return tuple(getattr(config.engine, name) for name in BUDGETS)


def _with_clips_of(kept: PretrainConfig, config: PretrainConfig) -> PretrainConfig:
    if kept.grow and config.grow_clips is None:
        config = dataclasses.replace(config, grow_clips=kept.growth())
    return _with_curriculum_of(kept, config)


def _with_curriculum_of(kept: PretrainConfig, config: PretrainConfig) -> PretrainConfig:
    emulate, before = config.stream.emulate, kept.streamed().emulate
    if emulate is None or before is None or emulate.curriculum.samples is not None:
        return config
    curriculum = dataclasses.replace(emulate.curriculum, samples=before.curriculum.samples)
    emulate = dataclasses.replace(emulate, curriculum=curriculum)
    return dataclasses.replace(config, curriculum=None, stream=dataclasses.replace(config.stream, emulate=emulate))


def outlook(going: Resumption, out: Path) -> Outlook:
    """How far the run in `out` is, and what becomes of it.

    Raises:
        UserError: it has done more than the budget asks for.
    """
    if not (out / CHECKPOINT).exists():
        return Outlook(finished=False, line="")
    saved, training = load_checkpoint(out / CHECKPOINT), going.config.training()
    step, budget = int(saved["step"]), training.budget()
    budget.load_state_dict(saved["budget"], done=step)
    before, total = saved["budget"]["total"], budget.total
    if going.extended and total is not None and (total < step or total == step != before):
        name, value = next((n, v) for n, v in zip(BUDGETS, _budget(going.config), strict=True) if v is not None)
        raise UserError(
            f"the run in {out} has done {counted(step, 'step')} already, and {name} {value:g} comes to {total}: give "
            f"more to go on, or leave out --{name}"
        )
    if total == step and (out / WEIGHTS).exists():
        on = f"{PROGRAM} --resume --out {shlex.quote(str(out))} --steps {2 * step}"
        return Outlook(
            finished=True, line=f"the run in {out} is finished, after {counted(step, 'step')}; to go on with it: {on}"
        )
    if not going.extended or total is None:
        return Outlook(finished=False, line="")
    first, last = (planned_lr(training.optim, training.batch_size, at, total) for at in (step, total - 1))
    return Outlook(
        finished=False,
        line=f"{out} goes on from step {step} to {total} instead of {before or 'an unknown number'}: with the learning "
        f"rate of a run of {total} steps, {first:.3g} now and {last:.3g} in the end",
    )


def keep_earlier_weights(out: Path, step: int) -> None:
    """Put the weights of a finished run that goes on aside, under the number of their steps."""
    weights = out / WEIGHTS
    for file in (weights, card_path(weights)):  # a run without weights is to have no card of them
        if file.exists():
            file.rename(file.with_stem(f"{file.stem}-{step}"))
