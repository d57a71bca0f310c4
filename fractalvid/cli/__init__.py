"""The command `fractalvid`, one file a subcommand."""
