"""What a study leaves: every row as JSON, a table a column of the axis, and accuracy over the axis as a picture."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fractalvid.finetune.report.findings import Findings, analyse_modes
from fractalvid.finetune.report.markup import NONE, Table, as_markdown
from fractalvid.finetune.report.statistics import spread
from fractalvid.finetune.results.read import ACCURACIES, MODES
from fractalvid.finetune.study.chart import draw_study
from fractalvid.finetune.study.design import Column, Study
from fractalvid.finetune.study.plan import settings_of
from fractalvid.finetune.study.rows import FILES, WHAT, Pretrained, Row, read_pretrained, read_rows
from fractalvid.finetune.videos.data import Data
from fractalvid.utils.files import write_text
from fractalvid.utils.messages.phrases import counted


def write_study(study: Study, out: Path, data: Data) -> str:
    """Write study.json, .md and .png, with as many rows as there are; returns the Markdown.

    Raises:
        UserError: the folder of a run is damaged.
    """
    rows, pretrained = read_rows(study, out, data), read_pretrained(study, out)
    results = [row.result for row in rows if row.result is not None]
    parts = analyse_modes(results) if results else ()
    text = _markdown(study, rows, pretrained, parts)
    content = {
        "what": WHAT,
        "settings": settings_of(study),
        "pretrain_seeds": list(study.pretrain_seeds),
        "seeds": list(study.seeds),
        "splits": list(study.splits),
        "columns": [_column(study, column, parts) for column in study.columns],
        "pretrainings": [one.to_json() for one in pretrained],
        "rows": [row.to_json() for row in rows],
    }
    write_text(out / FILES[0], json.dumps(content, indent=2) + "\n")
    write_text(out / FILES[1], text)
    if parts:
        draw_study(out / FILES[2], study, parts, title(study))
    return text


def title(study: Study) -> str:
    """What a study is about."""
    return f"Transfer to {study.target.target} over {study.axis}"


def _column(study: Study, column: Column, parts: Sequence[Findings]) -> dict[str, Any]:
    """The accuracies of a column, by mode: mean, deviation, interval, number of runs."""
    modes = {}
    for findings in parts:
        entry = next((one for one in findings.summary if one["label"] == column.label), None)
        if entry is not None:
            value = entry[findings.metric]
            interval = findings.intervals.get(column.label, {}).get(findings.metric)
            modes[findings.results[0].mode] = {
                "metric": findings.metric,
                "mean": value.mean,
                "deviation": value.deviation,
                "runs": value.n,
                "interval": None if interval is None else [interval.low, interval.high],
            }
    return {"label": column.label, "start": column.start, "clips": column.clips(), "modes": modes}


def _markdown(study: Study, rows: Sequence[Row], pretrained: Sequence[Pretrained], parts: Sequence[Findings]) -> str:
    text = [
        f"# {title(study)}",
        _about(study, rows),
        as_markdown(_table(study, rows, pretrained, parts)),
        _note(study, parts),
    ]
    failed = [row for row in rows if row.status == "failed"]
    if failed:
        reasons = dict.fromkeys(f"- {row.transfer.name}: {row.reason}" for row in failed)
        text += ["Failed:", "\n".join(reasons)]
    return "\n\n".join(part for part in text if part) + "\n"


def _about(study: Study, rows: Sequence[Row]) -> str:
    config, budget = study.config, _budget(study)
    done = sum(row.status == "finished" for row in rows)
    state = "" if done == len(rows) else f" {done} of {counted(len(rows), 'transfer')} are there."
    seeds = counted(len(study.pretrain_seeds), "pre-training")
    clip = f"{config.stream.clip_len} x {config.stream.size}²"
    return f"{config.arch}, {clip}; {seeds} of each column, {budget}.{state}"


def _budget(study: Study) -> str:
    """How much each pre-training sees."""
    if study.axis == "budget":
        return "of as many clips as the table says"
    config = study.config
    steps, clips = config.engine.steps or 0, next(c for column in study.columns if (c := column.clips()) is not None)
    return f"all of {steps:,} steps of {config.batch_size}, {clips:,} clips"


def _table(study: Study, rows: Sequence[Row], pretrained: Sequence[Pretrained], parts: Sequence[Findings]) -> Table:
    heads = [part.metric for part in parts] or ["top1"]
    names = [f"{MODES[recipe.mode]} ({ACCURACIES[heads[0]]}, %)" for recipe in study.recipes]
    both = [head for name in names for head in (name, "interval")]
    body = []
    for column in study.columns:
        own = [one for one in pretrained if one.column.label == column.label]
        cells = [cell for recipe in study.recipes for cell in _accuracy(column, recipe.mode, parts)]
        body.append((column.label, _amount(column), _held_out(own), _seconds(own), *cells, _runs(column, rows)))
    head = (study.axis, "clips seen", "held-out (top-1, %)", "seconds", *both, "runs")
    return Table(title(study), head, tuple(body))


def _amount(column: Column) -> str:
    clips = column.clips()
    return NONE if clips is None else f"{clips:,}"


def _held_out(pretrained: Sequence[Pretrained]) -> str:
    """Top-1 on held-out instances of a pre-training's own classes, where it has such."""
    told = [one.metrics.get("top1") for one in pretrained]
    values = [100 * top1 for top1 in told if top1 is not None and not math.isnan(top1)]
    return str(spread(values)) if values else NONE


def _seconds(pretrained: Sequence[Pretrained]) -> str:
    return f"{spread([one.seconds for one in pretrained]).mean:.0f}" if pretrained else NONE


def _accuracy(column: Column, mode: str, parts: Sequence[Findings]) -> tuple[str, str]:
    """The headline accuracy of a column in a mode, and its interval."""
    for findings in parts:
        if findings.results[0].mode == mode:
            entry = next((one for one in findings.summary if one["label"] == column.label), None)
            if entry is not None:
                interval = findings.intervals.get(column.label, {}).get(findings.metric)
                return str(entry[findings.metric]), NONE if interval is None else str(interval)
    return NONE, NONE


def _runs(column: Column, rows: Sequence[Row]) -> str:
    own = [row for row in rows if row.transfer.cell.column.label == column.label]
    done, failed = (sum(row.status == status for row in own) for status in ("finished", "failed"))
    return f"{done} of {len(own)}" + (f", {failed} failed" if failed else "")


def _note(study: Study, parts: Sequence[Findings]) -> str:
    if not parts:
        return ""
    alone = "" if len(study.pretrain_seeds) > 1 else " One pre-training each: a difference may be that of its seed."
    videos, sources = parts[0].videos, parts[0].sources
    unit = f"the {videos} test videos" if sources is None else f"the {sources} sources of the {videos} test videos"
    return (
        "Means ± sample standard deviation over the runs of all pre-trainings of a column; intervals of 95 % by "
        f"bootstrap over {unit}, given these networks. Held-out: clips of the pre-training's own classes that it was "
        "not trained on; where columns have other classes, these do not compare. Settings are the same for all, and "
        f"were chosen for no column.{alone}"
    )
