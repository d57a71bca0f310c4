"""`fractalvid preview`: clips of a bank or a set, chosen, rendered or read, and shown."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import numpy as np
import tyro
from numpy.typing import NDArray

from fractalvid.cli.options import ColourOptions
from fractalvid.cli.parsing import parse
from fractalvid.core.bank import Bank
from fractalvid.core.colour import ColourConfig, check_points
from fractalvid.core.constants import BANK_FILE, MAX_POINTS
from fractalvid.emulate.config import EmulationConfig, check_backgrounds
from fractalvid.pages.gallery import GAP, Clip, animation, contact_sheet, fitted, gallery_page
from fractalvid.sets.addresses.place import address_of
from fractalvid.sets.card import check_outside_sets
from fractalvid.sets.manifest import ManifestRow
from fractalvid.sets.reader import ClipError, SetReader
from fractalvid.utils.errors import UserError
from fractalvid.utils.files import check_place, is_there, write_bytes, write_text, write_with
from fractalvid.utils.messages.log import announce
from fractalvid.utils.messages.phrases import counted

T = TypeVar("T")

MAX_PIXELS = 2**28
"""Of all that is shown: about a gigabyte while a sheet is drawn, or while clips wait in colour."""
MOST_SKIPPED = 0.05
"""Share of a set's clips that may be unreadable; one always may, beside others."""


def spread_over_classes(classes: Sequence[Sequence[T]], count: int) -> list[T]:
    """At most `count` of what classes hold: the first of evenly spread ones; then, if too few, their second, and on."""
    few = [held for held in classes if held]
    if len(few) > count:
        few = [few[i] for i in np.linspace(0, len(few) - 1, count).round().astype(int)]
    picked: list[tuple[int, int]] = []
    for turn in range(max(map(len, few), default=0)):
        picked += [(which, turn) for which, held in enumerate(few) if turn < len(held)]
    return [few[which][turn] for which, turn in sorted(picked[:count])]


