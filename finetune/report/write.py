"""The files of a report: of a comparison, and of a single run."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from finetune.report.charts import draw_bars
from finetune.report.findings import Findings, find
from finetune.report.page import render_page
from finetune.report.runs import ACCURACIES, RunResult, check_comparable
from finetune.report.tables import as_document, as_latex_document
from fractalvid.errors import UserError
from fractalvid.files import write_text

FILES = ("comparison.md", "comparison.json", "comparison.png", "comparison.tex", "comparison.html")
REPORT = ("report.html", "report.md", "report.tex")


def to_json(findings: Findings) -> dict[str, Any]:
    """The comparison as plain data: the summary of each initialisation, the tests, and all runs."""

    def plain(value: Any) -> dict[str, Any] | None:
        return None if value is None else asdict(value)

    initialisations = []
    for entry in findings.summary:
        label = entry["label"]
        intervals = findings.intervals.get(label, {})
        initialisations.append(
            {"label": label}
            | {name: plain(entry[name]) for name in (*ACCURACIES, "gain")}
            | {"intervals": {name: plain(interval) for name, interval in intervals.items()}}
            | {"classes": _by_class(findings, label), "confusion": _confusion(findings, label)}
        )
    return {
        "metric": findings.metric,
        "class_names": list(findings.class_names),
        "test_videos": findings.videos,
        "sources": findings.sources,
        "initialisations": initialisations,
        "comparisons": [asdict(comparison) for comparison in findings.comparisons],
        "runs": [{"label": r.label, "split": r.split, "seed": r.seed, "metrics": r.metrics} for r in findings.results],
    }


def _by_class(findings: Findings, label: str) -> list[float | None] | None:
    accuracy = findings.class_accuracy.get(label)
    return None if accuracy is None else [float(a) if np.isfinite(a) else None for a in accuracy]


def _confusion(findings: Findings, label: str) -> list[list[int]] | None:
    matrix = findings.confusion.get(label)
    return None if matrix is None else matrix.tolist()


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison that `write_comparison` wrote."""
    try:
        content = json.loads((folder / "comparison.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"initialisations", "runs"} <= content.keys()


def markdown(results: Sequence[RunResult], title: str) -> str:
    """The comparison as Markdown: tables of means, single runs, tests, classes and budget."""
    return as_document(find(results), title)


def write_comparison(out: Path, results: Sequence[RunResult]) -> str:
    """Write comparison.md, .json, .png, .tex and .html into `out`; return the Markdown.

    Raises:
        UserError: the runs do not compare, their predictions are damaged, or `out` cannot be written to.
    """
    check_comparable(results)
    findings = find(results)
    title = f"Fine-tuning on {results[0].metrics['target']}"
    text = as_document(findings, title)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {out}: {error.strerror}; choose another --out") from error
    draw_bars(out / "comparison.png", results, title)
    write_text(out / "comparison.json", json.dumps(to_json(findings), indent=2) + "\n")
    write_text(out / "comparison.tex", as_latex_document(findings, title))
    write_text(out / "comparison.html", render_page(findings, title))
    write_text(out / "comparison.md", text)
    return text


def write_run(out: Path, metrics: dict[str, Any]) -> None:
    """Write report.html, .md and .tex of the run in `out`, whose predictions and log lie there."""
    result = RunResult(metrics["init"]["label"], str(metrics["split"]), int(metrics["seed"]), metrics, out)
    findings = find([result])
    title = f"Fine-tuning on {metrics['target']}, {result.label}"
    texts = (render_page(findings, title), as_document(findings, title), as_latex_document(findings, title))
    for name, text in zip(REPORT, texts, strict=True):
        write_text(out / name, text)
