"""One fine-tuning run from the options to `metrics.json`: data, network, training, test."""

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from finetune import evaluate
from finetune.clips import ClipStore, decoded_side
from finetune.data import Data, Machine, Stores, read_videos
from finetune.few_shot import few_shot
from finetune.initial import Initial, build
from finetune.listing import Listing
from finetune.plan import Columns, Plan, make_plan
from finetune.recipe import Recipe
from finetune.report import write_run
from finetune.rundir import CONFUSION, METRICS, PREDICTIONS, WEIGHTS, check_folder, claim_folder, videos_digest
from finetune.source import TrainSource
from finetune.targets.base import Target
from fractalvid.errors import UserError
from fractalvid.files import write_text
from pretrain.checkpoint import Card, save_weights
from pretrain.distributed import from_main, is_main, local_world_size, rank, world_size
from pretrain.engine import CHECKPOINT, EngineConfig, TrainResult, train
from pretrain.models import head_name
from pretrain.optim import OptimConfig
from pretrain.precision import resolve_device

_CHECKPOINT_STEPS = 200  # and never more often than once an epoch


def plan_run(data: Data, recipe: Recipe, init: Initial, *, split: str | None, seed: int, allow_missing: bool) -> Plan:
    """Settle everything that the options leave open."""
    if not 0 <= seed < 2**63:
        raise UserError(f"--seed is {seed}: it must be 0 to 2^63 - 1")
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
        split=_split(data, split),
        seed=seed,
        allow_missing=allow_missing,
    )


def _split(data: Data, split: str | None) -> str:
    """The split's or fold's name; hmdb51's first split where none is given."""
    splits, fold_column = data.target.protocol.splits, data.source.fold_column
    if split is None and fold_column is not None:
        raise UserError(f"--fold-column {fold_column} needs --fold: which of its values is the test set")
    if split is not None and not splits and fold_column is None:
        raise UserError(f"--target {data.target.name} has no splits or folds to choose from without --fold-column")
    return split if split is not None else (splits[0] if splits else "")


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
    plan = replace(plan, videos_digest=videos_digest(listing, data.target))
    from_main(partial(check_folder, out, plan, resume=resume))
    if plan.shots is not None:
        listing = few_shot(listing, plan.shots, plan.seed)
    network, loaded = build(plan.init, plan.model, len(listing.classes), seed=plan.seed)
    from_main(partial(claim_folder, out, plan))
    if machine.progress and is_main():
        tqdm.write(f"{plan.model}, {plan.init.label}: {loaded}")
    store = stores.get(data.root, decoded_side(plan.size))
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
    engine = EngineConfig(
        steps=steps,
        precision=plan.precision,
        device=machine.device,
        grad_clip=plan.grad_clip,
        label_smoothing=plan.label_smoothing,
        mixup=plan.mixup,
        cutmix=plan.cutmix,
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
        lr=plan.lr,
        weight_decay=plan.weight_decay,
        warmup=plan.warmup_epochs / plan.epochs,
        final_lr=plan.lr / 100,
    )
    head: nn.Module = getattr(network, head_name(plan.model))
    if plan.dropout:
        head.register_forward_pre_hook(_dropper(plan.dropout))
    return train(
        network,
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
    labels = evaluate.labels_of(rows)
    scores = evaluate.scores(p, labels)
    groups = [target.group(row.path) for row in rows]
    device = resolve_device(machine.device)
    metrics = scores | describe(plan, listing, result, device, time.perf_counter() - started)
    metrics["frames"] = store.origin
    matrix = evaluate.confusion_matrix(labels, evaluate.top_classes(p, 1)[:, 0], len(listing.classes))
    title = f"{plan.target}, {plan.init.label}: top-1 {scores['top1']:.1f} %"
    evaluate.write_predictions(out / PREDICTIONS, rows, p, listing.classes, groups)
    evaluate.draw_confusion(out / CONFUSION, matrix, listing.classes, title)
    save_weights(out / WEIGHTS, network, _card(plan, listing, scores))
    write_run(out, metrics)
    # Last, for its presence says that the run is finished; then nothing is left to resume.
    write_text(out / METRICS, json.dumps(metrics, indent=2) + "\n")
    (out / CHECKPOINT).unlink(missing_ok=True)
    return metrics


def _card(plan: Plan, listing: Listing, scores: dict[str, float]) -> Card:
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
    )


def describe(
    plan: Plan, listing: Listing, result: TrainResult, device: torch.device, test_seconds: float
) -> dict[str, Any]:
    """What `metrics.json` says beside the accuracies."""
    # Frames; of shorter videos windows are seen at a smaller stride, and segments share frames.
    span = plan.clip_len if plan.sampling == "segments" else (plan.clip_len - 1) * plan.frame_stride + 1
    return {
        "target": plan.target,
        "split": plan.split,
        "seed": plan.seed,
        "init": vars(plan.init).copy(),
        "mode": plan.mode,
        "shots": plan.shots,
        "model": plan.model,
        "clip": {"clip_len": plan.clip_len, "frame_stride": plan.frame_stride, "size": plan.size},
        "views": plan.views,
        "crops": plan.crops,
        "sampling": plan.sampling,
        "first_frames": plan.first_frames,
        "voting": plan.voting,
        "metric": plan.metric,
        "classes": len(listing.classes),
        "official_classes": plan.official_classes,
        "class_names": list(listing.classes),
        "videos": {
            "train": len(listing.side("train")),
            "test": len(listing.side("test")),
            "missing": len(listing.missing),
            "skipped": len(listing.broken),
            "shorter_than_window": sum(n < span for n in listing.frames),
        },
        "missing": list(listing.missing),
        "skipped": [{"path": path, "why": why} for path, why in listing.broken],
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
        "steps": result.steps,
        "steps_skipped": result.skipped,
        "lr": plan.lr,
        "optimizer": plan.optimizer,
        "weight_decay": plan.weight_decay,
        "seconds": {"training": round(result.seconds, 1), "test": round(test_seconds, 1)},
        "versions": versions(device),
    }


def versions(device: torch.device) -> dict[str, str]:
    """What the result was made with, the device that trained included."""
    names = ("fractalvid", "torch", "torchvision", "av", "numpy")
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that is not installed
            found[name] = "not installed"
    return found | {
        "machine": platform.machine(),
        "processors": str(os.cpu_count()),
        "device": _device_name(device),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
