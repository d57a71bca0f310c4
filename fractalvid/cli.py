"""The `fractalvid` command."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fractalvid.arguments import parse
from fractalvid.classes import ClassBank, ClassConfig
from fractalvid.dataset import SetConfig, generate
from fractalvid.duration import parse_hours
from fractalvid.errors import UserError, run_cli
from fractalvid.gallery import PreviewConfig, preview
from fractalvid.render import PAPER_POINTS, PAPER_SIZE
from kernels.threads import available_cores

USAGE = """\
usage: fractalvid COMMAND [OPTIONS]

Fractal clips to pre-train video networks on: no real video needed.

  classes    invent classes and save them as a bank
  generate   render clips of classes into a folder, resumable
  preview    a contact sheet and a gallery page of a bank or a generated set
  demo       the whole chain in five minutes, with a report

`fractalvid COMMAND --help` lists the options. See also: pretrain --help, finetune --help."""


@dataclass(frozen=True)
class ClassesArguments:
    """Options of `fractalvid classes`."""

    classes: int = 1000
    """How many."""
    seed: int = 0
    """Determines them; a larger bank of the same seed extends a smaller one."""
    out: Path = Path("classes.npz")
    """The file to write; one that exists is not overwritten."""
    motion: Literal["paper", "linear"] = "paper"
    """Curves of the reference method, or even motion only."""
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    """Interpolate rotations, singular values and shifts apart, or the matrices (for comparison)."""


@dataclass(frozen=True)
class GenerateArguments:
    """Options of `fractalvid generate`."""

    classes: int | None = None
    """How many classes (1000 where neither a bank nor --unlabelled is given)."""
    clips: int = 10
    """Clips a class."""
    seed: int = 0
    """Determines classes, instances and pixels."""
    bank: Path | None = None
    """A bank made by `fractalvid classes`, instead of --classes and --seed."""
    unlabelled: int | None = None
    """So many clips without classes: one unmutated instance of each of N systems."""
    split: Literal["train", "val"] = "train"
    """`val` renders held-out instances of the same classes."""
    out: Path = Path("dataset")
    """Folder of the set. The same command again does what is missing."""
    size: int = PAPER_SIZE
    """Height and width in pixels."""
    frames: int | None = None
    """Frames a clip, equidistant over it (default: its 18 to 20 native ones)."""
    points: int = PAPER_POINTS
    """Points of the chaos game a frame."""
    exposure: Literal["density", "max"] = "density"
    """A fixed white density, or the clip's maximum as in the reference method."""
    motion: Literal["paper", "linear"] = "paper"
    """Curves of the reference method, or even motion only."""
    interpolation: Literal["decomposed", "naive"] = "decomposed"
    """Interpolate rotations, singular values and shifts apart, or the matrices (for comparison)."""
    images: bool = False
    """PNG images of single frames instead of clips."""
    fps: int = 12
    """Frames a second of the files."""
    crf: int = 18
    """Quality of the H.264 encoding, 0 (lossless) to 51."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    """Effort of the encoder."""
    workers: int | None = None
    """Clips in the making at once (default: one a core)."""
    time: str | None = None
    """Stop after so long (90s, 20m, 2h), complete as far as it got."""


@dataclass(frozen=True)
class PreviewArguments:
    """Options of `fractalvid preview`."""

    source: Annotated[Path, tyro.conf.Positional] = Path("classes.npz")
    """A bank (classes.npz) or the folder of a generated set."""
    out: Path = Path("preview")
    """Folder for sheet.png and gallery.html."""
    options: Annotated[PreviewConfig, tyro.conf.arg(name="")] = field(default_factory=PreviewConfig)


def classes_command(arguments: Sequence[str]) -> None:
    """`fractalvid classes`."""
    args = parse(
        ClassesArguments,
        arguments,
        program="fractalvid classes",
        default=ClassesArguments(),
        description="Invent classes.",
    )
    if args.out.exists():
        raise UserError(f"{args.out} exists already: choose another --out, or remove it")
    config = ClassConfig(motion=args.motion, interpolation=args.interpolation)
    bank = ClassBank.sample(args.classes, seed=args.seed, config=config)
    bank.save(args.out)
    print(f"{len(bank)} classes in {args.out}; look at them with: fractalvid preview {args.out}")


def generate_command(arguments: Sequence[str]) -> None:
    """`fractalvid generate`."""
    args = parse(
        GenerateArguments,
        arguments,
        program="fractalvid generate",
        default=GenerateArguments(),
        description="Render clips.",
    )
    config = SetConfig(
        clips=1 if args.unlabelled is not None else args.clips,
        split=args.split,
        size=args.size,
        frames=args.frames,
        points=args.points,
        exposure=args.exposure,
        fps=args.fps,
        crf=args.crf,
        preset=args.preset,
        images=args.images,
    )
    try:
        hours = None if args.time is None else parse_hours(args.time)
    except ValueError as error:
        raise UserError(f"--time: {error}") from None
    workers = available_cores() if args.workers is None else args.workers
    missing = generate(_bank(args), args.out, config, workers=workers, hours=hours)
    if missing:
        print(f"time is up: {missing} clips are missing from {args.out}; the same command goes on")
    else:
        print(f"complete: {args.out}; look at it with: fractalvid preview {args.out}")


def _bank(args: GenerateArguments) -> ClassBank:
    """The classes that `generate` was asked for."""
    named = [name for name in ("classes", "bank", "unlabelled") if getattr(args, name) is not None]
    if len(named) > 1:
        raise UserError(f"--{named[0]} and --{named[1]} exclude each other")
    if args.bank is not None:
        if (args.motion, args.interpolation) != ("paper", "decomposed") or args.seed:
            raise UserError("--seed, --motion and --interpolation belong to the bank: leave them out with --bank")
        return ClassBank.load(args.bank)
    config = ClassConfig(motion=args.motion, interpolation=args.interpolation)
    if args.unlabelled is not None:
        if args.clips != GenerateArguments().clips or args.split != "train":
            raise UserError("--unlabelled N makes one clip of each of N systems: leave --clips and --split out")
        # Nothing is random about such an instance: drawing it again would change nothing.
        config = dataclasses.replace(config, instance_scale=0.0, instance_offset=0.0, attempts=0)
        return ClassBank.sample(args.unlabelled, seed=args.seed, config=config)
    return ClassBank.sample(1000 if args.classes is None else args.classes, seed=args.seed, config=config)


def preview_command(arguments: Sequence[str]) -> None:
    """`fractalvid preview`."""
    args = parse(
        PreviewArguments, arguments, program="fractalvid preview", default=PreviewArguments(), description="Show clips."
    )
    for path in preview(args.source, args.out, args.options):
        print(path)


def demo_command(arguments: Sequence[str]) -> None:
    """`fractalvid demo`."""
    from fractalvid.demo import DemoConfig, run_demo  # its charts need matplotlib, which takes half a second to import

    run_demo(
        parse(DemoConfig, arguments, program="fractalvid demo", default=DemoConfig(), description="The whole chain.")
    )


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "classes": classes_command,
    "generate": generate_command,
    "preview": preview_command,
    "demo": demo_command,
}


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return
    if arguments[0] not in COMMANDS:
        raise UserError(f"unknown command {arguments[0]!r}; one of: {', '.join(COMMANDS)}")
    COMMANDS[arguments[0]](arguments[1:])


def main() -> None:
    """Entry point."""
    sys.exit(run_cli("fractalvid", _run))
