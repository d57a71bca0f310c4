"""Help on one screen: the options of a command that matter most, a line each, in groups."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS, LINES = 80, 23
"""Of the screen that it has to fit on, below a line for the next command."""
Groups = Mapping[str, Mapping[str, str]]
"""What a group of options is called -> its options without dashes, or arguments by their names -> what they are, empty
where a line has room for what is said of them elsewhere."""
_LEFT = 25
"""Most columns that an option and what it takes may have."""
_RIGHT = COLUMNS - _LEFT - 3
_SUFFIX = re.compile(r" *\((?:default: (?P<default>[^()]*)|required|optional)\)$")
_UNTOLD = ("None", "True", "False", "")
"""Defaults that say nothing."""


def short_help(actions: Sequence[Any], groups: Groups, *, program: str, description: str) -> str:
    """The text.

    Args:
        actions: all options and arguments, as `argparse` has them.
        groups: those that are shown.
        program: the command.
        description: what it does; sentences that find no room are left out.
    """
    body = [""]
    for title, options in groups.items():
        body += [f"{title}:", *(_line(_named(actions, name), text) for name, text in options.items())]
    others = len(actions) - 1 > sum(map(len, groups.values()))
    more = f"All {len(actions) - 1} options, and more about these" if others else "More about these"
    tail = ["", f"{more}: {program} --help-all"]
    head = [f"usage: {program} {_usage(actions)}", *_fitting(description, LINES - 1 - len(body) - len(tail))]
    return "\n".join([*head, *body, *tail])


def _named(actions: Sequence[Any], name: str) -> Any:
    return next(a for a in actions if f"--{name}" in a.option_strings or (not a.option_strings and a.dest == name))


def _usage(actions: Sequence[Any]) -> str:
    """Arguments and options that a command can't do without, then the rest."""
    needed = [_taken(a) if not a.option_strings else _left(a) for a in actions if a.required or not a.option_strings]
    return " ".join([*needed, "[OPTIONS]"])


def _line(action: Any, text: str) -> str:
    return f"  {_left(action):<{_LEFT}} {_right(action, text)}".rstrip()


def _left(action: Any) -> str:
    """As `--out PATH`; a choice of much is called as its option is."""
    name = next((option for option in action.option_strings if option.startswith("--")), "")
    text = f"{name} {_taken(action)}".strip()
    return text if len(text) <= _LEFT else f"{name} {name.strip('-').upper()}"


def _taken(action: Any) -> str:
    """What an option takes: as `PATH` of `{None}|PATH`, `INT ...` of `[INT [INT ...]]`, nothing of a flag."""
    if action.nargs == 0 or action.metavar is None:
        return ""
    repeated = re.fullmatch(r"\[+(.*?) \[\1 \.\.\.\]+", action.metavar)
    text = f"{repeated[1]} ..." if repeated else str(action.metavar)
    return text.removeprefix("{None}|").replace("{None,", "{")


def _right(action: Any, text: str) -> str:
    """What it is, by default the first clauses of its help, and its default where there is room for that, too."""
    said = " ".join((action.help or "").split())
    suffix = _SUFFIX.search(said)
    text = text or brief(said[: suffix.start()] if suffix else said, _RIGHT)
    default = suffix["default"] if suffix else None
    more = "" if default in (None, *_UNTOLD) else f" [{default}]"
    return text + more if len(text + more) <= _RIGHT else text


def brief(text: str, room: int) -> str:
    """As many sentences or clauses of a text as have room on a line; all where not even the first has."""
    whole = text.rstrip(".")
    ends = [match.start() for match in re.finditer(r"[.;:] ", text) if match.start() <= room]
    return whole if len(whole) <= room or not ends else text[: ends[-1]]


def _fitting(description: str, lines: int) -> list[str]:
    """As many whole sentences as have room; the first at any rate."""
    sentences = re.split(r"(?<=[.:])\s+(?=[A-Z`])", " ".join(description.split()))
    for count in range(len(sentences), 0, -1):
        wrapped = textwrap.wrap(" ".join(sentences[:count]), COLUMNS, break_long_words=False, break_on_hyphens=False)
        if len(wrapped) <= lines or count == 1:
            return wrapped
    return []
