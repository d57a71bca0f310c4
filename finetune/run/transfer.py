"""One fine-tuning run from the options to `metrics.json`: data, network, training, test."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import update_bn
from tqdm import tqdm

from fractalvid.finetune.cache.store import ClipStore, decoded_side
from fractalvid.finetune.clips import evaluate
from fractalvid.finetune.clips.training import TrainSource
from fractalvid.finetune.recipes.plan import Columns, Plan, make_plan
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.results.folder import WEIGHTS, check_folder, claim_folder, videos_digest
from fractalvid.finetune.run.outcome import describe_clips, describe_videos, versions, write_outcome
from fractalvid.finetune.targets.base import Row, Target, counted
from fractalvid.finetune.videos.data import Data, Machine, Stores, read_videos, split_name
from fractalvid.finetune.videos.few_shot import few_shot
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.weights.initial import Initial, build
from fractalvid.pretrain.engine.config import check_norms
from fractalvid.pretrain.engine.train import CHECKPOINT, EngineConfig, TrainResult, train
from fractalvid.pretrain.machine.distributed import from_main, is_main, local_world_size, rank, world_size
from fractalvid.pretrain.machine.precision import resolve_device
from fractalvid.pretrain.models import head_name
from fractalvid.pretrain.objectives.supervised import Supervised, SupervisedConfig
from fractalvid.pretrain.optim.optimizer import OptimConfig
from fractalvid.pretrain.weights.checkpoint import Card, save_weights
from fractalvid.utils.errors import UserError

_CHECKPOINT_STEPS = 200  # and never more often than once an epoch
_SETTLING = 16  # so many batches of so many clips settle the statistics of random features
_FEW_STEPS = 50  # with fewer, most networks have hardly begun to learn


def plan_run(data: Data, recipe: Recipe, init: Initial, *, split: str | None, seed: int, allow_missing: bool) -> Plan:
    """Settle everything that the options leave open; a `UserError` for what they cannot mean."""
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed is {seed}: it must be 0 to 2^63 - 1")
    part = EngineConfig().part(recipe.batch_size)
    if recipe.mode == "full":  # the BatchNorm of frozen features needs no clips to normalise by
        check_norms(recipe.batch_size, part)
    source = data.source
    columns = Columns(source.label_column, source.split_column, source.fold_column, source.group_column)
    return make_plan(
        recipe,
        data.target.protocol,
        init,
        target=data.target.name,
        data=data.root,
        annotations=source.annotations,
        table=source.csv,
        columns=None if source.csv is None else columns,
        split=split_name(data, split),
        seed=seed,
        allow_missing=allow_missing,
    )


def run(
    data: Data,
    plan: Plan,
    *,
    out: Path,
    machine: Machine,
    stores: Stores,
    resume: bool,
    listing: Listing | None = None,
) -> dict[str, Any]:
    """Fine-tune and test; everything is left in `out`. Returns what `metrics.json` says.

    `listing` is what `read_videos` gives of the split, where that is known already. The folder is made after the
    videos were listed, so that wrong data leave nothing behind; it is checked before, and again once the list is known.
    """
    from_main(partial(check_folder, out, plan, resume=resume))
    if listing is None:
        listing = from_main(partial(read_videos, data, plan.split, machine, allow_missing=plan.allow_missing))
    store = stores.get(data.root, decoded_side(plan.size))
    plan = replace(
        plan, videos_digest=videos_digest(listing, data.target), frames=store.kept(row.path for row in listing.rows)
    )
    from_main(partial(check_folder, out, plan, resume=resume))
    if plan.shots is not None:
        listing = few_shot(listing, plan.shots, plan.seed)
    network, loaded = build(plan.init, plan.model, len(listing.classes), seed=plan.seed)
    from_main(partial(claim_folder, out, plan))
    if machine.progress and is_main():
        tqdm.write(f"{plan.model}, {plan.init.label}: {loaded}")
    result = _train(network, plan, listing, store, out=out, machine=machine, resume=resume)
    # The main process alone tests, and writes what it finds.
    return from_main(partial(_test, network, plan, data.target, listing, store, result, out=out, machine=machine))


def _train(
    network: nn.Module,
    plan: Plan,
    listing: Listing,
    store: ClipStore,
    *,
    out: Path,
    machine: Machine,
    resume: bool,
) -> TrainResult:
    rows = listing.side("train")
    steps = plan.steps(len(rows))
    an_epoch = max(1, round(steps / plan.epochs))
    if steps < _FEW_STEPS and is_main():
        made = f"{counted(plan.epochs, 'epoch')} of {counted(len(rows), 'video')} make only {counted(steps, 'step')}"
        tqdm.write(f"note: {made}; a smaller --batch-size than {plan.batch_size} makes more of them", file=sys.stderr)
    engine = EngineConfig(
        steps=steps,
        precision=plan.precision,
        device=machine.device,
        grad_clip=plan.grad_clip,
        log_every=max(1, min(20, an_epoch)),
        val_every=plan.eval_every * an_epoch,
        checkpoint_every=max(_CHECKPOINT_STEPS, an_epoch),
        tensorboard=False,
    )
    source = TrainSource(
        rows,
        store,
        batch_size=engine.part(plan.batch_size),
        config=plan.source_config(),
        seed=plan.seed,
        threads=max(1, machine.decoders() // local_world_size()),
        rank=rank(),
        world_size=world_size(),
    )
    optim = OptimConfig(
        optimizer=plan.optimizer,
        momentum=plan.momentum,
        classic_momentum=plan.classic_momentum,
        lr=plan.lr,
        weight_decay=plan.weight_decay,
        warmup=plan.warmup_epochs / plan.epochs,
        final_lr=plan.lr / 100,
    )
    if plan.mode == "linear" and plan.init.kind == "scratch":
        _settle(network, plan, rows, store, machine)
    head: nn.Module = getattr(network, head_name(plan.model))
    if plan.dropout:
        head.register_forward_pre_hook(_dropper(plan.dropout))
    labels = SupervisedConfig(label_smoothing=plan.label_smoothing, mixup=plan.mixup, cutmix=plan.cutmix)
    return train(
        Supervised(network, labels, seed=plan.seed),
        source,
        config=engine,
        optim=optim,
        batch_size=plan.batch_size,
        seed=plan.seed,
        out=out,
        validate=_curve(plan, listing, store, machine) if plan.eval_every else None,
        trainable=list(head.parameters()) if plan.mode == "linear" else None,
        resume=resume,
        progress=machine.progress,
    )


def _settle(network: nn.Module, plan: Plan, rows: Sequence[Row], store: ClipStore, machine: Machine) -> None:
    """Take BatchNorm's statistics from training clips, without which random features of deep networks are all but 0.

    Every process takes those of the same clips.
    """
    source = TrainSource(
        rows, store, batch_size=_SETTLING, config=plan.source_config(), seed=plan.seed, threads=machine.decoders()
    )
    device = resolve_device(machine.device)
    with torch.random.fork_rng(devices=[]):
        update_bn((batch.video for batch in islice(source, _SETTLING)), network.to(device), device)


def _dropper(share: float) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """A hook before the head: dropout in training, without a layer that would change the names of the weights."""

    def drop(head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (functional.dropout(inputs[0], share, training=head.training), *inputs[1:])

    return drop


def _curve(plan: Plan, listing: Listing, store: ClipStore, machine: Machine) -> Callable[[nn.Module], dict[str, float]]:
    """A quick test of one central view a video."""
    rows = listing.side("test")
    config = replace(plan.view_config(), views=1, crops=1)

    def validate(network: nn.Module) -> dict[str, float]:
        p = evaluate.predict(network, rows, store, config, threads=machine.decoders())
        return evaluate.scores(p, evaluate.labels_of(rows))

    return validate


def _test(
    network: nn.Module,
    plan: Plan,
    target: Target,
    listing: Listing,
    store: ClipStore,
    result: TrainResult,
    *,
    out: Path,
    machine: Machine,
) -> dict[str, Any]:
    rows = listing.side("test")
    started = time.perf_counter()
    p = evaluate.predict(
        network, rows, store, plan.view_config(), threads=machine.decoders(), progress=machine.progress
    )
    seconds = time.perf_counter() - started
    scores = evaluate.scores(p, evaluate.labels_of(rows))
    said = describe(plan, listing, result, resolve_device(machine.device), seconds)
    metrics = {**scores, **said, "frames": store.origin(row.path for row in listing.rows)}
    save_weights(out / WEIGHTS, network, _card(plan, listing, result, scores))
    write_outcome(out, metrics, target, rows, p, listing.classes)
    (out / CHECKPOINT).unlink(missing_ok=True)  # nothing is left to resume
    return metrics


def _card(plan: Plan, listing: Listing, result: TrainResult, scores: dict[str, float]) -> Card:
    return Card(
        architecture=plan.model,
        num_classes=len(listing.classes),
        clip_len=plan.clip_len,
        size=plan.size,
        frame_stride=plan.frame_stride,
        mean=plan.mean,
        std=plan.std,
        seed=plan.seed,
        stream_version=None,
        config={**plan.to_dict(), "classes": list(listing.classes)},
        metrics=scores,
        precision=result.precision,
    )


def describe(
    plan: Plan, listing: Listing, result: TrainResult, device: torch.device, test_seconds: float
) -> dict[str, Any]:
    """What `metrics.json` says beside the accuracies."""
    return {
        "target": plan.target,
        "split": plan.split,
        "seed": plan.seed,
        "init": vars(plan.init).copy(),
        "mode": plan.mode,
        "shots": plan.shots,
        **describe_clips(plan.view_config(), plan.model),
        "metric": plan.metric,
        "classes": len(listing.classes),
        "official_classes": plan.official_classes,
        "class_names": list(listing.classes),
        **describe_videos(listing, plan.view_config()),
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "steps": result.steps,
        "steps_skipped": result.skipped,
        "lr": plan.lr,
        "optimizer": plan.optimizer,
        "weight_decay": plan.weight_decay,
        "precision": result.precision,
        "seconds": {"training": round(result.seconds, 1), "test": round(test_seconds, 1)},
        "versions": versions(device),
    }
