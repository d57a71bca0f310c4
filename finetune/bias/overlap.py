"""Which classes of a pre-training set a benchmark has, too: equal names, and names that a person is to judge."""

import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from fractalvid.finetune.targets.files.lists import class_key, read_csv, read_lines
from fractalvid.utils.errors import UserError
from fractalvid.video.folders import subfolders

COLUMNS = ("class", "pre-training class", "likeness", "same")
LEAST, MOST = 0.6, 3
"""Likeness from which on a name is a candidate, and how many of them a class has at most."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Pair:
    """A class of a benchmark and one of a pre-training set whose names are alike, 0 to 1.

    `same` is "yes" where the names are equal but for how they are written, else what a person has decided: "yes",
    "no", or "" where nobody has yet.
    """

    name: str
    other: str
    likeness: float
    same: str = ""


@cache
def normalised(name: str) -> str:
    """A name in small letters, its words apart: `ApplyEyeMakeup` and `apply_eye-makeup` are `apply eye makeup`."""
    return " ".join(re.findall(r"\w+", class_key(_CAMEL.sub(" ", name.replace("_", " ")))))


def read_names(path: Path) -> tuple[str, ...]:
    """The classes of a pre-training set: the folders in a folder (or in its train/), or the lines of a text file.

    Raises:
        UserError: there are none.
    """
    if path.is_dir():
        inside = path / "train"
        names = subfolders(inside if inside.is_dir() else path)
    elif path.is_file():
        names = [line.strip() for _, line in read_lines(path, "of a class each")]
    else:
        raise UserError(f"{path}: there is no such file or folder; a text file names a class a line")
    if not names:
        raise UserError(f"{path} holds no folders of classes")
    return tuple(dict.fromkeys(names))


def likeness(name: str, other: str) -> float:
    """How alike two names are, 0 to 1: difflib's ratio of their words in alphabetical order, or that of whole names."""
    a, b = normalised(name), normalised(other)
    sorted_a, sorted_b = (" ".join(sorted(each.split())) for each in (a, b))
    pairs = ((a, b), (sorted_a, sorted_b))
    return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)


def find_pairs(classes: Sequence[str], others: Sequence[str]) -> list[Pair]:
    """For each class the names that are equal to it, else at most `MOST` of a likeness of at least `LEAST`."""
    keys = {normalised(other): other for other in reversed(others)}
    pairs = []
    for name in classes:
        equal = keys.get(normalised(name))
        if equal is not None:
            pairs.append(Pair(name, equal, 1.0, "yes"))
            continue
        ranked = sorted(((likeness(name, other), other) for other in others), key=lambda one: (-one[0], one[1]))
        pairs += [Pair(name, other, round(like, 3)) for like, other in ranked[:MOST] if like >= LEAST]
    return pairs


def with_decisions(pairs: Sequence[Pair], path: Path, classes: Sequence[str], others: Sequence[str]) -> list[Pair]:
    """The pairs with what a person has decided in an earlier table, if there is one.

    Args:
        pairs: of these classes and others, as `find_pairs` has them.
        path: the table; rows that decide about another pair of these names are kept as well.
        classes: of the benchmark.
        others: classes of the pre-training set.

    Raises:
        UserError: the table has other columns, something else than yes, no or nothing in the column `same`, or decides
            about a name that there isn't.
    """
    if not path.exists():
        return list(pairs)
    columns, lines = read_csv(path)
    if not set(COLUMNS) <= set(columns):
        raise UserError(f"{path} is no table of names: expected the columns {','.join(COLUMNS)}")
    decided = dict[tuple[str, str], str]()
    for number, line in lines:
        same = line["same"].casefold()
        if same not in ("", "yes", "no"):
            raise UserError(f"{path}, line {number}: same is {line['same']!r}; it can be yes, no, or empty")
        pair = line["class"], line["pre-training class"]
        if same:
            _check_known(pair, classes, others, f"{path}, line {number}")
            decided[pair] = same
    found = [replace(one, same=decided.pop((one.name, one.other), one.same)) for one in pairs]
    found += [Pair(name, other, round(likeness(name, other), 3), same) for (name, other), same in decided.items()]
    return sorted(found, key=lambda pair: classes.index(pair.name))


def _check_known(pair: tuple[str, str], classes: Sequence[str], others: Sequence[str], where: str) -> None:
    for name, known, of in zip(pair, (classes, others), ("the benchmark", "the pre-training set"), strict=True):
        if name not in known:
            raise UserError(f"{where}: {name!r} is no class of {of}; take the line out, or choose another --out")


def as_csv(pairs: Sequence[Pair]) -> str:
    """The table for a person to decide in."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((pair.name, pair.other, f"{pair.likeness:g}", pair.same) for pair in pairs)
    return text.getvalue()


def summary(pairs: Sequence[Pair], classes: Sequence[str], path: Path) -> str:
    """How many classes are the same, and how many are open."""
    same = {pair.name for pair in pairs if pair.same == "yes"}
    open_ = {pair.name for pair in pairs if not pair.same} - same
    share = f"{len(same)} of {len(classes)} classes ({100 * len(same) / len(classes):.1f} %) are in both"
    if not open_:
        return share
    return f"{share}; of {len(open_)} more there are names alike: write yes or no into the column same of {path}"
