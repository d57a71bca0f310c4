"""Which part of a set one of several machines makes."""

import re
from dataclasses import dataclass

from fractalvid.utils.checks import MAX_COUNT, check_fields, check_integer
from fractalvid.utils.errors import UserError

PARTS_FOLDER = "parts"
"""Of parts that are not merged yet, under the set's folder."""
MERGED_FOLDER = ".merged"
"""What that is called while it is removed; where folders can't be renamed, a file that says so."""


@dataclass(frozen=True)
class Part:
    """Part `number` of `count`, from 1; (1, 1) is the whole set.

    What stands in one file is never shared out: the files are counted, and each part takes every `count`-th.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse parts that there are not."""
        check_fields(self)
        check_integer("the number of parts", self.count, 1, MAX_COUNT)
        if not 1 <= self.number <= self.count:
            raise UserError(f"parts are counted from 1: there is no part {self.number} of {self.count}")

    @classmethod
    def parse(cls, text: str) -> "Part":
        """Part "3/16".

        Raises:
            UserError: it says something else.
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text.strip(), re.ASCII)
        if found is None:
            raise UserError(f"--shard {text[:40]!r} is no part of a set: write 3/16 for the third of sixteen")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """As `parse` takes it."""
        return f"{self.number}/{self.count}"

    @property
    def whole(self) -> bool:
        """Whether it is all of the set."""
        return self.count == 1

    @property
    def folder(self) -> str:
        """Where it is made, under the set's folder: the whole set there itself, a part in a folder of its own below."""
        return "." if self.whole else f"{PARTS_FOLDER}/{self.number:06d}-of-{self.count:06d}"

    def numbers(self, total: int, shift: int = 0) -> range:
        """Those of 0..total-1 that, `shift` added, it takes."""
        return range((self.number - 1 - shift) % self.count, total, self.count)


WHOLE = Part()
"""All of a set."""
