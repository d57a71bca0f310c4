"""`fractalvid stats`: quality figures of banks and generated sets, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.kernels.compiled import available_cores
from fractalvid.stats.config import StatsConfig
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import first_few, one_line


@dataclass(frozen=True)
class StatsArguments:
    """Options of `fractalvid stats`."""

    sources: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Banks (classes.npz) and folders of generated sets; several are shown side by side."""
    out: Path = Path("stats")
    """Folder for stats.json and stats.html."""
    overwrite: bool = False
    """Replace the files that are there."""
    workers: int | None = None
    """Threads (default: one a core)."""
    options: Annotated[StatsConfig, tyro.conf.arg(name="")] = field(default_factory=StatsConfig)


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    args = parse(
        StatsArguments,
        arguments,
        program="fractalvid stats",
        default=StatsArguments(),
        description="Quality figures.",
        main={
            "what": {
                "sources": "Banks, and folders of generated sets",
                "out": "",
                "overwrite": "",
                "workers": "Threads; one a core if not given",
            },
            "how much is measured": {
                "classes": "",
                "clips": "",
                "size": "Pixels of clips that are rendered from a bank",
                "points": "Chaos-game points a frame",
                "motion-probe": "Train the networks of the motion-only probe",
            },
        },
    )
    announce(f"measuring clips of {first_few(map(str, args.sources))}")
    from fractalvid.stats.report import stats  # not for --help: it brings Numba and matplotlib
    from fractalvid.stats.table import as_text, left_out

    workers = available_cores() if args.workers is None else args.workers
    measured = stats(args.sources, args.out, args.options, workers=workers, overwrite=args.overwrite)
    print(as_text(measured))
    for source in measured:
        for part in left_out(source):
            print(one_line(f"note: {source.name}: {part}"))
    print(f"look at {args.out / 'stats.html'}")
