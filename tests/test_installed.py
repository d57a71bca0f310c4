"""Installed beside strangers: another distribution named kernels, and a user's own files of our packages' names.

Each test makes an environment that sees the packages of this one, installs what it needs without a network, and runs
commands there in a folder with `kernels.py`, `pretrain.py`, `finetune.py` and `fractalvid.toml` of somebody else.
"""

import os
import site
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
STRANGER = 'WHOSE = "somebody else"\n'
GENERATE = ["generate", "--classes", "2", "--clips", "1", "--size", "32", "--points", "2000", "--out"]


def run(environment: Path, *command: str, cwd: Path, **variables: str) -> str:
    """What a command of the environment prints; it has to end well."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    program = environment / SCRIPTS / command[0]
    done = subprocess.run(
        [str(program), *command[1:]], cwd=cwd, env=own | variables, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def install(environment: Path, wheel: Path) -> None:
    python = environment / SCRIPTS / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our wheel, built from this copy of the project."""
    pytest.importorskip("hatchling", reason="building a wheel without a network needs hatchling, which dev brings")
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = out.glob("fractalvid-*.whl")
    return path


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of somebody else's, with packages of the names that our folders have."""
    path = tmp_path_factory.mktemp("foreign") / "kernels-9.9-py3-none-any.whl"
    about = "kernels-9.9.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("kernels", "pretrain", "finetune"):
            archive.writestr(f"{name}/__init__.py", STRANGER)
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: kernels\nVersion: 9.9\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment in which this one's packages, but nothing of the project, can be imported."""
    path = tmp_path / "environment"
    venv.create(path, with_pip=False, symlinks=os.name != "nt")
    (packages,) = path.rglob("site-packages")
    (packages / "these.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def strangers_folder(tmp_path: Path) -> Path:
    """A user's folder with files of our packages' names."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("kernels", "pretrain", "finetune"):
        (folder / f"{name}.py").write_text("raise RuntimeError('a file of somebody else was run')\n", encoding="utf-8")
    return folder


def as_wheel(environment: Path, wheel: Path) -> None:
    install(environment, wheel)


def as_editable(environment: Path, wheel: Path) -> None:
    """What `pip install -e .` leaves: the folder in the path, and the commands."""
    install(environment, wheel)
    (packages,) = environment.rglob("site-packages")
    subprocess.run(
        [sys.executable, "-c", f"import shutil; shutil.rmtree({str(packages / 'fractalvid')!r})"], check=True
    )
    (packages / "_fractalvid.pth").write_text(f"{ROOT}\n", encoding="utf-8")


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("ours", [as_wheel, as_editable])
def test_a_foreign_kernels_and_we_leave_each_other_alone(
    ours: Callable[[Path, Path], None], order: str, environment: Path, wheel: Path, foreign: Path, tmp_path: Path
) -> None:
    if order == "before":
        install(environment, foreign)
    ours(environment, wheel)
    if order == "after":
        install(environment, foreign)
    told = run(environment, "python", "-c", "import kernels; print(kernels.WHOSE)", cwd=tmp_path)
    assert told == "somebody else\n"
    code = "import fractalvid.kernels as k, fractalvid.pretrain, fractalvid.finetune; print(k.Jobs.__module__)"
    assert run(environment, "python", "-c", code, cwd=tmp_path) == "fractalvid.kernels.jobs\n"


def test_commands_run_in_a_folder_with_files_of_our_names(
    environment: Path, wheel: Path, foreign: Path, strangers_folder: Path, tmp_path: Path
) -> None:
    install(environment, foreign)
    install(environment, wheel)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    for out in ("one", "two"):
        run(environment, "fractalvid", *GENERATE, out, "--workers", "2", cwd=strangers_folder, **cache)
        compiled = {path.name for path in (tmp_path / "numba").rglob("*.nb?")}
        assert compiled
    run(environment, "python", "-m", "fractalvid", "verify", "two", cwd=strangers_folder, **cache)
    assert {path.name for path in (tmp_path / "numba").rglob("*.nb?")} == compiled
    for program in ("pretrain", "finetune"):
        by_command = run(environment, program, "--list", cwd=strangers_folder)
        assert by_command == run(environment, "python", "-m", f"fractalvid.{program}", "--list", cwd=strangers_folder)
        assert by_command == run(environment, "fractalvid", program, "--list", cwd=strangers_folder)
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "fractalvid.pretrain")
    assert "small_cpu" in run(environment, "python", *torchrun, "--list", cwd=strangers_folder)


def test_started_workers_import_ours(environment: Path, wheel: Path, strangers_folder: Path, tmp_path: Path) -> None:
    """Processes that Python starts anew, as on macOS and Windows."""
    install(environment, wheel)
    (strangers_folder / "use.py").write_text(
        "import torch.utils.data as data\n"
        "import fractalvid as fv\n"
        "if __name__ == '__main__':\n"
        "    stream = fv.FractalStream(fv.ClassBank.sample(2, seed=0), batch_size=2, seed=0,\n"
        "                              config=fv.StreamConfig(clip_len=2, size=16, points=500))\n"
        "    loader = data.DataLoader(stream, batch_size=None, num_workers=1, multiprocessing_context='spawn')\n"
        "    print(tuple(next(iter(loader)).video.shape))\n",
        encoding="utf-8",
    )
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    assert run(environment, "python", "use.py", cwd=strangers_folder, **cache) == "(2, 3, 2, 16, 16)\n"


def test_a_clone_without_links(tmp_path: Path) -> None:
    """Git on Windows writes a link as a file that holds its target: the folders are found all the same."""
    for name in ("kernels", "pretrain", "finetune"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"WHOSE = {name!r}\n", encoding="utf-8")
    (tmp_path / "fractalvid").mkdir()
    for name in ("__init__.py", "__init__.pyi"):
        (tmp_path / "fractalvid" / name).write_bytes((ROOT / "fractalvid" / name).read_bytes())
    (tmp_path / "fractalvid" / "kernels").write_text("../kernels", encoding="utf-8")
    code = "import fractalvid.kernels, fractalvid.pretrain as p; print(fractalvid.kernels.WHOSE, p.WHOSE)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "kernels pretrain\n"
