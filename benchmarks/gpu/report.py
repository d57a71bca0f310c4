"""What a section of `benchmarks.gpu` has measured: rows of a table, on disk as soon as each is known.

A section may be killed at any time, so a row is a line of JSON in a file, written in one piece.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A measurement: `what`, `shown` and `wanted` are text for a table, `numbers` what is behind it."""

GPU = "GPU"
"""The row that says which GPU a section ran on."""


@dataclass(frozen=True)
class Report:
    """Where a section's rows go: `path` is a file that grows by a line a row."""

    path: Path

    def add(self, what: str, shown: str, wanted: str = "", **numbers: Any) -> None:
        """Add a row."""
        row = {"what": what, "shown": shown, "wanted": wanted, "numbers": numbers}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def rows_of(path: Path) -> list[Row]:
    """The rows that a section has written so far; one that is not complete yet does not count."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
