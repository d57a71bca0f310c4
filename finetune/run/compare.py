"""Several initialisations over several seeds and splits: which runs there are to be, and running them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.recipes.plan import Plan, plan_run
from fractalvid.finetune.recipes.recipe import Mode, Recipe
from fractalvid.finetune.report.write import FILES, is_comparison, write_comparison
from fractalvid.finetune.results.folder import (
    METRICS,
    check_begun,
    compared_name,
    files_digest,
    read_settings,
    tidy_finished,
    videos_digest,
)
from fractalvid.finetune.results.read import RunResult, find_runs, read_run
from fractalvid.finetune.run.pipeline import transfer
from fractalvid.finetune.videos.data import Data, read_videos
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import CHECKPOINT, load_checkpoint, resumed_unasked
from fractalvid.pretrain.machine import resolve_device, resolve_precision
from fractalvid.pretrain.weights import Initial, parse_initial
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_can_make, is_empty, remove_temporary
from fractalvid.utils.messages.phrases import first_few


@dataclass(frozen=True)
class Job:
    """One run of a comparison, the folder it has and, once they are listed, its videos."""

    plan: Plan
    out: Path
    listing: Listing | None = None

    def finished(self) -> bool:
        """Whether its result is there."""
        return (self.out / METRICS).exists()


def parse_initials(texts: Sequence[str], model: str | None = None) -> list[Initial]:
    """Read the initialisations of a comparison, of `model` if that is settled; their labels must differ, case aside.

    `LABEL=A,B,...` gives several of one label: pre-trainings that make one row.
    """
    rows = [_parse_row(text, model) for text in texts]
    seen = set[str]()
    for label in (row[0].label for row in rows):
        if label.casefold() in seen:
            raise UserError(f"two initialisations are called {label!r}: name them apart with LABEL=...")
        seen.add(label.casefold())
    return [init for row in rows for init in row]


def _parse_row(text: str, model: str | None) -> list[Initial]:
    """What one row of a comparison starts from: an initialisation, or as LABEL=A,B,... several pre-trainings."""
    label, rest = text.split("=", 1) if "=" in text else ("", text)
    parts = rest.split(",")
    if len(parts) == 1 or Path(text).exists() or Path(rest).exists():
        return [parse_initial(text, model)]
    if not label:
        raise UserError(f"--init {text!r}: several pre-trainings in one row need a name; say LABEL={text}")
    inits = [parse_initial(f"{label}={part}", model) for part in parts]
    if any(init.sha256 is None for init in inits):
        raise UserError(f"--init {text!r}: a row of several pre-trainings takes files of weights")
    if len({init.sha256 for init in inits}) < len(inits):
        raise UserError(f"--init {text!r}: the same weights stand there twice")
    return inits


def same_shape(recipe: Recipe, inits: Sequence[Initial]) -> Recipe:
    """The recipe with the network and clip of the pre-trained weights, so that scratch gets the same ones.

    Raises:
        UserError: the weights are of different networks or clips and the recipe does not settle which to use.
    """
    settled: dict[str, str | int] = {}
    for name in ("model", "clip_len", "size"):
        values = {getattr(init, name) for init in inits} - {None}
        if getattr(recipe, name) is None and len(values) > 1:
            option = name.replace("_", "-")
            # Every pre-trained network is fixed, its clip is not.
            fixed = "compare those of one network at a time (kinetics:ARCH and imagenet:ARCH choose theirs)"
            advice = fixed if name == "model" else f"to compare them, set --{option}"
            raise UserError(f"the weights differ in {option} ({', '.join(sorted(map(str, values)))}): {advice}")
        if getattr(recipe, name) is None and values:
            settled[name] = values.pop()
    return replace(recipe, **settled)  # type: ignore[arg-type]  # each value is of its own field's type


def recipes_for_modes(recipe: Recipe, modes: Sequence[Mode], linear_lr: float | None) -> list[Recipe]:
    """The recipe in each mode: the recipe itself where none is named.

    Args:
        recipe: what all have in common.
        modes: full, linear or both.
        linear_lr: peak learning rate of the linear probe, where it is another than the recipe's.

    Raises:
        UserError: settings that exclude each other.
    """
    if linear_lr is not None and "linear" not in modes:
        raise UserError("--linear-lr is the learning rate of --modes linear; with --mode it is --lr")
    if not modes:
        return [recipe]
    if recipe.mode not in ("full", *modes):
        raise UserError(f"--mode {recipe.mode} and --modes {' '.join(modes)} exclude each other")
    rates: dict[Mode, float | None] = {"full": recipe.lr, "linear": recipe.lr if linear_lr is None else linear_lr}
    return [replace(recipe, mode=mode, lr=rates[mode]) for mode in modes]


def plan_jobs(
    data: Data,
    recipes: Sequence[Recipe],
    inits: Sequence[Initial],
    *,
    splits: Sequence[str | None],
    seeds: Sequence[int],
    allow_missing: bool,
    out: Path,
) -> list[Job]:
    """All runs: for each split, seed and recipe every initialisation, so that an early stop leaves whole comparisons.

    The recipes differ in their mode alone.

    Raises:
        UserError: a folder holds a run with other settings, or something else.
    """
    protocol = data.target.protocol
    if len(splits) > 1 and protocol.splits and not protocol.average_splits:
        several = first_few(map(str, splits))
        raise UserError(f"--splits {several}: those of {data.target.name} are no repetitions; compare in one at a time")
    recipes = [same_shape(recipe, inits) for recipe in recipes]
    jobs = []
    for split, seed, recipe, init in itertools.product(splits, seeds, recipes, inits):
        plan = plan_run(data, recipe, init, split=split, seed=seed, allow_missing=allow_missing)
        name = compared_name(recipe.mode, plan.split, seed)
        jobs.append(_with_begun_precision(Job(plan, _parent(out, init, inits) / name)))
    for job in jobs:
        check_begun(job.out, job.plan)
    return jobs


def _parent(out: Path, init: Initial, inits: Sequence[Initial]) -> Path:
    """Where the runs of an initialisation lie: one of several in a row has a folder named by its weights."""
    alone = sum(other.label == init.label for other in inits) == 1
    return out / init.label if alone else out / init.label / f"weights-{(init.sha256 or init.kind)[:12]}"


def _with_begun_precision(job: Job) -> Job:
    """The job; its precision is auto where the run that is there was begun so, and auto came to what is asked for."""
    asked = job.plan.recipe.precision
    if asked == "auto" or _config(job.out).get("precision") != "auto" or _begun_in(job) != asked:
        return job
    return replace(job, plan=replace(job.plan, recipe=replace(job.plan.recipe, precision="auto")))


def _begun_in(job: Job) -> str | None:
    """The precision that the run that is there was trained in so far; None where it is yet to begin."""
    if job.finished():
        return read_run(job.out).precision
    if not (job.out / CHECKPOINT).exists():
        return None
    return str(load_checkpoint(job.out / CHECKPOINT)["precision"])


def _config(folder: Path) -> dict[str, Any]:
    """What the run in a folder was begun with; nothing where there is none, or none that can be read."""
    try:
        return read_settings(folder)
    except UserError:
        return {}


def list_jobs(data: Data, jobs: Sequence[Job], machine: Machine, stores: Stores) -> list[Job]:
    """The jobs with their videos and what these are read from, before the first is run: mistakes show at once.

    Raises:
        UserError: a split cannot be listed or has other classes, a class has too few videos, or a folder holds a run of
            another list of videos, or of videos decoded otherwise.
    """
    listings = dict[str, Listing]()
    digests = dict[str, tuple[str, str | None]]()
    listed = []
    for job in jobs:
        plan = job.plan
        if plan.split not in listings:
            listings[plan.split] = read_videos(data, plan.split, machine, allow_missing=plan.allow_missing)
            digests[plan.split] = videos_digest(listings[plan.split], data.target), files_digest(listings[plan.split])
        listing = listings[plan.split]
        if listing.classes != listings[jobs[0].plan.split].classes:
            raise UserError(
                f"splits {jobs[0].plan.split} and {plan.split} differ in their classes: compare in one at a time"
            )
        if plan.recipe.shots is not None:
            draw_few_shot(listing, plan.recipe.shots, plan.seed)
        videos, files = digests[plan.split]
        listed.append(Job(replace(plan, videos_digest=videos, files_digest=files), job.out, listing))
    # Only now is all known that stores look for.
    listed = [_with_frames(job, data, stores) for job in listed]
    for job in listed:
        check_begun(job.out, job.plan)
    return listed


def _with_frames(job: Job, data: Data, stores: Stores) -> Job:
    """The job, with what the frames of its listed videos are read from."""
    assert job.listing is not None
    store = stores.get(data.root, decoded_side(job.plan.recipe.size))
    return replace(job, plan=replace(job.plan, frames=store.kept(video.path for video in job.listing.videos)))


def _check_precision(jobs: Sequence[Job], machine: Machine) -> None:
    """Raise `UserError` where runs that are there were trained in another precision than those to come would be."""
    device = resolve_device(machine.device)
    begun_in = [_begun_in(job) for job in jobs]
    begun = {precision for precision in begun_in if precision}
    coming = {
        resolve_precision(job.plan.recipe.precision, device).name
        for job, precision in zip(jobs, begun_in, strict=True)
        if not precision
    }
    if begun and coming and begun != coming:
        there, rest = (first_few(sorted(names)) for names in (begun, coming))
        advice = f"give --precision {there}, or " if len(begun) == 1 else ""
        raise UserError(
            f"runs in {jobs[0].out.parent.parent} were trained in {there} and those to come would be in {rest}, which "
            f"do not compare; {advice}choose another --out"
        )


def run_jobs(data: Data, jobs: Sequence[Job], machine: Machine, stores: Stores | None = None) -> list[RunResult]:
    """Run what is not finished, resuming what was begun; return the results of all. Raises like `list_jobs`.

    `stores` are those of decoded clips, where other runs share them.
    """
    _check_precision(jobs, machine)
    stores = stores or machine.stores()
    jobs = list_jobs(data, jobs, machine, stores)
    results = []
    for number, job in enumerate(jobs, start=1):
        plan = job.plan
        title = f"[{number}/{len(jobs)}] {plan.init.label}, {job.out.name}"
        if not job.finished():
            tqdm.write(title)
            with resumed_unasked():
                transfer(data, job.plan, out=job.out, machine=machine, stores=stores, resume=True, listing=job.listing)
        else:
            tidy_finished(job.out)  # a kill may have come between its result and this
        result = read_run(job.out, job.plan.init.label, together=True)
        tqdm.write(f"{title}: top-1 {result.metrics['top1']:.1f} %")
        results.append(result)
    return results


def gather(texts: Sequence[str]) -> list[RunResult]:
    """Results of finished runs elsewhere: folders, each as PATH or LABEL=PATH, searched for results.

    Gains are over what comes first: those from scratch, unless labels are given.
    """
    results = []
    for text in texts:
        label, equals, rest = text.partition("=")
        if not equals or Path(text).exists():
            label, rest = "", text
        if not Path(rest).is_dir():
            raise UserError(f"--runs {text!r}: there is no such folder")
        results += [read_run(folder, label or None, together=bool(label)) for folder in find_runs([Path(rest)])]
    if any("=" in text and not Path(text).exists() for text in texts):
        return results
    return sorted(results, key=lambda run: run.metrics["init"].get("kind") != "scratch")


def check_out(out: Path, *, may_hold_runs: bool) -> None:
    """Make sure that a comparison may be written to `out`: a new or empty folder, or one that holds a comparison.

    With `may_hold_runs` other things may lie there, too, as long as they are not called like its files.

    Raises:
        UserError: it holds something that must not be replaced, or cannot be made.
    """
    check_can_make(out)
    if out.is_dir() and not is_comparison(out):
        there = [name for name in FILES if (out / name).exists()]
        if there or not (may_hold_runs or is_empty(out)):
            what = there[0] if there else "something else"
            raise UserError(f"--out {out} holds {what}, but no comparison of this program; choose another folder")
    for name in FILES:
        remove_temporary(out / name)


def finish(out: Path, results: Sequence[RunResult]) -> None:
    """Write the comparison and print its table."""
    text = write_comparison(out, results)
    print(text)
    print("written: " + ", ".join(str(out / name) for name in FILES))
