"""Banks and sets measured and shown: stats.json and stats.html."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from fractalvid.pages import Clip
from fractalvid.sets.card import check_outside_sets
from fractalvid.sets.generation import MAX_WORKERS
from fractalvid.stats.config import StatsConfig
from fractalvid.stats.measure import add_probe, measure_clips
from fractalvid.stats.page import render_page
from fractalvid.stats.results import SourceStats, to_json
from fractalvid.stats.source import Request, Source, open_source
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, write_text
from fractalvid.utils.unused import Rule, check_unused

MAX_SOURCES = 12


def stats(
    paths: Sequence[Path],
    out: Path,
    config: StatsConfig,
    *,
    workers: int,
    overwrite: bool = False,
    progress: bool = True,
) -> list[SourceStats]:
    """Measure banks and sets, and write `stats.json` and `stats.html`: before the motion-only probes, and after each.

    Args:
        paths: banks' files and sets' folders, shown side by side.
        out: folder of the two files; made where missing.
        config: how much is measured, and how.
        workers: threads.
        overwrite: replace the files that are there.
        progress: show progress bars.

    Raises:
        UserError: a path is neither, one is named twice, a setting has no effect on what is measured, a file is there
            already, or `out` can't be written or is in a set.
    """
    if not 1 <= len(paths) <= MAX_SOURCES:
        raise UserError(f"name 1 to {MAX_SOURCES} banks or sets, got {len(paths)}")
    if not 1 <= workers <= MAX_WORKERS:
        raise UserError(f"--workers is {workers}: it must be 1 to {MAX_WORKERS}")
    if len(set(paths)) < len(paths):
        raise UserError("a bank or set is named twice")
    files = out / "stats.json", out / "stats.html"
    for path in files:
        if path.exists() and not overwrite:
            raise UserError(f"{path} is there already; add --overwrite to replace it, or choose another --out")
    sources = [open_source(path, config) for path in paths]
    check_unused(config, _rules(sources))
    check_outside_sets(out)
    for source in sources:  # names of files need not be UTF-8, but text that is drawn has to be
        source.name = source.name.encode(errors="backslashreplace").decode()
    for path in files:
        check_place(path)
    command = shlex.join(["fractalvid", "stats", *map(str, paths)])
    measured = [measure_clips(source, config, workers=workers, progress=progress) for source in sources]
    extremes = {source.name: _clips(source, one) for source, one in zip(sources, measured, strict=True)}

    def write() -> None:
        write_text(files[0], to_json(measured, config))
        write_text(files[1], render_page(measured, config, extremes, command))

    write()
    for number, source in enumerate(sources if config.motion_probe else ()):
        measured[number] = add_probe(measured[number], source, config, workers=workers, progress=progress)
        write()
    return measured


def _rules(sources: Sequence[Source]) -> tuple[Rule[StatsConfig], ...]:
    """Which settings have an effect on what is measured of these sources."""
    kinds = {source.kind for source in sources if source.origin == "bank"}
    stored = "clips of sets are taken as they are, and no bank is named"
    return (
        Rule(("size", "points", "frames"), lambda _: bool(kinds), stored),
        Rule(("points",), lambda _: "ifs" in kinds, f"no chaos game is played for clips of {', '.join(sorted(kinds))}"),
        Rule(("probe",), lambda config: config.motion_probe, "motion_probe is off"),
    )


def _clips(source: Source, measured: SourceStats) -> list[Clip]:
    """The clips at the ends of a source's distributions, to look at."""
    clips = []
    for extreme in measured.extremes:
        batch = source.fetch(Request(extreme.class_id, (extreme.instance_id,), (False,)))
        clips += [Clip(extreme.label, one.clips[0]) for one in batch]
    return clips
