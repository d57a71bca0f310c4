"""The `fractalvid` command."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from fractalvid.cli.doctor import report
from fractalvid.cli.options import ColourOptions, FractalOptions
from fractalvid.cli.parsing import parse
from fractalvid.cli.preview import PreviewConfig, preview
from fractalvid.core.bank import Bank, KindName
from fractalvid.fractals.bank import ClassConfig
from fractalvid.fractals.importing import class_files, import_classes
from fractalvid.fractals.render import PAPER_POINTS, PAPER_SIZE
from fractalvid.kernels.compiled.threads import available_cores
from fractalvid.kinds import KINDS, load_bank, sample_bank
from fractalvid.sets import SetConfig, generate
from fractalvid.sets.config import FormatName
from fractalvid.sets.verification import repair, verify
from fractalvid.textures.dead_leaves import DeadLeavesConfig
from fractalvid.textures.octopus import OctopusConfig
from fractalvid.textures.perlin import PerlinConfig
from fractalvid.textures.shapes import ShapesConfig
from fractalvid.utils.duration import parse_hours
from fractalvid.utils.errors import UserError, run_cli
from fractalvid.utils.files import check_place

USAGE = """\
usage: fractalvid COMMAND [OPTIONS]

Fractal clips to pre-train video networks on: no real video needed.

  classes    invent classes and save them as a bank; `classes import` reads the reference method's files
  generate   render clips of classes into a folder, resumable
  preview    a contact sheet and a gallery page of a bank or a generated set
  verify     check every file of a generated set, and make again what is broken
  stats      quality figures of banks and generated sets, side by side
  demo       the whole chain in five minutes, with a report
  doctor     what was found on this machine, and what to install

`fractalvid COMMAND --help` lists the options. See also: pretrain --help, finetune --help."""


_Fractals = Annotated[FractalOptions, tyro.conf.arg(name="")]


@dataclass(frozen=True)
class ClassesArguments:
    """Options of `fractalvid classes`."""

    kind: KindName = "ifs"
    """Fractals of iterated function systems, or what others pre-train on: moving shapes, Perlin noise, octopuses, dead
    leaves."""
    classes: int = 1000
    """How many."""
    seed: int = 0
    """Determines them; a larger bank of the same seed extends a smaller one."""
    out: Path = Path("classes.npz")
    """The file to write; one that exists is not overwritten."""
    fractals: _Fractals = field(default_factory=FractalOptions)
    shapes: ShapesConfig = field(default_factory=ShapesConfig)
    """With --kind shapes."""
    perlin: PerlinConfig = field(default_factory=PerlinConfig)
    """With --kind perlin."""
    octopus: OctopusConfig = field(default_factory=OctopusConfig)
    """With --kind octopus."""
    dead_leaves: DeadLeavesConfig = field(default_factory=DeadLeavesConfig)
    """With --kind dead_leaves."""


@dataclass(frozen=True)
class GenerateArguments:
    """Options of `fractalvid generate`."""

    kind: KindName = "ifs"
    """Fractals, or what others pre-train on; see `fractalvid classes --help`."""
    classes: int | None = None
    """How many classes (1000 where neither a bank nor --unlabelled is given)."""
    clips: int = 10
    """Clips a class."""
    seed: int = 0
    """Determines classes, instances and pixels."""
    bank: Path | None = None
    """A bank made by `fractalvid classes`, instead of --classes and --seed."""
    unlabelled: int | None = None
    """So many clips without classes: one instance of each of N classes, unmutated where they are fractals."""
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
    fractals: _Fractals = field(default_factory=FractalOptions)
    colours: Annotated[ColourOptions, tyro.conf.arg(name="")] = field(default_factory=ColourOptions)
    masks: bool = False
    """Keep each clip's foreground mask too, its pixels above 0, as a black-and-white PNG."""
    format: FormatName = "mp4"
    """Video files; tar shards of them for WebDataset; arrays of uint8; or pictures of single frames."""
    images: bool = False
    """PNG images of single frames instead of clips: the same as --format png."""
    shard_size: int = 1000
    """Clips a shard."""
    codec: str = "libx264"
    """Encoder of videos: libx264, libx265, libvpx-vp9, libsvtav1 or mpeg4."""
    fps: int = 12
    """Frames a second of videos."""
    crf: int | None = None
    """Quality of videos in the encoder's own numbers, lower is better (default: libx264 18, of 0 to 51)."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = "veryfast"
    """Effort of the encoder."""
    workers: int | None = None
    """Clips in the making at once (default: one a core)."""
    time: str | None = None
    """Stop after so long (90s, 20m, 2h), complete as far as it got; a shard that is begun is finished first."""


@dataclass(frozen=True)
class PreviewArguments:
    """Options of `fractalvid preview`."""

    source: Annotated[Path, tyro.conf.Positional] = Path("classes.npz")
    """A bank (classes.npz) or the folder of a generated set."""
    out: Path = Path("preview")
    """Folder for sheet.png and gallery.html."""
    options: Annotated[PreviewConfig, tyro.conf.arg(name="")] = field(default_factory=PreviewConfig)


@dataclass(frozen=True)
class ImportArguments:
    """Options of `fractalvid classes import`."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Class files, each a class in this order; or folders of them, in the order of the numbers in their names."""
    out: Path = Path("classes.npz")
    """The bank to write; one that exists is not overwritten."""
    seed: int = 0
    """Determines instances and pixels."""


