"""Looking at clips: a contact sheet, and a page of moving pictures that is one file and needs nothing else.

`preview` is the command `fractalvid preview`; the rest takes arrays, so that other pages can show clips too.
"""

import base64
import html
import io
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fractalvid.arguments import EmulationOption
from fractalvid.bank import Bank
from fractalvid.colour import Choice, ColourConfig, check_points, colour_config
from fractalvid.emulate.config import EmulationConfig
from fractalvid.errors import UserError
from fractalvid.kinds import load_bank, render_clip
from fractalvid.manifest import Row
from fractalvid.reader import SetReader

T = TypeVar("T")

_INK, _MUTED, _PAPER = (226, 227, 229), (142, 146, 153), (21, 22, 25)
_PAGE_BYTES = 10_000_000
_QUALITIES = (75, 50, 30, 15)

STYLE = """
:root { color-scheme: dark; --paper: #151619; --card: #1d1f23; --line: #2c2f35; --ink: #e2e3e5;
  --muted: #8e9299; --accent: #e0a458; --plain: #6f8fae; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 3rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; font-weight: 650; letter-spacing: -.015em; margin: 0 0 .3rem; }
p { max-width: 46rem; }
.lead { color: var(--muted); margin: 0 0 2rem; }
.clips { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fill, minmax(var(--tile, 8rem), 1fr)); }
@media (min-width: 44rem) { .clips.fixed { grid-template-columns: repeat(var(--columns), 1fr); } }
.clips figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  overflow: hidden; }
.clips img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #000; }
.clips figcaption { padding: .3rem .55rem .35rem; font-size: .75rem; color: var(--muted); white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
"""


