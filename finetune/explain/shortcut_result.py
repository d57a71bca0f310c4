"""What the shortcut probe finds on test videos: accuracies with their intervals, and a table of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fractalvid.finetune.explain.answers import Answers
from fractalvid.finetune.explain.shortcuts import Ints
from fractalvid.finetune.report.markup import NONE, Table, as_markdown
from fractalvid.finetune.report.statistics import CONFIDENCE, Interval, Tested, bootstrap
from fractalvid.finetune.results.predictions import Predictions
from fractalvid.finetune.results.read import RunResult
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted

ROWS = {
    "whole": "as they are",
    "masked": "people in the mean colour of the rest",
    "swapped": "people before a background of another class",
    "followed": "... of which the background's class is answered",
    "lost": "lost by other backgrounds, in points",
}
"""What is found, and what tables call it."""


@dataclass(frozen=True)
class ShortcutResult:
    """What the probe finds on the videos in whose views somebody is.

    Attributes:
        percent: by the names of `ROWS`; "lost" is whole minus swapped, in points.
        intervals: of each, over sources of videos; None where there is one source alone.
        videos: that count.
        empty: others, in whose views nobody is.
        sources: that the videos are of.
        grouped: whether the benchmark knows sources; else each file is one.
        classes: that the weights tell apart, of which each clip is given one: chance is one of them.
    """

    percent: dict[str, float]
    intervals: dict[str, Interval | None]
    videos: int
    empty: int
    sources: int
    grouped: bool
    classes: int

    def to_dict(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self) | {"chance": 100 / self.classes}

    def table(self) -> str:
        """A Markdown table, and what it is of."""
        of = "sources" if self.grouped else "files, whose sources are not known"
        note = (
            f"{counted(self.videos, 'video')}, each taken for one of {counted(self.classes, 'class', 'classes')}, "
            f"chance {100 / self.classes:.1f} %; intervals over {self.sources} {of}."
        )
        if self.empty:
            note += f" Videos in whose clips nobody is do not count: {self.empty}."
        head = ("clips", "top-1 (%)", f"{100 * CONFIDENCE:g} % interval")
        body = [(text, f"{self.percent[name]:.1f}", str(self.intervals[name] or NONE)) for name, text in ROWS.items()]
        return f"{as_markdown(Table('', head, tuple(body)))}\n\n{note}"


def summarise(
    answers: Answers, labels: Ints, place: Ints, sources: Sequence[str], *, grouped: bool, classes: int
) -> ShortcutResult:
    """Accuracies on those of n videos in whose views somebody is, with their intervals.

    Args:
        answers: of the network.
        labels: (n,), of the videos.
        place: (n,), the number of the video whose background each got.
        sources: of the videos.
        grouped: whether the benchmark knows them.
        classes: that the weights tell apart.

    Raises:
        UserError: nobody is in any.
    """
    kept = np.flatnonzero(answers.seen)
    if not len(kept):
        raise UserError("--masks: people are in the videos, but nobody is in the clips of them that are tested")
    of = tuple(sources[int(k)] for k in kept)

    def tested(answer: Ints, right: Ints) -> Tested:
        hits = (answer == right)[kept]
        return Tested(RunResult("", "", 0, {}), Predictions(of, of, grouped, right[kept], answer[kept], hits))

    runs = {
        "whole": tested(answers.whole, labels),
        "masked": tested(answers.masked, labels),
        "swapped": tested(answers.swapped, labels),
        "followed": tested(answers.swapped, labels[place]),
    }
    percent = {name: 100 * float(run.hits("top1").mean()) for name, run in runs.items()}
    intervals = {name: bootstrap([run], "top1") for name, run in runs.items()}
    percent["lost"] = percent["whole"] - percent["swapped"]
    intervals["lost"] = bootstrap([runs["whole"]], "top1", minus=[runs["swapped"]])
    empty = len(labels) - len(kept)
    return ShortcutResult(percent, intervals, len(kept), empty, len(set(of)), grouped, classes)
