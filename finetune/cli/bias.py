"""`finetune bias`: how far frozen frames get on a benchmark; gaps between pre-trainings; classes in common."""

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.bias.config import FRAME_FEATURES, BiasConfig
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, MachineOptions, Target
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, write_text
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.nearest import unknown_command


@dataclass(frozen=True)
class BiasOptions:
    """Representation bias of a benchmark, in bits: how far a linear classifier of frozen features is above chance.

    Features are those of frames by a ResNet-18 of ImageNet (torchvision's weights), or of any given weights. The
    classifier is chosen on the training side, and test videos are looked at once. `finetune bias gap SYNTHETIC REAL`
    compares finished runs from two pre-trainings; `finetune bias overlap NAMES --target T --data DIR` lists classes
    that a pre-training set has, too.
    """

    target: Target
    init: tuple[str, ...] = (FRAME_FEATURES,)
    """Weights, each as for `finetune --init`; LABEL=... names them in the table."""
    fold: Annotated[str | None, tyro.conf.arg(aliases=("--split",))] = None
    """Official split, by default the first, or with --fold-column the fold that is the test set."""
    allow_missing: bool = False
    """Go on without listed videos that are not there."""
    out: Path | None = None
    """File for the result; default runs/bias/<target>_split-<fold>.json, the split or fold where one is named."""
    config: Annotated[BiasConfig, tyro.conf.arg(name="")] = field(default_factory=BiasConfig)
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        self.machine.check()
        if self.target.fold_column is not None:
            check_folds(self.target, None, self.fold, "")
        if not self.init or "scratch" in self.init:
            raise UserError("--init names no weights: a network that learned nothing has no representation")


@dataclass(frozen=True)
class GapOptions:
    """Accuracy from synthetic pre-training over that from real pre-training, for each target and mode in both folders.

    Runs must compare: the same videos, network and budget. Means are taken over the runs of a split, then over splits.
    """

    synthetic: tyro.conf.Positional[Path]
    """Folder with the finished runs from synthetic pre-training."""
    real: tyro.conf.Positional[Path]
    """Folder with those from real pre-training, as Kinetics."""
    out: Path | None = None
    """JSON file for the result."""


@dataclass(frozen=True)
class OverlapOptions:
    """Classes of a benchmark that a pre-training set has, too: equal names, and names alike for a person to judge.

    The table's column same says yes for names that are equal but for how they are written; write yes or no for the
    others, or lines of your own, and call it again: what is decided stays.
    """

    names: tyro.conf.Positional[Path]
    """Text file with a pre-training class a line, or a folder with a folder for each."""
    target: Target
    split: str | None = None
    """Official split, by default the first."""
    out: Path | None = None
    """CSV file; default runs/bias/<target>_<names>_overlap.csv."""
    machine: MachineOptions = field(default_factory=Machine)


def measure(options: BiasOptions) -> None:
    """Measure, print the table and write it."""
    announce(f"measuring the bias of {options.target.target} towards {', '.join(options.init)}")
    from fractalvid.finetune.bias.measure import bias_table, measure_bias, open_bias
    from fractalvid.finetune.run.compare import parse_initials
    from fractalvid.finetune.videos.data import data_name, open_data, split_ending

    options.check()
    inits = parse_initials(options.init, options.config.model)
    data = open_data(options.target, options.machine)
    out = options.out or Path("runs") / "bias" / f"{data_name(data)}{split_ending(options.fold)}.json"
    check_place(out)
    probe = open_bias(
        data,
        options.config,
        inits,
        split=options.fold,
        allow_missing=options.allow_missing,
        machine=options.machine,
    )
    found = measure_bias(probe)
    write_text(
        out, json.dumps({"config": asdict(options.config), "rows": [one.to_dict() for one in found]}, indent=2) + "\n"
    )
    print(bias_table(found))
    print(f"\nwritten: {out}")


def compare(options: GapOptions) -> None:
    """Compare two folders of runs."""
    announce(f"comparing runs of {options.synthetic} and {options.real}")
    from fractalvid.finetune.bias.gap import gap_table, read_gaps

    if options.out is not None:
        check_place(options.out)
    gaps = read_gaps(options.synthetic, options.real)
    if options.out is not None:
        write_text(options.out, json.dumps([asdict(gap) | {"ratio": gap.ratio} for gap in gaps], indent=2) + "\n")
    print(gap_table(gaps))


def overlap(options: OverlapOptions) -> None:
    """List the classes in common."""
    announce(f"looking for classes of {options.target.target} in {options.names}")
    from fractalvid.finetune.bias.overlap import as_csv, find_pairs, read_names, summary, with_decisions
    from fractalvid.finetune.videos.data import data_name, open_data, split_name

    names = read_names(options.names)
    data = open_data(options.target, options.machine)
    out = options.out or Path("runs") / "bias" / f"{data_name(data)}_{options.names.resolve().stem}_overlap.csv"
    check_place(out)
    classes = data.target.classes(data.root, split_name(data, options.split))
    pairs = with_decisions(find_pairs(classes, names), out, classes, names)
    write_text(out, as_csv(pairs))
    print(summary(pairs, classes, out))
    print(f"written: {out}")


def _measure_command(args: list[str]) -> None:
    groups = {
        "the benchmark": {**DATA, "split": "Official split, or fold of --fold-column"},
        "what is seen": {
            "init": "Weights; LABEL=... names them",
            "frames": "Frames of a video, spread evenly",
            "size": "",
            "cv-folds": "Parts held out in turn to choose by",
        },
        "the result": {"out": ""},
    }
    default, text = BiasOptions(target=NO_TARGET), f"{inspect.getdoc(BiasOptions)}\n\n{TARGETS_LINE}"
    measure(parse(BiasOptions, args, program="finetune bias", default=default, description=text, main=groups))


def _gap_command(args: list[str]) -> None:
    default, text = GapOptions(tyro.MISSING, tyro.MISSING), inspect.getdoc(GapOptions) or ""
    groups = {"the runs": {"synthetic": "", "real": ""}, "the result": {"out": ""}}
    compare(parse(GapOptions, args, program="finetune bias gap", default=default, description=text, main=groups))


def _overlap_command(args: list[str]) -> None:
    default, text = OverlapOptions(tyro.MISSING, NO_TARGET), inspect.getdoc(OverlapOptions) or ""
    names = "Text file of a class a line, or folder with one for each"
    groups = {"the classes": {"names": names, **DATA, "split": ""}, "the result": {"out": ""}}
    overlap(
        parse(OverlapOptions, args, program="finetune bias overlap", default=default, description=text, main=groups)
    )


_PARTS: dict[str, Callable[[list[str]], None]] = {"gap": _gap_command, "overlap": _overlap_command}


def command(args: list[str]) -> None:
    """`finetune bias` with the arguments behind these words."""
    if not args or args[0].startswith("-"):
        _measure_command(args)
    elif args[0] in _PARTS:
        _PARTS[args[0]](args[1:])
    else:
        raise UserError(unknown_command(args[0], _PARTS))
