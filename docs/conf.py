"""The documentation site: `sphinx-build -W docs build/site`, after `pip install -e ".[docs]"`."""

import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

import fractalvid

HERE = Path(__file__).parent
ROOT = HERE.parent
MADE = HERE / "made"
"""Pages that are made here and not kept: recipes, and the results that pages link to."""

project = "fractalvid"
author = "The fractalvid authors"
copyright = "2026, the fractalvid authors. Apache-2.0"
version = release = fractalvid.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
html_theme = "furo"
html_title = "fractalvid"
html_show_sourcelink = False
myst_heading_anchors = 4
default_role = "code"  # docstrings write `names` as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
maximum_signature_line_length = 100
suppress_warnings = ["myst.header"]  # results begin where their command writes them to begin


def write_pages(_: Sphinx) -> None:
    """Write the pages that follow from the repository's other folders."""
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir()
    for path in (ROOT / "benchmarks" / "results").glob("*.md"):
        (MADE / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    for path in (ROOT / "benchmarks" / "results").glob("*.png"):
        shutil.copy(path, MADE)
    (MADE / "recipes.md").write_text(recipes(), encoding="utf-8")


def recipes() -> str:
    """A page of all recipes: what the comment on top of each says, then its settings."""
    parts = ["# Recipes\n", "Settings as data: `--recipe NAME` takes one, and options change single fields.\n"]
    for title, folder in (("Pre-training", "pretrain"), ("Fine-tuning", "finetune")):
        parts.append(f"## {title}\n")
        for path in sorted((ROOT / folder / "recipes").glob("*.toml")):
            parts.append(f"### {path.stem}\n\n```toml\n{path.read_text(encoding='utf-8').strip()}\n```\n")
    return "\n".join(parts)


def keep_links(_: Sphinx, name: str, content: list[str]) -> None:
    """Pages link to results as GitHub shows them; here these are pages of the site."""
    up = "../" * name.count("/")
    content[0] = re.sub(r"\]\(\.\./benchmarks/results/([\w-]+\.md)", rf"]({up}made/\1", content[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_pages)
    app.connect("source-read", keep_links)
