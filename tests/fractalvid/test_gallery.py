"""Contact sheets and gallery pages: what goes in is what is seen, and a page needs nothing but itself."""

import base64
import io
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from fractalvid.classes import ClassBank
from fractalvid.dataset import SetConfig, generate
from fractalvid.errors import UserError
from fractalvid.formats import FORMATS
from fractalvid.gallery import (
    Clip,
    PreviewConfig,
    animation,
    clip_grid,
    contact_sheet,
    gallery_page,
    preview,
    spread_over_classes,
)
from fractalvid.instances import VALIDATION
from fractalvid.reader import SetReader

SMALL = PreviewConfig(clips=3, columns=4, size=32, points=2000)


def ramp(frames: int = 5, height: int = 40, width: int = 40, *, colour: bool = False) -> np.ndarray:
    """A clip that gets brighter with every frame."""
    shape = (frames, height, width, 3) if colour else (frames, height, width)
    levels = np.linspace(20, 220, frames).astype(np.uint8).reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(levels, shape).copy()


def images_of(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


@pytest.mark.parametrize("shape", [(1, 16, 16), (5, 33, 17, 3), (19, 48, 64), (2, 30, 120, 3)])
def test_an_animation_holds_every_frame_in_its_proportions(shape: tuple[int, ...]) -> None:
    frames = ramp(*shape[:3], colour=len(shape) == 4)
    image = Image.open(io.BytesIO(animation(frames, size=64, fps=10)))
    assert getattr(image, "n_frames", 1) == shape[0]
    assert max(image.size) == 64
    assert image.width / image.height == pytest.approx(shape[2] / shape[1], rel=0.3)
    if shape[0] > 1:
        assert image.info["loop"] == 0  # for ever
        image.seek(shape[0] - 1)
        assert np.asarray(image.convert("L")).mean() == pytest.approx(220, abs=6)


def test_a_sheet_has_a_row_a_clip_and_goes_from_first_to_last_frame() -> None:
    clips = [Clip("a", ramp(19)), Clip("a longer label", ramp(3, 20, 60, colour=True))]
    sheet = contact_sheet(clips, columns=4, size=32)
    pixels = np.asarray(sheet)
    left = sheet.width - 4 * 36 - 4
    assert sheet.height == 2 * 36 + 4
    row = [pixels[20, left + k * 36 + 16].mean() for k in range(4)]
    assert row == pytest.approx([20, 86, 153, 220], abs=8)
    assert pixels[56, left + 2 * 36 + 16].mean() == pytest.approx(220, abs=2)
    assert pixels[56, left + 3 * 36 + 16].mean() < 30  # a clip of three frames shows three


def test_labels_are_on_the_sheet() -> None:
    plain, told = (np.asarray(contact_sheet([Clip(text, ramp())], columns=1)) for text in (" ", "run"))
    assert told[:, :-104].max() > 150 > plain[:, :-104].max()


def test_a_page_shows_every_clip_and_loads_nothing() -> None:
    clips = [Clip("bow & <wave>", ramp(4)), Clip("two", ramp(7, 20, 31, colour=True)), Clip("one", ramp(1))]
    page = gallery_page(clips, title="a < b", lead="three")
    assert [getattr(image, "n_frames", 1) for image in images_of(page)] == [4, 7, 1]
    assert "bow &amp; &lt;wave&gt;" in page
    assert "<title>a &lt; b</title>" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r'src="[^"]*"', "", page)


