"""One transfer from its plan to `metrics.json`: videos, network, training, test."""

import json
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.clips.prediction import predict
from fractalvid.finetune.debias.beside import Beside, read_beside
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.folder import (
    VALIDATION,
    WEIGHTS,
    check_folder,
    claim_folder,
    files_digest,
    finished_metrics,
    tidy_finished,
    videos_digest,
    what_next,
)
from fractalvid.finetune.results.scores import labels_of, scores
from fractalvid.finetune.run.extend import Continuation, begin_extended, continuation, describe
from fractalvid.finetune.run.outcome import describe_clips, describe_videos, versions, write_outcome
from fractalvid.finetune.run.train import ListedRun, optim_config, train_network
from fractalvid.finetune.videos.data import Data, read_videos
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing, curve_side
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import CHECKPOINT, TrainResult
from fractalvid.pretrain.machine import from_main, is_main, resolve_device
from fractalvid.pretrain.weights import Card, build_initial, save_weights
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text


@dataclass(frozen=True)
class _Trained:
    """A network that a run has trained, and how that went."""

    network: nn.Module
    run: ListedRun
    result: TrainResult


def transfer(
    data: Data,
    plan: Plan,
    *,
    out: Path,
    machine: Machine | None = None,
    stores: Stores | None = None,
    resume: bool = False,
    keep_checkpoint: bool = False,
    listing: Listing | None = None,
) -> dict[str, Any]:
    """Fine-tune and test a network; everything is left in `out`.

    The folder is made after the videos were listed, so that wrong data leave nothing behind; it is checked before, and
    again once the list is known.

    Args:
        data: the benchmark.
        plan: what to do (`recipes.plan.plan_run`).
        out: folder of the run.
        machine: what the run may use.
        stores: decoded clips, where several runs share them.
        resume: go on with the run in `out`, if there is one: it is unfinished, or has kept its checkpoint and is to
            have another number of epochs. Then the learning rate is that of a run of so many, from where it is. Of one
            that is finished nothing is done again.
        keep_checkpoint: do not remove the checkpoint in the end, so that the run can go on for more epochs.
        listing: what `read_videos` gives of the split, where that is known already.

    Returns:
        What `metrics.json` says.

    Raises:
        UserError: data, weights or a folder that do not serve, or a training that diverges.
    """
    machine = machine or Machine()
    finished = from_main(partial(_finished, plan, out)) if resume else None
    if finished is not None:
        return finished
    trained = _train(data, plan, out=out, machine=machine, stores=stores, resume=resume, listing=listing)
    # The main process alone tests, and writes what it finds.
    return from_main(partial(_test, trained, keep_checkpoint=keep_checkpoint))


def _finished(plan: Plan, out: Path) -> dict[str, Any] | None:
    """What the run in `out` says, where all that is asked for is done already; a line says so."""
    going = continuation(plan, out)
    found = None if going.extended else finished_metrics(out, going.plan)
    if found is not None:
        tqdm.write(f"note: the run in {out} is finished; {what_next(out)}", file=sys.stderr)
    return found


def validate(
    data: Data, plan: Plan, *, out: Path, machine: Machine, stores: Stores | None = None, listing: Listing | None = None
) -> dict[str, Any]:
    """Train as `transfer` does, going on with what is in `out`, and look at the validation side alone.

    The run is left unfinished, with its checkpoint: while it is there, `transfer` with `resume` tests the very network
    that was looked at.

    Returns:
        What `validation.json` says.

    Raises:
        UserError: as `transfer`, or there is no validation side.
    """
    trained = _train(data, plan, out=out, machine=machine, stores=stores, resume=True, listing=listing)
    return from_main(partial(_look, trained))


def _look(trained: _Trained) -> dict[str, Any]:
    found = _validated(trained)["validation"]
    if found is None:
        raise UserError("there is no validation side to choose by: --val-share 0.2 takes one off the training videos")
    content = {**found, **_describe(trained), "seconds": round(trained.result.seconds, 1)}
    write_text(trained.run.out / VALIDATION, json.dumps(content, indent=2) + "\n")
    return content


