"""What `import fractalvid` gives: every name that is promised, nothing heavy before it is asked for."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("fractalvid", "fractalvid.kernels", "fractalvid.pretrain", "fractalvid.finetune")
PROMISED = {
    *("Batch", "ClassBank", "ClassConfig", "ColourConfig", "CameraConfig", "EmulationConfig", "FractalSet"),
    *("FractalStream", "SetConfig", "StreamConfig", "UserError", "generate", "load_bank", "render_clip", "sample_bank"),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_is_there(package: str) -> None:
    module = import_module(package)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        _ = module.nosuch


def test_what_users_need_is_in_the_package() -> None:
    module = import_module("fractalvid")
    assert set(module.__all__) >= PROMISED
    assert module.__version__


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_brings_nothing_heavy(package: str) -> None:
    code = (
        f"import sys, {package}; print(*sorted({{'torch', 'numba', 'scipy', 'matplotlib', 'av'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_that_pages_show_are_there(page: Path) -> None:
    """`fv.Name` in code and prose, and modules by their whole name."""
    text = page.read_text(encoding="utf-8")
    fractalvid = import_module("fractalvid")
    assert [name for name in set(re.findall(r"\bfv\.([A-Za-z_]\w*)", text)) if not hasattr(fractalvid, name)] == []
    for name in set(re.findall(r"`(fractalvid(?:\.\w+)+)", text)):
        module, _, last = name.rpartition(".")
        assert hasattr(import_module(module), last) or import_module(name)
