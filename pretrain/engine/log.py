"""What a run has measured, row by row: `metrics.jsonl` and TensorBoard."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fractalvid.pretrain.engine.resuming import going_on
from fractalvid.pretrain.machine import from_main, is_main
from fractalvid.utils.documents import MAX_LOG_BYTES, Count, Table, convert, parse_json, read_bytes
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text

Row = dict[str, Any]
"""A row of `metrics.jsonl`: its `kind` (`train` or `val`), the `step` after which it was written, and named numbers."""


@dataclass(frozen=True)
class _Head:
    """What every row has."""

    kind: str
    step: Count


def read_rows(path: Path, *, up_to: int | None = None) -> list[Row]:
    """The rows of a `metrics.jsonl`, up to a step; none where there is no file. A line cut off by a crash is left out.

    Raises:
        UserError: the file can't be read.
    """
    data = read_bytes(path, what="the log", most=MAX_LOG_BYTES) if path.exists() else b""
    rows = [row for line in data.splitlines() if (row := _parsed(line)) is not None]
    return [row for row in rows if up_to is None or row["step"] <= up_to]


def _parsed(line: bytes) -> Row | None:
    """A row as it was written: its kind, the step, and numbers, which training may have made anything of."""
    try:
        row = parse_json(line, Table, where="a row", non_finite=True)
        convert(row, _Head, where="a row")
    except UserError:
        return None
    values = (value for name, value in row.items() if name != "kind")
    return row if all(type(value) in (int, float) for value in values) else None


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Inside, a failure to write below the folder of `path` becomes a `UserError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"can't write {path}: {reason}; make room, then {going_on()} from the last checkpoint, if there is one"
        ) from error


class MetricLog:
    """Appends rows to `out/metrics.jsonl` and, if asked, to TensorBoard files in `out/tensorboard`; on rank 0 only.

    Attributes:
        rows: every row of the run, a resumed run's earlier ones included.
    """

    def __init__(self, out: Path, *, step: int, tensorboard: bool) -> None:
        """Open the log.

        Args:
            out: folder of the run; it exists.
            step: steps already done. Rows of later steps, left by a run that died, are dropped.
            tensorboard: also write TensorBoard files.

        Raises:
            UserError: the folder can't be written to, or the disk is full; `write` and `close` raise the same.
        """
        self._path, self._board = out / "metrics.jsonl", out / "tensorboard"
        self._writer: Any = None
        self._file: Any = None
        self.rows = from_main(lambda: self._begin(step))
        if tensorboard and is_main():
            from torch.utils.tensorboard import SummaryWriter  # takes seconds to import

            with _writing(self._board):
                self._writer = SummaryWriter(str(self._board), purge_step=step + 1)

    def _begin(self, step: int) -> list[Row]:
        """Open the file; returns the rows that stay in it."""
        with _writing(self._path):
            rows = read_rows(self._path, up_to=step) if step else []
            write_text(self._path, "".join(json.dumps(row) + "\n" for row in rows))
            self._file = self._path.open("a", encoding="utf-8")
        return rows

    def write(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Add a row: `kind` is `train` or `val`, `step` the number of steps done."""
        row: Row = {"kind": kind, "step": step, **{k: _short(v) for k, v in values.items()}}
        self.rows.append(row)
        if self._file is None:
            return
        with _writing(self._path):
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        with _writing(self._board):
            for name, value in values.items() if self._writer else ():
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def sync(self) -> None:
        """Have all rows on the disk: a checkpoint counts on those before it."""
        if self._file is not None:
            with _writing(self._path):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Write out what is left."""
        # Every row was flushed: what is left here is only what `write` has complained about.
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        if self._writer:
            with _writing(self._board):
                self._writer.close()


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.7g}")


class Meter:
    """Means since the last row; part of the checkpoint, so that a resumed run logs the same."""

    def __init__(self) -> None:
        """No values yet."""
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, **values: float) -> None:
        """Count one value of each name."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1

    def share(self, part: str, whole: str) -> float:
        """The sum of the values `part`, 0 where there are none, over that of `whole`, which is above 0."""
        return self._sums.get(part, (0.0, 0))[0] / self._sums[whole][0]

    def take(self) -> dict[str, float]:
        """The means, and start anew."""
        means = {name: total / count for name, (total, count) in self._sums.items()}
        self._sums = {}
        return means

    def state_dict(self) -> dict[str, tuple[float, int]]:
        """What a checkpoint keeps."""
        return dict(self._sums)

    def load_state_dict(self, state: Mapping[str, tuple[float, int]]) -> None:
        """Go on with what `state_dict` gave."""
        self._sums = {name: (float(total), int(count)) for name, (total, count) in state.items()}
