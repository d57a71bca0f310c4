"""Measuring a bank or a set: batches of clips in, figures out, the same for any number of threads."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fractalvid.core.constants import BANK_FILE
from fractalvid.fractals.look import Fault
from fractalvid.stats.config import Band, StatsConfig
from fractalvid.stats.figures import (
    ClipFigures,
    Floats,
    Scatter,
    clip_figures,
    effective_rank,
    picture_distance,
    radial_power,
    thumbnails,
)
from fractalvid.stats.probe import motion_arrays, motion_probe
from fractalvid.stats.results import FIGURES, Acceptance, Diversity, Extreme, SourceStats, Summary
from fractalvid.stats.separability import Separability, clip_features, separability
from fractalvid.stats.source import ClipBatch, DrawOutcomes, Request, Source, check_band, variations_taken
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.bars import bar_options

SIDE = 16
"""Of the thumbnails whose diversity is measured."""
SAMPLED = 4
"""Equidistant frames of a clip that spectrum and diversity are taken of; the others are much like them."""
MOST_SKIPPED = 0.05
BY_VARIATION = ("occupancy", "empty_frames", "motion", "path", "exponent")
EXTREMES = {"occupancy": "lit", "motion": "motion", "exponent": "exponent"}

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class _Part:
    """What is kept of B clips of one class."""

    class_id: int
    instance_id: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    figures: ClipFigures
    features: Floats
    power: Floats
    frames: int
    size: tuple[int, int]
    accepted: DrawOutcomes | None


def measure(source: Source, config: StatsConfig, *, workers: int, progress: bool = True) -> SourceStats:
    """Measure a bank or a set: `measure_clips`, then `add_probe`."""
    return add_probe(measure_clips(source, config, workers=workers, progress=progress), source, config, workers=workers)


def measure_clips(source: Source, config: StatsConfig, *, workers: int, progress: bool = True) -> SourceStats:
    """Measure a bank or a set, but for the motion-only probe, which takes longer than all else.

    Args:
        source: of `fractalvid.stats.source.open_source`.
        config: how much, and how.
        workers: batches of clips in the making at once, each on one thread.
        progress: show a progress bar.

    Raises:
        UserError: more than 5 % of the clips can't be read, or they are too small for the band.
    """
    begin = time.monotonic()
    requests = source.requests()
    asked = sum(len(request.instance_id) for request in requests)
    parts: list[_Part] = []
    distances: dict[int, float] = {}
    total = Scatter.none(SIDE**2)
    with tqdm(total=asked, unit="clip", desc=source.name, disable=not progress, smoothing=0.05, **bar_options()) as bar:
        measured = _in_order(lambda request: _measured(source, request, config), requests, workers)
        for class_id, group in groupby(measured, key=lambda item: item[0].class_id):
            of_class = Scatter.none(SIDE**2)
            for request, batches in group:
                for part, scatter in batches:
                    parts.append(part)
                    of_class += scatter
                bar.update(len(request.instance_id))
            if of_class.count:
                distances[class_id] = picture_distance(of_class)
                total += of_class
    skipped = asked - sum(len(part.instance_id) for part in parts)
    if skipped > MOST_SKIPPED * asked:
        raise UserError(f"{skipped} of {asked} clips of {source.name} can't be read; fractalvid verify names them")
    notes: list[str] = []
    apart = _separability(parts, notes)
    class_id, figures = _gathered(parts)
    return SourceStats(
        name=source.name,
        origin=source.origin,
        kind=source.kind,
        classes=len(distances),
        clips=len(class_id),
        frames=sum(part.frames for part in parts),
        size=parts[0].size,
        skipped=skipped,
        figures={figure.name: Summary.of(figures[figure.name], figure.span) for figure in FIGURES},
        diversity=Diversity(
            picture_distance(total), _mean_of_known(distances.values()), effective_rank(total), total.count
        ),
        spectrum=_spectrum(parts),
        acceptance=_acceptance(parts),
        by_variation=_by_variation(source, class_id, figures),
        by_class=_by_class(class_id, figures, distances),
        extremes=_extremes(class_id, np.concatenate([part.instance_id for part in parts]), figures),
        separability=apart,
        probe=None,
        notes=tuple(notes),
        seconds=time.monotonic() - begin,
    )


def add_probe(
    measured: SourceStats, source: Source, config: StatsConfig, *, workers: int, progress: bool = False
) -> SourceStats:
    """What was measured, with the motion-only probe of the source's bank, where it can be made; a note says why not."""
    if not config.motion_probe:
        return measured
    why = None
    if source.bank is None:
        why = f"the set has no {BANK_FILE}"
    elif not motion_arrays(source.kind):
        why = f"for classes of kind {source.kind} motion is not drawn apart from looks"
    elif len(source.bank) < config.probe.motions:
        why = f"it takes {config.probe.motions} classes"
    if source.bank is None or why is not None:
        return replace(measured, notes=(*measured.notes, f"no motion-only probe: {why}"))
    begin = time.monotonic()
    with tqdm(desc=f"{source.name}: motion-only probe", unit="step", disable=not progress, **bar_options()) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        probe = motion_probe(source.bank, config.probe, threads=workers, on_step=show)
    return replace(measured, probe=probe, seconds=measured.seconds + time.monotonic() - begin)


