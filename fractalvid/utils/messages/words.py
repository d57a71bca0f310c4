"""Words of a command line."""

import os.path
import re

_HOME = re.compile(r"((?:--[a-z][\w.-]*=)?(?:[^/=~-][^/=~]*=)?)(~[\w.-]*(?:/.*)?)", re.S)
"""What a shell does not look behind, an option's name or a label, and a path below somebody's home."""


def with_home(word: str) -> str:
    """A word with `~` in place, as a shell expands it where nothing stands before: `--out=~/x`, `label=~/x`."""
    found = _HOME.fullmatch(word)
    return found[1] + os.path.expanduser(found[2]) if found else word