@dataclass(frozen=True)
class VerifyArguments:
    """Options of `fractalvid verify`."""

    source: Annotated[Path, tyro.conf.Positional] = Path("dataset")
    """The folder of a generated set."""
    repair: bool = False
    """Make again what is broken or missing; nothing is removed."""
    workers: int | None = None
    """Threads (default: one a core)."""


def classes_command(arguments: Sequence[str]) -> None:
    """`fractalvid classes`."""
    if arguments and arguments[0] == "import":
        return import_command(arguments[1:])
    args = parse(
        ClassesArguments,
        arguments,
        program="fractalvid classes",
        default=ClassesArguments(),
        description="Invent classes.",
    )
    if args.out.exists():
        raise UserError(f"{args.out} exists already: choose another --out, or remove it")
    config = _class_config(args)
    check_place(args.out)
    bank = sample_bank(args.kind, args.classes, seed=args.seed, config=config)
    bank.save(args.out)
    print(f"{_named(bank)} in {args.out}; look at them with: fractalvid preview {shlex.quote(str(args.out))}")


def _fractals(kind: KindName, options: FractalOptions) -> ClassConfig | None:
    """What classes of fractals are drawn from; None for another kind, which has none of the options."""
    if kind == "ifs":
        return options.config()
    options.refuse(f"belongs to fractals: leave it out with --kind {kind}")
    return None


def _class_config(args: ClassesArguments) -> Any:
    """What the classes are drawn from; options of kinds that are not asked for are refused."""
    chosen: Any = _fractals(args.kind, args.fractals)
    for name in (name for name in KINDS if name != "ifs"):
        config = getattr(args, name)
        if name == args.kind:
            chosen = config
        elif config != type(config)():
            raise UserError(f"the options --{name.replace('_', '-')}.* need --kind {name}")
    return chosen


def import_command(arguments: Sequence[str]) -> None:
    """`fractalvid classes import`."""
    args = parse(
        ImportArguments,
        arguments,
        program="fractalvid classes import",
        default=ImportArguments(),
        description="Read class files (.npz) of the reference method's public code into a bank.",
    )
    if args.out.exists():
        raise UserError(f"{args.out} exists already: choose another --out, or remove it")
    files = class_files(args.files)
    if not files:
        raise UserError("name class files, or a folder of them: fractalvid classes import FOLDER --out classes.npz")
    bank, notes = import_classes(files, seed=args.seed)
    bank.save(args.out)
    for note in notes:
        print(f"note: {note}")
    print(f"{_named(bank)} in {args.out}, from {files[0].name} (class 0) to {files[-1].name}")


def generate_command(arguments: Sequence[str]) -> None:
    """`fractalvid generate`."""
    args = parse(
        GenerateArguments,
        arguments,
        program="fractalvid generate",
        default=GenerateArguments(),
        description="Render clips.",
    )
    if args.images and args.format not in ("mp4", "png"):
        raise UserError(f"--images and --format {args.format} exclude each other")
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
        colour=args.colours.config(),
        masks=args.masks,
        format="png" if args.images else args.format,
        shard_size=args.shard_size,
        codec=args.codec,
    )
    try:
        hours = None if args.time is None else parse_hours(args.time)
    except ValueError as error:
        raise UserError(f"--time: {error}") from None
    if hours == 0:
        raise UserError(f"--time is {args.time}: give it more, such as 20m, or leave it out")
    workers = available_cores() if args.workers is None else args.workers
    bank = _bank(args)
    if bank.kind != "ifs" and (args.points, args.exposure) != (PAPER_POINTS, "density"):
        raise UserError(f"--points and --exposure belong to the chaos game: leave them out for clips of {bank.kind}")
    try:
        missing = generate(bank, args.out, config, workers=workers, hours=hours)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        raise
    if missing:
        print(f"time is up: {missing} clips are missing from {args.out}; the same command goes on")
    else:
        print(f"complete: {args.out}; look at it with: fractalvid preview {shlex.quote(str(args.out))}")


