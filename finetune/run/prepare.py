"""A benchmark made ready: its videos looked for, decoded once for the index, and kept decoded where asked."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from fractalvid.finetune.cache.reader import CacheKind
from fractalvid.finetune.cache.writer import CacheReport, gigabytes, make_cache
from fractalvid.finetune.debias import detector
from fractalvid.finetune.debias.detector import make_masks
from fractalvid.finetune.targets.demo.files import draw_demo
from fractalvid.finetune.targets.demo.target import demo_set
from fractalvid.finetune.videos.data import Data
from fractalvid.finetune.videos.holdout import check_share
from fractalvid.finetune.videos.index import build_index
from fractalvid.finetune.videos.machine import Machine
from fractalvid.finetune.videos.survey import report, survey_splits
from fractalvid.utils.errors import UserError
from fractalvid.utils.messages.phrases import counted, first_few
from fractalvid.video.index import index_file


def prepare_videos(
    data: Data,
    splits: Sequence[str],
    machine: Machine,
    *,
    cache: CacheKind | None = None,
    allow_missing: bool = False,
    frame_rate: float | None = None,
    masks: Path | None = None,
) -> Iterator[str]:
    """Look for the videos of some splits, decode each once, and say what there is, a line at a time.

    Args:
        data: the benchmark.
        splits: official splits or folds; ("",) where there are none.
        machine: what may be used.
        cache: how to keep the videos decoded on disk, if at all.
        allow_missing: whether listed videos may be missing.
        masks: folder for masks of the people in the videos, which are made where they are not there yet.
        frame_rate: pictures a second of videos that are folders of pictures; None where that is not known.

    Raises:
        UserError: videos are missing or broken beyond what is allowed, or nothing can be written.
    """
    if data.options.data is None:
        draw_demo(data.root, demo_set(data.options.target), progress=machine.progress)
    check_share(data.target, data.options, data.root, data.sides)
    there = survey_splits(data, splits, allow_missing=allow_missing)
    place = index_file(machine.cache(), data.root)
    _check_place(place.parent)
    index = build_index(
        data.root,
        there.paths,
        cache_dir=machine.cache(),
        threads=machine.decoders(),
        max_broken=machine.max_broken,
        progress=machine.progress,
        max_pixels=machine.max_pixels,
        isolate=machine.isolate,
    )
    yield from report(data, there, index, frame_rate)
    yield f"index     {place}"
    if cache is not None:
        made = make_cache(
            data.root,
            index.facts,
            cache,
            cache_dir=machine.cache(),
            threads=machine.decoders(),
            progress=machine.progress,
            max_pixels=machine.max_pixels,
            isolate=machine.isolate,
        )
        yield cache_line(cache, made)
    if masks is not None:
        yield from make_masks(
            data.root,
            index.facts,
            masks,
            lambda: detector.PersonDetector(machine.device),
            max_pixels=machine.max_pixels,
            progress=machine.progress,
            isolate=machine.isolate,
        )


def _check_place(folder: Path) -> None:
    """Raise `UserError` where nothing can be written in the cache folder, before hours of decoding."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; choose another --cache-dir") from error


def cache_line(kind: CacheKind, made: CacheReport) -> str:
    """What became of the cache."""
    how = "bit for bit" if kind.quality is None else f"JPEG {kind.quality}"
    large = f", {len(made.large)} need more than --max-pixels ({first_few(made.large, 3)})" if made.large else ""
    broken = f", {len(made.broken)} do not decode any more ({first_few(made.broken, 3)})" if made.broken else ""
    unused = made.size - made.used
    outdated = f", of which {gigabytes(unused)} are outdated (gone if you remove the folder)" if unused else ""
    return (
        f"decoded   {kind.short_side} pixels, {how}: {counted(made.made, 'video')} now, {made.kept} were there"
        f"{broken}{large}; {gigabytes(made.size)}{outdated} in {made.folder}"
    )
