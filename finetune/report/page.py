"""A report as one HTML file that loads nothing from anywhere and needs no script."""

import html
from collections.abc import Sequence
from typing import Any

from fractalvid.finetune.report import charts
from fractalvid.finetune.report.findings import Comparison, Findings
from fractalvid.finetune.report.markup import Table, as_html
from fractalvid.finetune.report.tables import (
    about,
    budget_table,
    class_table,
    confused_table,
    mode_table,
    paired_table,
    published_table,
    result_table,
    settings_table,
    single_table,
)
from fractalvid.finetune.results.read import ACCURACIES
from fractalvid.pages.charts import REPORT_STYLE, section
from fractalvid.pages.gallery import page

_STYLE = """
body { max-width: 68rem; }
.wide { overflow-x: auto; margin: 0 0 1rem; }
h3 { font-size: .95rem; font-weight: 600; margin: 1.6rem 0 .5rem; }
th { white-space: normal; vertical-align: bottom; }
.text td:nth-last-child(-n+2) { text-align: left; white-space: normal; min-width: 14rem; }
.text th:nth-last-child(-n+2) { text-align: left; }
details { margin: .6rem 0 0; }
summary { cursor: pointer; color: var(--muted); font-size: .92rem; }
details > * + * { margin-top: .8rem; }
.columns { grid-template-columns: 1fr 1fr; align-items: start; margin-bottom: 1.2rem; }
.note { color: var(--muted); max-width: 52rem; font-size: .9rem; }
"""


def render_page(parts: Sequence[Findings], title: str) -> str:
    """The page of a run or a comparison; the modes one after another."""
    text = [_top(parts, title)]
    if len(parts) > 1:
        table = mode_table(parts)
        text.append(section(table.title, table.note, as_html(table)))
    for findings in parts:
        text += [
            _result(findings),
            _tests(findings),
            _classes(findings),
            _confusion(findings),
            _curves(findings),
            _table_section(budget_table(findings)),
            _settings(findings),
            _published(findings),
        ]
    text.append(_footer(parts[0].results[0].metrics))
    return page(title, "\n".join(part for part in text if part), REPORT_STYLE + _STYLE)


def _top(parts: Sequence[Findings], title: str) -> str:
    lines = [f"<h1>{html.escape(title)}</h1>"]
    for findings in parts:
        line = html.escape(findings.title(about(findings.results[0].metrics)))
        lines += [f'<p class="lead">{line}</p>', f'<p class="headline">{headline(findings)}</p>']
    return "\n".join(lines)


def headline(findings: Findings) -> str:
    """What came out, in one sentence of HTML, whichever way it went, and how sure that is."""
    metric, name = findings.metric, ACCURACIES[findings.metric]
    sentence = ", ".join(f"{html.escape(e['label'])} <b>{e[metric]} %</b>" for e in findings.summary) + f" {name}."
    compared = [c for c in findings.comparisons if c.first == findings.labels[0]]
    return sentence + "".join(f" {against(c)}." for c in compared)


def against(c: Comparison) -> str:
    """How the second of two initialisations compares: above or below only where the interval excludes 0."""
    first, second, points = html.escape(c.first), html.escape(c.second), c.difference.mean
    side = f"{second} is {abs(points):.1f} points {'above' if points >= 0 else 'below'} {first}"
    if c.interval is None:
        return f"{side} (no interval known)"
    if c.interval.low > 0 or c.interval.high < 0:
        return f"{side} (interval over test videos {c.interval}, which excludes 0)"
    told = f"{points:+.1f} points, interval over test videos {c.interval}, which includes 0"
    return f"No difference between {second} and {first} can be told ({told})"


def _result(findings: Findings) -> str:
    table = result_table(findings)
    single = single_table(findings)
    body = f"{as_html(table)}<div class='columns'><div>{_titled(single)}</div>{charts.accuracy_bars(findings)}</div>"
    read = "Bars: means; lines: bootstrap intervals; dots: single runs; dotted: chance."
    return section(table.title, table.note, f'{body}<p class="note">{read}</p>')


def _titled(table: Table) -> str:
    return f"<h3>{html.escape(table.title)}</h3>{as_html(table)}"


def _table_section(table: Table) -> str:
    return section(table.title, table.note, as_html(table)) if table.body else ""


def _tests(findings: Findings) -> str:
    return _table_section(paired_table(findings)) if findings.comparisons else ""


def _classes(findings: Findings) -> str:
    if not findings.class_accuracy:
        return ""
    table = class_table(findings)
    whole = f"<details><summary>All {len(table.body)} classes</summary>{as_html(table)}</details>"
    if len(findings.class_accuracy) < len(findings.labels):
        return section(table.title, table.note, whole)
    about_it = table.note
    if len(findings.labels) > 1:
        about_it = f"From {findings.labels[0]} to {findings.labels[-1]}, top-1 over all runs."
    return section(table.title, about_it, charts.class_bars(findings) + whole)


def _confusion(findings: Findings) -> str:
    if not findings.confusion:
        return ""
    body = ""
    for label, matrix in findings.confusion.items():
        pairs = confused_table(findings, label)
        picture = charts.confusion_picture(matrix, findings.class_names)
        opened = " open" if label == findings.labels[-1] else ""
        side = f"<div class='columns'><div>{picture}</div>{as_html(pairs)}</div>"
        body += f"<details{opened}><summary>{html.escape(label)}</summary>{side}</details>"
    title = findings.title("Confusion")
    return section(title, "Rows are true classes, over all runs; beside, the pairs most often confused.", body)


def _curves(findings: Findings) -> str:
    drawn = charts.curves(findings)
    return section(findings.title("Curves"), "One line a run.", drawn) if drawn else ""


def _settings(findings: Findings) -> str:
    table = settings_table(findings)
    inner = f"<details><summary>All {len(table.body)} settings</summary>{as_html(table)}</details>"
    return section(table.title, table.note, inner) if table.body else ""


def _published(findings: Findings) -> str:
    table = published_table(findings)
    if table is None:
        return ""
    body = f'<div class="text">{as_html(table)}</div>' if table.body else ""
    return section(table.title, table.note, body)


def _footer(metrics: dict[str, Any]) -> str:
    versions = metrics.get("versions", {})
    text = ", ".join(f"{name} {value}" for name, value in versions.items())
    return f"<footer>{html.escape(text)}</footer>" if text else ""
