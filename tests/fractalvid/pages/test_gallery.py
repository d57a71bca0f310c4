"""Contact sheets and gallery pages: what goes in is what is seen, and a page needs nothing but itself."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from fractalvid.pages.gallery import Clip, animation, clip_grid, contact_sheet, gallery_page


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
