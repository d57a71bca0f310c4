"""Which command is meant, and what it ends with."""

from collections.abc import Callable, Sequence

from fractalvid.finetune.cli import (
    bias,
    compare,
    explain,
    finetune,
    generalise,
    predict,
    prepare,
    probe,
    published,
    shortcuts,
    study,
    sweep,
    test,
)
from fractalvid.pretrain.machine import keep_freed_memory, process_name, run_together, started_together, wait_asleep
from fractalvid.utils.errors import UserError, run_cli
from fractalvid.utils.messages.nearest import unknown_command

COMMANDS: dict[str, Callable[[list[str]], int | None]] = {
    "predict": predict.command,
    "compare": compare.command,
    "prepare": prepare.command,
    "test": test.command,
    "probe": probe.command,
    "explain": explain.command,
    "shortcuts": shortcuts.command,
    "bias": bias.command,
    "published": published.command,
    "sweep": sweep.command,
    "study": study.command,
    "generalise": generalise.command,
}
"""Subcommands; what follows their name -> the exit code (None is 0). Without one, `finetune` fine-tunes."""


def run_command(args: list[str]) -> int | None:
    """Run `finetune` with these arguments; the exit code, None for 0."""
    if args and args[0] not in COMMANDS and not args[0].startswith("-"):
        raise UserError(unknown_command(args[0], COMMANDS))
    if not args or args[0] not in COMMANDS:
        return run_together(finetune.command, args)
    if started_together():
        raise UserError(f"finetune {args[0]} runs on one process: start it without torchrun")
    return COMMANDS[args[0]](args[1:])


def main(argv: Sequence[str] | None = None) -> int:
    """Run `finetune` or one of its subcommands; the exit code is 2 for errors of the user."""
    wait_asleep()
    keep_freed_memory()
    return run_cli(process_name("finetune"), run_command, argv)
