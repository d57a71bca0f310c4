"""`fractalvid demo`: the whole chain in a few minutes, run as a user would, ending in one page to look at."""

import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fractalvid.cli.demo.commands import Commands, Part
from fractalvid.cli.demo.sizes import (
    BATCH,
    PROBE_STEPS,
    TESTS,
    VALIDATION_CLIPS,
    VALIDATIONS,
    DemoSizes,
    announcement,
    shortened,
    sizes_for,
    timed_step,
)
from fractalvid.cli.demo.verdict import headline
from fractalvid.cli.parsing import parse
from fractalvid.core.constants import BANK_FILE
from fractalvid.utils.documents import MAX_LOG_BYTES, Table, convert, parse_json, read_bytes, read_json
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import write_text

if TYPE_CHECKING:
    from fractalvid.cli.demo.report import DemoResult

_PROGRAM = "fractalvid demo"
_MARKER, REPORT = "demo.json", "report.html"
_SPEED = "speed"
"""Folder of the steps that are timed first; removed when they are."""
_PARTS = (BANK_FILE, "clips", "gallery", _SPEED, "pretrain", "finetune", "cache", "logs", REPORT, _MARKER)
_STEPS = 5
_PRETRAINING: dict[str, object] = {
    "arch": "r3d_10",
    "batch_size": BATCH,
    "size": 48,
    "clip_len": 8,
    "frame_stride": 2,
    "points": 20_000,
    "tensorboard": False,
}


@dataclass(frozen=True)
class DemoConfig:
    """The whole chain in minutes, with no download: classes, clips, pre-training, fine-tuning, report."""

    out: Path = Path("fractalvid-demo")
    """Folder for everything; new, empty or of an earlier demo that did not finish."""
    minutes: float = 5.0
    """Time to spend, about: the machine is timed first, and both trainings are made as long as fits."""
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


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    run_demo(
        parse(DemoConfig, arguments, program="fractalvid demo", default=DemoConfig(), description="The whole chain.")
    )


def run_demo(config: DemoConfig) -> Path:
    """Run the demo, print what came out, and return the path of the report.

    Raises:
        UserError: impossible numbers, a folder that holds something else or a finished demo, or a
            command that failed (it and its log are named).
    """
    config.check()
    started = time.monotonic()
    sizes = _sizes_kept(config)
    _claim(config.out, overwrite=config.overwrite)
    commands = Commands(config.out, steps=_STEPS + (sizes is None))
    measured = sizes is None
    if sizes is None:
        sizes = _measure(commands, config)
    _mark(config, sizes)
    print(announcement(sizes, seeds=config.seeds), file=sys.stderr, flush=True)
    _invent_and_render(commands, config)
    _pretrain(commands, config, sizes.steps)
    if measured:
        left = 60 * config.minutes - (time.monotonic() - started)
        sizes = shortened(sizes, pre_training=commands.parts[-1].seconds, left=left, seeds=config.seeds)
        _mark(config, sizes)
    _finetune(commands, config, sizes.epochs)
    from fractalvid.cli.demo.report import render_report  # not for --help: its charts need matplotlib

    result = collect(config.out, commands.parts)
    report = config.out / REPORT
    write_text(report, render_report(result))
    _mark(config, sizes, finished=True)
    print(f"{headline(result.comparison)}\nreport: {report.resolve()}")
    return report


def _invent_and_render(commands: Commands, config: DemoConfig) -> None:
    bank, clips, seed = config.out / BANK_FILE, config.out / "clips", config.seed
    commands.run("inventing classes", "fractalvid", "classes", classes=config.classes, seed=seed, out=bank)
    # A class does not depend on how many there are: these are the first classes of the same bank.
    shown = min(24, config.classes)
    commands.run(
        "rendering clips",
        "fractalvid",
        "generate",
        classes=shown,
        clips=1,
        seed=seed,
        size=128,
        points=150_000,
        out=clips,
    )
    commands.run("making a gallery", "fractalvid", "preview", clips, clips=shown, out=config.out / "gallery")


def _measure(commands: Commands, config: DemoConfig) -> DemoSizes:
    """Time a few steps of the very pre-training, and find what fits into the demo's minutes."""
    out = config.out / _SPEED
    commands.run(
        "timing this machine",
        "pretrain",
        **_PRETRAINING,
        classes=config.classes,
        seed=config.seed,
        steps=PROBE_STEPS,
        log_every=1,
        val_clips=0,
        out=out,
    )
    step = timed_step(_rows(out / "metrics.jsonl"))
    shutil.rmtree(out)
    return sizes_for(step, minutes=config.minutes, seeds=config.seeds)


