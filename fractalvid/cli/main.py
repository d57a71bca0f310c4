"""The command `fractalvid`: finds the subcommand that is asked for, and imports nothing else."""

import sys
from collections.abc import Callable, Sequence
from pkgutil import resolve_name

from fractalvid import __version__
from fractalvid.utils.errors import UserError, run_cli
from fractalvid.utils.messages.nearest import unknown_command

USAGE = """\
usage: fractalvid COMMAND [OPTIONS]

Fractal clips to pre-train video networks on: no real video needed.

  classes    invent classes and save them as a bank; `classes import` reads the reference method's files
  generate   render clips of classes into a folder, resumable
  preview    a contact sheet and a gallery page of a bank or a generated set
  merge      put together the parts of a set that several machines have made
  verify     check every file of a generated set, and make again what is broken
  stats      quality figures of banks and generated sets, side by side
  pretrain   train a network on clips that are rendered meanwhile; the same as the command `pretrain`
  finetune   transfer a network to real video, test and compare; the same as the command `finetune`
  demo       the whole chain in about five minutes, with a report
  doctor     what was found on this machine, and what to install

`fractalvid help COMMAND` shows the options that matter most, `fractalvid COMMAND --help-all` all of them."""

COMMANDS = {
    "classes": "fractalvid.cli.classes:run",
    "generate": "fractalvid.cli.generate:run",
    "preview": "fractalvid.cli.preview:run",
    "merge": "fractalvid.cli.merge:run",
    "verify": "fractalvid.cli.verify:run",
    "stats": "fractalvid.cli.stats:run",
    "pretrain": "fractalvid.pretrain.cli:main",
    "finetune": "fractalvid.finetune.cli:main",
    "demo": "fractalvid.cli.demo.run:run",
    "doctor": "fractalvid.cli.doctor:run",
}
"""Where each subcommand is defined. Numba, PyTorch and matplotlib take seconds to import, so only that module is.

`pretrain` and `finetune` import this package, never the other way round, with the exception of these two names.
"""


def dispatch(arguments: Sequence[str]) -> int | None:
    """Run a subcommand; returns its exit code, None for 0."""
    if not arguments or arguments[0] in ("-h", "--help", "--help-all"):
        print(USAGE)
        return 0
    if arguments[0] == "--version":
        print(f"fractalvid {__version__}")
        return 0
    if arguments[0].startswith("--tyro-"):
        from fractalvid.cli.completion import complete

        complete(arguments, COMMANDS)
        return 0
    name, *rest = arguments
    if name not in COMMANDS:
        raise UserError(unknown_command(name, COMMANDS))
    run: Callable[[Sequence[str]], int | None] = resolve_name(COMMANDS[name])
    return run(rest)


def main() -> None:
    """Entry point."""
    sys.exit(run_cli("fractalvid", dispatch))
