"""`fractalvid doctor`: what was found on this machine, and what to install where something is missing.

What is looked at is imported only then, so that `python -m fractalvid.cli.doctor` works in a broken installation, too.
"""

import importlib.util
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "missing"]

_INSTRUCTIONS = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "bf16": ("avx512bf16", "amx-bf16", "bf16"),
    "AMX": ("amx-tile",),
}
"""Names of instructions, and LLVM's, any of which stands for them."""
_CLIPS_A_CORE = 330
"""Of the stream without emulation, 60,000 points a frame, with AVX2."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        what: was looked for.
        state: "ok"; "note" where something optional is not there; "missing" where something does not work without it.
        text: what was found.
        advice: what to do, empty where nothing is to be done.
    """

    what: str
    state: State
    text: str
    advice: str = ""

    def line(self) -> str:
        """The finding as text."""
        return f"{self.state:8}{self.what:12}{self.text}" + (f": {self.advice}" if self.advice else "")


@dataclass(frozen=True)
class DoctorArguments:
    """`fractalvid doctor` has no options."""


def examine() -> list[Finding]:
    """Look at everything that decides whether and how fast this works. Nothing is changed, nothing raised."""
    packages = _own_packages()
    findings = [
        Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        _processor(),
        _speed(),
        packages,
        _package("numba"),
        _torch(),
        _video(),
        _compiler(),
    ]
    return findings if packages.state == "missing" else [*findings, _kernel_folder(), _data_folder(), *_cuda()]


def summary(findings: list[Finding]) -> str:
    """The last line."""
    missing = [finding.what for finding in findings if finding.state == "missing"]
    if missing:
        return f"to be put right: {', '.join(missing)}"
    if any(finding.what == "GPU" and finding.state == "ok" for finding in findings):
        return "all is well, with a GPU to render on"
    return "all is well; clips are rendered on the CPU"


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", f"pip install {name}")


def _processor() -> Finding:
    """The cores, and those of their instructions that decide speed."""
    able = [name for name, flags in _INSTRUCTIONS.items() if any(_features().get(flag) for flag in flags)]
    cores = f"{_cores()} cores that this process may use"
    return Finding("processor", "ok", f"{cores}, with {', '.join(able)}" if able else cores)


def _features() -> dict[str, bool]:
    """What the processor can do, by LLVM's names; empty where that is not known."""
    try:
        from llvmlite import binding

        return dict(binding.get_host_cpu_features())
    except Exception:
        return {}


