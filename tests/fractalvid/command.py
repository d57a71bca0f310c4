"""The command `fractalvid`, called within the process."""

from fractalvid.cli.main import dispatch
from fractalvid.utils.errors import run_cli


def fractalvid(*arguments: object) -> int:
    """Run it; returns its exit code."""
    return run_cli("fractalvid", dispatch, [str(argument) for argument in arguments])
