"""Notes to the user that are no errors: each is said once in a command."""

import sys

from fractalvid.utils.phrases import one_line

_said = set[str]()


def note(text: str) -> None:
    """Write a line to stderr, unless it was written before in this command."""
    if text not in _said:
        _said.add(text)
        from tqdm import tqdm  # brings much that other commands do not need

        tqdm.write(f"note: {one_line(text)}", file=sys.stderr)


def forget_notes() -> None:
    """Begin another command, in which all may be said again."""
    _said.clear()
