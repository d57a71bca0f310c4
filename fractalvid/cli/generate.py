"""`fractalvid generate`: render clips of classes into a folder, resumable.

What renders is imported once the options are read, so that `--help` and mistakes need not wait for Numba.
"""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from fractalvid.cli.options import ColourOptions, FractalOptions
from fractalvid.cli.parsing import parse
from fractalvid.core.bank import Bank, KindName
from fractalvid.core.colour import ColourConfig
from fractalvid.kernels.compiled import available_cores
from fractalvid.sets.config import FormatName, SetConfig
from fractalvid.sets.part import WHOLE, Part
from fractalvid.utils.duration import parse_hours
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce

if TYPE_CHECKING:
    from fractalvid.sets.workers import Engine

MAIN = {
    "what": {
        "kind": "ifs (fractals), shapes, perlin, octopus, dead_leaves",
        "classes": "How many to invent (1000 if not given), or",
        "bank": "a bank made by `fractalvid classes`, or",
        "unlabelled": "so many clips without classes",
        "clips": "",
        "seed": "",
    },
    "how it looks": {"size": "", "points": "", "colour": "grey or structural"},
    "where to": {
        "out": "Folder of the set; the same command goes on",
        "format": "mp4 if not given, webdataset, npz or png",
        "workers": "Clips in the making at once; one a core if not given",
        "shard": "One part of several, such as 3/16: see merge",
        "engine": "local, or ray: a cluster",
        "time": "Stop after so long: 90s, 20m, 2h",
    },
}
"""The options that `--help` shows."""


@dataclass(frozen=True)
class SetOptions(SetConfig):
    """The fields of `SetConfig` as options. They are checked when other options have had their say."""

    format: tyro.conf.Suppress[FormatName] = SetConfig.format  # of `GenerateArguments`: whether it was given counts
    colour: tyro.conf.Suppress[ColourConfig | None] = None  # of `ColourOptions`

    def __post_init__(self) -> None:
        """Check nothing yet."""

    def config(self, **changes: Any) -> SetConfig:
        """What these options and some changed fields ask for; a `UserError` for what can't be."""
        return SetConfig(**(vars(self) | changes))


