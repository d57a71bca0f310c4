"""What the project says of the packages it needs: lock file and licences are of what pyproject.toml names."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GROUPS = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
NEEDED = [Requirement(text) for group in GROUPS for text in group]


def named(entries: list[dict[str, Any]]) -> set[tuple[str, SpecifierSet]]:
    return {(canonicalize_name(entry["name"]), SpecifierSet(entry.get("specifier", ""))) for entry in entries}


def test_the_lock_file_is_that_of_these_bounds() -> None:
    (ours,) = (package for package in LOCK if package["name"] == "fractalvid")
    wanted = {(canonicalize_name(one.name), one.specifier) for one in NEEDED}
    assert named(ours["metadata"]["requires-dist"]) == wanted, "bounds have changed: run uv lock"


def test_locked_versions_are_within_their_bounds_and_have_digests() -> None:
    for one in NEEDED:
        found = [package for package in LOCK if package["name"] == canonicalize_name(one.name)]
        assert found and all(package["version"] in one.specifier for package in found), one
        assert all(wheel["hash"].startswith("sha256:") for package in found for wheel in package["wheels"])


def test_licences_are_listed_for_all_that_is_named() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    assert {one.name for one in NEEDED} == {
        line.split(" | ")[0][2:] for line in page.splitlines() if line.startswith("| ")
    } - {"package"}, "packages have changed: run python .ci/licences.py"
    assert "not said" not in page


def test_one_version_everywhere() -> None:
    import fractalvid

    for name in ("README.md", "docs/cite.md"):
        assert f"version = {{{fractalvid.__version__}}}" in (ROOT / name).read_text(encoding="utf-8")
    assert f"\nversion: {fractalvid.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {fractalvid.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
