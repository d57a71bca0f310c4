"""Which known name somebody who mistyped one most likely meant."""

import difflib
from collections.abc import Collection, Iterable

ALIKE = 0.6
"""From this likeness on, a name is suggested for another without doubt: difflib's own limit."""


def nearest(name: str, known: Iterable[str], *, at_least: float = 0.0) -> str | None:
    """The known name that is most like `name`, case aside; of dotted names the last part counts most.

    Returns:
        None where no name is known, or where the likeness (difflib's ratio, 0..1) is below `at_least`.
    """

    def ratio(a: str, b: str) -> float:
        return difflib.SequenceMatcher(None, a.casefold(), b.casefold()).ratio()

    def likeness(candidate: str) -> tuple[float, float]:
        return ratio(name.rpartition(".")[2], candidate.rpartition(".")[2]), ratio(name, candidate)

    best = max(sorted(known), key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= at_least else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """How a sentence ends that names all there is: by asking for the one that is much alike, if there is one."""
    meant = nearest(name, known, at_least=ALIKE)
    return "" if meant is None else f"; did you mean {meant!r}?"


def nearest_note(name: str, known: Iterable[str]) -> str:
    """The same in brackets, in the midst of a sentence, behind the name."""
    meant = nearest(name, known, at_least=ALIKE)
    return "" if meant is None else f" (nearest: {meant!r})"


def suggestion(name: str, known: Iterable[str]) -> str:
    """How a sentence ends that says a name is unknown: by asking for the one that is much alike, if there is one."""
    meant = nearest(name, known, at_least=ALIKE)
    return ". " if meant is None else f"; did you mean {meant}? "


def unknown_command(name: str, commands: Collection[str]) -> str:
    """What to say of a word that is none of the commands."""
    return f"unknown command {name!r}{suggestion(name, commands)}There are: {', '.join(commands)}"
