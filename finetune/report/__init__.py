"""From finished runs to what a paper needs of them: figures with their uncertainty, tables, pictures, one page."""

from fractalvid.finetune.report.findings import summarise
from fractalvid.finetune.report.statistics import Spread, spread
from fractalvid.finetune.report.write import FILES, is_comparison, markdown, write_comparison, write_run
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import RunResult, find_runs, read_run

__all__ = [
    "FILES",
    "RunResult",
    "Spread",
    "check_comparable",
    "find_runs",
    "is_comparison",
    "markdown",
    "read_run",
    "spread",
    "summarise",
    "write_comparison",
    "write_run",
]
