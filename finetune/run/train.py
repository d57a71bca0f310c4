"""The training of one run: budget, clips, optimiser, and what a linear probe or dropout need beside them."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from fractalvid.finetune.cache.store import ClipStore
from fractalvid.finetune.clips.loader import TrainLoader
from fractalvid.finetune.clips.prediction import predict
from fractalvid.finetune.debias.beside import Beside
from fractalvid.finetune.debias.source import DebiasedClips
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.scores import labels_of, scores
from fractalvid.finetune.run.frozen import CLIPS, prepare_frozen
from fractalvid.finetune.targets.base import Target
from fractalvid.finetune.targets.folder.mirrored import mirrored_pair
from fractalvid.finetune.videos.listing import Listing, curve_side
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import LoopConfig, Objective, TrainConfig, TrainResult, train
from fractalvid.pretrain.machine import is_main, local_world_size, rank, resolve_device, world_size
from fractalvid.pretrain.models import feature_dim, head_name, trains_channels_last
from fractalvid.pretrain.objectives import Supervised, SupervisedConfig
from fractalvid.pretrain.objectives.debias import DebiasConfig, Debiased
from fractalvid.pretrain.optim import OptimConfig
from fractalvid.utils.messages.notes import note
from fractalvid.utils.messages.phrases import counted

CHECKPOINT_STEPS = 200
"""A checkpoint comes after so many steps, and never more often than once an epoch."""
_FEW_STEPS = 50
"""With fewer, most networks have hardly begun to learn."""

_FALL = 100
"""What the learning rate is divided by over a run, along half a cosine."""


@dataclass(frozen=True)
class ListedRun:
    """A planned run whose videos are listed: all that training and testing need beside the network.

    `listing` has the videos that are trained and tested on, `store` their frames; `out` is the folder of the run;
    `beside` is what debiasing takes beside the videos.
    """

    plan: Plan
    target: Target
    listing: Listing
    store: ClipStore
    out: Path
    machine: Machine
    beside: Beside | None = None


def train_network(network: nn.Module, run: ListedRun, *, resume: bool) -> TrainResult:
    """Train in place on the run's training videos; its folder gets the log and checkpoints."""
    plan, machine, videos = run.plan, run.machine, run.listing.side("train")
    steps = plan.steps(len(videos))
    if steps < _FEW_STEPS and is_main():
        _note_few_steps(plan, len(videos), steps)
    if is_main():
        _note_mirrored(plan, run.listing.classes)
    recipe, engine = plan.recipe, _engine_config(plan, steps, machine)
    loader = TrainLoader(
        videos,
        run.store,
        batch_size=engine.part(recipe.batch_size),
        config=recipe.clip_config(),
        seed=plan.seed,
        threads=max(1, machine.decoders() // local_world_size()),
        rank=rank(),
        world_size=world_size(),
    )
    fold = _prepare_frozen(network, run) if recipe.mode == "linear" else None
    head: nn.Module = getattr(network, head_name(recipe.model))
    if recipe.dropout:
        head.register_forward_pre_hook(_dropper(recipe.dropout))
    result = train(
        _objective(network, run),
        loader if run.beside is None else DebiasedClips(loader, run.beside),
        TrainConfig(loop=engine, optim=optim_config(plan), batch_size=recipe.batch_size, seed=plan.seed),
        run.out,
        validate=_curve(run) if recipe.eval_every else None,
        validated={"val": "validation", "test": "test videos"}[curve_side(run.listing)],
        trainable=list(head.parameters()) if recipe.mode == "linear" else None,
        resume=resume,
        progress=machine.progress,
    )
    if fold is not None:
        fold()
    return result


def _objective(network: nn.Module, run: ListedRun) -> Objective:
    """Tell the classes apart and, where there is something beside the clips, do so debiased."""
    recipe, beside, seed = run.plan.recipe, run.beside, run.plan.seed
    labels = SupervisedConfig(label_smoothing=recipe.label_smoothing, mixup=recipe.mixup, cutmix=recipe.cutmix)
    main = Supervised(network, labels, seed=seed)
    if beside is None:
        return main
    weights = DebiasConfig(*(recipe.debias if of is not None else 0.0 for of in (beside.scenes, beside.masks)))
    scenes = 0 if beside.scenes is None else len(beside.scenes.names)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = recipe.model
        return Debiased(main, weights, head=head_name(model), features=feature_dim(model), scenes=scenes)


def _note_few_steps(plan: Plan, videos: int, steps: int) -> None:
    recipe = plan.recipe
    made = f"{counted(recipe.epochs, 'epoch')} of {counted(videos, 'video')} make only {counted(steps, 'step')}"
    tqdm.write(f"note: {made}; a smaller --batch-size than {recipe.batch_size} makes more of them", file=sys.stderr)


def _note_mirrored(plan: Plan, classes: Sequence[str]) -> None:
    """Tell that clips of one's own are mirrored although that may make another class of them.

    Names alone don't prove it, and runs from before were mirrored, so that the default stays.
    """
    pair = mirrored_pair(classes) if plan.target == "folder" and plan.recipe.augment.flip else None
    if pair is not None:
        look = f"classes {pair[0]!r} and {pair[1]!r} look like mirror images"
        note(f"{look}; --augment.flip 0 leaves clips unmirrored")


def _engine_config(plan: Plan, steps: int, machine: Machine) -> LoopConfig:
    recipe = plan.recipe
    steps_an_epoch = max(1, round(steps / recipe.epochs))
    return LoopConfig(
        steps=steps,
        precision=recipe.precision,
        device=machine.device,
        grad_clip=recipe.grad_clip,
        log_every=max(1, min(20, steps_an_epoch)),
        # Of the exact length of an epoch: rounded, few videos would be far off.
        val_every=max(1, round(recipe.eval_every * steps / recipe.epochs)) if recipe.eval_every else 0,
        checkpoint_every=max(CHECKPOINT_STEPS, steps_an_epoch),
        channels_last=trains_channels_last(recipe.model, machine.device),
        tensorboard=False,
    )


def optim_config(plan: Plan) -> OptimConfig:
    """How a planned run updates its parameters."""
    recipe = plan.recipe
    return OptimConfig(
        optimizer=recipe.optimizer,
        momentum=recipe.momentum,
        classic_momentum=recipe.classic_momentum,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        warmup=recipe.warmup_epochs / recipe.epochs,
        final_lr=recipe.lr / _FALL,
    )


def _prepare_frozen(network: nn.Module, run: ListedRun) -> Callable[[], None]:
    """Settle and standardise frozen features, as the recipe says; every process does so by the same clips.

    They are cropped and mirrored as in training, but their colours are left alone: so are those of tested clips.
    """
    recipe = run.plan.recipe
    clips = recipe.clip_config()
    loader = TrainLoader(
        run.listing.side("train"),
        run.store,
        batch_size=CLIPS,
        config=replace(clips, augment=replace(clips.augment, operations=0, blur=0.0)),
        seed=run.plan.seed,
        threads=run.machine.decoders(),
    )
    network.to(resolve_device(run.machine.device))
    return prepare_frozen(network, recipe.model, loader, settled=recipe.settle, standardised=recipe.standardise)


def _dropper(share: float) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook before the head: dropout in training, without a layer that would change the names of the weights."""

    def drop(head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (functional.dropout(inputs[0], share, training=head.training), *inputs[1:])

    return drop


def _curve(run: ListedRun) -> Callable[[nn.Module], dict[str, float]]:
    """A quick look at one central view a video, of the validation side where there is one."""
    videos = run.listing.side(curve_side(run.listing))
    config = replace(run.plan.recipe.view_config(), views=1, crops=1)

    def validate(network: nn.Module) -> dict[str, float]:
        p = predict(network, videos, run.store, config, threads=run.machine.decoders())
        return scores(p, labels_of(videos))

    return validate
