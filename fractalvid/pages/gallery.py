"""Drawing clips: a contact sheet, and a page of moving pictures that is one file and needs nothing else."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_INK, _MUTED, _PAPER = (226, 227, 229), (142, 146, 153), (21, 22, 25)
GAP = 4
"""Pixels between the frames of a sheet."""
_PAGE_BYTES = 10_000_000
_QUALITIES = (75, 50, 30, 15)

_STYLE = """
:root { color-scheme: dark; --paper: #151619; --card: #1d1f23; --line: #2c2f35; --ink: #e2e3e5;
  --muted: #8e9299; --accent: #e0a458; --plain: #6f8fae; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 3rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.9rem; font-weight: 650; letter-spacing: -.015em; margin: 0 0 .3rem; }
p { max-width: 46rem; }
.lead { color: var(--muted); margin: 0 0 2rem; overflow-wrap: anywhere; }
@media (max-width: 44rem) { body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.5rem; } }
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


def fitted(frame: NDArray[np.uint8], size: int) -> Image.Image:
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
    gap, font = GAP, ImageFont.load_default(size=max(11, size // 8))
    left = 2 * gap + max(int(np.ceil(font.getlength(clip.label))) for clip in clips) + gap
    width = left + columns * (size + gap) + gap
    sheet = Image.new("RGB", (width, len(clips) * (size + gap) + gap), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, clip in enumerate(clips):
        top = gap + row * (size + gap)
        pen.text((2 * gap, top + size / 2), clip.label, fill=_INK, font=font, anchor="lm")
        shown = min(columns, len(clip.frames))
        for column, time in enumerate(np.linspace(0, len(clip.frames) - 1, shown).round().astype(int)):
            image = fitted(clip.frames[time], size)
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
    images = [fitted(frame, size) for frame in frames]
    if kind == "gif" and frames.ndim == 3:
        images = [image.convert("L") for image in images]
    file = io.BytesIO()
    rest: dict[str, Any] = {"quality": quality, "method": 2} if kind == "webp" else {"disposal": 1}
    images[0].save(
        file,
        kind,
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
    """HTML of animated clips in a grid with captions; goes into `page`, whose style it needs.

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
        f"<style>{_STYLE}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
