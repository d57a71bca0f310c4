"""`fractalvid demo`: the whole chain in a few minutes, run as a user would, ending in one page to look at."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import fractalvid
from fractalvid.cli.demo_report import DemoResult, Part, headline, render_report
from fractalvid.cli.preview import clips_of_set
from fractalvid.pages.gallery import Clip
from fractalvid.utils.errors import UserError
from fractalvid.video.reader import read_video

_MARKER, REPORT = "demo.json", "report.html"
_PARTS = ("classes.npz", "clips", "gallery", "pretrain", "finetune", "cache", "logs", REPORT, _MARKER)
_STEPS = 5
_EPOCHS_A_MINUTE = 3
_FIXED_SECONDS = 45.0  # starting five programs, compiling kernels, drawing: what no budget shortens


@dataclass(frozen=True)
class DemoConfig:
    """The whole chain in minutes, with no download: classes, clips, pre-training, fine-tuning, report."""

    out: Path = Path("fractalvid-demo")
    """Folder for everything; new, empty or of an earlier demo that did not finish."""
    minutes: float = 4.0
    """Time to spend, about, on two cores; more makes both trainings longer."""
    seed: int = 0
    """Determines classes, clips, order and initial weights."""
    classes: int = 60
    """Fractal classes to pre-train on."""
    seeds: int = 2
    """Fine-tuning runs from each of the two initialisations."""
    overwrite: bool = False
    """Replace a finished demo in --out."""

    def check(self) -> None:
        """Raise `UserError` for numbers that no demo can be made with."""
        for name, low, high in (("minutes", 0.1, 600), ("classes", 2, 100_000), ("seeds", 1, 20)):
            if not low <= getattr(self, name) <= high:
                raise UserError(f"--{name} is {getattr(self, name)}: it must be {low} to {high}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed is {self.seed}: it must be 0 to {2**32 - 1}")


def run_demo(config: DemoConfig) -> Path:
    """Run the demo, print what came out, and return the path of the report.

    Raises:
        UserError: impossible numbers, a folder that holds something else or a finished demo, or a
            command that failed (it and its log are named).
    """
    config.check()
    _claim(config.out, overwrite=config.overwrite)
    runner = _Runner(config.out)
    _invent_and_render(runner, config)
    _pretrain(runner, config)
    _finetune(runner, config)
    result = collect(config.out, runner.parts)
    report = config.out / REPORT
    write_whole(report, render_report(result))
    write_whole(config.out / _MARKER, json.dumps({"program": "fractalvid demo", "finished": True}) + "\n")
    print(f"{headline(result.comparison)}\nreport: {report.resolve()}")
    return report


def _invent_and_render(runner: "_Runner", config: DemoConfig) -> None:
    out, seed = config.out, str(config.seed)
    bank = str(out / "classes.npz")
    runner(
        "inventing classes",
        "fractalvid",
        "classes",
        "--classes",
        str(config.classes),
        "--seed",
        seed,
        "--out",
        bank,
    )
    # A class does not depend on how many there are: these are the first classes of the same bank.
    shown = str(min(24, config.classes))
    some = ("--classes", shown, "--clips", "1", "--seed", seed, "--size", "128", "--points", "150000")
    runner("rendering clips", "fractalvid", "generate", *some, "--out", str(out / "clips"))
    gallery = ("--clips", shown, "--out", str(out / "gallery"))
    runner("making a gallery", "fractalvid", "preview", str(out / "clips"), *gallery)


def _pretrain(runner: "_Runner", config: DemoConfig) -> None:
    seconds = max(5, round(0.45 * (60 * config.minutes - _FIXED_SECONDS)))
    clip = ("--batch-size", "16", "--size", "48", "--clip-len", "8", "--frame-stride", "2", "--points", "20000")
    often = ("--log-every", "10", "--val-every", "100", "--val-clips", "200", "--no-tensorboard")
    runner(
        "pre-training on fractal clips",
        "pretrain",
        *("--arch", "r3d_10", "--bank", str(config.out / "classes.npz"), "--seed", str(config.seed)),
        *clip,
        *("--hours", f"{seconds}s"),
        *often,
        *("--out", str(config.out / "pretrain")),
    )


def _finetune(runner: "_Runner", config: DemoConfig) -> None:
    epochs = epochs_in(config.minutes)
    seeds = [str(config.seed + k) for k in range(config.seeds)]
    runner(
        "fine-tuning from both, and comparing",
        "finetune",
        *("compare", "--target", "demo"),
        *("--init", "scratch", f"fractal={config.out / 'pretrain' / 'weights.safetensors'}"),
        *("--seeds", *seeds, "--epochs", str(epochs), "--warmup-epochs", "1" if epochs > 1 else "0"),
        *("--lr", "0.002"),  # twice the default: there is time for a few hundred steps only
        *("--eval-every", str(max(1, -(-epochs // 5)))),
        *("--cache-dir", str(config.out / "cache"), "--out", str(config.out / "finetune")),
    )


def epochs_in(minutes: float) -> int:
    """Epochs of each fine-tuning: as many on every machine, and so few that what was learned before still counts."""
    return max(1, min(40, round(_EPOCHS_A_MINUTE * minutes)))


def collect(out: Path, parts: list[Part]) -> DemoResult:
    """Read what the commands of a demo left in its folder."""
    comparison: dict[str, Any] = json.loads((out / "finetune" / "comparison.json").read_text(encoding="utf-8"))
    labels = [entry["label"] for entry in comparison["initialisations"]]
    curves = {
        label: [read_rows(path) for path in sorted((out / "finetune" / label).glob("*/metrics.jsonl"))]
        for label in labels
    }
    actions = sorted((out / "cache").glob("demo/*/train/*/0000.mp4"))
    return DemoResult(
        parts=parts,
        fractals=clips_of_set(out / "clips", clips=24, size=112),
        actions=[Clip(path.parent.name.replace("_", " "), read_video(path)) for path in actions],
        pretraining=read_rows(out / "pretrain" / "metrics.jsonl"),
        fine_tuning=curves,
        comparison=comparison,
    )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; none if there is no such file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _claim(out: Path, *, overwrite: bool) -> None:
    """Make `out` the folder of a new demo. Only what a demo made itself is ever removed."""
    try:
        if out.is_dir() and any(out.iterdir()):
            _check_is_demo(out, overwrite=overwrite)
            for name in _PARTS:
                path = out / name
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        (out / "logs").mkdir(parents=True, exist_ok=True)
        write_whole(out / _MARKER, json.dumps({"program": "fractalvid demo", "finished": False}) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another --out") from error


def _check_is_demo(out: Path, *, overwrite: bool) -> None:
    """Raise `UserError` unless `out` holds a demo that may be replaced."""
    try:
        marker = json.loads((out / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        marker = None
    if not isinstance(marker, dict) or marker.get("program") != "fractalvid demo":
        raise UserError(f"{out} holds something else; choose a new or empty folder for --out")
    if marker.get("finished") and not overwrite:
        raise UserError(f"{out} holds a finished demo; add --overwrite to replace it, or choose another --out")


class _Runner:
    """Runs commands one after the other, shows and logs what they say, and keeps their times."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.parts: list[Part] = []

    def __call__(self, title: str, program: str, *arguments: str) -> None:
        """Run `program` with this Python; raise `UserError` if it fails."""
        number = len(self.parts) + 1
        shown = shlex.join((program, *arguments))
        print(f"\n[{number}/{_STEPS}] {title}\n  $ {shown}", file=sys.stderr, flush=True)
        log = self.out / "logs" / f"{number}-{program}.log"
        started = time.perf_counter()
        code = run_logged([sys.executable, "-m", program, *arguments], log)
        if code:
            raise UserError(
                f"step {number} of {_STEPS}, {title}: `{program} {arguments[0]}` failed with "
                f"exit code {code} ({last_line(log) or 'it said nothing'}); all it said is in {log}"
            )
        self.parts.append(Part(title, shown, time.perf_counter() - started))


