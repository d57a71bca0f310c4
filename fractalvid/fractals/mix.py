"""Which variations classes take: mixes by name, and what is drawn of them for a class.

A class takes one variation for all its maps, a weighted sum of several, or a choice of its own for each map. Amounts
and parameters have a value at either keyframe and move along the curves of the maps; integer parameters stay as they
are. Variations that ignore the point are never alone, since nothing would move: if no other is summed with them, linear
is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fractalvid.kernels.variations import MAX_PARAMS, VARIATIONS, Param, Variation, by_name
from fractalvid.utils.checks import check_fields, check_integer
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.nearest import suggestion

PAPER_VARIATIONS = ("horseshoe", "bent", "fisheye", "popcorn", "cosine", "eyefish", "cylinder")
PAPER_LINEAR_SHARE = 0.5
MAX_SUMMED = 3
NAMES = tuple(row.name for row in VARIATIONS.values())


def parse_mix(text: str) -> tuple[tuple[str, ...], float]:
    """The variations and the share of linear classes that an option's text stands for.

    "paper" is the reference method's mix. "linear" is no variation at all, "all" every variation equally often, linear
    included, and NAME,NAME,... the named ones equally often.

    Raises:
        UserError: an unknown name, or none.
    """
    if text == "paper":
        return PAPER_VARIATIONS, PAPER_LINEAR_SHARE
    if text == "linear":
        return PAPER_VARIATIONS, 1.0
    names = NAMES if text == "all" else tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise UserError("--variations names none; it takes paper, all, linear, or names such as julia,swirl")
    for name in names:
        if name in ("paper", "all"):
            raise UserError(f"--variations: {name} is a mix of its own and cannot stand in a list")
        check_name(name, also=("paper", "all"))
    return tuple(dict.fromkeys(names)), 0.0


def check_name(name: str, *, also: Sequence[str] = ()) -> None:
    """Refuse a name that no variation has, and suggest the nearest; `also` are other words to suggest."""
    if name not in NAMES:
        hint = suggestion(name, [*NAMES, *also])
        raise UserError(f"unknown variation {name!r}{hint}docs/variations.md lists all {len(NAMES)}")


@dataclass(frozen=True)
class Mix:
    """What the variations of a class are drawn from.

    Attributes:
        variations: their names, equally often.
        max_summed: largest number of variations in a weighted sum, 1 to 3.
        per_map: whether each map of a class takes variations of its own.
    """

    variations: tuple[str, ...]
    max_summed: int
    per_map: bool

    def __post_init__(self) -> None:
        """Refuse what nothing could be drawn from."""
        check_fields(self)
        for name in self.variations:
            check_name(name)
        check_integer("max_summed", self.max_summed, 1, MAX_SUMMED)

    @cached_property
    def slots(self) -> int:
        """V, the largest number of variations that a map sums."""
        return max(self.max_summed, 1 + any(by_name(name).ignores_point for name in self.variations))

    @cached_property
    def plain(self) -> bool:
        """Whether every class has one variation without parameters, at amount 1, for all its maps."""
        return not self.per_map and self.slots == 1 and not any(by_name(name).params for name in self.variations)

    def sample(self, first: str | None, num_maps: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """Draw the variations of a class of N maps: `first` and what goes with it; None for a linear class.

        Returns:
            variation int32 (N, V); amount float32 (2, N, V) and params float32 (2, N, V, P) at both keyframes. Where a
            map sums fewer than V the rest has amount 0.
        """
        number = np.zeros((num_maps, self.slots), np.int32)
        amount = np.zeros((2, num_maps, self.slots), np.float32)
        params = np.zeros((2, num_maps, self.slots, MAX_PARAMS), np.float32)
        for m in range(num_maps if self.per_map and first is not None else 1):
            name = first if m == 0 else str(rng.choice(self.variations))
            rows = [by_name("linear")] if name is None else self._summands(by_name(name), rng)
            maps = slice(m, None) if m == 0 else slice(m, m + 1)
            params[:, maps] = 0
            number[maps] = np.pad([row.number for row in rows], (0, self.slots - len(rows)))
            amount[:, maps] = np.pad(_amounts(rows, rng), ((0, 0), (0, self.slots - len(rows))))[:, None]
            for s, row in enumerate(rows):
                for p, param in enumerate(row.params):
                    params[:, maps, s, p] = _ends(param, rng)[:, None]
        return {"variation": number, "amount": amount, "params": params}

    def _summands(self, first: Variation, rng: np.random.Generator) -> list[Variation]:
        """The variations of a sum: the first and others, none twice, at most one of them ignoring the point."""
        rows = [first]
        for _ in range(int(rng.integers(0, self.max_summed)) if self.max_summed > 1 else 0):
            ignores = any(row.ignores_point for row in rows)
            pool = [by_name(name) for name in self.variations]
            pool = [row for row in pool if row not in rows and not (ignores and row.ignores_point)]
            if pool:
                rows.append(pool[int(rng.integers(len(pool)))])
        return [by_name("linear"), *rows] if all(row.ignores_point for row in rows) else rows


def _amounts(rows: list[Variation], rng: np.random.Generator) -> NDArray[np.float64]:
    """Amounts (2, V) that add up to 1 at either keyframe; one alone has amount 1."""
    raw = np.array([rng.uniform(*row.amount, 2) for row in rows]).T if len(rows) > 1 else np.ones((2, 1))
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _ends(param: Param, rng: np.random.Generator) -> NDArray[np.float64]:
    """A parameter at both keyframes (2,)."""
    if param.kind == "integer":
        return np.full(2, float(rng.integers(int(param.low), int(param.high), endpoint=True)))
    first, second = rng.uniform(param.low, param.high, 2)
    return np.array([first, first + rng.uniform(-np.pi, np.pi) if param.kind == "angle" else second])