def _named(bank: Bank) -> str:
    """How many classes there are."""
    return f"{len(bank)} {'class' if len(bank) == 1 else 'classes'}"


def _bank(args: GenerateArguments) -> Bank:
    """The classes that `generate` was asked for."""
    named = [name for name in ("classes", "bank", "unlabelled") if getattr(args, name) is not None]
    if len(named) > 1:
        raise UserError(f"--{named[0]} and --{named[1]} exclude each other")
    if args.bank is not None:
        for name in ("seed", "kind"):
            if getattr(args, name) != getattr(GenerateArguments(), name):
                raise UserError(f"--{name} belongs to the bank: leave it out with --bank")
        args.fractals.refuse("belongs to the bank: leave it out with --bank")
        return load_bank(args.bank)
    config = _fractals(args.kind, args.fractals)
    if args.unlabelled is not None:
        if args.clips != GenerateArguments().clips or args.split != "train":
            raise UserError("--unlabelled N makes one clip of each of N systems: leave --clips and --split out")
        if config is not None:
            # Nothing is random about such an instance: drawing it again would change nothing.
            config = dataclasses.replace(config, instance_scale=0.0, instance_offset=0.0, attempts=0)
        return sample_bank(args.kind, args.unlabelled, seed=args.seed, config=config)
    return sample_bank(args.kind, 1000 if args.classes is None else args.classes, seed=args.seed, config=config)


def preview_command(arguments: Sequence[str]) -> None:
    """`fractalvid preview`."""
    args = parse(
        PreviewArguments, arguments, program="fractalvid preview", default=PreviewArguments(), description="Show clips."
    )
    for path in preview(args.source, args.out, args.options):
        print(path)


def verify_command(arguments: Sequence[str]) -> int:
    """`fractalvid verify`; 1 where something is wrong, and still is."""
    args = parse(
        VerifyArguments, arguments, program="fractalvid verify", default=VerifyArguments(), description="Check a set."
    )
    workers = available_cores() if args.workers is None else args.workers
    found = verify(args.source, workers=workers)
    print("\n".join([*found.lines(), found.summary()]))
    if found.clean or not args.repair:
        return 0 if found.clean else 1
    for line in repair(args.source, found, workers=workers):
        print(line)
    left = verify(args.source, workers=workers)
    print("\n".join([*left.lines(), f"after the repair: {left.summary()}"]))
    return 0 if left.clean else 1


def stats_command(arguments: Sequence[str]) -> None:
    """`fractalvid stats`."""
    from fractalvid.stats.report import StatsArguments, stats  # its charts need matplotlib
    from fractalvid.stats.table import as_text

    args = parse(
        StatsArguments,
        arguments,
        program="fractalvid stats",
        default=StatsArguments(),
        description="Quality figures.",
    )
    workers = available_cores() if args.workers is None else args.workers
    found = stats(args.sources, args.out, args.options, workers=workers, overwrite=args.overwrite)
    print(as_text(found))
    print(f"look at {args.out / 'stats.html'}")


def demo_command(arguments: Sequence[str]) -> None:
    """`fractalvid demo`."""
    from fractalvid.cli.demo import (  # its charts need matplotlib, which takes half a second to import
        DemoConfig,
        run_demo,
    )

    run_demo(
        parse(DemoConfig, arguments, program="fractalvid demo", default=DemoConfig(), description="The whole chain.")
    )


@dataclass(frozen=True)
class DoctorArguments:
    """`fractalvid doctor` has no options."""


def doctor_command(arguments: Sequence[str]) -> None:
    """`fractalvid doctor`; it finds, and fails at nothing."""
    parse(
        DoctorArguments,
        arguments,
        program="fractalvid doctor",
        default=DoctorArguments(),
        description="What was found on this machine, and what to install.",
    )
    for line in report():
        print(line)


COMMANDS: dict[str, Callable[[Sequence[str]], int | None]] = {
    "classes": classes_command,
    "generate": generate_command,
    "preview": preview_command,
    "verify": verify_command,
    "stats": stats_command,
    "demo": demo_command,
    "doctor": doctor_command,
}


def _run(arguments: list[str]) -> int | None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if arguments[0] not in COMMANDS:
        raise UserError(f"unknown command {arguments[0]!r}; one of: {', '.join(COMMANDS)}")
    return COMMANDS[arguments[0]](arguments[1:])


def main() -> None:
    """Entry point."""
    sys.exit(run_cli("fractalvid", _run))
