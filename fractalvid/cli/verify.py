"""`fractalvid verify`: check every file of a generated set, and make again what is broken."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.kernels.compiled import available_cores
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class VerifyArguments:
    """Options of `fractalvid verify`."""

    source: Annotated[Path, tyro.conf.Positional] = Path("dataset")
    """The folder of a generated set."""
    repair: bool = False
    """Make again what is broken or missing; nothing is removed."""
    workers: int | None = None
    """Threads (default: one a core)."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns 1 where something is wrong, and still is."""
    args = parse(
        VerifyArguments,
        arguments,
        program="fractalvid verify",
        default=VerifyArguments(),
        description="Check a set.",
        main={"what": {"source": "", "repair": "", "workers": "Threads; one a core if not given"}},
    )
    announce(f"checking every file of {args.source}")
    from fractalvid.sets.verification import check_repairable, repair, verify  # not for --help: it brings Numba

    workers = available_cores() if args.workers is None else args.workers
    if args.repair:
        check_repairable(args.source)
    findings = verify(args.source, workers=workers)
    print("\n".join([*findings.lines(), findings.summary()]))
    if findings.clean or not args.repair:
        return 0 if findings.clean else 1
    for line in repair(args.source, findings, workers=workers):
        print(line)
    left = verify(args.source, workers=workers)
    print("\n".join([*left.lines(), f"after the repair: {left.summary()}"]))
    return 0 if left.clean else 1