def _train(
    data: Data,
    plan: Plan,
    *,
    out: Path,
    machine: Machine,
    stores: Stores | None,
    resume: bool,
    listing: Listing | None,
) -> _Trained:
    """All of a run but the looks at what it has trained; arguments and errors as of `transfer`."""
    stores = stores or machine.stores()
    going = from_main(partial(continuation, plan, out)) if resume else Continuation(plan, plan)
    from_main(partial(check_folder, out, going.begun, resume=resume, extends=going.extended))
    if listing is None:
        listing = from_main(partial(read_videos, data, plan.split, machine, allow_missing=plan.allow_missing))
    recipe, store = plan.recipe, stores.get(data.root, decoded_side(plan.recipe.size))
    frames = store.kept(video.path for video in listing.videos)
    digests = videos_digest(listing, data.target), files_digest(listing)
    if recipe.shots is not None:
        listing = draw_few_shot(listing, recipe.shots, plan.seed)
    beside = from_main(partial(_read_beside, data, plan, listing, machine)) if recipe.debias else None
    going = going.listed(*digests, frames, None if beside is None else beside.digest)
    from_main(partial(check_folder, out, going.begun, resume=resume, extends=going.extended))
    plan = going.plan
    network, loaded = build_initial(recipe.model, len(listing.classes), plan.init, seed=plan.seed)
    from_main(partial(_claim, going, len(listing.side("train")), out))
    if is_main():
        started = (out / CHECKPOINT).exists()
        tqdm.write(f"{recipe.model}, {plan.init.label}: {'going on from its checkpoint' if started else loaded}")
    run = ListedRun(plan, data.target, listing, store, out, machine, beside)
    return _Trained(network, run, train_network(network, run, resume=resume))


def _read_beside(data: Data, plan: Plan, listing: Listing, machine: Machine) -> Beside:
    scenes, masks = (None if path is None else Path(path) for path in (plan.scenes, plan.masks))
    return read_beside(data, listing.side("train"), scenes, masks, machine)


def _claim(going: Continuation, videos: int, out: Path) -> None:
    """Make `out` the folder of the run; say how one that is extended goes on."""
    if going.extended:
        tqdm.write(describe(going, videos, out))
        begin_extended(going, out)
    claim_folder(out, going.plan)


def _test(trained: _Trained, *, keep_checkpoint: bool) -> dict[str, Any]:
    network, run, result = trained.network, trained.run, trained.result
    machine, videos = run.machine, run.listing.side("test")
    views = run.plan.recipe.view_config()
    started = time.perf_counter()
    p = predict(network, videos, run.store, views, threads=machine.decoders(), progress=machine.progress)
    seconds = time.perf_counter() - started
    accuracies = scores(p, labels_of(videos))
    metrics = {
        **accuracies,
        "side": "test",
        **_validated(trained),
        **_describe(trained),
        "seconds": {"training": round(result.seconds, 1), "test": round(seconds, 1)},
        "versions": versions(resolve_device(machine.device)),
        "frames": run.store.origin(video.path for video in run.listing.videos),
        "kept_checkpoint": keep_checkpoint,
    }
    save_weights(run.out / WEIGHTS, network, _card(trained, accuracies))
    write_outcome(run.out, metrics, run.target, videos, p, run.listing.classes)
    tidy_finished(run.out)
    return metrics


def _validated(trained: _Trained) -> dict[str, Any]:
    """What the validation side says of the trained network, where there is one, and which side the curve is of."""
    network, run = trained.network, trained.run
    videos, recipe, machine = run.listing.side("val"), run.plan.recipe, run.machine
    curve = curve_side(run.listing) if recipe.eval_every else None
    if not videos:
        return {"curve_side": curve, "validation": None}
    p = predict(network, videos, run.store, recipe.view_config(), threads=machine.decoders(), progress=machine.progress)
    return {"curve_side": curve, "validation": {"side": "val", **scores(p, labels_of(videos))}}


def _card(trained: _Trained, accuracies: dict[str, float]) -> Card:
    run, result = trained.run, trained.result
    plan, recipe, classes = run.plan, run.plan.recipe, run.listing.classes
    return Card(
        architecture=recipe.model,
        num_classes=len(classes),
        clip_len=recipe.clip_len,
        size=recipe.size,
        frame_stride=recipe.frame_stride,
        mean=recipe.mean,
        std=recipe.std,
        seed=plan.seed,
        stream_version=None,
        config={**plan.to_dict(), "classes": list(classes)},
        metrics=accuracies,
        precision=result.precision,
    )


def _describe(trained: _Trained) -> dict[str, Any]:
    """What `metrics.json` says of what was trained and tested."""
    run, result = trained.run, trained.result
    plan, recipe, listing = run.plan, run.plan.recipe, run.listing
    return {
        "target": plan.target,
        "split": plan.split,
        "seed": plan.seed,
        "init": vars(plan.init).copy(),
        "mode": recipe.mode,
        "settle": recipe.settle,
        "standardise": recipe.standardise,
        "shots": recipe.shots,
        **describe_clips(recipe.view_config(), recipe.model),
        "metric": recipe.metric,
        "classes": len(listing.classes),
        "official_classes": plan.official_classes,
        "class_names": list(listing.classes),
        **describe_videos(listing, recipe.view_config()),
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "steps": result.steps,
        "steps_skipped": result.skipped,
        "lr": recipe.lr,
        "final_lr": optim_config(plan).final_lr,
        "optimizer": recipe.optimizer,
        "weight_decay": recipe.weight_decay,
        "precision": result.precision,
    }
