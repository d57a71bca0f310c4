"""LaTeX read as LaTeX reads it: what would not compile, or would print something else, is found without a compiler."""

import re
from pathlib import Path
from typing import Any

import pytest

from fractalvid.finetune.report.markup import Table, as_latex, latex_comment, latex_text
from fractalvid.finetune.report.write import write_comparison
from fractalvid.finetune.results.read import read_run
from tests.finetune.report.helpers import metrics, run_of, write_run_folder

NASTY = (r"a_b%c&d#e~f^g\h{i}j$k", "[first]", "*starred", "a|b<c>d", "two\nlines\x00", "50% & more_", "naïve")
PLAIN = {"begin", "end", "centering", "caption"}
MARKS = {"pm", "times", "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"}
BOOKTABS = {"toprule", "midrule", "bottomrule"}


def uncommented(text: str) -> str:
    """Without comments, which begin at a % that no backslash takes."""
    return "\n".join(re.sub(r"(?<!\\)((?:\\\\)*)%.*", r"\1", line) for line in text.splitlines())


def check(text: str) -> list[tuple[str, list[list[str]]]]:
    """Assert that a document is sound; the column specification and the cells of each table."""
    text = uncommented(text)
    commands = re.findall(r"\\([A-Za-z]+|.)", text.replace("\\\\", ""), re.S)
    assert set(commands) <= PLAIN | MARKS | BOOKTABS | {"linewidth"} | set("&%$#_{}")
    bare = re.sub(r"\\(\\|[A-Za-z]+|.)", "", text, flags=re.S)
    assert not re.search(r"[#^~_]", bare), "a special character outside a command"
    depth = 0
    for character in bare:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert all(part in ("-", "") for part in bare.split("$")[1::2]), "a formula that nobody wrote"
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    return [table_of(body) for body in re.findall(r"\\begin\{tabular\}(.*?)\\end\{tabular\}", text, re.S)]


def table_of(body: str) -> tuple[str, list[list[str]]]:
    found = re.match(r"\{((?:p\{[^}]*\}|[lr])+)\}\n", body)
    assert found is not None
    columns = re.findall(r"p\{[^}]*\}|[lr]", found[1])
    text = re.sub(r"\\(?:top|mid|bottom)rule\b", "", body[found.end() :])
    rows = [row.strip() for row in text.split("\\\\")]
    assert rows.pop() == ""
    assert not any(row.startswith(("[", "*")) for row in rows), "taken for an option of the line before"
    cells = [re.split(r"(?<!\\)&", row) for row in rows]
    assert {len(row) for row in cells} == {len(columns)}
    return found[1], [[cell.strip() for cell in row] for row in cells]


@pytest.mark.parametrize("name", NASTY)
def test_any_name_is_set_as_text(name: str) -> None:
    table = Table(name, (name, "x (%)"), ((name, "1.5"), (name, "-2.0")), f"About {name}.")
    ((columns, cells),) = check(as_latex(table))
    assert columns == "lr"
    assert [row[1] for row in cells] == [r"x (\%)", "1.5", "$-$2.0"]
    assert len({row[0] for row in cells}) == 1
    assert latex_comment(name).count("\n") == 0


def test_the_checks_find_what_they_are_for() -> None:
    sound = as_latex(Table("T", ("a", "b"), (("x", "1"),)))
    check(sound)
    for broken in ("x_1 &", "x & 1 & 2 \\\\ ", "x # &", "{x &", "$x$ &", "\\frac &", "x \\\\ [y] &"):
        with pytest.raises(AssertionError):
            check(sound.replace("x &", broken))


def test_long_text_is_broken_into_lines_and_figures_are_aligned() -> None:
    table = Table("T", ("who", "what", "how", "n"), (("a", "I3D", "w " * 30, "3"), ("b", "TSN", "short", "12")))
    ((columns, _),) = check(as_latex(table))
    assert columns == r"lrp{0.25\linewidth}r"
    ((columns, _),) = check(as_latex(Table("T", ("true", "taken for"), (("run", "walk"),))))
    assert columns == "ll"


def test_characters_are_escaped_as_latex_wants() -> None:
    assert latex_text(r"_%&#{}$") == r"\_\%\&\#\{\}\$"
    assert latex_text("~^\\") == r"\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert latex_text("1.0 ± 2.0, 3 × 4, 5–6") == r"1.0 $\pm$ 2.0, 3 $\times$ 4, 5--6"
    assert latex_text("a\n\n b") == "a b"


def test_whole_reports_are_sound_whatever_things_are_called(tmp_path: Path) -> None:
    results = []
    for number, label in enumerate(("[scratch]_%", r"*C:\runs{~^}#&$")):
        for mode in ("full", "linear"):
            run = run_of([k % (2 + number) == 0 for k in range(12)], label=label)
            changes: dict[str, Any] = {
                "mode": mode,
                "target": "ucf101",
                "official_classes": 3,
                "init": {"label": label},
            }
            results.append(read_run(write_run_folder(tmp_path / f"{number}{mode}", run, **changes)))
    for result in results:
        assert result.folder is not None
        names = [NASTY[0], NASTY[1], NASTY[2]]
        for path in ("metrics.json", "predictions.csv"):
            text = (result.folder / path).read_text()
            for old, new in zip(metrics("", "1", 0)["class_names"], names, strict=True):
                quoted = new.replace("\\", "\\\\") if path.endswith("json") else new
                text = text.replace(old, quoted)
            (result.folder / path).write_text(text)
    again = [read_run(result.folder) for result in results if result.folder is not None]
    write_comparison(tmp_path / "out", again)
    text = (tmp_path / "out" / "comparison.tex").read_text()
    tables = check(text)
    assert text.isascii()
    assert len(tables) == 15  # both modes; for each result, runs, tests, classes, budget, settings, published numbers
    assert tables[0][1][1][0] == r"{[}scratch{]}\_\%"
    assert tables[0][1][2][0] == r"{*}C:\textbackslash{}runs\{\textasciitilde{}\textasciicircum{}\}\#\&\$"
