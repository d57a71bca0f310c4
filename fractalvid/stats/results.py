"""What `fractalvid stats` finds: frozen dataclasses, kept as JSON."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fractalvid.core.fingerprint import fingerprint
from fractalvid.stats.figures import Floats
from fractalvid.stats.probe import ProbeResult
from fractalvid.stats.separability import Separability

FORMAT = "fractalvid-stats-1"
PERCENTILES = (5, 25, 50, 75, 95)
BINS = 50


@dataclass(frozen=True)
class Figure:
    """How a figure of clips is called and shown.

    Attributes:
        name: field of `fractalvid.stats.figures.ClipFigures`.
        label: in words.
        about: what it means, and its unit.
        percent: whether it is a share, shown in per cent.
        span: what its histogram covers; values outside count in the outermost bins.
    """

    name: str
    label: str
    about: str
    percent: bool
    span: tuple[float, float]


FIGURES = (
    Figure("occupancy", "lit pixels", "share of pixels above black, %", True, (0, 1)),
    Figure(
        "empty_frames", "nearly empty frames", "share of frames with under 1 % of their pixels lit, %", True, (0, 1)
    ),
    Figure("full_frames", "nearly full frames", "share of frames that are an even field, %", True, (0, 1)),
    Figure("brightness", "brightness", "mean grey level, % of white", True, (0, 1)),
    Figure("motion", "motion", "mean change of a pixel from frame to frame over the mean grey level", False, (0, 2)),
    Figure("still", "motionless clips", "share of clips whose motion is under 0.01, %", True, (0, 1)),
    Figure("path", "path of the centre", "way of the centre of brightness over a clip, frame widths", False, (0, 2)),
    Figure(
        "exponent",
        "spectrum exponent",
        "α of the amplitude spectrum f^-α (the power spectrum falls as f^-2α)",
        False,
        (0, 4),
    ),
)


@dataclass(frozen=True)
class Summary:
    """How a figure is distributed over clips.

    Attributes:
        mean: of the clips that have it.
        deviation: standard deviation.
        percentiles: the 5th, 25th, 50th, 75th and 95th.
        clips: how many have it.
        histogram: share of the clips in each of 50 equal bins over the figure's span.
    """

    mean: float
    deviation: float
    percentiles: tuple[float, ...]
    clips: int
    histogram: tuple[float, ...]

    @staticmethod
    def of(values: Floats, span: tuple[float, float]) -> "Summary | None":
        """Of all values (n,) that are numbers; None where there is none."""
        known = values[np.isfinite(values)]
        if not len(known):
            return None
        counts, _ = np.histogram(np.clip(known, *span), BINS, span)
        return Summary(
            mean=float(known.mean()),
            deviation=float(known.std()),
            percentiles=tuple(np.percentile(known, PERCENTILES).tolist()),
            clips=len(known),
            histogram=tuple((counts / len(known)).tolist()),
        )


@dataclass(frozen=True)
class Acceptance:
    """How fractals' instances were accepted, as shares.

    Attributes:
        redrawn: clips whose first draw was rejected.
        damped: clips that are damped, since no draw was bounded.
        damped_frames: damped native frames of all clips.
        rejected: for each fault the draws that were rejected for it, of all draws.
        kept: for each fault the clips that have it all the same, since no draw was better.
    """

    redrawn: float
    damped: float
    damped_frames: float
    rejected: dict[str, float]
    kept: dict[str, float]


@dataclass(frozen=True)
class Diversity:
    """How different frames are, from 16 x 16 thumbnails of four equidistant frames a clip.

    Attributes:
        distance: `fractalvid.stats.figures.picture_distance` of all.
        class_distance: of those of one class, a mean over classes; NaN where each has a single one.
        rank: `fractalvid.stats.figures.effective_rank` of all.
        pictures: how many.
    """

    distance: float
    class_distance: float
    rank: float
    pictures: int


@dataclass(frozen=True)
class Extreme:
    """A clip at the end of a figure's distribution."""

    label: str
    class_id: int
    instance_id: int


@dataclass(frozen=True)
class SourceStats:
    """The figures of one bank or set.

    Attributes:
        name: its path.
        origin: "bank" or "set".
        kind: of its classes.
        classes: how many were measured.
        clips: how many were measured.
        frames: in all of them.
        size: H and W in pixels.
        skipped: clips that could not be read.
        figures: how each of `FIGURES` is distributed over clips; None where no clip has it.
        diversity: of frames.
        spectrum: geometric mean over clips of the power at 1, 2, ... cycles a frame side.
        acceptance: of fractals' instances.
        by_variation: for each variation the number of classes and clips, and means, over the classes that take it.
        by_class: class ids, and for each class means of the figures, for fractals also the shares of clips that were
            redrawn and that are damped, and the distance of its frames.
        extremes: clips at the ends of the distributions.
        separability: of the classes on held-out instances.
        probe: of motion alone.
        notes: what is not there, and why.
        seconds: that all this took.
    """

    name: str
    origin: str
    kind: str
    classes: int
    clips: int
    frames: int
    size: tuple[int, int]
    skipped: int
    figures: dict[str, Summary | None]
    diversity: Diversity
    spectrum: tuple[float, ...]
    acceptance: Acceptance | None
    by_variation: dict[str, dict[str, float]]
    by_class: dict[str, list[float]]
    extremes: tuple[Extreme, ...]
    separability: Separability | None
    probe: ProbeResult | None
    notes: tuple[str, ...]
    seconds: float


def to_json(sources: list[SourceStats], config: Any) -> str:
    """All that was content, with the config and what it was content with; what is not a number becomes null."""
    content = {
        "format": FORMAT,
        "fingerprint": fingerprint(),
        "config": dataclasses.asdict(config),
        "figures": {figure.name: {"about": figure.about, "span": figure.span} for figure in FIGURES},
        "sources": [dataclasses.asdict(source) for source in sources],
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The same with None for numbers that JSON has not, and six digits of the others."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