def last_line(log: Path) -> str:
    """The last thing that a program said."""
    lines = log.read_bytes().decode(errors="replace").replace("\r", "\n").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def run_logged(command: list[str], log: Path) -> int:
    """Run a command, copy what it says to stderr as it comes, and to the file `log`; return its exit code.

    Where stderr is a terminal, but on Windows, the command gets one too, so that its progress bars move; elsewhere only
    finished lines are copied, without the states a progress bar went through.
    """
    terminal = sys.platform != "win32" and sys.stderr.isatty()
    reader, writer = _terminal() if terminal else os.pipe()
    package = str(Path(fractalvid.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1", "PYTHONPATH": path}
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, env=environment)
    finally:
        os.close(writer)
    try:
        with log.open("wb") as file:
            _relay(reader, file, whole_lines=not terminal)
        return process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        os.close(reader)


def _terminal() -> tuple[int, int]:
    """A terminal of the size of ours: the end to read, the end to write to."""
    if sys.platform == "win32":
        raise OSError("Windows has no such terminals")
    import pty  # only needed at a terminal
    import termios

    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, termios.tcgetwinsize(sys.stderr.fileno()))
    return reader, writer


def _relay(reader: int, log: IO[bytes], *, whole_lines: bool) -> None:
    """Copy until the other end closes."""
    pending = b""
    while chunk := _read(reader):
        log.write(chunk)
        log.flush()
        if whole_lines:
            *lines, pending = (pending + chunk).split(b"\n")
            chunk = b"".join(b"  " + line.rstrip(b"\r").rpartition(b"\r")[2] + b"\n" for line in lines)
        sys.stderr.write(chunk.decode(errors="replace"))
        sys.stderr.flush()


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # how a terminal says that the other end was closed
        return b""
