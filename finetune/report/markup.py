"""A table of text cells, and how Markdown, LaTeX and HTML write it."""

import html
import re
from dataclasses import dataclass

NONE = "–"


def or_none(value: object) -> str:
    """A value as a cell shows it, and what it shows where there is none."""
    return NONE if value is None else str(value)


@dataclass(frozen=True)
class Table:
    """Cells of text under a title; `note` says how to read them."""

    title: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    note: str = ""


def as_markdown(table: Table) -> str:
    """A Markdown table whose columns also line up as plain text."""
    cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in (table.head, *table.body)]
    width = [max(len(line[k]) for line in cells) for k in range(len(table.head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, width, strict=True)) + " |" for line in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in width) + "|", *lines[1:]])


_LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "|": r"\textbar{}",
    # After the end of a line and rules, LaTeX takes these for an option, not for text.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}


def latex_text(text: str) -> str:
    """Text as LaTeX sets it, in one line; what cannot be printed shows a ?."""
    printable = (character if character.isprintable() else "?" for character in " ".join(text.split()))
    escaped = "".join(_LATEX.get(character, character) for character in printable)
    return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped)


def latex_comment(text: str) -> str:
    """A comment of one line."""
    return f"% {' '.join(text.split())}"


_LONG = 40
"""Characters from which on a cell is broken into lines."""


def _columns(table: Table) -> str:
    """How LaTeX aligns the columns: text to the left, long text in lines, figures to the right."""
    kinds = ""
    for number, cells in enumerate(zip(*table.body, strict=True)):
        if max(map(len, cells)) > _LONG:
            kinds += r"p{0.25\linewidth}"
        else:
            kinds += "r" if number and any(character.isdigit() for cell in cells for character in cell) else "l"
    return kinds or "l" * len(table.head)


def as_latex(table: Table) -> str:
    """A `table` with a booktabs `tabular`; its note is the caption."""
    lines = [" & ".join(map(latex_text, line)) + r" \\" for line in table.body]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(f'{table.title}. {table.note}'.strip())}}}",
            rf"\begin{{tabular}}{{{_columns(table)}}}",
            r"\toprule",
            " & ".join(map(latex_text, table.head)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def as_html(table: Table) -> str:
    """A table of a page, which scrolls where it is too wide."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.head)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in table.body)
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