def _speed() -> Finding:
    """What is to be expected of it; benchmarks/results tells how it was measured."""
    rate = f"about {_CLIPS_A_CORE * _cores()} clips a second of 8 x 112², if nothing else runs"
    first = "the first use compiles kernels for ten seconds, with many variations for half a minute"
    if not _features().get("avx2"):
        return Finding("speed", "note", f"{rate}, were there AVX2, and less without; {first}")
    return Finding("speed", "ok", f"{rate}; {first}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _data_folder() -> Finding:
    """Where what was found out about videos is kept, and what was decoded of them."""
    from fractalvid.kernels.compiled.cache import writable
    from fractalvid.video.index import default_cache_dir

    advice = "set XDG_CACHE_HOME to a folder that can be written"
    try:
        folder = default_cache_dir()
    except RuntimeError as error:  # nobody knows this user's home
        return Finding("data", "note", f"no folder for indices of videos: {error}", advice)
    if not writable(folder):
        return Finding("data", "note", f"{folder} cannot be written, where indices of videos would be kept", advice)
    return Finding("data", "ok", f"indices of videos, and what is decoded or drawn once, are kept in {folder}")


def _kernel_folder() -> Finding:
    """Where compiled kernels are kept: else every process compiles them anew."""
    from fractalvid.kernels.compiled import cache

    chosen, standing = cache.users_folder(), cache.numba_folders()
    first = chosen or standing[0]
    if cache.writable(first):
        return Finding("cache", "ok", f"compiled kernels are kept in {first}")
    folder = next(filter(cache.writable, standing), None)
    text = f"{first} cannot be written; compiled kernels are kept in {folder or cache.temporary_folder()}"
    if chosen and folder:
        return Finding("cache", "missing", text, "set NUMBA_CACHE_DIR to a folder that can be, or not at all")
    if folder:
        return Finding("cache", "ok", text)
    advice = "set NUMBA_CACHE_DIR to a folder that can be written"
    if cache.temporary_folder() is not None:
        return Finding("cache", "missing" if chosen else "note", text, f"{advice}, and lasts")
    text = "no folder for compiled kernels can be written, so every process compiles those it uses, for up to a minute"
    return Finding("cache", "missing", text, advice)


def _torch() -> Finding:
    """PyTorch, and for which CUDA it was built. Its version is read without importing it, which takes seconds."""
    torch = _package("torch")
    if torch.state != "ok":
        return Finding("PyTorch", "missing", torch.text, "see https://pytorch.org/get-started")
    cuda = [name for name in ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu12") if _package(name).state == "ok"]
    built = f"with CUDA {metadata.version(cuda[0])}" if cuda else "without CUDA's libraries from pip"
    return Finding("PyTorch", "ok", f"{torch.text}, {built}")


def _cuda() -> list[Finding]:
    """CuPy, the driver behind it, and the GPU."""
    from fractalvid.kernels.cuda import cupy_device

    named = [name for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy") if _package(name).state == "ok"]
    driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
    advice = f"to render on the GPU: {cupy_device.INSTALL}" if driver else ""
    cupy = (
        Finding("CuPy", "ok", f"{named[0]} {metadata.version(named[0])}")
        if named
        else Finding("CuPy", "note", "not installed", advice)
    )
    device = cupy_device.device_or_reason()
    if not isinstance(device, str):
        text = f"{device.name}, compute capability {device.capability[0]}.{device.capability[1]}"
        return [cupy, Finding("GPU", "ok", f"{text}, {device.multiprocessors} multiprocessors")]
    if not driver:
        return [cupy, Finding("GPU", "note", "no NVIDIA driver here; clips are rendered on the CPU")]
    return [cupy, Finding("GPU", "missing" if named else "note", device)]


def _video() -> Finding:
    """PyAV, and which of the encoders it was built with."""
    pyav = _package("av")
    if pyav.state != "ok":
        return Finding("PyAV", "missing", pyav.text, "pip install av")
    try:
        from fractalvid.video.encoding.codecs import CODECS, available_codecs
    except Exception as error:
        advice = "pip install --force-reinstall av"
        return Finding("PyAV", "missing", f"{pyav.text} does not load ({type(error).__name__})", advice)
    lacking = sorted(set(CODECS) - set(available_codecs()))
    if lacking:
        return Finding("PyAV", "note", f"{pyav.text} without {', '.join(lacking)}", "pip's wheels have these encoders")
    return Finding("PyAV", "ok", f"{pyav.text}, with all encoders that `generate` offers")


def _compiler() -> Finding:
    """A C++ compiler, which only tests of the device code use."""
    named = [name for name in ("g++", "clang++", "nvcc") if shutil.which(name)]
    if not named:
        return Finding("compilers", "note", "no g++ or clang++; only tests of the CUDA sources need one")
    return Finding("compilers", "ok", ", ".join(named))


def _own_packages() -> Finding:
    """Where fractalvid lies, and whether all of it is there."""
    here = Path(__file__).resolve().parents[1]
    lacking = [
        name for name in ("kernels", "pretrain", "finetune") if not importlib.util.find_spec(f"fractalvid.{name}")
    ]
    if lacking:
        return Finding("packages", "missing", f"no {', '.join(lacking)} in {here}", "install fractalvid again")
    return Finding("packages", "ok", f"fractalvid in {here}")


def report() -> list[str]:
    """What `fractalvid doctor` prints."""
    findings = examine()
    return [*(finding.line() for finding in findings), summary(findings)]


def run(arguments: Sequence[str]) -> None:
    """Run the command, which finds, and fails at nothing."""
    from fractalvid.cli.parsing import parse
    from fractalvid.utils.messages.log import announce

    parse(
        DoctorArguments,
        arguments,
        program="fractalvid doctor",
        default=DoctorArguments(),
        description="What was found on this machine, and what to install.",
    )
    announce("looking at this machine")
    print("\n".join(report()))


if __name__ == "__main__":
    print("\n".join(report()))
