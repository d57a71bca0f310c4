"""Errors a user can cause, and the one place that turns them into a line and an exit code."""

import sys
from collections.abc import Callable, Sequence


class UserError(Exception):
    """Something the user can put right. The text says what was wrong, where, and what to do, in one line."""


def run_cli(program: str, main: Callable[[list[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Run a command. The exit code: what it returns (None is 0), 2 for a `UserError` (one line), 130 for Ctrl-C."""
    try:
        return main(list(sys.argv[1:] if argv is None else argv)) or 0
    except UserError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        return 130
