"""Imports run one way, between packages and between their rooms; only some modules may import torch or CuPy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {
    "kernels": ("checks", "compiled", "tone", "variations", "jobs", "reference", "cpu", "drawing", "cuda", "dispatch"),
    "fractalvid": (
        *("utils", "core", "fractals", "textures", "kinds", "video", "emulate", "truth", "gpu", "stream", "sets"),
        *("pages", "stats", "cli"),
    ),
    "pretrain": (
        *("machine", "recipes", "models", "weights", "optim", "engine", "monitors", "objectives", "clips", "run"),
        *("probe", "dryrun", "export", "cli"),
    ),
    "finetune": (
        "targets",
        "cache",
        "clips",
        "videos",
        "weights",
        "recipes",
        "debias",
        "results",
        "report",
        "grids",
        "run",
        "probe",
        "explain",
        "bias",
        "sweep",
        "study",
        "generalise",
        "cli",
    ),
}
"""The four packages, in each its rooms and files beside them: what stands later may import what stands before it."""

TORCH_IN_FRACTALVID = {"emulated_clips", "probe", "tensors", "torch_set"}
"""Files that may, besides those of the rooms `emulate` and `stream`."""


def modules(layer: str) -> list[Path]:
    """The files of a package, without what is linked into `fractalvid`."""
    linked = set(LAYERS) if layer == "fractalvid" else set()
    files = sorted((ROOT / layer).rglob("*.py"))
    return [path for path in files if path.relative_to(ROOT / layer).parts[0] not in linked]


def imported(path: Path) -> set[str]:
    """All that a file imports, by its whole name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def place(name: str) -> tuple[str, str] | None:
    """The package and the room of a module of ours."""
    root, *rest = name.split(".")
    if root != "fractalvid" or not rest:
        return None
    return (rest[0], rest[1] if len(rest) > 1 else "") if rest[0] in LAYERS else ("fractalvid", rest[0])


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_one_way(layer: str) -> None:
    order, rooms = list(LAYERS), LAYERS[layer]
    files = modules(layer)
    assert {path.relative_to(ROOT / layer).parts[0].removesuffix(".py") for path in files} - set(rooms) <= {
        *("__init__", "__main__"),
    }
    for path in files:
        own = path.relative_to(ROOT / layer).parts[0].removesuffix(".py")
        if own in ("__init__", "__main__"):
            continue
        for package, room in filter(None, map(place, imported(path))):
            assert order.index(package) <= order.index(layer), f"{path} imports {package}"
            if package == layer and room in rooms:
                assert rooms.index(room) <= rooms.index(own), f"{path} imports {layer}.{room}"


def test_only_the_command_names_what_is_above_it() -> None:
    above = ("fractalvid.pretrain", "fractalvid.finetune")
    for path in modules("fractalvid"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        text = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        names = {one for one in text if one.startswith(above)}
        allowed = {f"{name}.cli:main" for name in above} if path == ROOT / "fractalvid" / "cli" / "main.py" else set()
        assert names <= allowed, path  # `fractalvid pretrain` and `fractalvid finetune` are imported when called


def importers() -> dict[str, set[str]]:
    """What each module of ours imports of ours."""
    files = {path: layer for layer in LAYERS for path in modules(layer)}
    names = {}
    for path, layer in files.items():
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts if layer == "fractalvid" else ("fractalvid", *parts)).removesuffix(".__init__")] = path
    return {
        name: {one if one in names else one.rpartition(".")[0] for one in imported(path)} & set(names)
        for name, path in names.items()
    }


def test_there_is_no_circle() -> None:
    left = {name: {one for one in needs if one != name} for name, needs in importers().items()}
    while free := {name for name, needs in left.items() if not needs}:
        left = {name: needs - free for name, needs in left.items() if name not in free}
    assert not left


@pytest.mark.parametrize("layer", LAYERS)
def test_only_some_modules_import_torch_or_cupy(layer: str) -> None:
    for path in modules(layer):
        roots = {name.split(".")[0] for name in imported(path)}
        if "cupy" in roots:
            assert path == ROOT / "kernels" / "cuda" / "cupy_device.py"
        rooms = {"pretrain", "finetune", "emulate", "stream"} & set(path.relative_to(ROOT).parts)
        allowed = bool(rooms) or path.stem in TORCH_IN_FRACTALVID
        if not allowed:
            assert not roots & {"torch", "torchvision"}, path


def test_rooms_say_what_they_are_for() -> None:
    for layer in LAYERS:
        for path in modules(layer):
            if path.name == "__init__.py":
                assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_rendering_works_without_torch() -> None:
    wanted = "fractalvid.cli.main, fractalvid.cli.generate, fractalvid.cli.preview, fractalvid.sets.generation"
    code = f"import sys; sys.modules['torch'] = None; import {wanted}"
    subprocess.run([sys.executable, "-c", code], check=True)
