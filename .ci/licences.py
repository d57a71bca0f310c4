"""Writes docs/licences.md: the licence of every package that pyproject.toml names, as its own metadata says.

python .ci/licences.py      # where all extras but those of CUDA are installed
"""

import tomllib
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"
KNOWN = {
    "cupy-cuda12x": "MIT",
    "cupy-cuda13x": "MIT",
    "numba": "BSD-2-Clause",
    "scipy": "BSD-3-Clause",
    "torch": "BSD-3-Clause",
    "torchvision": "BSD-3-Clause",
    "matplotlib": "the matplotlib licence (PSF style)",
}
"""Of packages that install only beside CUDA, or whose metadata do not say it exactly; from their licence files."""
NAMES = {"Apache Software License": "Apache-2.0", "MIT License": "MIT"}
HEAD = """# Licences

fractalvid is under Apache-2.0. What it needs is under licences that allow the same uses; nothing of it is copied into
this repository. As packages' own metadata say (`python .ci/licences.py` writes this page):

"""
TAIL = """
PyAV's wheels bring FFmpeg's libraries with the encoders x264 and x265, which are under the GPL, version 2 or later:
they are used as installed, and not part of fractalvid's own wheel. Whoever hands on an image or archive with PyAV's
wheel in it hands on these too.
"""


def licence(about: PackageMetadata) -> str:
    """An SPDX expression, else the first line of the text, else the classifier."""
    for name in ("License-Expression", "License"):
        said = (about.get(name) or "").strip().split("\n")[0]
        if 0 < len(said) < 60:
            return NAMES.get(said, said)
    found = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or [] if c.startswith("License :: OSI")]
    return ", ".join(found) or "not said"


def rows() -> list[str]:
    """A row of the table for each package, those that are always needed first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"always": project["dependencies"], **project["optional-dependencies"]}
    where: dict[str, list[str]] = {}
    for group, needed in groups.items():
        for one in needed:
            where.setdefault(Requirement(one).name, []).append(group)
    return [f"| {name} | {of(name)} | {', '.join(groups)} |" for name, groups in where.items()]


def of(name: str) -> str:
    """The licence of a package, known or as it is installed."""
    return KNOWN.get(name) or licence(metadata(name))


if __name__ == "__main__":
    table = ["| package | licence | needed for |", "|---|---|---|", *rows()]
    PAGE.write_text(HEAD + "\n".join(table) + "\n" + TAIL, encoding="utf-8")
