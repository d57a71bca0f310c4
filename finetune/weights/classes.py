"""The classes of a benchmark among those that weights tell apart, found by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fractalvid.finetune.targets.files.lists import class_key, read_csv
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import nearest_note
from fractalvid.utils.messages.phrases import first_few

_COLUMNS = ("class", "weights")


@dataclass(frozen=True)
class ClassMap:
    """What weights that tell K classes apart say of a benchmark.

    `names` (K,) of the answers: the benchmark's classes in its order and words, then the others of the weights;
    `columns` (K,): which output of the network each is; `answers`: for each label of the benchmark, which answer is
    right, or None where its videos are left out.
    """

    names: tuple[str, ...]
    columns: tuple[int, ...]
    answers: tuple[int | None, ...]


def read_class_map(path: Path) -> dict[str, str]:
    """Read a table with the columns class and weights: name in the benchmark -> name in the weights, "" to leave out.

    Raises:
        UserError: it cannot be read, lacks a column, or names a class twice or not at all.
    """
    columns, lines = read_csv(path, "--class-map ")
    if not set(_COLUMNS) <= set(columns):
        raise UserError(f"--class-map {path}: expected the columns class and weights")
    table: dict[str, str] = {}
    for number, line in lines:
        name = line["class"]
        if not name or name in table:
            wrong = f"{name!r} is there twice" if name else "the class is empty"
            raise UserError(f"--class-map {path}, line {number}: {wrong}")
        table[name] = line["weights"]
    return table


def map_classes(wanted: Sequence[str], known: Sequence[str], table: Mapping[str, str]) -> ClassMap:
    """Find the classes `wanted` among those that weights know.

    A class is found under its own name, else under one that differs only in case, spaces and underscores; where the
    `table` has it (read by `read_class_map`), under the name there.

    Raises:
        UserError: a class is not among them, with the nearest that is; or all are left out.
    """
    _check_table(table, wanted)
    places = [place_of(table.get(name, name), known) if table.get(name, name) else None for name in wanted]
    lost = [k for k, name in enumerate(wanted) if places[k] is None and table.get(name) != ""]
    if lost:
        nearest = [f"{wanted[k]!r}{nearest_note(table.get(wanted[k], wanted[k]), known)}" for k in lost]
        raise UserError(
            f"{len(lost)} of the {len(wanted)} classes are not among the {len(known)} of the weights: "
            f"{first_few(nearest, 3)}; say which are meant with --class-map FILE, a table with the columns class and "
            "weights (empty: left out)"
        )
    first = list(dict.fromkeys(place for place in places if place is not None))
    if not first:
        raise UserError("--class-map leaves all classes out: nothing is to be tested")
    others = sorted(set(range(len(known))) - set(first), key=known.__getitem__)
    meant = [[wanted[k] for k, place in enumerate(places) if place == one] for one in (*first, *others)]
    answers = tuple(None if place is None else first.index(place) for place in places)
    return ClassMap(_names(meant, [known[one] for one in (*first, *others)]), (*first, *others), answers)


def _check_table(table: Mapping[str, str], wanted: Sequence[str]) -> None:
    for name in table:
        if name not in wanted:
            raise UserError(f"--class-map: {name!r} is no class of the test videos{nearest_note(name, wanted)}")


def place_of(name: str, known: Sequence[str]) -> int | None:
    """Which of the known classes is meant; None for none, or several."""
    if name in known:
        return known.index(name)
    alike = [k for k, other in enumerate(known) if class_key(other) == class_key(name)]
    return alike[0] if len(alike) == 1 else None


def _names(meant: Sequence[Sequence[str]], known: Sequence[str]) -> tuple[str, ...]:
    """What answers are called, no two alike: as the benchmark does where one of its classes is `meant`, else as known.

    The benchmark's names come first: one of the weights that is among them, or there twice, is told apart.
    """
    taken = {classes[0] for classes in meant if len(classes) == 1}
    names = []
    for classes, name in zip(meant, known, strict=True):
        if len(classes) == 1:
            names.append(classes[0])
            continue
        while name in taken:
            name += " (of the weights)"
        taken.add(name)
        names.append(name)
    return tuple(names)