@dataclass(frozen=True)
class Clip:
    """A clip to look at: what to write under it, and its frames, uint8 (T, H, W) or (T, H, W, 3)."""

    label: str
    frames: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what is no video."""
        shape = self.frames.shape
        if self.frames.dtype != np.uint8 or len(shape) not in (3, 4) or shape[3:] not in ((), (3,)):
            raise ValueError(f"{self.label}: frames must be uint8 (T, H, W[, 3]), not {self.frames.dtype} {shape}")
        if 0 in shape:
            raise ValueError(f"{self.label}: a clip of shape {shape} has no pixels")


def _fitted(frame: NDArray[np.uint8], size: int) -> Image.Image:
    """A frame as RGB picture of at most size x size pixels, its proportions kept; small ones grow."""
    image = Image.fromarray(frame).convert("RGB")
    scale = size / max(image.size)
    target = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if image.size == target else image.resize(target, Image.Resampling.LANCZOS)


def contact_sheet(clips: Sequence[Clip], *, columns: int = 8, size: int = 96) -> Image.Image:
    """One picture of many clips: a row a clip, its label on the left, equidistant frames from first to last.

    Args:
        clips: at least one; lengths and sizes may differ. A clip of fewer frames shows each once.
        columns: most frames a row.
        size: longest side of a frame in pixels.

    Returns:
        An RGB picture.
    """
    gap, font = 4, ImageFont.load_default(size=max(11, size // 8))
    left = 2 * gap + max(int(np.ceil(font.getlength(clip.label))) for clip in clips) + gap
    width = left + columns * (size + gap) + gap
    sheet = Image.new("RGB", (width, len(clips) * (size + gap) + gap), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, clip in enumerate(clips):
        top = gap + row * (size + gap)
        pen.text((2 * gap, top + size / 2), clip.label, fill=_INK, font=font, anchor="lm")
        shown = min(columns, len(clip.frames))
        for column, time in enumerate(np.linspace(0, len(clip.frames) - 1, shown).round().astype(int)):
            image = _fitted(clip.frames[time], size)
            corner = (
                left + column * (size + gap) + (size - image.width) // 2,
                top + (size - image.height) // 2,
            )
            sheet.paste(image, corner)
    return sheet


def animation(
    frames: NDArray[np.uint8],
    *,
    size: int = 128,
    fps: float = 12,
    quality: int = 75,
    kind: Literal["webp", "gif"] = "webp",
) -> bytes:
    """A clip as a small picture that plays and loops by itself.

    Args:
        frames: uint8 (T, H, W) or (T, H, W, 3).
        size: longest side in pixels.
        fps: frames a second.
        quality: of a WebP, 1 (smallest) to 100.
        kind: WebP, or GIF, which has 256 colours a frame, is larger, and shows everywhere.
    """
    images = [_fitted(frame, size) for frame in frames]
    if kind == "gif" and frames.ndim == 3:
        images = [image.convert("L") for image in images]
    file = io.BytesIO()
    rest: dict[str, Any] = {"quality": quality, "method": 2} if kind == "webp" else {"disposal": 1}
    images[0].save(
        *(file, kind),
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / fps),
        loop=0,
        **rest,
    )
    return file.getvalue()


def clip_grid(
    clips: Sequence[Clip],
    *,
    size: int = 128,
    fps: float = 12,
    columns: int | None = None,
    limit: int = _PAGE_BYTES,
) -> str:
    """HTML of animated clips in a grid with captions; goes with `STYLE`.

    Args:
        clips: what to show; of any number, lengths and sizes.
        size: longest side of a clip in pixels.
        fps: frames a second.
        columns: clips a row on a wide screen; None for as many as fit.
        limit: bytes the HTML may take; the quality falls until it does, as far as it can.
    """
    for quality in _QUALITIES:
        cells = [_cell(clip, animation(clip.frames, size=size, fps=fps, quality=quality)) for clip in clips]
        if sum(map(len, cells)) <= limit:
            break
    fixed = "" if columns is None else f"; --columns: {columns}"
    kind = "clips" if columns is None else "clips fixed"
    return f'<div class="{kind}" style="--tile: {size}px{fixed}">\n' + "\n".join(cells) + "\n</div>"


def _cell(clip: Clip, webp: bytes) -> str:
    label = html.escape(clip.label)
    data = base64.b64encode(webp).decode()
    image = f'<img alt="{label}" src="data:image/webp;base64,{data}">'
    return f"<figure>{image}<figcaption>{label}</figcaption></figure>"


def gallery_page(clips: Sequence[Clip], *, title: str, lead: str = "", size: int = 128, fps: float = 12) -> str:
    """A whole HTML page of animated clips: one file, no network, under about 10 MB for a hundred clips.

    Args:
        clips: what to show, in this order.
        title: heading.
        lead: a line under it.
        size: longest side of a clip in pixels.
        fps: frames a second.
    """
    body = f'<h1>{html.escape(title)}</h1>\n<p class="lead">{html.escape(lead)}</p>\n'
    return page(title, body + clip_grid(clips, size=size, fps=fps))


def page(title: str, body: str, style: str = "") -> str:
    """A page around HTML: head, the common look, and more style where a page has its own."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


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
) -> list[Clip]:
    """Render clips of a bank: instance 0 of evenly spread classes, and more instances where they are too few.

    Args:
        bank: the classes.
        clips: how many.
        size: rows and columns in pixels.
        points: chaos-game points a frame.
        colour: how to colour them; grey where None.
        emulate: how to make them look filmed.
    """
    shown = min(clips, len(bank))
    ids = np.linspace(0, len(bank) - 1, shown).round().astype(int).tolist()
    pairs = sorted((ids[k % shown], k // shown) for k in range(clips))
    labels = [f"class {c} · {i}" if clips > shown else f"class {c}" for c, i in pairs]
    if emulate is None:
        frames = [render_clip(bank, c, i, size=size, points=points, colour=colour) for c, i in pairs]
    else:
        from fractalvid.emulate.show import filmed_clips  # plain clips are shown without torch

        frames = filmed_clips(bank, np.array(pairs), emulate, size=size, points=points, colour=colour)
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
    return _read_clips(SetReader(folder), clips, size)


def _read_clips(reader: SetReader, count: int, size: int) -> list[Clip]:
    return [Clip(_label(row), _shrunk(reader.frames(row), size)) for row in _spread_rows(reader, count)]


def _label(row: Row) -> str:
    return f"{row.class_id} · {row.instance_id}"


def _spread_rows(reader: SetReader, count: int) -> list[Row]:
    """At most `count` clips, spread evenly over the classes."""
    classes: dict[int, list[Row]] = {}
    for row in sorted(reader.rows, key=lambda row: (row.class_id, row.instance_id)):
        classes.setdefault(row.class_id, []).append(row)
    rows = spread_over_classes(list(classes.values()), count)
    if not rows:
        raise UserError(f"{reader.path} holds no clips yet: make some first (fractalvid generate)")
    return rows


def _shrunk(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    if max(frames.shape[1:3]) <= size:
        return frames
    return np.stack([np.asarray(_fitted(frame, size)) for frame in frames])


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
    """Chaos-game points a frame, where clips are rendered from a bank."""
    colour: Choice = "grey"
    """Colour of clips that are rendered from a bank: grey, or from the maps' own colours and a palette an instance."""
    gamma: float | None = None
    """Brightness is grey^(1/gamma), in colour (default: 1.5)."""
    vibrancy: float | None = None
    """From 1, vivid at every gamma, down to 0, pale where gamma is large (default: 1)."""
    drift: float | None = None
    """Most turns through its palette that a clip makes (default: 0, static)."""
    animate: Literal["none", "webp", "gif"] = "none"
    """Write each clip as a picture of its own that moves, too."""
    emulate: EmulationOption = None
    """Make them look filmed, each at full strength: a little, as the reference method does, or with all there is."""
    overwrite: bool = False
    """Replace the pictures that are there."""

    def check(self) -> None:
        """Raise `UserError` for numbers that nothing can be shown with."""
        for name, low, high in (("clips", 1, 1000), ("columns", 1, 64), ("size", 16, 1024)):
            if not low <= getattr(self, name) <= high:
                raise UserError(f"--{name} is {getattr(self, name)}: it must be {low} to {high}")
        if self.points < 1:
            raise UserError(f"--points is {self.points}: it must be at least 1")
        if self.painted is not None:
            check_points(self.points)

    @property
    def painted(self) -> ColourConfig | None:
        """How clips of a bank are coloured; None for grey."""
        return colour_config(self.colour, self.gamma, self.vibrancy, self.drift)


def preview(source: Path, out: Path, config: PreviewConfig = PreviewConfig()) -> tuple[Path, ...]:
    """Make a contact sheet and a gallery page of a class bank or a generated set, and files that move if wanted.

    Args:
        source: a bank (`classes.npz`) or the folder of a set.
        out: folder for `sheet.png`, `gallery.html` and `clip-<class>-<instance>.webp` or `.gif`; made where missing.
        config: how much to show.

    Returns:
        The paths of the sheet, of the page, and of the clips.

    Raises:
        UserError: `source` is neither, the pictures are there already, or `out` can't be written.
    """
    config.check()
    sheet, gallery = out / "sheet.png", out / "gallery.html"
    for path in (sheet, gallery, *sorted(out.glob(f"clip-*.{config.animate}"))):
        if path.exists() and not config.overwrite:
            raise UserError(f"{path} is there already; add --overwrite to replace it, or choose another --out")
    load = _loader(source, config)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {out}: {error.strerror}; choose another --out") from error
    clips = load()
    picture = io.BytesIO()
    contact_sheet(clips, columns=config.columns, size=config.size).save(picture, "PNG")
    _write(sheet, picture.getvalue())
    text = gallery_page(clips, title="Clips", lead=f"{len(clips)} clips from {source}", size=config.size)
    _write(gallery, text.encode())
    return sheet, gallery, *_animated(clips, out, config)


def _animated(clips: Sequence[Clip], out: Path, config: PreviewConfig) -> list[Path]:
    """Write each clip as a file that moves; returns their paths."""
    if config.animate == "none":
        return []
    paths = []
    for clip in clips:
        paths.append(out / f"clip-{'-'.join(re.findall('[0-9]+', clip.label))}.{config.animate}")
        _write(paths[-1], animation(clip.frames, size=config.size, kind=config.animate))
    return paths


def _loader(source: Path, config: PreviewConfig) -> Callable[[], list[Clip]]:
    """What reads the clips of `source`; says at once if it can't."""
    if source.is_dir():
        if config.painted is not None:
            raise UserError(f"{source} is a set, whose clips have their colours: leave --colour out")
        reader = SetReader(source)
        if config.emulate is not None:
            return lambda: _filmed(reader, config)
        return lambda: _read_clips(reader, config.clips, config.size)
    if not source.exists():
        raise UserError(f"{source} does not exist; name a class bank (classes.npz) or the folder of a generated set")
    bank = load_bank(source)
    shown = {"clips": config.clips, "size": config.size, "points": config.points}
    return lambda: clips_of_bank(bank, **shown, colour=config.painted, emulate=config.emulate)


def _filmed(reader: SetReader, config: PreviewConfig) -> list[Clip]:
    """Clips of a set, made to look filmed with its own classes behind them."""
    from fractalvid.emulate.show import filmed_files  # plain clips are shown without torch

    assert config.emulate is not None
    rows = _spread_rows(reader, config.clips)
    filmed = filmed_files(
        [reader.frames(row) for row in rows],
        np.array([(row.class_id, row.instance_id) for row in rows]),
        load_bank(reader.path / "classes.npz"),
        config.emulate,
        size=config.size,
        points=config.points,
        colour=reader.config.colour,
    )
    return [Clip(_label(row), frames) for row, frames in zip(rows, filmed, strict=True)]


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another --out") from error
    finally:
        Path(name).unlink(missing_ok=True)