def clips_of_bank(
    bank: Bank,
    *,
    clips: int,
    size: int,
    points: int,
    colour: ColourConfig | None = None,
    emulate: EmulationConfig | None = None,
    backgrounds: Path | None = None,
) -> list[Clip]:
    """Render clips of a bank: instance 0 of evenly spread classes, and more instances where they are too few.

    Args:
        bank: the classes.
        clips: how many.
        size: rows and columns in pixels.
        points: chaos-game points a frame.
        colour: how to colour them; grey where None.
        emulate: how to make them look filmed.
        backgrounds: a folder with pictures for scenes.
    """
    shown = min(clips, len(bank))
    ids = np.linspace(0, len(bank) - 1, shown).round().astype(int).tolist()
    pairs = sorted((ids[k % shown], k // shown) for k in range(clips))
    labels = [f"class {c} · {i}" if clips > shown else f"class {c}" for c, i in pairs]
    if emulate is None:
        from fractalvid.kinds import render_clip  # not for --help: it brings Numba

        frames = [render_clip(bank, c, i, size=size, points=points, colour=colour) for c, i in pairs]
    else:
        from fractalvid.cli.emulated_clips import filmed_clips  # plain clips are shown without torch

        frames = filmed_clips(
            bank, np.array(pairs), emulate, size=size, points=points, colour=colour, backgrounds=backgrounds
        )
    return [Clip(*shown_as) for shown_as in zip(labels, frames, strict=True)]


def clips_of_set(folder: Path, *, clips: int, size: int) -> list[Clip]:
    """Read clips of a generated set, spread evenly over its classes; images are clips of one frame.

    Args:
        folder: a set of any format.
        clips: at most how many.
        size: longest side to keep them at, in pixels; smaller ones stay as they are.

    Raises:
        UserError: no set, one that holds no clips yet, or one that can't be read.
    """
    reader = SetReader(folder)
    return _read_clips(reader, _spread_rows(reader, clips), size)


def _read_clips(reader: SetReader, rows: Sequence[ManifestRow], size: int) -> list[Clip]:
    return [Clip(_label(row), _shrunk(frames, size)) for row, frames in _readable(reader, rows)]


def _readable(reader: SetReader, rows: Sequence[ManifestRow]) -> Iterator[tuple[ManifestRow, NDArray[np.uint8]]]:
    """Clips and their frames. A few may be broken: standard error names them.

    Raises:
        UserError: the first clip that is one too many of those that can't be read.
    """
    broken = 0
    for row in rows:
        try:
            frames = reader.frames(row)
        except ClipError as error:
            broken += 1
            if broken > max(1, MOST_SKIPPED * len(rows)) or broken == len(rows):
                raise
            print(f"note: left out {broken} of {len(rows)} clips: {error}", file=sys.stderr)
            continue
        yield row, frames


def _label(row: ManifestRow) -> str:
    return f"{row.class_id} · {row.instance_id}"


def _spread_rows(reader: SetReader, count: int) -> list[ManifestRow]:
    """At most `count` clips, spread evenly over the classes."""
    classes: dict[int, list[ManifestRow]] = {}
    for row in sorted(reader.rows, key=lambda row: (row.class_id, row.instance_id)):
        classes.setdefault(row.class_id, []).append(row)
    rows = spread_over_classes(list(classes.values()), count)
    if not rows:
        raise UserError(f"{reader.path} holds no clips yet: make some first (fractalvid generate)")
    return rows


def _shrunk(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if max(frames.shape[1:3]) <= size:
        return frames
    return np.stack([np.asarray(fitted(frame, size)) for frame in frames])


@dataclass(frozen=True)
class PreviewConfig:
    """How much `preview` shows."""

    clips: int = 40
    """Number of clips."""
    columns: int = 8
    """Frames a row of the contact sheet."""
    size: int = 128
    """Longest side of a frame in pixels."""
    points: int = 200_000
    """Chaos-game points a frame of what is rendered: clips of a bank, and what --emulate draws into those of a set."""
    colours: Annotated[ColourOptions, tyro.conf.arg(name="")] = field(default_factory=ColourOptions)
    """Of clips that are rendered from a bank."""
    animate: Literal["none", "webp", "gif"] = "none"
    """Write each clip as a picture of its own that moves, too."""
    emulate: EmulationConfig | None = None
    """Make them look filmed, each at full strength: a little, as the reference method does, or with all there is."""
    backgrounds: Path | None = None
    """With --emulate scene: a folder with pictures of yours, which most figures are put before."""
    overwrite: bool = False
    """Replace the pictures that are there; moving clips of that kind that an earlier call has left go, too."""

    def check(self) -> None:
        """Raise `UserError` for numbers that nothing can be shown with."""
        limits = {"clips": (1, 1000), "columns": (1, 64), "size": (16, 1024), "points": (1, MAX_POINTS)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"--{name} is {getattr(self, name)}: it must be {low} to {high}")
        if self.clips * self.columns * (self.size + GAP) ** 2 > MAX_PIXELS:
            shown = f"{self.clips} clips in {self.columns} columns of {self.size} pixels"
            raise UserError(f"{shown} are too much for a picture: choose a smaller --clips, --columns or --size")
        if self.painted is not None:
            check_points(self.points)
        check_backgrounds(self.backgrounds, self.emulate)
        if self.backgrounds is not None:
            from fractalvid.emulate.scene.pictures import list_pictures  # brings NumPy and Pillow

            list_pictures(self.backgrounds)

    def check_frames(self, frames: int, side: int) -> None:
        """Raise `UserError` for clips that memory does not hold, of so many frames in all, that many pixels a side."""
        if frames * (side + GAP) ** 2 > MAX_PIXELS:
            shown = f"clips of {frames} frames of {side} pixels a side"
            raise UserError(f"{shown} are too much to show at once: choose a smaller --clips or --size")

    @property
    def painted(self) -> ColourConfig | None:
        """How clips of a bank are coloured; None for grey."""
        return self.colours.config()


@dataclass(frozen=True)
class PreviewArguments:
    """Options of `fractalvid preview`."""

    source: Annotated[Path, tyro.conf.Positional] = Path(BANK_FILE)
    """A bank (classes.npz) or the folder of a generated set."""
    out: Path = Path("preview")
    """Folder for sheet.png and gallery.html."""
    options: Annotated[PreviewConfig, tyro.conf.arg(name="")] = field(default_factory=PreviewConfig)


def run(arguments: Sequence[str]) -> None:
    """Run the command."""
    args = parse(
        PreviewArguments,
        arguments,
        program="fractalvid preview",
        default=PreviewArguments(),
        description="Show clips.",
        main={
            "what": {
                "source": "A bank, or the folder of a generated set",
                "out": "",
                "overwrite": "",
                "clips": "",
                "columns": "",
                "size": "",
                "animate": "Each clip as a moving picture of its own, too",
            },
            "of a bank": {
                "points": "Chaos-game points a frame",
                "colour": "grey or structural",
                "emulate": "Filmed: none, light, paper, full or scene",
            },
        },
    )
    announce(f"showing clips of {args.source} in {args.out}")
    print(_made(preview(args.source, args.out, args.options)))


def _made(paths: Sequence[Path]) -> str:
    """What was made, and where it lies: the sheet, the page and the moving pictures."""
    sheet, gallery, *moving = (path.resolve() for path in paths)
    lines = [f"contact sheet: {sheet}", f"moving clips, for a browser: {gallery}"]
    if moving:
        lines.append(f"{counted(len(moving), 'moving picture')}, from {moving[0].name} on: {moving[0].parent}")
    return "\n".join(lines)


def preview(source: Path, out: Path, config: PreviewConfig = PreviewConfig()) -> tuple[Path, ...]:
    """Make a contact sheet and a gallery page of a class bank or a generated set, and files that move if wanted.

    Args:
        source: a bank (`classes.npz`) or the folder of a set.
        out: folder for `sheet.png`, `gallery.html` and `clip-<class>-<instance>.webp` or `.gif`, without the instance
            where each class of a bank is shown once; made where missing.
        config: how much to show.

    Returns:
        The paths of the sheet, of the page, and of the clips.

    Raises:
        UserError: `source` is neither, the pictures are there already, or `out` can't be written or is in a set: all
            known before anything is rendered. Or more than a few clips of a set can't be read.
    """
    config.check()
    sheet, gallery = out / "sheet.png", out / "gallery.html"
    load = _loader(source, config)
    check_outside_sets(out)
    for path in (sheet, gallery, *sorted(out.glob(f"clip-*.{config.animate}"))):
        if path.exists() and not config.overwrite:
            raise UserError(f"{path} is there already; add --overwrite to replace it, or choose another --out")
    for path in (sheet, gallery):
        check_place(path)
    clips = load()
    drawn = contact_sheet(clips, columns=config.columns, size=config.size)
    write_with(sheet, lambda file: drawn.save(file, "PNG"))
    text = gallery_page(clips, title="Clips", lead=f"{len(clips)} clips from {source}", size=config.size)
    write_text(gallery, text)
    return sheet, gallery, *_animated(clips, out, config)


def _remove_older(out: Path, written: Sequence[Path], ending: str) -> None:
    """Remove the moving clips of an earlier call, which nobody is to take for those of this one."""
    for path in set(out.glob(f"clip-*.{ending}")) - set(written):
        if re.fullmatch(rf"clip-[0-9]+(-[0-9]+)?\.{ending}", path.name) and path.is_file():
            path.unlink()


def _animated(clips: Sequence[Clip], out: Path, config: PreviewConfig) -> list[Path]:
    """Write each clip as a file that moves; returns their paths."""
    if config.animate == "none":
        return []
    paths = []
    for clip in clips:
        paths.append(out / f"clip-{'-'.join(re.findall('[0-9]+', clip.label))}.{config.animate}")
        write_bytes(paths[-1], animation(clip.frames, size=config.size, kind=config.animate))
    if config.overwrite:
        _remove_older(out, paths, config.animate)
    return paths


def _loader(source: Path, config: PreviewConfig) -> Callable[[], list[Clip]]:
    """What reads the clips of `source`; says at once if it can't."""
    elsewhere = address_of(source) is not None
    if not (elsewhere or is_there(source)):
        made = "; fractalvid classes makes it" if source == Path(BANK_FILE) else ""
        raise UserError(f"{source} does not exist; name a class bank or the folder of a generated set{made}")
    from fractalvid.kinds import load_bank  # not for --help: it brings Numba

    if elsewhere or source.is_dir():
        if config.painted is not None:
            raise UserError(f"{source} is a set, whose clips have their colours: leave --colour out")
        reader = SetReader(source)
        if config.emulate is not None:
            reader.check_rows()
            bank = load_bank(reader.path / BANK_FILE)
            _check_points(bank, config)
            rows = _held_rows(reader, config, max(config.size, reader.config.size))  # filmed from as they are stored
            return lambda: _filmed(reader, rows, bank, config)
        if config.points != PreviewConfig.points:
            raise UserError(f"{source} is a set, whose clips are rendered already: leave --points out")
        rows = _held_rows(reader, config, config.size)
        return lambda: _read_clips(reader, rows, config.size)
    bank = load_bank(source)
    _check_points(bank, config)
    config.check_frames(config.clips * int(bank.native_frames.max()), config.size)
    shown = {"clips": config.clips, "size": config.size, "points": config.points}
    return lambda: clips_of_bank(
        bank, **shown, colour=config.painted, emulate=config.emulate, backgrounds=config.backgrounds
    )


def _check_points(bank: Bank, config: PreviewConfig) -> None:
    """Raise `UserError` for a number of points that nothing is drawn with."""
    if bank.kind != "ifs" and config.points != PreviewConfig.points:
        raise UserError(f"--points belongs to the chaos game: leave it out for clips of {bank.kind}")


def _held_rows(reader: SetReader, config: PreviewConfig, side: int) -> list[ManifestRow]:
    """The clips of a set that are shown, which memory holds at that many pixels a side."""
    rows = _spread_rows(reader, config.clips)
    config.check_frames(sum(row.frames for row in rows), side)
    return rows


def _filmed(reader: SetReader, rows: Sequence[ManifestRow], bank: Bank, config: PreviewConfig) -> list[Clip]:
    """Clips of a set, made to look filmed with its own classes behind them."""
    from fractalvid.cli.emulated_clips import filmed_files  # plain clips are shown without torch

    assert config.emulate is not None
    read, clips = zip(*_readable(reader, rows), strict=True)
    filmed = filmed_files(
        clips,
        np.array([(row.class_id, row.instance_id) for row in read]),
        bank,
        config.emulate,
        size=config.size,
        points=config.points,
        colour=reader.config.colour,
        backgrounds=config.backgrounds,
    )
    return [Clip(_label(row), frames) for row, frames in zip(read, filmed, strict=True)]
