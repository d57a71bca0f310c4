"""What the runs of a study have come to, read from their folders: a row each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.finetune.grids import Failures
from fractalvid.finetune.results.folder import LOG
from fractalvid.finetune.results.read import ACCURACIES, RunResult, read_run
from fractalvid.finetune.study.design import Column, Study
from fractalvid.finetune.study.plan import Cell, Transfer, cells_of, transfers_of
from fractalvid.finetune.videos.data import Data
from fractalvid.pretrain.engine import read_rows as read_log
from fractalvid.pretrain.weights import load_card
from fractalvid.utils.errors import UserError

WHAT = "a study"
FILES = ("study.json", "study.md", "study.png")
FAILURES = "failures"


@dataclass(frozen=True)
class Row:
    """A transfer of a column's pre-training, with its result where there is one, or why there is none."""

    transfer: Transfer
    result: RunResult | None
    reason: str

    @property
    def status(self) -> str:
        """finished, failed, or to come."""
        return "finished" if self.result is not None else "failed" if self.reason else "to come"

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        transfer = self.transfer
        accuracies = {} if self.result is None else {name: self.result.metrics[name] for name in ACCURACIES}
        return {
            "column": transfer.cell.column.label,
            "pretrain_seed": transfer.cell.seed,
            "mode": transfer.mode,
            "split": transfer.split,
            "seed": transfer.seed,
            "status": self.status,
            "reason": self.reason or None,
            **accuracies,
        }


@dataclass(frozen=True)
class Pretrained:
    """A pre-training that has ended: what it says of held-out clips, and the seconds that its steps took."""

    column: Column
    seed: int
    metrics: dict[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "column": self.column.label,
            "pretrain_seed": self.seed,
            "clips": self.column.clips(),
            "seconds": round(self.seconds, 1),
            "metrics": {name: value for name, value in self.metrics.items() if value == value},  # nan is no JSON
        }


def read_rows(study: Study, out: Path, data: Data) -> list[Row]:
    """A row of each transfer of the study. Raises `UserError` for a damaged folder."""
    failures = Failures(out / FAILURES)
    return [_read(transfer, failures) for cell in cells_of(study) for transfer in transfers_of(study, cell, out, data)]


def _read(transfer: Transfer, failures: Failures) -> Row:
    if not transfer.finished():
        failure = failures.of(transfer.name) or failures.of(transfer.cell.name)
        return Row(transfer, None, failure.reason if failure else "")
    try:
        return Row(transfer, read_run(transfer.folder, transfer.cell.column.label, together=True), "")
    except UserError as error:
        raise UserError(f"{error}; remove {transfer.folder} to run it again") from error


def read_pretrained(study: Study, out: Path) -> list[Pretrained]:
    """The pre-trainings that have ended. Raises `UserError` for a damaged card."""
    trained = (cell for cell in cells_of(study) if cell.seed is not None)
    return [_read_pretrained(cell, out) for cell in trained if cell.weights(out).exists()]


def _read_pretrained(cell: Cell, out: Path) -> Pretrained:
    assert cell.seed is not None
    card = load_card(cell.weights(out))
    logged = [float(row["seconds"]) for row in read_log(cell.folder(out) / LOG) if "seconds" in row]
    return Pretrained(cell.column, cell.seed, card.metrics, max(logged, default=0.0))