def _pretrain(commands: Commands, config: DemoConfig, steps: int) -> None:
    commands.run(
        "pre-training on fractal clips",
        "pretrain",
        **_PRETRAINING,
        bank=config.out / BANK_FILE,
        seed=config.seed,
        steps=steps,
        log_every=10,
        val_every=-(-steps // VALIDATIONS),
        val_clips=VALIDATION_CLIPS,
        out=config.out / "pretrain",
    )


def _finetune(commands: Commands, config: DemoConfig, epochs: int) -> None:
    commands.run(
        "fine-tuning from both, and comparing",
        "finetune",
        "compare",
        target="demo",
        recipe="mild",
        init=("scratch", f"fractal={config.out / 'pretrain' / 'weights.safetensors'}"),
        seeds=tuple(config.seed + k for k in range(config.seeds)),
        epochs=epochs,
        batch_size=BATCH,
        warmup_epochs=1 if epochs > 1 else 0,
        lr=0.002,  # twice the default: there is time for a few hundred steps only
        eval_every=-(-epochs // TESTS),
        cache_dir=config.out / "cache",
        out=config.out / "finetune",
    )


def collect(out: Path, parts: list[Part]) -> "DemoResult":
    """Read what the commands of a demo left in its folder."""
    from fractalvid.cli.demo.report import DemoResult
    from fractalvid.cli.preview import clips_of_set
    from fractalvid.pages.gallery import Clip
    from fractalvid.video.reader import read_video

    comparison = read_json(out / "finetune" / "comparison.json", Table, what="the comparison", non_finite=True)
    labels = [entry["label"] for entry in comparison["initialisations"]]
    curves = {
        label: [_rows(path) for path in sorted((out / "finetune" / label).glob("*/metrics.jsonl"))] for label in labels
    }
    actions = sorted((out / "cache").glob("demo/*/train/*/0000.mp4"))
    return DemoResult(
        parts=parts,
        fractals=clips_of_set(out / "clips", clips=24, size=112),
        actions=[Clip(path.parent.name.replace("_", " "), read_video(path)) for path in actions],
        pretraining=_rows(out / "pretrain" / "metrics.jsonl"),
        fine_tuning=curves,
        comparison=comparison,
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.jsonl`; none if there is no such file."""
    data = read_bytes(path, what="the log", most=MAX_LOG_BYTES) if path.exists() else b""
    return [parse_json(line, Table, where=f"the log {path}", non_finite=True) for line in data.splitlines()]


def _claim(out: Path, *, overwrite: bool) -> None:
    """Make `out` the folder of a new demo. Only what a demo made itself is ever removed."""
    try:
        if out.is_dir() and any(out.iterdir()):
            _check_is_demo(out, overwrite=overwrite)
            for name in _PARTS:
                path = out / name
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        (out / "logs").mkdir(parents=True, exist_ok=True)
        write_text(out / _MARKER, json.dumps({"program": _PROGRAM, "finished": False}) + "\n")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; choose another --out") from error


def _mark(config: DemoConfig, sizes: DemoSizes, *, finished: bool = False) -> None:
    """Mark a folder as that of a demo, and keep its sizes there: one that is begun again has the same."""
    found = {"sizes": asdict(sizes), "minutes": config.minutes, "seeds": config.seeds}
    write_text(config.out / _MARKER, json.dumps({"program": _PROGRAM, "finished": finished, **found}) + "\n")


def _sizes_kept(config: DemoConfig) -> DemoSizes | None:
    """The sizes of a demo that was begun in the same folder with the same settings, and did not finish."""
    try:
        marker = read_json(config.out / _MARKER, Table, what="the demo's marker")
        sizes = convert(marker.get("sizes"), DemoSizes, where="the demo's marker")
    except UserError:
        return None
    same = (marker.get("minutes"), marker.get("seeds")) == (config.minutes, config.seeds)
    sound = sizes.steps > 0 and sizes.epochs > 0
    return sizes if same and sound and not marker.get("finished") else None


def _check_is_demo(out: Path, *, overwrite: bool) -> None:
    """Raise `UserError` unless `out` holds a demo that may be replaced."""
    try:
        marker = read_json(out / _MARKER, Table, what="the demo's marker")
    except UserError:
        marker = {}
    if marker.get("program") != _PROGRAM:
        raise UserError(f"{out} holds something else; choose a new or empty folder for --out")
    if marker.get("finished") and not overwrite:
        raise UserError(f"{out} holds a finished demo; add --overwrite to replace it, or choose another --out")
