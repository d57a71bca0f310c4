"""What a shell needs to complete `fractalvid`, its subcommands and all their options."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from pkgutil import resolve_name
from typing import Annotated, Any

import tyro

from fractalvid.cli.parsing import REGISTRY, options_of


def complete(arguments: Sequence[str], commands: Mapping[str, str]) -> None:
    """Print or write what completes all commands.

    Args:
        arguments: `--tyro-print-completion bash` (or zsh, tcsh), which every single command takes, too.
        commands: where each subcommand is defined, by its name.
    """
    kinds: list[Any] = []
    for name, place in commands.items():
        kind, default = options_of(resolve_name(place))
        kinds.append(Annotated[kind, tyro.conf.subcommand(name, default=default)])
    every: Any = reduce(or_, kinds)
    tyro.cli(every, prog="fractalvid", args=arguments, registry=REGISTRY)
