"""Imports run one way: kernels <- fractalvid <- pretrain <- finetune; only some modules may import torch or CuPy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("kernels", "fractalvid", "pretrain", "finetune")
TORCH_IN_FRACTALVID = {"probe", "samples", "sets", "stream", "threads"}


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
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & above, f"{path} imports {roots & above}"
        if layer == "kernels":
            assert not roots & {"torch", "torchvision"}, path
        if "cupy" in roots:
            assert path == ROOT / "kernels" / "gpu.py"
        if layer == "fractalvid" and path.stem not in TORCH_IN_FRACTALVID and "emulate" not in path.parts:
            assert not roots & {"torch", "torchvision"}, path


def test_rendering_works_without_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import fractalvid.cli, fractalvid.dataset, fractalvid.gallery"
    subprocess.run([sys.executable, "-c", code], check=True)
