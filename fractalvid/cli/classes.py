"""`fractalvid classes`: invent classes of some kind, or import those of the reference method's code, into a bank."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tyro

from fractalvid.cli.options import FractalOptions
from fractalvid.cli.parsing import parse
from fractalvid.core.bank import KindName, check_draw
from fractalvid.core.constants import BANK_FILE
from fractalvid.textures import TEXTURE_BANKS
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.nearest import unknown_command
from fractalvid.utils.messages.phrases import counted

_OTHERS: dict[str, Any] = {bank.kind: bank.config_type for bank in TEXTURE_BANKS}
_OtherKinds: Any = make_dataclass(
    "OtherKinds",
    [
        (kind, Annotated[config, tyro.conf.arg(help=f"With --kind {kind}.")], field(default_factory=config))
        for kind, config in _OTHERS.items()
    ],
    frozen=True,
)
"""The configurations of all kinds but fractals, whose options stand among the command's own."""


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
    out: Path = Path(BANK_FILE)
    """The file to write; one that exists is not overwritten."""
    fractals: Annotated[FractalOptions, tyro.conf.arg(name="")] = field(default_factory=FractalOptions)
    others: Annotated[Any, tyro.conf.arg(name="")] = field(default_factory=_OtherKinds)

    def config(self) -> Any:
        """The configuration that classes of `kind` are drawn from; None for the defaults.

        Raises:
            UserError: options of a kind that is not asked for.
        """
        chosen: Any = self.fractals.config_for(self.kind)
        for name in _OTHERS:
            config = getattr(self.others, name)
            if name == self.kind:
                chosen = config
            elif config != type(config)():
                raise UserError(f"the options --{name.replace('_', '-')}.* need --kind {name}")
        return chosen


@dataclass(frozen=True)
class ImportArguments:
    """Options of `fractalvid classes import`."""

    files: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Class files, each a class in this order; or folders of them, in the order of the numbers in their names."""
    out: Path = Path(BANK_FILE)
    """The bank to write; one that exists is not overwritten."""
    seed: int = 0
    """Determines instances and pixels."""


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    if arguments and arguments[0] == "import":
        _import(arguments[1:])
        return
    if arguments and not arguments[0].startswith("-"):
        raise UserError(unknown_command(arguments[0], ("import",)))
    args = parse(
        ClassesArguments,
        arguments,
        program="fractalvid classes",
        default=ClassesArguments(),
        description="Invent classes.",
        main={
            "classes": {
                "kind": "ifs (fractals), shapes, perlin, octopus, dead_leaves",
                "classes": "",
                "seed": "Determines them; more classes extend fewer",
                "out": "",
            },
            "of fractals": {
                "motion": "Curves of the reference method, or even motion",
                "variations": "paper, linear, all, or names: julia,swirl,linear",
                "max-summed": "Most variations of a weighted sum",
                "per-map": "Variations for each map, instead of one for all",
            },
        },
    )
    _check_out(args.out, arguments)
    check_draw(args.classes, args.seed)
    announce(f"inventing {args.classes} classes of {args.kind}")
    config = args.config()
    check_place(args.out)
    from fractalvid.kinds import sample_bank  # not for --help: it brings Numba

    bank = sample_bank(args.classes, kind=args.kind, seed=args.seed, config=config)
    bank.save(args.out)
    print(f"{counted(len(bank), 'class', 'classes')} in {args.out}; {_look(args.out)}")


def _look(bank: Path) -> str:
    """The command that shows a bank."""
    return f"look at them with: fractalvid preview {shlex.quote(str(bank))}"


def _import(arguments: Sequence[str]) -> None:
    """Run `fractalvid classes import`."""
    args = parse(
        ImportArguments,
        arguments,
        program="fractalvid classes import",
        default=ImportArguments(),
        description="Read class files (.npz) of the reference method's public code into a bank.",
        main={"what": {"files": "Class files, or folders of them", "out": "", "seed": ""}},
    )
    _check_out(args.out, arguments)
    announce(f"reading class files into {args.out}")
    from fractalvid.fractals import class_files, import_classes  # not for --help: they bring Numba

    files = class_files(args.files)
    if not files:
        raise UserError("name class files, or a folder of them: fractalvid classes import FOLDER --out classes.npz")
    bank, notes = import_classes(files, seed=args.seed)
    bank.save(args.out)
    for note in notes:
        print(f"note: {note}")
    made = counted(len(bank), "class", "classes")
    print(f"{made} in {args.out}, from {files[0].name} (class 0) to {files[-1].name}; {_look(args.out)}")


def _check_out(out: Path, arguments: Sequence[str]) -> None:
    # A `Path` does not keep the slash by which a folder was meant.
    typed = [value for name, value in pairwise(("", *arguments)) if name == "--out"]
    typed += [word.partition("=")[2] for word in arguments if word.startswith("--out=")]
    if out.is_dir() or any(word.endswith(("/", os.sep)) for word in typed):
        raise UserError(f"{out} is a folder: --out names the file to write, such as {out / BANK_FILE}")
    if out.exists():
        raise UserError(f"{out} exists already: choose another --out, or remove it")
