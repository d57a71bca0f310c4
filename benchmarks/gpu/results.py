"""The results of `benchmarks.gpu` as a file for programs and one for readers."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.common import write
from benchmarks.gpu.report import GPU, Row
from benchmarks.gpu.supervise import Outcome


def save(outcomes: Sequence[Outcome], name: str, folder: Path) -> None:
    """Write FOLDER/NAME.json and .md with all that is known so far: whoever stops the rest has that."""
    rows = [
        [outcome.name, row["what"], _cell(row["shown"]), row["wanted"]]
        for outcome in outcomes
        for row in outcome.rows
        if row["what"] != GPU
    ]
    data = {"gpu": _gpu(outcomes), "sections": {outcome.name: _as_data(outcome) for outcome in outcomes}}
    header = ["section", "what", "measured", "wanted"]
    write(name, "The GPU", header, rows, data, _notes(outcomes), folder=folder, show=False)


def all_right(outcomes: Sequence[Outcome]) -> bool:
    """Whether nothing that was compared is wrong, and all came to their end but what only fills time that is left."""
    checked = [row["numbers"].get("ok", True) for outcome in outcomes for row in outcome.rows]
    return all(checked) and all(_is_done(outcome) for outcome in outcomes)


def _is_done(outcome: Outcome) -> bool:
    return outcome.state == "done" or (outcome.spare and outcome.state != "failed")


def _as_data(outcome: Outcome) -> dict[str, Any]:
    return asdict(outcome) | {"described": outcome.described()}


def _gpu(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What the GPU is, as the first section that got that far says."""
    known: list[Row] = [row for outcome in outcomes for row in outcome.rows if row["what"] == GPU]
    return {"shown": known[0]["shown"], **known[0]["numbers"]} if known else {}


def _cell(text: str) -> str:
    """Text that ends no cell of a table."""
    return text.replace("|", "\\|")


def _notes(outcomes: Sequence[Outcome]) -> str:
    """The GPU, what became of each section, and what those said last that did not get to their end."""
    lines = [f"On {_gpu(outcomes).get('shown', 'a GPU that no section has described')}.", ""]
    lines += _wrong(outcomes)
    lines += [f"- {outcome.name}: {outcome.described()}" for outcome in outcomes]
    for outcome in outcomes:
        if outcome.last_lines:
            lines += ["", f"What {outcome.name} said last:", "", *(f"    {line}" for line in outcome.last_lines)]
    return "\n".join(lines)


def _wrong(outcomes: Sequence[Outcome]) -> list[str]:
    """The comparisons that failed."""
    rows = [(outcome.name, row) for outcome in outcomes for row in outcome.rows]
    wrong = [f"- {name}: {row['what']}" for name, row in rows if not row["numbers"].get("ok", True)]
    return ["Not as wanted:", "", *wrong, ""] if wrong else []
