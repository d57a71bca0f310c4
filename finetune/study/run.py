"""A study from its design to its report: every column pre-trained with every seed, and each of these transferred."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from fractalvid.finetune.cache.stores import Stores
from fractalvid.finetune.grids import Failure, Failures, Place, check_out, deal, failure_of, held
from fractalvid.finetune.report import write_comparison
from fractalvid.finetune.run.compare import plan_jobs
from fractalvid.finetune.run.jobs import run_jobs
from fractalvid.finetune.study.design import Study
from fractalvid.finetune.study.plan import Cell, cells_of, check_folders, check_same, transfers_of
from fractalvid.finetune.study.report import write_study
from fractalvid.finetune.study.rows import FAILURES, FILES, WHAT, read_rows
from fractalvid.finetune.videos.data import Data, open_data, read_videos, split_name
from fractalvid.finetune.videos.machine import Machine
from fractalvid.pretrain.engine import CHECKPOINT
from fractalvid.pretrain.run import PretrainConfig, check_run, pretrain
from fractalvid.pretrain.run.folder import CONFIG
from fractalvid.pretrain.weights import check_label, parse_initial
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder
from fractalvid.utils.messages.phrases import counted
from fractalvid.utils.processes.locks import waiting_lock


@dataclass(frozen=True)
class _OpenStudy:
    """What opens the target in each process that runs cells."""

    study: Study
    out: Path
    machine: Machine
    allow_missing: bool
    again: frozenset[str] = frozenset()
    """Names of cells whose pre-training has failed, and is tried again."""

    def __call__(self, place: Place) -> Callable[[Cell], None]:
        machine = place.machine(self.machine)
        data = open_data(self.study.target, machine)
        stores = machine.stores()

        def run(cell: Cell) -> None:
            start = cell.column.start or self.pretrained(cell, place, progress=machine.progress)
            self.transfer(cell, start, data, machine, stores)

        return run

    def pretrained(self, cell: Cell, place: Place, *, progress: bool) -> str:
        """The weights of a cell's pre-training, which is made or gone on with where they are not there."""
        config, folder = cell.config(), cell.folder(self.out)
        assert config is not None
        make_folder(folder.parent)
        with waiting_lock(folder.with_suffix(".lock")):  # another study may be making it
            if not cell.weights(self.out).exists():
                if cell.name in self.again:
                    (folder / CHECKPOINT).unlink(missing_ok=True)  # it may be that of a training that has diverged
                resume = (folder / CONFIG).exists()
                pretrain(at_place(config, place), folder, resume=resume, progress=progress)
        return str(folder)

    def transfer(self, cell: Cell, start: str, data: Data, machine: Machine, stores: Stores) -> None:
        """Make the transfers of a cell; one that fails is kept as such, and the next is begun."""
        failures = Failures(self.out / FAILURES)
        jobs = plan_jobs(
            data,
            self.study.recipes,
            [replace(parse_initial(start, self.study.config.arch), label=cell.column.label)],
            splits=self.study.splits or (None,),
            seeds=self.study.seeds,
            allow_missing=self.allow_missing,
            out=cell.transfers(self.out),
        )
        for job in jobs:
            name = f"{cell.name}_{job.out.name}"
            if failures.of(name) is not None:
                continue
            try:
                run_jobs(data, [job], machine, stores)
            except Exception as error:  # one run's bad luck, whatever it is, is not the end of the others
                failures.keep(name, failure_of(error))


def at_place(config: PretrainConfig, place: Place) -> PretrainConfig:
    """The pre-training on the device and the cores of a place."""
    engine = replace(config.engine, device=place.device)
    if place.cores is None:
        return replace(config, engine=engine)
    return replace(config, threads=place.cores, engine=replace(engine, torch_threads=place.cores))


def run_study(
    study: Study,
    out: Path,
    machine: Machine,
    places: tuple[Place, ...],
    *,
    allow_missing: bool = False,
    retry_failed: bool = False,
) -> str:
    """Run what is not finished of a study, going on with what was begun; returns its table.

    Args:
        study: what is compared.
        out: its folder.
        machine: what may be used, but for the devices.
        places: where cells go.
        allow_missing: whether listed videos may be missing.
        retry_failed: run what has failed again.

    Raises:
        UserError: whatever is wrong before anything runs; or nothing has succeeded.
    """
    data = check_study(study, out, machine)
    for split in study.splits or (None,):
        read_videos(data, split_name(data, split), machine, allow_missing=allow_missing)
    make_folder(out)
    with held(out):
        failures, cells = Failures(out / FAILURES), cells_of(study)
        again = frozenset(cell.name for cell in cells if retry_failed and failures.of(cell.name) is not None)
        waiting = [cell for cell in cells if _waits(study, cell, out, data, failures, retry=retry_failed)]
        write_study(study, out, data)
        _announce(study, waiting, places)

        def ended(cell: Cell, failure: Failure | None) -> None:
            if failure is not None:
                failures.keep(cell.name, failure)
            tqdm.write(f"{cell.name}: {'done' if failure is None else f'failed: {failure.reason}'}")
            write_study(study, out, data)

        try:
            deal(waiting, _OpenStudy(study, out, machine, allow_missing, again), places, ended)
        finally:  # after Ctrl-C, too, some of a cell's transfers are there
            text = write_study(study, out, data)
        _compare(study, out, data)
        return text


def check_study(study: Study, out: Path, machine: Machine) -> Data:
    """The target of a study, once all that can be known before videos are looked at is in order.

    Raises:
        UserError: a folder that holds something else or another study, a machine that cannot run a column, or
            weights to start from that are not there.
    """
    kept = check_out(out, FILES[0], WHAT)
    if kept is not None:
        check_same(kept, study, out)
    check_folders(study, out)
    for column in study.columns:
        if column.config is not None:
            check_run(column.config)
        check_label(column.label)
        parse_initial(column.start or "scratch", study.config.arch, option=f"the column {column.label!r}")
    return open_data(study.target, machine)


def _waits(study: Study, cell: Cell, out: Path, data: Data, failures: Failures, *, retry: bool) -> bool:
    """Whether anything of a cell is yet to be made; what has failed is only where it is tried again."""
    transfers = [transfer for transfer in transfers_of(study, cell, out, data) if not transfer.finished()]
    if retry:
        for name in (cell.name, *(transfer.name for transfer in transfers)):
            failures.forget(name)
    if failures.of(cell.name) is not None:
        return False
    return any(failures.of(transfer.name) is None for transfer in transfers)


def _announce(study: Study, waiting: list[Cell], places: tuple[Place, ...]) -> None:
    cells = cells_of(study)
    there = f", of which {len(cells) - len(waiting)} are there" if len(waiting) < len(cells) else ""
    at_once = f", {len(places)} at a time" if len(places) > 1 else ""
    tqdm.write(f"{counted(len(study.columns), 'column')}, {counted(len(cells), 'cell')}{there}{at_once}")


def _compare(study: Study, out: Path, data: Data) -> None:
    """Write the comparison of all columns. Raises `UserError` where nothing has succeeded."""
    rows = read_rows(study, out, data)
    results = [row.result for row in rows if row.result is not None]
    if not results:
        reason = next((row.reason for row in rows if row.reason), "no run has ended")
        raise UserError(f"no transfer of the study has succeeded; the first failed by: {reason}")
    write_comparison(out, results)