def test_a_page_of_many_noisy_clips_stays_within_its_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 48, 48, 3), dtype=np.uint8)
    clips = [Clip(str(k), noise) for k in range(5)]
    free = clip_grid(clips, size=48, limit=10**9)
    tight = clip_grid(clips, size=48, limit=len(free) // 2)
    assert len(tight) < 0.6 * len(free)
    assert len(images_of(tight)) == 5


@pytest.mark.parametrize("frames", [np.zeros((2, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((0, 8, 8), np.uint8)])
def test_what_is_no_video_is_refused(frames: np.ndarray) -> None:
    with pytest.raises(ValueError, match="clip"):
        Clip("clip", frames)


def test_files_are_spread_over_classes() -> None:
    classes = [[Path(f"{c}/{i}") for i in range(3)] for c in range(10)]
    assert {p.parent.name for p in spread_over_classes(classes, 4)} == {"0", "3", "6", "9"}
    assert len({p.parent.name for p in spread_over_classes(classes, 15)}) == 10
    assert len(spread_over_classes(classes, 15)) == 15
    assert len(spread_over_classes(classes, 99)) == 30
    assert spread_over_classes([[], []], 4) == []


def test_preview_of_a_bank(tmp_path: Path) -> None:
    ClassBank.sample(2, seed=0).save(tmp_path / "classes.npz")
    sheet, page = preview(tmp_path / "classes.npz", tmp_path / "out", SMALL)
    images = images_of(page.read_text())
    assert len(images) == 3  # more clips than classes: the first class shows a second instance
    assert all(image.size == (32, 32) for image in images)
    assert Image.open(sheet).height == 3 * 36 + 4


def made(out: Path, classes: int, **options: Any) -> Path:
    config = SetConfig(clips=1, size=32, points=2000, **options)
    generate(ClassBank.sample(classes, seed=0), out, config, workers=1, progress=False)
    return out


def test_preview_of_a_set_and_what_it_refuses_to_replace(tmp_path: Path) -> None:
    made(tmp_path / "set", 3, split="val")
    _, page = preview(tmp_path / "set", tmp_path / "out", SMALL)
    assert re.findall("<figcaption>([^<]*)", page.read_text()) == [f"{c} · {VALIDATION}" for c in range(3)]
    before = page.read_bytes()
    with pytest.raises(UserError, match="--overwrite"):
        preview(tmp_path / "set", tmp_path / "out", SMALL)
    assert page.read_bytes() == before
    preview(tmp_path / "set", tmp_path / "out", PreviewConfig(clips=1, size=32, overwrite=True))
    assert len(images_of(page.read_text())) == 1


@pytest.mark.parametrize("kept", FORMATS)
def test_preview_of_every_format(tmp_path: Path, kept: str) -> None:
    made(tmp_path / "set", 2, format=kept)
    _, page = preview(tmp_path / "set", tmp_path / "out", SMALL)
    images = images_of(page.read_text())
    assert [getattr(image, "n_frames", 1) > 1 for image in images] == [not FORMATS[kept].still] * 2


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_files_that_move(tmp_path: Path, kind: Literal["webp", "gif"]) -> None:
    made(tmp_path / "set", 2)
    config = PreviewConfig(clips=2, size=32, animate=kind)
    paths = preview(tmp_path / "set", tmp_path / "out", config)[2:]
    assert [path.name for path in paths] == [f"clip-0-0.{kind}", f"clip-1-0.{kind}"]
    reader = SetReader(tmp_path / "set")
    for path, row in zip(paths, reader.rows, strict=True):
        with Image.open(path) as image:
            assert image.format == kind.upper()
            assert getattr(image, "n_frames", 1) > 10
            first = np.asarray(image.convert("L")).astype(int)
        assert np.abs(first - reader.frames(row)[0]).mean() < 20
    (tmp_path / "out" / "sheet.png").unlink()
    (tmp_path / "out" / "gallery.html").unlink()
    with pytest.raises(UserError, match="clip-0-0"):
        preview(tmp_path / "set", tmp_path / "out", config)


@pytest.mark.parametrize("source", ["missing", "empty_folder", "no_clips", "text.npz"])
def test_what_is_neither_bank_nor_set_is_one_clear_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty_folder").mkdir()
    (tmp_path / "no_clips" / "clips").mkdir(parents=True)
    (tmp_path / "text.npz").write_text("not a bank")
    with pytest.raises(UserError, match=source):
        preview(tmp_path / source, tmp_path / "out", SMALL)
    assert not (tmp_path / "out" / "gallery.html").exists()


@pytest.mark.parametrize("config", [PreviewConfig(clips=0), PreviewConfig(size=4), PreviewConfig(columns=0)])
def test_impossible_numbers_are_refused(tmp_path: Path, config: PreviewConfig) -> None:
    with pytest.raises(UserError, match="must be"):
        preview(tmp_path, tmp_path / "out", config)