@dataclass(frozen=True)
class GenerateArguments:
    """Options of `fractalvid generate`."""

    kind: KindName = "ifs"
    """Fractals, or what others pre-train on; see `fractalvid classes --help`."""
    classes: int | None = None
    """How many classes (1000 where neither a bank nor --unlabelled is given)."""
    seed: int = 0
    """Determines classes, instances and pixels."""
    bank: Path | None = None
    """A bank made by `fractalvid classes`, instead of --classes and --seed."""
    unlabelled: int | None = None
    """So many clips without classes: one instance of each of N classes, unmutated where they are fractals."""
    out: Path = Path("dataset")
    """Folder of the set. The same command again does what is missing."""
    set: Annotated[SetOptions, tyro.conf.arg(name="")] = field(default_factory=SetOptions)
    format: FormatName | None = None
    """Video files; tar shards of them for WebDataset; arrays of uint8; or pictures of single frames (default: mp4)."""
    images: bool = False
    """PNG images of single frames instead of clips: the same as --format png."""
    workers: int | None = None
    """Clips in the making at once (default: one a core)."""
    time: str | None = None
    """Stop after so long (90s, 20m, 2h), complete as far as it got; a shard that is begun is finished first."""
    shard: str | None = None
    """Make one part of the set, such as 3/16, on one of several machines; `fractalvid merge` puts them together."""
    engine: Literal["local", "ray"] = "local"
    """Who renders: this machine, or the cores of a Ray cluster, while this process writes."""
    address: str | None = None
    """Of the Ray cluster: auto, ray://HOST:10001 or HOST:6379 (default: one of this machine alone)."""
    fractals: Annotated[FractalOptions, tyro.conf.arg(name="")] = field(default_factory=FractalOptions)
    colours: Annotated[ColourOptions, tyro.conf.arg(name="")] = field(default_factory=ColourOptions)

    def config(self) -> SetConfig:
        """What the set holds."""
        if self.images and self.format not in (None, "png"):
            raise UserError(f"--images and --format {self.format} exclude each other: leave one out")
        return self.set.config(
            clips=1 if self.unlabelled is not None else self.set.clips,
            format="png" if self.images else self.format or SetConfig.format,
            colour=self.colours.config(),
        )

    def hours(self) -> float | None:
        """How long it may take; None for as long as it needs."""
        try:
            hours = None if self.time is None else parse_hours(self.time)
        except ValueError as error:
            raise UserError(f"--time: {error}") from None
        if hours == 0:
            raise UserError(f"--time is {self.time}: give it more, such as 20m, or leave it out")
        return hours

    def part(self) -> Part:
        """Which part of the set to make."""
        return WHOLE if self.shard is None else Part.parse(self.shard)

    def renderers(self) -> "Engine | None":
        """Who renders, if not workers of this machine; imports what that takes."""
        if self.engine == "local":
            if self.address is not None:
                raise UserError("--address belongs to --engine ray")
            return None
        if self.workers is not None:
            raise UserError("--workers belongs to this machine: leave it out with --engine ray, which takes all cores")
        from fractalvid.sets.ray_workers import ray_engine

        return ray_engine(self.address)


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    args = parse(
        GenerateArguments,
        arguments,
        program="fractalvid generate",
        default=GenerateArguments(),
        description="Render clips.",
        main=MAIN,
    )
    config, hours, part = args.config(), args.hours(), args.part()
    announce(f"rendering clips into {args.out}")
    _compile_ahead(args)
    from fractalvid.sets.generation import generate

    engine = args.renderers()
    bank = _bank(args)
    if bank.kind != "ifs" and (config.points, config.exposure) != (SetConfig.points, SetConfig.exposure):
        raise UserError(f"--points and --exposure belong to the chaos game: leave them out for clips of {bank.kind}")
    workers = available_cores() if args.workers is None else args.workers
    try:
        missing = generate(bank, args.out, config, workers=workers, hours=hours, part=part, engine=engine)
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        raise
    if missing:
        print(f"time is up: {missing} clips are missing from {args.out / part.folder}; the same command goes on")
    elif not part.whole:
        print(f"part {part} is complete; when all are: fractalvid merge {shlex.quote(str(args.out))}")
    else:
        print(f"complete: {args.out}; look at it with: fractalvid preview {shlex.quote(str(args.out))}")


def _compile_ahead(args: GenerateArguments) -> None:
    """Begin to compile what rendering needs, before classes are sampled: that needs kernels of its own."""
    fractals = args.fractals.config_for(args.kind) if args.bank is None else None
    if fractals is not None:
        from fractalvid.kernels.cpu.ahead import begin

        summed = fractals.max_summed > 1 or fractals.per_map
        begin(fractals.variations, summed=summed, coloured=args.colours.config() is not None)


def _bank(args: GenerateArguments) -> Bank:
    """The classes that were asked for.

    Raises:
        UserError: they are asked for in two ways, or there is no such bank.
    """
    from fractalvid.kinds import load_bank, sample_bank

    given = [name for name in ("classes", "bank", "unlabelled") if getattr(args, name) is not None]
    if len(given) > 1:
        raise UserError(f"--{given[0]} and --{given[1]} exclude each other")
    if args.bank is not None:
        _refuse_beside_bank(args)
        return load_bank(args.bank)
    config = args.fractals.config_for(args.kind)
    if args.unlabelled is None:
        return sample_bank(
            1000 if args.classes is None else args.classes, kind=args.kind, seed=args.seed, config=config
        )
    if args.set.clips != SetConfig.clips or args.set.split != "train":
        raise UserError("--unlabelled N makes one clip of each of N systems: leave --clips and --split out")
    if config is not None:
        # Nothing is random about such an instance: drawing it again would change nothing.
        config = dataclasses.replace(config, instance_scale=0.0, instance_offset=0.0, attempts=0)
    return sample_bank(args.unlabelled, kind=args.kind, seed=args.seed, config=config)


def _refuse_beside_bank(args: GenerateArguments) -> None:
    """Refuse options that a bank has settled already."""
    for name in ("seed", "kind"):
        if getattr(args, name) != getattr(GenerateArguments, name):
            raise UserError(f"--{name} belongs to the bank: leave it out with --bank")
    args.fractals.refuse("belongs to the bank: leave it out with --bank")
