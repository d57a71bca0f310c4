"""The command `finetune` and its subcommands: a file each, which imports what it runs once its options are read."""

from fractalvid.finetune.cli.commands import main

__all__ = ["main"]
