"""What the runs of a sweep have come to, a row a cell, read from their folders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fractalvid.finetune.grids import Failures
from fractalvid.finetune.report.statistics import Spread, spread
from fractalvid.finetune.results.folder import METRICS, VALIDATION
from fractalvid.finetune.sweep.plan import RUNS, Cell, Sweep, SweepRun
from fractalvid.utils.documents import Percent, Table, convert, read_json
from fractalvid.utils.errors import UserError

WHAT = "a sweep"
FILES = ("sweep.json", "sweep.md", "sweep.png")
FAILURES = "failures"


def cells_tested(sweep: Sweep) -> int:
    """How many cells test videos were looked at by, those of grids that this folder had before among them."""
    return len({path.parent.parent for path in (sweep.out / RUNS).glob(f"*/seed-*/{METRICS}")})


@dataclass(frozen=True)
class _Accuracies:
    """What is read of `validation.json` and `metrics.json`."""

    top1: Percent
    top5: Percent
    mean_class: Percent
    seconds: Any = 0.0


@dataclass(frozen=True)
class Row:
    """A cell: its settings, its number in the grid, and what its runs have come to.

    `found` are the contents of `validation.json` by seed, `tested` of `metrics.json`; `reason` is why a run failed.
    """

    number: int
    values: dict[str, Any]
    seeds: int
    found: dict[int, Table]
    tested: dict[int, Table]
    reason: str

    @property
    def status(self) -> str:
        """finished, failed, or to come."""
        if self.reason:
            return "failed"
        return "finished" if len(self.found) == self.seeds else "to come"

    def validation(self, name: str) -> Spread | None:
        """An accuracy on validation videos over the seeds, None before the first."""
        return spread([float(one[name]) for one in self.found.values()]) if self.found else None

    def test(self, name: str) -> Spread | None:
        """The same on test videos, None where these were not looked at."""
        return spread([float(one[name]) for one in self.tested.values()]) if self.tested else None


def read_rows(sweep: Sweep, cells: Sequence[Cell]) -> list[Row]:
    """A row of each cell. Raises `UserError` for a damaged folder."""
    failures = Failures(sweep.out / FAILURES)
    return [_read_row(number, cell, failures) for number, cell in enumerate(cells)]


def _read_row(number: int, cell: Cell, failures: Failures) -> Row:
    found, tested, reasons = dict[int, Table](), dict[int, Table](), list[str]()
    for run in cell.runs:
        found |= _read(run, VALIDATION)
        tested |= _read(run, METRICS)
        failure = failures.of(run.name)
        reasons += [failure.reason] if failure and run.plan.seed not in found else []
    return Row(number, cell.values, len(cell.runs), found, tested, next(iter(reasons), ""))


def _read(run: SweepRun, file: str) -> dict[int, Table]:
    """What a file of a run says, by the run's seed; empty where it is not there."""
    path = run.out / file
    if not path.is_file():
        return {}
    try:
        content = read_json(path, Table, what="the result")
        convert(content, _Accuracies, where=f"the result {path}")
    except UserError as error:
        raise UserError(f"{error}; remove {run.out} to run it again") from error
    return {run.plan.seed: content}


def metric_of(sweep: Sweep) -> str:
    """The accuracy that decides: the one that the recipe is headed by."""
    return str(sweep.recipe.metric)


def best_row(rows: Sequence[Row], metric: str) -> Row | None:
    """The finished cell with the best mean on validation videos, the first of equals; None where none is finished."""
    done = [row for row in rows if row.status == "finished"]
    return max(done, key=lambda row: _mean(row, metric), default=None)


def _mean(row: Row, metric: str) -> float:
    value = row.validation(metric)
    return value.mean if value is not None else 0.0
