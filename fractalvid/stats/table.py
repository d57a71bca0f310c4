"""The figures of banks and sets side by side, as rows of text for a terminal and for a page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.stats import binomtest

from fractalvid.stats.results import FIGURES, Acceptance, Figure, SourceStats
from fractalvid.utils.messages.phrases import counted

NONE = "–"
_SHARES = ("empty_frames", "full_frames", "still")
"""Shown without their deviation: they are nearly always 0."""
_FAULTS = {"unbounded": "unbounded", "empty": "nearly empty", "full": "nearly full", "still": "motionless"}


@dataclass(frozen=True)
class TableRow:
    """A figure: what it is called, what it means, and its value for each source."""

    label: str
    about: str
    values: tuple[str, ...]


def rows(sources: Sequence[SourceStats]) -> list[TableRow]:
    """The figures that at least one source has."""
    made = [
        TableRow(one.label, one.about, tuple(one.value(source) or NONE for source in sources)) for one in _figures()
    ]
    return [row for row in made if any(value != NONE for value in row.values)]


def as_text(sources: Sequence[SourceStats]) -> str:
    """The table for a terminal."""
    lines = [("", *(source.name for source in sources)), *((row.label, *row.values) for row in rows(sources))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(v.rjust(w) for v, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in lines
    )


def left_out(source: SourceStats) -> tuple[str, ...]:
    """What of a source is not in the table, and why: sentences without their beginning."""
    return (*source.notes, *([f"{counted(source.skipped, 'clip')} could not be read"] if source.skipped else []))


def percent(share: float) -> str:
    """A share in per cent, with more digits where it is small."""
    value = 100 * share
    return f"{value:.0f} %" if value in (0, 100) else f"{value:.{1 if value >= 1 else 2}f} %"


_Value = Callable[[SourceStats], str | None]


class _Shown(NamedTuple):
    """A figure as text: what it is called, what it means, and its value for a source, None where it has none."""

    label: str
    about: str
    value: _Value


def _figures() -> list[_Shown]:
    return [
        _Shown(
            "kind", "what made the clips, and whether they were rendered or read", lambda s: f"{s.kind}, {s.origin}"
        ),
        _Shown(
            "clips",
            "how many were measured, and of how many classes",
            lambda s: f"{s.clips:,} of {s.classes:,} classes",
        ),
        _Shown("pixels a frame", "height and width", lambda s: f"{s.size[0]} × {s.size[1]}"),
        *(_Shown(figure.label, figure.about, _figure(figure)) for figure in FIGURES),
        _Shown(
            "frame distance",
            "root mean square difference in brightness of two frames, from 16 × 16 thumbnails",
            lambda s: _known(s.diversity.distance),
        ),
        _Shown(
            "… within a class",
            "the same of two frames of one class",
            lambda s: _known(s.diversity.class_distance),
        ),
        _Shown(
            "effective rank",
            "independent ways in which frames differ, of 256; grows with the number of frames",
            lambda s: f"{s.diversity.rank:.1f}",
        ),
        *_accepted(),
        _Shown(
            "classes told apart",
            "held-out clips that a linear classifier names right (Wilson's 95 % interval)",
            _told_apart,
        ),
        _Shown(
            "… by chance",
            "what guessing would name right",
            lambda s: None if s.separability is None else percent(s.separability.chance),
        ),
        *_probed(),
    ]


def _known(distance: float) -> str | None:
    return f"{distance:.3f}" if math.isfinite(distance) else None


def _figure(figure: Figure) -> _Value:
    def value(source: SourceStats) -> str | None:
        summary = source.figures[figure.name]
        if summary is None:
            return None
        if figure.name in _SHARES:
            return percent(summary.mean)
        if figure.percent:
            return f"{100 * summary.mean:.1f} ± {100 * summary.deviation:.1f} %"
        return f"{summary.mean:.2f} ± {summary.deviation:.2f}"

    return value


def _accepted() -> list[_Shown]:
    def share(value: Callable[[Acceptance], float]) -> _Value:
        return lambda s: None if s.acceptance is None else percent(value(s.acceptance))

    def rejected(fault: str) -> _Value:
        return share(lambda acceptance: acceptance.rejected[fault])

    return [
        _Shown("instances redrawn", "clips whose first draw was rejected", share(lambda a: a.redrawn)),
        *(_Shown(f"draws rejected: {word}", "of all draws", rejected(fault)) for fault, word in _FAULTS.items()),
        _Shown("kept though broken", "clips that no draw was better for", share(lambda a: sum(a.kept.values()))),
        _Shown("clips damped", "clips that no draw was bounded for", share(lambda a: a.damped)),
        _Shown("frames damped", "native frames of all clips that are damped", share(lambda a: a.damped_frames)),
    ]


def _told_apart(source: SourceStats) -> str | None:
    separability = source.separability
    if separability is None:
        return None
    right = round(separability.accuracy * separability.tested)
    interval = binomtest(right, separability.tested).proportion_ci(method="wilson")
    return f"{100 * separability.accuracy:.1f} % ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def _probed() -> list[_Shown]:
    words = {
        "video": ("motion probe: clips", "held-out clips named right where classes differ in motion only"),
        "shuffled": ("… frames shuffled", "the same from all frames in random order"),
        "frame": ("… a single frame", "the same from one frame of each clip"),
    }

    def value(view: str) -> _Value:
        return lambda s: None if s.probe is None else percent(s.probe.accuracy[view])

    return [
        *(_Shown(label, about, value(view)) for view, (label, about) in words.items()),
        _Shown(
            "… by chance",
            "what guessing would name right",
            lambda s: None if s.probe is None else percent(s.probe.chance),
        ),
    ]
