"""`fractalvid merge`: put together the parts of a set that several machines have made."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fractalvid.cli.parsing import parse
from fractalvid.utils.messages.log import announce


@dataclass(frozen=True)
class MergeArguments:
    """Options of `fractalvid merge`."""

    source: Annotated[Path, tyro.conf.Positional] = Path("dataset")
    """The folder of the set, the --out of `generate --shard`."""


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    args = parse(
        MergeArguments,
        arguments,
        program="fractalvid merge",
        default=MergeArguments(),
        description="Put the parts of a set together.",
        main={"what": {"source": "The folder that `generate --shard` named by --out"}},
    )
    announce(f"putting the parts of {args.source} together")
    from fractalvid.sets.merging import merge  # not for --help: it brings Numba

    clips = merge(args.source)
    print(f"complete: {args.source}, {clips} clips; fractalvid verify {shlex.quote(str(args.source))} looks at each")
