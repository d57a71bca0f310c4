"""The tables of a report as one document of Markdown or LaTeX."""

from collections.abc import Sequence

from fractalvid.finetune.report.findings import Findings
from fractalvid.finetune.report.markup import Table, as_latex, as_markdown, latex_comment
from fractalvid.finetune.report.tables import (
    about,
    budget_table,
    class_table,
    mode_table,
    paired_table,
    published_table,
    result_table,
    settings_table,
    single_table,
)


def as_document(parts: Sequence[Findings], title: str) -> str:
    """All tables as a Markdown document, the modes one after another."""
    text = [f"# {title}", *(_markdown(mode_table(parts)) if len(parts) > 1 else [])]
    for findings in parts:
        tables = text_tables(findings)
        text += [f"## {findings.part}"] if findings.part else []
        text += [about(findings.results[0].metrics), *_markdown(tables[0])]
        for table in tables[1:]:
            text += [f"## {table.title}", *_markdown(table)]
    return "\n\n".join(text) + "\n"


def _markdown(table: Table) -> list[str]:
    return [as_markdown(table)] * bool(table.body) + [table.note] * bool(table.note)


def as_latex_document(parts: Sequence[Findings], title: str) -> str:
    """All tables as LaTeX to include; they need the package booktabs."""
    text = [latex_comment(title), "% needs \\usepackage{booktabs}"]
    text += [as_latex(mode_table(parts))] if len(parts) > 1 else []
    for findings in parts:
        text.append(latex_comment(findings.title(about(findings.results[0].metrics))))
        text += [as_latex(table) for table in text_tables(findings) if table.body]
    return "\n\n".join(text) + "\n"


def text_tables(findings: Findings) -> list[Table]:
    """The tables of a document, in order; long ones cut to their ends."""
    tables = [result_table(findings), single_table(findings)]
    if findings.comparisons:
        tables.append(paired_table(findings))
    if findings.class_accuracy:
        tables.append(class_table(findings, most=5))
    tables += [budget_table(findings), settings_table(findings)]
    published = published_table(findings)
    return [table for table in [*tables, published] if table is not None and (table.body or table.note)]
