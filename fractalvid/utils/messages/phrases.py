"""Parts of messages for people."""

from collections.abc import Iterable

_LONGEST, _START, _END = 1000, 700, 250
"""Characters of a message, and what is left of its start and end where it has more."""


def one_line(text: str) -> str:
    """A text on one line: what would break or hide it, as line feeds in file names do, is written as in Python."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str) -> str:
    """A line without its middle where it is long: it may quote a damaged list, which has no end. Texts stay whole."""
    return text if len(text) <= _LONGEST or "\n" in text else f"{text[:_START]} ... {text[-_END:]}"


def first_few(names: Iterable[str], limit: int = 5) -> str:
    """The first few of many names, for an error message: "a, b, c and 12 more"."""
    listed = [one_line(name) for name in names]
    if not listed:
        return "nothing"
    text = ", ".join(listed[:limit])
    return text if len(listed) <= limit else f"{text} and {len(listed) - limit} more"


def counted(number: int, noun: str, many: str | None = None) -> str:
    """A number of things, for a message: "1 video", "2 videos"; `many` is the plural of other nouns."""
    return f"{number} {noun if number == 1 else many or noun + 's'}"
