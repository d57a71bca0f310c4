"""From finished runs to what a paper needs of them: figures with their uncertainty, tables, pictures, one page."""

from finetune.report.comparable import check_comparable
from finetune.report.findings import summarise
from finetune.report.runs import RunResult, find_runs, read_run
from finetune.report.statistics import Spread, spread
from finetune.report.write import FILES, is_comparison, markdown, write_comparison, write_run

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
