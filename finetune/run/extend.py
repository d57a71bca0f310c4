"""How a fine-tuning goes on for another number of epochs than it began with."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from fractalvid.finetune.recipes.plan import Plan, ResolvedRecipe, default_warmup
from fractalvid.finetune.results.folder import CONFIG, METRICS, WEIGHTS, read_settings, write_plan
from fractalvid.finetune.run.train import optim_config
from fractalvid.pretrain.engine import CHECKPOINT, load_checkpoint
from fractalvid.pretrain.optim import planned_lr
from fractalvid.pretrain.weights import card_path
from fractalvid.utils.documents import convert
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class Continuation:
    """A run that is to go on.

    Attributes:
        begun: what is asked for, with the epochs that the folder of the run tells: all else has to agree with it.
        plan: what it goes on with.
    """

    begun: Plan
    plan: Plan

    @property
    def extended(self) -> bool:
        """Whether the number of epochs is another one now."""
        return self.begun.recipe.epochs != self.plan.recipe.epochs

    def listed(
        self, videos_digest: str, files_digest: str | None, frames: str, beside_digest: str | None
    ) -> "Continuation":
        """The same, once it is known which videos it has, what their frames are read from, and what is beside them."""
        begun, plan = (
            replace(
                one,
                videos_digest=videos_digest,
                files_digest=files_digest,
                frames=frames,
                beside_digest=beside_digest,
            )
            for one in (self.begun, self.plan)
        )
        return Continuation(begun, plan)


@dataclass(frozen=True)
class _Kept:
    """What the folder of a run tells of its length."""

    epochs: int
    warmup_epochs: float
    extended_at: tuple[int, ...] = ()
    extended_from: tuple[int, ...] = ()

    def leaves_open(self, recipe: ResolvedRecipe) -> bool:
        """Whether nobody has asked for another warm-up: it is this, the default, or the same share as it was once."""
        if recipe.warmup_epochs in (self.warmup_epochs, default_warmup(recipe.epochs)):
            return True
        share = recipe.warmup_epochs / recipe.epochs
        return any(math.isclose(share * epochs, self.warmup_epochs) for epochs in (*self.extended_from, self.epochs))


def continuation(plan: Plan, out: Path) -> Continuation:
    """What the run in `out` goes on with, where `plan` is asked for.

    With other epochs, the warm-up is that which there was, unless these end before it.

    Raises:
        UserError: the settings or the checkpoint of the run are damaged, or another warm-up is asked for.
    """
    if not ((out / CONFIG).exists() and (out / CHECKPOINT).exists()):
        return Continuation(plan, plan)
    kept = convert(read_settings(out), _Kept, where=str(out / CONFIG))
    recipe, warmup = plan.recipe, kept.warmup_epochs
    plan = replace(plan, extended_at=kept.extended_at or None, extended_from=kept.extended_from or None)
    if recipe.epochs == kept.epochs and not kept.extended_at:
        return Continuation(plan, plan)
    if not kept.leaves_open(recipe):
        asked = f"warmup_epochs: {warmup:g}, not {recipe.warmup_epochs:g}"
        raise UserError(f"{out} was begun with other settings ({asked}); choose another --out")
    begun = replace(plan, recipe=replace(recipe, epochs=kept.epochs, warmup_epochs=warmup))
    if recipe.epochs == kept.epochs:
        return Continuation(begun, begun)
    recipe = replace(recipe, warmup_epochs=warmup if warmup < recipe.epochs else recipe.warmup_epochs)
    steps = (*kept.extended_at, int(load_checkpoint(out / CHECKPOINT)["step"]))
    epochs = (*kept.extended_from, kept.epochs)
    return Continuation(begun, replace(plan, recipe=recipe, extended_at=steps, extended_from=epochs))


def describe(going: Continuation, videos: int, out: Path) -> str:
    """A line on how far the extended run in `out` is, and with which learning rate it goes on.

    Args:
        going: what it goes on with.
        videos: how many it trains on.
        out: its folder.

    Raises:
        UserError: it has done as much as is asked for.
    """
    before, plan = going.begun.recipe.epochs, going.plan
    total, step = plan.steps(videos), (plan.extended_at or (0,))[-1]
    if step >= total:
        raise UserError(
            f"the run in {out} has done {counted(step, 'step')} already, and --epochs {plan.recipe.epochs} comes to "
            f"{total}: give more to go on, or the {before} that it began with"
        )
    now, last = (planned_lr(optim_config(plan), plan.recipe.batch_size, at, total) for at in (step, total - 1))
    return (
        f"{out} goes on from step {step} to {total}, {counted(plan.recipe.epochs, 'epoch')} instead of {before}: with "
        f"the learning rate of a run of {total} steps, {now:.3g} now and {last:.3g} in the end"
    )


def begin_extended(going: Continuation, out: Path) -> None:
    """Put what a finished run has left aside, under the number of its epochs, and keep the new plan."""
    # The metrics first: without them, the run counts as unfinished, whatever else is there.
    weights = out / WEIGHTS
    for file in (out / METRICS, weights, card_path(weights)):
        if file.exists():
            file.rename(file.with_stem(f"{file.stem}-{going.begun.recipe.epochs}"))
    write_plan(out, going.plan)
