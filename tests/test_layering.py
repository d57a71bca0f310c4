"""Imports run one way: kernels <- fractalvid <- pretrain <- finetune; only some modules may import torch or CuPy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("kernels", "fractalvid", "pretrain", "finetune")
TORCH_IN_FRACTALVID = {
    "probe",
    "emulated_clips",
    "rows",
    "upload",
    "samples",
    "torch_set",
    "stream",
    "stored",
    "device",
    "threads",
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_run_one_way(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    files = sorted(
        path
        for path in (ROOT / layer).rglob("*.py")
        if layer != "fractalvid" or path.relative_to(ROOT).parts[1] not in LAYERS
    )
    assert files
    for path in files:
        names = {name.removeprefix("fractalvid.") if layer != "fractalvid" else name for name in imported(path)}
        roots = {name.split(".")[0] for name in names}
        assert not roots & above, f"{path} imports {roots & above}"
        if layer == "kernels":
            assert not roots & {"torch", "torchvision"}, path
        if "cupy" in roots:
            assert path == ROOT / "kernels" / "cuda" / "cupy_device.py"
        if layer == "fractalvid" and path.stem not in TORCH_IN_FRACTALVID and "emulate" not in path.parts:
            assert not roots & {"torch", "torchvision"}, path


def test_rendering_works_without_torch() -> None:
    wanted = "fractalvid.cli.main, fractalvid.sets.generation, fractalvid.pages.gallery"
    code = f"import sys; sys.modules['torch'] = None; import {wanted}"
    subprocess.run([sys.executable, "-c", code], check=True)
