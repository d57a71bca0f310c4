"""The files of a report: of a comparison, and of a single run."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fractalvid.finetune.report.charts import draw_bars
from fractalvid.finetune.report.documents import as_document, as_latex_document
from fractalvid.finetune.report.findings import Findings, analyse, analyse_modes
from fractalvid.finetune.report.page import render_page
from fractalvid.finetune.results.comparable import check_comparable
from fractalvid.finetune.results.read import ACCURACIES, RunResult, by_mode
from fractalvid.utils.documents import Table, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import make_folder, write_text

FILES = ("comparison.md", "comparison.json", "comparison.png", "comparison.tex", "comparison.html")
REPORT = ("report.html", "report.md", "report.tex")


def to_json(parts: Sequence[Findings]) -> dict[str, Any]:
    """The comparison as plain data: the summary of each initialisation in each mode, the tests, and all runs."""
    results = [result for findings in parts for result in findings.results]
    return {
        "metric": parts[0].metric,
        "class_names": list(parts[0].class_names),
        "test_videos": parts[0].videos,
        "sources": parts[0].sources,
        "initialisations": [entry for findings in parts for entry in _initialisations(findings)],
        "comparisons": [
            {"mode": findings.results[0].mode} | asdict(comparison)
            for findings in parts
            for comparison in findings.comparisons
        ],
        "runs": [{"label": r.label, "split": r.split, "seed": r.seed, "metrics": r.metrics} for r in results],
    }


def _initialisations(findings: Findings) -> Iterator[dict[str, Any]]:
    def plain(value: Any) -> dict[str, Any] | None:
        return None if value is None else asdict(value)

    for entry in findings.summary:
        label = entry["label"]
        intervals = findings.intervals.get(label, {})
        yield (
            {"label": label, "mode": findings.results[0].mode}
            | {name: plain(entry[name]) for name in (*ACCURACIES, "gain")}
            | {"intervals": {name: plain(interval) for name, interval in intervals.items()}}
            | {"classes": _by_class(findings, label), "confusion": _confusion(findings, label)}
        )


def _by_class(findings: Findings, label: str) -> list[float | None] | None:
    accuracy = findings.class_accuracy.get(label)
    return None if accuracy is None else [float(a) if np.isfinite(a) else None for a in accuracy]


def _confusion(findings: Findings, label: str) -> list[list[int]] | None:
    matrix = findings.confusion.get(label)
    return None if matrix is None else matrix.tolist()


def title_of(results: Sequence[RunResult]) -> str:
    """What a report is about: what was done, and on what."""
    modes, target = list(by_mode(results)), results[0].metrics["target"]
    if len(modes) > 1:
        return f"Transfer to {target}"
    done = {"full": "Fine-tuning", "linear": "Linear probe", "test": "Test"}
    return f"{done.get(modes[0], 'Fine-tuning')} on {target}"


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison that `write_comparison` wrote."""
    try:
        content = read_json(folder / "comparison.json", Table, what="the comparison", non_finite=True)
    except UserError:
        return False
    return {"initialisations", "runs"} <= content.keys()


def write_comparison(out: Path, results: Sequence[RunResult]) -> str:
    """Write comparison.md, .json, .png, .tex and .html into `out`; return the Markdown.

    Raises:
        UserError: the runs do not compare, their predictions are damaged, or `out` cannot be written to.
    """
    check_comparable(results)
    parts = analyse_modes(results)
    title = title_of(results)
    text = as_document(parts, title)
    make_folder(out)
    draw_bars(out / "comparison.png", results, title)
    write_text(out / "comparison.json", json.dumps(to_json(parts), indent=2) + "\n")
    write_text(out / "comparison.tex", as_latex_document(parts, title))
    write_text(out / "comparison.html", render_page(parts, title))
    write_text(out / "comparison.md", text)
    return text


def write_run(out: Path, metrics: dict[str, Any]) -> None:
    """Write report.html, .md and .tex of the run in `out`, whose predictions and log lie there."""
    result = RunResult(metrics["init"]["label"], str(metrics["split"]), int(metrics["seed"]), metrics, out)
    parts = (analyse([result]),)
    title = f"{title_of([result])}, {result.label}"
    texts = (render_page(parts, title), as_document(parts, title), as_latex_document(parts, title))
    for name, text in zip(REPORT, texts, strict=True):
        write_text(out / name, text)
