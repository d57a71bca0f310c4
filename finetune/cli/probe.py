"""`finetune probe`: what frozen features of every stage are worth, beside random networks."""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.finetune.cli.options import DATA, NO_TARGET, TARGETS_LINE, MachineOptions, Target
from fractalvid.finetune.probe.config import ProbeConfig
from fractalvid.finetune.targets.registry import check_folds
from fractalvid.finetune.videos.machine import Machine
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class ProbeOptions:
    """Classify frozen features of every stage of networks, with the same of random networks beside them.

    Features are kept in the cache folder: the same command again goes on where it was interrupted. Strengths are
    chosen by cross-validation over sources of training videos, and test videos are looked at once.
    """

    target: Target
    init: tuple[str, ...]
    """Weights, each as for `finetune --init`; LABEL=... names them in the table. All have to be of one network."""
    fold: Annotated[str | None, tyro.conf.arg(aliases=("--split",))] = None
    """Official split, by default the first, or with --fold-column the fold that is the test set."""
    allow_missing: bool = False
    """Go on without listed videos that are not there."""
    out: Path | None = None
    """Folder for probe.json and probe.png; default runs/probe/<target>/<the labels>_split-<fold>, the split or fold
    where one is named."""
    config: Annotated[ProbeConfig, tyro.conf.arg(name="")] = field(default_factory=ProbeConfig)
    machine: MachineOptions = field(default_factory=Machine)

    def check(self) -> None:
        """Raise `UserError` for values that nothing can be done with."""
        self.machine.check()
        if self.target.fold_column is not None:
            check_folds(self.target, None, self.fold, "")
        if not self.init:
            raise UserError("--init names no weights")
        if self.init == ("scratch",):
            raise UserError("--init scratch: random networks are there anyway (--random); name weights")


def run(options: ProbeOptions) -> None:
    """Probe, and print the table."""
    announce(f"probing {', '.join(options.init)} on {options.target.target}")
    from fractalvid.finetune.probe.report import FILES, check_out, write_probe
    from fractalvid.finetune.probe.run import RANDOM, open_probe, probe_networks
    from fractalvid.finetune.run.compare import parse_initials
    from fractalvid.finetune.videos.data import data_name, open_data, split_ending

    options.check()
    inits = parse_initials(options.init, options.config.model)
    if any(init.label == RANDOM for init in inits):
        raise UserError(f"--init: the label {RANDOM!r} is that of the random networks; name the weights otherwise")
    data = open_data(options.target, options.machine)
    name = "_".join(dict.fromkeys(init.label for init in inits))[:100] + split_ending(options.fold)
    out = options.out or Path("runs") / "probe" / data_name(data) / name
    check_out(out)
    probe = open_probe(
        data,
        options.config,
        inits,
        split=options.fold,
        allow_missing=options.allow_missing,
        machine=options.machine,
    )
    print(write_probe(out, probe, probe_networks(probe)))
    print("\nwritten: " + ", ".join(str(out / name) for name in FILES))


def command(args: list[str]) -> None:
    """`finetune probe` with the arguments behind these words."""
    text = f"{inspect.getdoc(ProbeOptions)}\n\n{TARGETS_LINE}"
    run(
        parse(
            ProbeOptions,
            args,
            program="finetune probe",
            default=ProbeOptions(target=NO_TARGET, init=tyro.MISSING),
            description=text,
            main={
                "the benchmark": {**DATA, "split": "Official split, or fold of --fold-column"},
                "what is probed": {
                    "init": "Weights; LABEL=... names them",
                    "random": "Random networks beside them",
                    "views": "Clips a video",
                    "frame-stride": "Frames from one to the next",
                },
                "the result": {"out": ""},
            },
        )
    )
