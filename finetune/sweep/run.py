"""A sweep from its plan to its report: every run on validation videos, then the best on test videos, once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from fractalvid.finetune.grids import Failure, Failures, Place, check_out, deal, held
from fractalvid.finetune.results.folder import METRICS, VALIDATION
from fractalvid.finetune.run.pipeline import transfer, validate
from fractalvid.finetune.sweep.plan import Cell, Sweep, SweepRun, check_validation, plan_cells, with_videos
from fractalvid.finetune.sweep.report import write_sweep
from fractalvid.finetune.sweep.rows import FAILURES, FILES, WHAT, best_row, metric_of, read_rows
from fractalvid.finetune.targets.registry import TargetOptions
from fractalvid.finetune.videos.data import open_data, read_videos
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import CHECKPOINT, resumed_unasked
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder
from fractalvid.utils.messages.phrases import counted


@dataclass(frozen=True)
class _OpenSweep:
    """What opens the videos in each process that runs cells."""

    options: TargetOptions
    machine: Machine
    split: str
    allow_missing: bool

    def __call__(self, place: Place) -> Callable[[SweepRun], object]:
        machine = place.machine(self.machine)
        data = open_data(self.options, machine)
        listing = read_videos(data, self.split, machine, allow_missing=self.allow_missing)
        stores = machine.stores()

        def run(task: SweepRun) -> dict[str, Any]:
            return validate(data, task.plan, out=task.out, machine=machine, stores=stores, listing=listing)

        return run


def run_sweep(
    sweep: Sweep, machine: Machine, places: tuple[Place, ...], *, test: bool = True, retry_failed: bool = False
) -> str:
    """Run what is not finished of a sweep, going on with what was begun; returns its table.

    Args:
        sweep: what is swept.
        machine: what may be used, but for the devices.
        places: where runs go.
        test: whether the best is tested in the end.
        retry_failed: run what has failed again.

    Raises:
        UserError: whatever is wrong before anything runs; or no run has succeeded.
    """
    check_out(sweep.out, FILES[0], WHAT)
    cells = plan_cells(sweep)
    first = cells[0].runs[0].plan
    listing = read_videos(sweep.data, first.split, machine, allow_missing=sweep.allow_missing)
    check_validation(sweep.data, listing)
    cells = with_videos(cells, listing, sweep.data.target)
    make_folder(sweep.out)
    with held(sweep.out):
        failures = Failures(sweep.out / FAILURES)
        waiting = [run for cell in cells for run in cell.runs if _waits(run, failures, retry=retry_failed)]
        write_sweep(sweep, cells)
        _announce(cells, waiting, places)

        def ended(run: SweepRun, failure: Failure | None) -> None:
            _record(run, failure, failures)
            write_sweep(sweep, cells)
            _keep_the_best(sweep, cells)

        opened = _OpenSweep(sweep.data.options, machine, first.split, sweep.allow_missing)
        deal(waiting, opened, places, ended)
        if test:
            _test_best(sweep, cells, Place(places[0].device).machine(machine))
        return write_sweep(sweep, cells)


def _waits(run: SweepRun, failures: Failures, *, retry: bool) -> bool:
    """Whether a run is yet to be made."""
    if (run.out / VALIDATION).exists():
        return False
    if failures.of(run.name) is None:
        return True
    if retry:
        failures.forget(run.name)
        (run.out / CHECKPOINT).unlink(missing_ok=True)  # of a training that has diverged
    return retry


def _announce(cells: list[Cell], waiting: list[SweepRun], places: tuple[Place, ...]) -> None:
    runs = sum(len(cell.runs) for cell in cells)
    there = f", of which {runs - len(waiting)} are there" if len(waiting) < runs else ""
    at_once = f", {len(places)} at a time" if len(places) > 1 else ""
    tqdm.write(f"{counted(len(cells), 'cell')}, {counted(runs, 'run')}{there}{at_once}")


def _record(run: SweepRun, failure: Failure | None, failures: Failures) -> None:
    if failure is None:
        failures.forget(run.name)
        tqdm.write(f"{run.name}: done")
        return
    failures.keep(run.name, failure)
    tqdm.write(f"{run.name}: failed: {failure.reason}")


def _keep_the_best(sweep: Sweep, cells: list[Cell]) -> None:
    """Checkpoints are large, and only that of the best will be needed: for its test."""
    rows = read_rows(sweep, cells)
    best = best_row(rows, metric_of(sweep))
    for row in rows:
        if row.status == "finished" and row is not best:
            for run in cells[row.number].runs:
                (run.out / CHECKPOINT).unlink(missing_ok=True)


def _test_best(sweep: Sweep, cells: list[Cell], machine: Machine) -> None:
    """Test the runs of the best cell, unless that was done. Raises `UserError` where there is none."""
    rows = read_rows(sweep, cells)
    best = best_row(rows, metric_of(sweep))
    if best is None:
        reason = next((row.reason for row in rows if row.reason), "no run has ended")
        raise UserError(f"no cell of the sweep has succeeded; the first failed by: {reason}")
    for run in cells[best.number].runs:
        if not (run.out / METRICS).exists():
            if not (run.out / CHECKPOINT).exists():
                tqdm.write(f"note: {run.name} is trained again: its checkpoint went when another cell was the best")
            with resumed_unasked():
                transfer(sweep.data, run.plan, out=run.out, machine=machine, resume=True)
