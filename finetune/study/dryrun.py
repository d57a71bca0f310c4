"""`finetune study --dry-run`: how many runs a study has, and how long they would take by a few that are thrown away."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from fractalvid.finetune.grids import Place
from fractalvid.finetune.recipes.plan import ResolvedRecipe, plan_run
from fractalvid.finetune.recipes.recipe import Recipe
from fractalvid.finetune.study.design import Column, Study
from fractalvid.finetune.study.plan import Transfer, cells_of, splits_of, transfers_of
from fractalvid.finetune.study.run import at_place, check_study
from fractalvid.finetune.videos.data import Data, list_split
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.dryrun import probed
from fractalvid.pretrain.machine import resolve_device
from fractalvid.pretrain.models import build_model
from fractalvid.pretrain.run import find_bank, resolved
from fractalvid.pretrain.weights import Initial
from fractalvid.utils.messages.phrases import counted

_SECONDS = 20.0
"""That the probe of a pre-training may take."""
_CLIPS, _REPEATS = 4, 3


@dataclass(frozen=True)
class Times:
    """Seconds of a network for a clip: to train all of it, and to look at a view, as for training its head alone."""

    full: float
    view: float


def dry_run(
    study: Study, out: Path, machine: Machine, places: tuple[Place, ...], *, allow_missing: bool
) -> Iterator[str]:
    """What a study comes to, line by line: runs, videos, and the time by a short probe.

    Raises:
        UserError: whatever the study itself would refuse before anything runs.
    """
    data = check_study(study, out, machine)
    yield from _counted(study, out, data)
    listing = list_split(data, splits_of(study, data)[0], machine, allow_missing=allow_missing)
    train, test = len(listing.side("train")), len(listing.side("test"))
    yield f"videos        {train} to train on, {test} to test, {len(listing.classes)} classes"
    pretraining, least = 0.0, ""
    for column in (column for column in study.columns if column.config is not None):
        seconds, line = _pretraining(column, places[0])
        missing = _missing(study, column, out)
        pretraining += (seconds or 0.0) * missing
        least = "at least " if missing and seconds is None else least
        yield line
    transfer = 0.0
    times = _measured(study, data, len(listing.classes), places[0])
    for recipe in study.recipes:
        seconds = _transfer(_resolved(study, data, recipe), train, test, times)
        count = sum(t.mode == recipe.mode and not t.finished() for t in _transfers(study, out, data))
        transfer += seconds * count
        yield f"transfer      {recipe.mode}: {seconds:.0f} s each, without decoding; {count} to come"
    total = (pretraining + transfer) / len(places)
    at_once = f" by {len(places)} at a time, each as fast as one alone" if len(places) > 1 else ""
    parts = f"about {_shown(pretraining)} of pre-training and {_shown(transfer)} of transfer"
    yield f"time          {parts}: {least}{_shown(total)}{at_once}"


def _counted(study: Study, out: Path, data: Data) -> Iterator[str]:
    cells = [cell for cell in cells_of(study) if cell.seed is not None]
    there = sum(cell.weights(out).exists() for cell in cells)
    transfers = list(_transfers(study, out, data))
    done = sum(transfer.finished() for transfer in transfers)
    modes = " and ".join(recipe.mode for recipe in study.recipes)
    yield f"columns       {', '.join(column.label for column in study.columns)}"
    yield f"pre-trainings {len(cells)}, seeds {' '.join(map(str, study.pretrain_seeds))}; {there} there"
    splits = [split for split in splits_of(study, data) if split]
    of = f"{counted(len(splits), 'split')}, " if splits else ""
    yield f"transfers     {len(transfers)}, {modes}, {of}{counted(len(study.seeds), 'seed')}; {done} there"


def _transfers(study: Study, out: Path, data: Data) -> Iterator[Transfer]:
    for cell in cells_of(study):
        yield from transfers_of(study, cell, out, data)


def _missing(study: Study, column: Column, out: Path) -> int:
    return sum(cell.column is column and not cell.weights(out).exists() for cell in cells_of(study))


def _pretraining(column: Column, place: Place) -> tuple[float | None, str]:
    """Seconds of a pre-training of a column, None where the probe was too short, and a line on it."""
    config = column.config
    assert config is not None
    config = resolved(config, find_bank(config))
    seen = probed(at_place(config, place), _SECONDS)
    rows = seen.rows[seen.settling :] if seen.finished else seen.rows[1:]
    clips, steps = column.clips() or 0, config.engine.steps or 0
    name = f"pre-training  {column.label}: {steps:,} steps of {config.batch_size}, {clips:,} clips"
    if not rows:
        return None, f"{name}; how long is not known: {_SECONDS:g} s did not suffice for two steps"
    rate = median(float(row["clips_per_s"]) for row in rows)
    return clips / rate, f"{name}, {clips / rate:.0f} s each, at {rate:.3g} clips a second"


def _resolved(study: Study, data: Data, recipe: Recipe) -> ResolvedRecipe:
    scratch = Initial("scratch", "scratch")
    return plan_run(data, recipe, scratch, split=splits_of(study, data)[0] or None).recipe


def _measured(study: Study, data: Data, classes: int, place: Place) -> Times:
    """What the network takes for random clips of the transfers' shape."""
    recipe = _resolved(study, data, study.recipes[0])
    device = resolve_device(place.device)
    network = build_model(recipe.model, classes, seed=0).to(device)
    clips = torch.rand(_CLIPS, 3, recipe.clip_len, recipe.size, recipe.size, device=device)

    def seconds(backward: bool) -> float:
        taken = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            with torch.set_grad_enabled(backward):
                logits = network(clips)
            logits.sum().item()  # waits for a GPU
            if backward:
                logits.sum().backward()
                next(p.grad for p in network.parameters() if p.grad is not None).sum().item()
            taken.append(time.perf_counter() - started)
        return min(taken) / _CLIPS

    return Times(seconds(backward=True), seconds(backward=False))


def _transfer(recipe: ResolvedRecipe, train: int, test: int, times: Times) -> float:
    each = times.view if recipe.mode == "linear" else times.full
    return recipe.epochs * train * each + test * recipe.views * recipe.crops * times.view


def _shown(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
