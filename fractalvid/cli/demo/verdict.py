"""What a comparison of the demo allows to say, in words: no difference is claimed that its interval does not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]
Document = Mapping[str, Any]
"""`comparison.json` of `finetune compare`; its first initialisation is the one to compare with."""


@dataclass(frozen=True)
class Difference:
    """By how many points the top-1 accuracy of an initialisation differs from the first one's.

    `low` and `high` are the ends of the 95 % interval; None where the comparison has none.
    """

    points: float
    low: float | None
    high: float | None

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        """As "+4.2 points, 95 % interval -1.5 to +9.9"."""
        text = f"{self.points:+.1f} points"
        if self.low is None or self.high is None:
            return f"{text}, no interval known"
        return f"{text}, 95 % interval {self.low:+.1f} to {self.high:+.1f}"


def difference(comparison: Document, label: str) -> Difference:
    """How an initialisation differs from the first one."""
    base = comparison["initialisations"][0]
    for pair in comparison["comparisons"]:
        if (pair["first"], pair["second"]) == (base["label"], label):
            interval = pair["interval"] or {"low": None, "high": None}
            return Difference(pair["difference"]["mean"], interval["low"], interval["high"])
    other = next(entry for entry in comparison["initialisations"] if entry["label"] == label)
    return Difference(other["top1"]["mean"] - base["top1"]["mean"], None, None)


def headline(comparison: Document) -> str:
    """What came out, in one sentence, whichever way it went."""
    entries = comparison["initialisations"]
    accuracies = ", ".join(f"{entry['label']} {entry['top1']['mean']:.1f} %" for entry in entries)
    return f"{accuracies} top-1 accuracy: {verdict(comparison)}"


def verdict(comparison: Document) -> str:
    """What the accuracies allow to say of each initialisation against the first."""
    if near_chance(comparison):
        chance = 100 / comparison["runs"][0]["metrics"]["classes"]
        return f"near chance ({chance:.1f} %), too little time to compare anything; give it more with --minutes"
    base, *others = (entry["label"] for entry in comparison["initialisations"])
    return "; ".join(_against(base, label, difference(comparison, label)) for label in others)


def _against(base: str, label: str, found: Difference) -> str:
    if not found.sure:
        return f"no difference between {label} and {base} can be told ({found})"
    return f"{label} is {'better' if found.points > 0 else 'worse'} than {base} ({found})"


def near_chance(comparison: Document) -> bool:
    """Whether no initialisation is better than chance by more than twice the standard error of guessing."""
    metrics, tops = comparison["runs"][0]["metrics"], [entry["top1"] for entry in comparison["initialisations"]]
    chance, tests = 1 / metrics["classes"], metrics["videos"]["test"] * tops[0]["n"]
    return bool(max(top["mean"] for top in tops) / 100 <= chance + 2 * (chance * (1 - chance) / tests) ** 0.5)


def slow_start(curves: Mapping[str, Sequence[Rows]]) -> str:
    """A sentence about the first test where a pre-trained network is behind the first initialisation; else nothing.

    Args:
        curves: for each initialisation the `metrics.jsonl` of its runs.
    """
    firsts = {label: first for label, runs in curves.items() if (first := _first_test(runs)) is not None}
    base, *others = firsts or [""]
    behind = [label for label in others if firsts[label] < firsts[base]]
    return "".join(
        f"At the first test {label} is behind {base} ({firsts[label]:.1f} % against {firsts[base]:.1f} %): "
        "pre-trained weights begin more slowly here, since what they learned on fractals has to be adapted first. "
        for label in behind
    )


def _first_test(runs: Sequence[Rows]) -> float | None:
    """The mean accuracy in percent of runs when they are tested first."""
    tests = [next((row["top1"] for row in rows if row["kind"] == "val"), None) for rows in runs]
    known = [top for top in tests if top is not None]
    return sum(known) / len(known) if known else None
