"""The runs of a comparison: their videos, and running them, in one place or several at a time."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.cache.store import decoded_side
from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.grids import Failure, Place, deal
from fractalvid.finetune.recipes.plan import Plan
from fractalvid.finetune.results.folder import METRICS, check_begun, files_digest, tidy_finished, videos_digest
from fractalvid.finetune.results.read import RunResult, read_run
from fractalvid.finetune.run.pipeline import transfer
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import Data, open_data, read_videos
from fractalvid.finetune.videos.few_shot import draw_few_shot
from fractalvid.finetune.videos.listing import Listing
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import CHECKPOINT, load_checkpoint, resumed_unasked
from fractalvid.pretrain.machine import resolve_device, resolve_precision
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import first_few


@dataclass(frozen=True)
class Job:
    """One run of a comparison, the folder it has and, once they are listed, its videos and what it is called."""

    plan: Plan
    out: Path
    listing: Listing | None = None
    title: str = ""

    def finished(self) -> bool:
        """Whether its result is there."""
        return (self.out / METRICS).exists()


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
    return [
        replace(job, title=f"[{number}/{len(listed)}] {job.plan.init.label}, {job.out.name}")
        for number, job in enumerate(listed, start=1)
    ]


def _with_frames(job: Job, data: Data, stores: Stores) -> Job:
    """The job, with what the frames of its listed videos are read from."""
    assert job.listing is not None
    store = stores.get(data.root, decoded_side(job.plan.recipe.size))
    return replace(job, plan=replace(job.plan, frames=store.kept(video.path for video in job.listing.videos)))


def _check_precision(jobs: Sequence[Job], machine: Machine) -> None:
    """Raise `UserError` where runs that are there were trained in another precision than those to come would be."""
    device = resolve_device(machine.device)
    before = [begun_in(job) for job in jobs]
    begun = {precision for precision in before if precision}
    coming = {
        resolve_precision(job.plan.recipe.precision, device).name
        for job, precision in zip(jobs, before, strict=True)
        if not precision
    }
    if begun and coming and begun != coming:
        there, rest = (first_few(sorted(names)) for names in (begun, coming))
        advice = f"give --precision {there}, or " if len(begun) == 1 else ""
        raise UserError(
            f"runs in {jobs[0].out.parent.parent} were trained in {there} and those to come would be in {rest}, which "
            f"do not compare; {advice}choose another --out"
        )


def begun_in(job: Job) -> str | None:
    """The precision that the run that is there was trained in so far; None where it is yet to begin."""
    if job.finished():
        return read_run(job.out).precision
    if not (job.out / CHECKPOINT).exists():
        return None
    return str(load_checkpoint(job.out / CHECKPOINT)["precision"])


@dataclass(frozen=True)
class _OpenRuns:
    """What opens the data in each process that makes runs."""

    options: TargetOptions
    machine: Machine

    def __call__(self, place: Place) -> Callable[[Job], object]:
        machine = place.machine(self.machine)
        return partial(_run, open_data(self.options, machine), machine, machine.stores())


def _run(data: Data, machine: Machine, stores: Stores, job: Job) -> None:
    tqdm.write(job.title)
    transfer(data, job.plan, out=job.out, machine=machine, stores=stores, resume=True, listing=job.listing)


def run_jobs(
    data: Data, jobs: Sequence[Job], machine: Machine, stores: Stores | None = None, *, places: Sequence[Place] = ()
) -> list[RunResult]:
    """Run what is not finished, resuming what was begun; return the results of all.

    Args:
        data: the benchmark.
        jobs: all runs.
        machine: what they may use.
        stores: those of decoded clips, where other runs share them.
        places: where runs go, a process each; one after the other in this process where there are less than two.

    Raises:
        UserError: as `list_jobs`, or of the first run that fails; others under way are saved.
    """
    _check_precision(jobs, machine)
    stores = stores or machine.stores()
    jobs = list_jobs(data, jobs, machine, stores)

    def ended(job: Job, failure: Failure | None = None) -> None:
        if failure is not None:
            tqdm.write(failure.trace, file=sys.stderr, end="")
            raise UserError(f"{job.title}: {failure.reason}")
        tqdm.write(f"{job.title}: top-1 {_result(job).metrics['top1']:.1f} %")

    waiting = [job for job in jobs if not job.finished()]
    for job in jobs:
        if job.finished():
            tidy_finished(job.out)  # a kill may have come between its result and this
            ended(job)
    if min(len(places), len(waiting)) > 1:
        deal(waiting, _OpenRuns(data.options, machine), places, ended)
        waiting = []
    for job in waiting:
        with resumed_unasked():
            _run(data, machine, stores, job)
        ended(job)
    return [_result(job) for job in jobs]


def _result(job: Job) -> RunResult:
    return read_run(job.out, job.plan.init.label, together=True)