def _mean_of_known(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN where none is, as of classes with a single frame each."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _in_order(work: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[T, R]]:
    """Items with their results, in order, a bounded number of them in the making."""
    waiting: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(workers, "stats") as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) >= 4 * workers:
                    done, result = waiting.popleft()
                    yield done, result.result()
            while waiting:
                done, result = waiting.popleft()
                yield done, result.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _measured(source: Source, request: Request, config: StatsConfig) -> list[tuple[_Part, Scatter]]:
    above = source.noise if config.above is None else config.above
    measured = []
    for batch in source.fetch(request):
        height, width = batch.clips.shape[2:]
        check_band(source.name, height, width, config.band)  # files need not be what their set's card says
        measured.append(_measure_batch(batch, above, config.band))
    return measured


def _measure_batch(batch: ClipBatch, above: int, band: Band) -> tuple[_Part, Scatter]:
    """What is kept of a batch, and the scatter of its thumbnails, which is too large to be kept of each."""
    clips = batch.clips
    b, t, height, width = clips.shape
    few = clips[:, np.unique(np.linspace(0, t - 1, SAMPLED).round().astype(int))]
    power = radial_power(few)
    part = _Part(
        class_id=batch.class_id,
        instance_id=batch.instance_id,
        held_out=batch.held_out,
        figures=clip_figures(clips, above=above, power=power, band=band),
        features=clip_features(clips, power, above),
        power=power,
        frames=b * t,
        size=(height, width),
        accepted=batch.accepted,
    )
    return part, Scatter.of(thumbnails(few, SIDE).reshape(-1, SIDE, SIDE))


def _gathered(parts: list[_Part]) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """The class of each clip (n,), and its figures by name; of fractals also whether it was redrawn, or damped."""
    class_id = np.repeat([part.class_id for part in parts], [len(part.instance_id) for part in parts])
    figures = {f.name: np.concatenate([getattr(part.figures, f.name) for part in parts]) for f in fields(ClipFigures)}
    accepted = [part.accepted for part in parts if part.accepted is not None]
    if accepted:
        figures["redrawn"] = np.concatenate([one.rejected.sum(axis=1) > 0 for one in accepted]).astype(np.float64)
        figures["damped"] = np.concatenate([one.damped > 0 for one in accepted]).astype(np.float64)
    return class_id, figures


def _separability(parts: list[_Part], notes: list[str]) -> Separability | None:
    class_id, _ = _gathered(parts)
    held_out = np.concatenate([part.held_out for part in parts])
    features = np.concatenate([part.features for part in parts])
    held_out &= np.isin(class_id, class_id[~held_out])
    if not held_out.any() or len(np.unique(class_id)) < 2:
        notes.append("no class separability: it takes two classes with clips to learn from, and held-out ones")
        return None
    return separability(features[~held_out], class_id[~held_out], features[held_out], class_id[held_out])


