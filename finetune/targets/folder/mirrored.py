"""Classes that a mirror image would exchange, as far as their names tell."""

import re
from collections.abc import Sequence

_EXCHANGED = {"left": "right", "right": "left"}
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W\d_]+|\d+")


def mirrored_pair(classes: Sequence[str]) -> tuple[str, str] | None:
    """The first two class names that are one another with left and right exchanged, in their order; None without any.

    Left and right are whole words, in any case, between other characters than letters or in camel case: `turn_left` and
    `turn_right`, `TurnLeft` and `TurnRight`, but not `bright`. Numbers have to be the same in both.
    """
    known = dict[tuple[str, ...], str]()
    for name in classes:
        words = _words(name)
        other = known.get(tuple(_EXCHANGED.get(word, word) for word in words))
        if other is not None and not _EXCHANGED.keys().isdisjoint(words):
            return other, name
        known[words] = name
    return None


def _words(name: str) -> tuple[str, ...]:
    """The words and numbers of a name, in lower case."""
    return tuple(word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", name)))