def _spectrum(parts: list[_Part]) -> tuple[float, ...]:
    """The geometric mean of the clips' power at 1, 2, ... cycles, as far as all have it; black clips left out."""
    rings = min(part.power.shape[1] for part in parts)
    power = np.concatenate([part.power[:, :rings] for part in parts])
    power = power[(power > 0).all(axis=1)]
    return tuple(np.exp(np.log(power).mean(axis=0)).tolist()) if len(power) else ()


def _acceptance(parts: list[_Part]) -> Acceptance | None:
    known = [part.accepted for part in parts if part.accepted is not None]
    if not known:
        return None
    damped = np.concatenate([accepted.damped for accepted in known])
    rejected = np.concatenate([accepted.rejected for accepted in known])
    fault = np.concatenate([accepted.fault for accepted in known])
    # A draw that was taken since none was better was rejected too, so it is among them already.
    draws = rejected.sum() + np.sum((damped == 0) & (fault == Fault.NONE))
    named = [kind for kind in Fault if kind is not Fault.NONE]
    return Acceptance(
        redrawn=float(np.mean(rejected.sum(axis=1) > 0)),
        damped=float(np.mean(damped > 0)),
        damped_frames=float(damped.mean()),
        rejected={kind.name.lower(): float(rejected[:, kind].sum() / draws) for kind in named},
        kept={kind.name.lower(): float(np.mean(fault == kind)) for kind in named if kind is not Fault.UNBOUNDED},
    )


def _by_variation(
    source: Source, class_id: NDArray[np.int64], figures: dict[str, Floats]
) -> dict[str, dict[str, float]]:
    """For each variation the classes that take it, alone or among others: their number, and means over their clips."""
    columns = {name: figures[name] for name in (*BY_VARIATION, "damped") if name in figures}
    taken = variations_taken(source.bank) or {}
    means_of = {}
    for name, classes in taken.items():
        rows = classes[class_id]
        if rows.any():
            means = {column: _mean(values[rows]) for column, values in columns.items()}
            means_of[name] = {"classes": float(len(np.unique(class_id[rows]))), "clips": float(rows.sum()), **means}
    return means_of


def _mean(values: Floats) -> float:
    """Of those that are numbers; NaN where none is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _by_class(
    class_id: NDArray[np.int64], figures: dict[str, Floats], distances: dict[int, float]
) -> dict[str, list[float]]:
    """Means of the figures over each class's clips that have them, in the order of the classes."""
    names, row = np.unique(class_id, return_inverse=True)
    columns: dict[str, list[float]] = {"class_id": names.tolist()}
    for name, values in figures.items():
        known = np.isfinite(values)
        count = np.bincount(row[known], minlength=len(names))
        total = np.bincount(row[known], values[known], minlength=len(names))
        columns[name] = np.divide(total, count, out=np.full(len(names), np.nan), where=count > 0).tolist()
    columns["distance"] = [distances[c] for c in names.tolist()]
    return columns


def _extremes(
    class_id: NDArray[np.int64], instance_id: NDArray[np.int64], figures: dict[str, Floats]
) -> tuple[Extreme, ...]:
    """The clips with the least and the most of some figures."""
    extremes = []
    for figure in FIGURES:
        values = figures[figure.name]
        if figure.name not in EXTREMES or not np.nanmax(values, initial=-np.inf) > np.nanmin(values, initial=np.inf):
            continue
        for word, row in (("least", np.nanargmin(values)), ("most", np.nanargmax(values))):
            shown = f"{100 * values[row]:.1f} %" if figure.percent else f"{values[row]:.2f}"
            extremes.append(
                Extreme(f"{word} {EXTREMES[figure.name]}: {shown}", int(class_id[row]), int(instance_id[row]))
            )
    return tuple(extremes)
